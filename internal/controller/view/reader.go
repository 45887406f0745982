package view

import (
	"fmt"
	"net/netip"
	"slices"

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
	note    func(*Node)
	unknown []string
	claims  []Claim
}

// Claim is a number that an evaluation asked for.
type Claim struct{ Space, Content string }

// NewReader returns a reader that calls note for everything that is read; note may be nil.
func NewReader(db *DB, numbers *number.Allocator, note func(*Node)) *Reader {
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
	row := st.rows[key]
	if r.note != nil {
		if row == nil {
			row = st.row(key)
		}
		r.note(&row.Node)
	}
	if row != nil && row.value != nil {
		return row.value.(R), Present
	}
	var none R
	return none, r.missing(t.scopeOf(key))
}

// Find reads the rows of an index key, in order of their keys. If the scope is not in sync the rows
// known so far are returned with Unknown.
func Find[R any](r *Reader, ix *Index[R], key string) ([]R, Presence) {
	x := &r.db.state(ix.table).indexes[ix.slot]
	b := x.keys[key]
	if r.note != nil {
		if b == nil {
			b = x.bucketOf(key)
		}
		r.note(&b.Node)
	}
	// A row that is replaced under the same index key touches the index node, so its own need not be noted.
	var rows []R
	if b != nil {
		rows = values[R](b.rows)
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
	if b := r.db.state(ix.table).indexes[ix.slot].keys[key]; b != nil {
		return values[R](b.rows)
	}
	return nil
}

// values returns what is at places that have rows.
func values[R any](places []*Row) []R {
	rows := make([]R, len(places))
	for i, p := range places {
		rows[i] = p.value.(R)
	}
	return rows
}

// All reads every row of a table in key order. Whoever reads all runs again at every change of the
// table: it is for small tables.
func All[R any](r *Reader, t *Table[R]) []R {
	st := r.db.state(t)
	places := st.inKeyOrder()
	if r.note != nil {
		r.note(&st.all)
		for _, p := range places {
			r.note(&p.Node)
		}
	}
	return values[R](places)
}

// Covering reads all rows of a group whose prefix covers p, p's own included, widest first.
func Covering[R any](r *Reader, ix *PrefixIndex[R], group string, p netip.Prefix) []R {
	p = p.Masked()
	g := r.asked(&r.db.state(ix.table).indexes[ix.slot], group, p)
	if g == nil {
		return nil
	}
	var rows []R
	for _, b := range g.tree.Supernets(p) { // the most specific first
		rows = slices.Concat(values[R](b.rows), rows)
	}
	return rows
}

// Longest reads the rows of the longest prefix that covers an address.
func Longest[R any](r *Reader, ix *PrefixIndex[R], group string, a netip.Addr) ([]R, Presence) {
	p := netip.PrefixFrom(a, a.BitLen())
	g := r.asked(&r.db.state(ix.table).indexes[ix.slot], group, p)
	if g == nil {
		return nil, Absent
	}
	for _, b := range g.tree.Supernets(p) {
		if len(b.rows) > 0 {
			return values[R](b.rows), Present
		}
	}
	return nil, Absent
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
	if r.note != nil {
		r.note(&r.db.scope(scope).Node)
	}
	if r.db.Synced(scope) {
		return Absent
	}
	r.unknown = append(r.unknown, scope)
	return Unknown
}

// asked notes that somebody looks for a prefix in a group, and returns the group, or nil if no row has a prefix in
// it. Then one node is noted for the whole group: most have no rows, such as those of allowed address pairs, and
// would be asked for each address of a network.
func (r *Reader) asked(x *index, group string, p netip.Prefix) *prefixGroup {
	g := x.groups[group]
	if r.note == nil {
		return g
	}
	if g == nil {
		g = x.groupOf(group)
	}
	if g.rows == 0 {
		r.note(&g.empty)
		return nil
	}
	r.note(&x.prefixed(g, p).Node)
	return g
}
