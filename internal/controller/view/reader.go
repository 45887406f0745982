package view

import (
	"fmt"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/number"
)

// Presence is what a read found.
type Presence uint8

// The answers of a read.
const (
	// Unknown means that the scope in which the row would lie is not in sync yet.
	Unknown Presence = iota
	// Absent means that the row does not exist.
	Absent
	// Present means that the row was returned.
	Present
)

// Reader reads a view and notes what it read. It is valid for one evaluation.
type Reader struct {
	db      *DB
	numbers *number.Allocator
	note    func(Node)
	unknown []string
	claims  []Claim
}

// Claim is a number that an evaluation asked for.
type Claim struct{ Space, Content string }

// NewReader returns a reader that calls note for everything that is read; note may be nil.
func NewReader(db *DB, numbers *number.Allocator, note func(Node)) *Reader {
	return &Reader{db: db, numbers: numbers, note: note}
}

// Unknown returns the scopes that reads found not to be in sync. If there are any, the engine keeps the
// evaluation's previous output.
func (r *Reader) Unknown() []string { return r.unknown }

// Claims returns the numbers that were asked for.
func (r *Reader) Claims() []Claim { return r.claims }

// Get reads a row by key.
func Get[R any](r *Reader, t *Table[R], key string) (R, Presence) {
	st := r.db.state(t)
	r.noted(Node{st.number, slotRow, key})
	row, ok := st.rows[key]
	if ok {
		return row.(R), Present
	}
	var none R
	return none, r.missing(t.scopeOf(key))
}

// Find reads the rows of an index key, in order of their keys. If the scope is not in sync the rows
// known so far are returned with Unknown.
func Find[R any](r *Reader, ix *Index[R], key string) ([]R, Presence) {
	st := r.db.state(ix.table)
	r.noted(Node{st.number, int16(ix.slot), key})
	keys := st.indexes[ix.slot][key]
	rows := make([]R, len(keys))
	for i, k := range keys {
		rows[i] = st.rows[k].(R)
		// A row that is replaced under the same index key touches the index node, so its own need not be noted.
	}
	if p := r.missing(ix.scopeOf(key)); p == Unknown {
		return rows, Unknown
	}
	if len(rows) == 0 {
		return rows, Absent
	}
	return rows, Present
}

// Having returns the rows of an index key for which a rule is evaluated, in order of their keys. The engine
// evaluates such a rule whenever they change, so no read is noted.
func Having[R any](r *Reader, ix *Index[R], key string) []R {
	st := r.db.state(ix.table)
	keys := st.indexes[ix.slot][key]
	rows := make([]R, len(keys))
	for i, k := range keys {
		rows[i] = st.rows[k].(R)
	}
	return rows
}

// All reads every row of a table in key order. Whoever reads all runs again at every change of the
// table: it is for small tables.
func All[R any](r *Reader, t *Table[R]) []R {
	st := r.db.state(t)
	r.noted(Node{st.number, slotAll, ""})
	keys := st.sortedKeys()
	rows := make([]R, len(keys))
	for i, k := range keys {
		rows[i] = st.rows[k].(R)
		r.noted(Node{st.number, slotRow, k})
	}
	return rows
}

// Covering reads all rows of a group whose prefix covers p, p's own included, widest first.
func Covering[R any](r *Reader, ix *PrefixIndex[R], group string, p netip.Prefix) []R {
	p = p.Masked()
	st := r.db.state(ix.table)
	g := st.group(ix.slot, group)
	r.asked(st, ix.slot, group, g, p)
	var rows []R
	for _, keys := range g.rows.Supernets(p) {
		for _, k := range keys {
			rows = append(rows, st.rows[k].(R))
		}
	}
	// bart yields the most specific first.
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	return rows
}

// Longest reads the rows of the longest prefix that covers an address.
func Longest[R any](r *Reader, ix *PrefixIndex[R], group string, a netip.Addr) ([]R, Presence) {
	st := r.db.state(ix.table)
	g := st.group(ix.slot, group)
	r.asked(st, ix.slot, group, g, netip.PrefixFrom(a, a.BitLen()))
	keys, ok := g.rows.Lookup(a)
	if !ok {
		return nil, Absent
	}
	rows := make([]R, len(keys))
	for i, k := range keys {
		rows[i] = st.rows[k].(R)
	}
	return rows, Present
}

// InSync reads whether a scope is in sync, which makes the evaluation wait for it if it is not.
func (r *Reader) InSync(scope string) bool { return r.missing(scope) != Unknown }

// Number returns the chassis-local number of content, the same as long as any evaluation asks for it.
// A full space panics; the engine turns that into a problem of this evaluation's owner.
func (r *Reader) Number(sp number.Space, content string) uint32 {
	n, err := r.numbers.Lookup(sp, content)
	if err != nil {
		panic(fmt.Errorf("number for %q: %w", content, err))
	}
	r.claims = append(r.claims, Claim{sp.Name, content})
	return n
}

func (r *Reader) missing(scope string) Presence {
	if scope == "" {
		return Absent
	}
	r.noted(Node{0, slotSync, scope})
	if r.db.synced[scope] {
		return Absent
	}
	r.unknown = append(r.unknown, scope)
	return Unknown
}

func (r *Reader) noted(n Node) {
	if r.note != nil {
		r.note(n)
	}
}

func (r *Reader) asked(st *tableState, slot int, group string, g *prefixGroup, p netip.Prefix) {
	if r.note == nil {
		return
	}
	n, _ := g.asked.Get(p)
	if n == 0 {
		g.asked.Insert(p, 1)
	}
	r.note(Node{st.number, int16(slot), prefixKey(group, p)})
}

// Forget says that nobody has noted a node any more.
func (d *DB) Forget(n Node) {
	if n.table == 0 || n.slot < 0 {
		return
	}
	st := d.tables[d.list[n.table-1]]
	if len(st.prefixes[n.slot]) == 0 {
		return
	}
	group, prefix, ok := splitPrefixKey(n.key)
	if g := st.prefixes[n.slot][group]; ok && g != nil {
		g.asked.Delete(prefix)
		if g.asked.Size() == 0 && g.rows.Size() == 0 {
			delete(st.prefixes[n.slot], group)
		}
	}
}

// Derived reports whether a node is of a table that rules fill, and which.
func (d *DB) Derived(n Node) (AnyTable, bool) {
	if n.table == 0 || !d.list[n.table-1].Derived() {
		return nil, false
	}
	return d.list[n.table-1], true
}
