// Package view is what one chassis knows: the part of the logical topology that its ports need, its own
// interfaces, the facts it learned and the rows that rules derive from them, in typed tables with
// indexes over immutable rows.
//
// Every read goes through a [Reader], which notes what was read, by id, by index key or by prefix, so
// that the engine can run again exactly what a change concerns. A read says present, absent or unknown;
// unknown means that the scope in which the row would lie is not in sync yet.
//
// The package imports model and number. A DB belongs to one goroutine.
package view

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// Watcher hears of every change of a DB, in the middle of it; it only takes notes.
type Watcher interface {
	// Touched says that the answer to a noted read may have changed.
	Touched(Node)
	// RowChanged says that a row of a table was set (or replaced) or deleted.
	RowChanged(t AnyTable, key string, present bool)
	// KeyChanged says that the rows of an index' key, or one of them, changed.
	KeyChanged(ix AnyIndex, key string)
}

// Node names something that can be read: the unit of invalidation. It is comparable, has a meaning only
// with its DB, and is small, since there are tens of them for each port.
type Node struct {
	table uint16 // from 1, in the order in which the DB met the tables; 0 for scopes
	slot  int16
	key   string
}

// The slots of a node that are not an index of its table.
const (
	slotRow  int16 = -1
	slotAll  int16 = -2
	slotSync int16 = -3
)

// DB holds the rows.
type DB struct {
	tables  map[AnyTable]*tableState
	list    []AnyTable
	synced  map[string]bool
	watcher Watcher
}

type tableState struct {
	number   uint16
	rows     map[string]any
	keys     []string // sorted lazily by All
	keysOK   bool
	indexes  []map[string][]string
	prefixes []map[string]*prefixGroup
	decl     []anyIndex
}

// prefixGroup holds the rows of one group of a prefix index, and which prefixes readers asked about.
type prefixGroup struct {
	rows  bart.Table[[]string]
	asked bart.Table[int]
}

// NewDB returns an empty view. The watcher may be nil.
func NewDB(w Watcher) *DB {
	return &DB{tables: map[AnyTable]*tableState{}, synced: map[string]bool{}, watcher: w}
}

// Watch sets who hears of changes from now on.
func (d *DB) Watch(w Watcher) { d.watcher = w }

// SetSynced says whether a scope's content is completely in the view.
func (d *DB) SetSynced(scope string, synced bool) {
	if d.synced[scope] == synced {
		return
	}
	if synced {
		d.synced[scope] = true
	} else {
		delete(d.synced, scope)
	}
	d.touch(Node{0, slotSync, scope})
}

// Synced reports whether a scope is completely in the view.
func (d *DB) Synced(scope string) bool { return d.synced[scope] }

// Set adds or replaces a row. Setting an equal row changes nothing.
func Set[R any](d *DB, t *Table[R], row R) { d.set(t, t.key(row), row) }

// Delete removes a row; removing an absent one changes nothing.
func Delete[R any](d *DB, t *Table[R], key string) { d.remove(t, key) }

// SetAny is Set for a table whose row type the caller does not know; a row of another type panics.
func (d *DB) SetAny(t AnyTable, row any) { d.set(t, t.keyOf(row), row) }

// SetKeyed is SetAny for a caller who has the row's key: there are very many rows, and each then has one
// copy of its key.
func (d *DB) SetKeyed(t AnyTable, key string, row any) { d.set(t, key, row) }

// DeleteAny is Delete for a table whose row type the caller does not know.
func (d *DB) DeleteAny(t AnyTable, key string) { d.remove(t, key) }

// Each calls f for every row of a table, in key order, without noting a read.
func (d *DB) Each(t AnyTable, f func(key string, row any)) {
	st := d.state(t)
	for _, k := range st.sortedKeys() {
		f(k, st.rows[k])
	}
}

// Has reports whether a row exists, without noting a read.
func (d *DB) Has(t AnyTable, key string) bool { _, ok := d.state(t).rows[key]; return ok }

// Row returns a row, without noting a read.
func (d *DB) Row(t AnyTable, key string) (any, bool) { r, ok := d.state(t).rows[key]; return r, ok }

// Len returns the number of rows of a table.
func (d *DB) Len(t AnyTable) int { return len(d.state(t).rows) }

// Outside is what a view has that does not come from rules: its rows and sync marks. Rows are immutable,
// so it may be kept and read anywhere.
type Outside struct {
	rows   []outsideRow
	synced []string
}

type outsideRow struct {
	table AnyTable
	key   string
	row   any
}

// Outside lists the inputs of a recomputation.
func (d *DB) Outside() *Outside {
	o := &Outside{}
	for t, st := range d.tables {
		if t.Derived() {
			continue
		}
		for k, r := range st.rows {
			o.rows = append(o.rows, outsideRow{t, k, r})
		}
	}
	for s := range d.synced {
		o.synced = append(o.synced, s)
	}
	return o
}

// Into puts everything into a view.
func (o *Outside) Into(d *DB) {
	for _, r := range o.rows {
		d.set(r.table, r.key, r.row)
	}
	for _, s := range o.synced {
		d.SetSynced(s, true)
	}
}

func (d *DB) set(t AnyTable, key string, row any) {
	st := d.state(t)
	old, had := st.rows[key]
	if had && t.same(old, row) {
		return
	}
	if had {
		d.unindex(st, key, old)
	} else {
		st.keysOK = false
		d.touch(Node{st.number, slotAll, ""})
	}
	st.rows[key] = row
	d.index(st, key, row)
	d.changed(t, key, true)
}

func (d *DB) remove(t AnyTable, key string) {
	st := d.state(t)
	old, had := st.rows[key]
	if !had {
		return
	}
	d.unindex(st, key, old)
	delete(st.rows, key)
	st.keysOK = false
	d.touch(Node{st.number, slotAll, ""})
	d.changed(t, key, false)
}

func (d *DB) changed(t AnyTable, key string, present bool) {
	d.touch(Node{d.state(t).number, slotRow, key})
	if d.watcher != nil {
		d.watcher.RowChanged(t, key, present)
	}
}

func (d *DB) touch(n Node) {
	if d.watcher != nil {
		d.watcher.Touched(n)
	}
}

func (d *DB) index(st *tableState, key string, row any) {
	for i, ix := range st.decl {
		for _, k := range ix.keysOf(row) {
			list := st.indexes[i][k]
			if at, found := slices.BinarySearch(list, key); !found {
				st.indexes[i][k] = slices.Insert(list, at, key)
			}
			d.touch(Node{st.number, int16(i), k})
			d.keyChanged(ix, k)
		}
		for _, gp := range ix.prefixesOf(row) {
			g := st.group(i, gp.group)
			list, _ := g.rows.Get(gp.prefix)
			if at, found := slices.BinarySearch(list, key); !found {
				g.rows.Insert(gp.prefix, slices.Insert(slices.Clone(list), at, key))
			}
			d.touchPrefix(st, i, gp, g)
			d.keyChanged(ix, prefixKey(gp.group, gp.prefix))
		}
	}
}

func (d *DB) unindex(st *tableState, key string, row any) {
	for i, ix := range st.decl {
		for _, k := range ix.keysOf(row) {
			list := st.indexes[i][k]
			if at, found := slices.BinarySearch(list, key); found {
				list = slices.Delete(list, at, at+1)
			}
			if len(list) == 0 {
				delete(st.indexes[i], k)
			} else {
				st.indexes[i][k] = list
			}
			d.touch(Node{st.number, int16(i), k})
			d.keyChanged(ix, k)
		}
		for _, gp := range ix.prefixesOf(row) {
			g := st.group(i, gp.group)
			list, _ := g.rows.Get(gp.prefix)
			list = slices.DeleteFunc(slices.Clone(list), func(k string) bool { return k == key })
			if len(list) == 0 {
				g.rows.Delete(gp.prefix)
			} else {
				g.rows.Insert(gp.prefix, list)
			}
			d.touchPrefix(st, i, gp, g)
			d.keyChanged(ix, prefixKey(gp.group, gp.prefix))
		}
	}
}

func (d *DB) keyChanged(ix AnyIndex, key string) {
	if d.watcher != nil {
		d.watcher.KeyChanged(ix, key)
	}
}

// touchPrefix invalidates the reads of every prefix that lies within the changed one: those are the
// readers whom a covering row concerns.
func (d *DB) touchPrefix(st *tableState, slot int, gp groupPrefix, g *prefixGroup) {
	for p := range g.asked.Subnets(gp.prefix) {
		d.touch(Node{st.number, int16(slot), prefixKey(gp.group, p)})
	}
}

func prefixKey(group string, p netip.Prefix) string { return group + "/" + p.String() }

// SplitPrefixKey returns the group and the prefix of which the key of a prefix index is made.
func SplitPrefixKey(key string) (group string, p netip.Prefix) {
	group, p, _ = splitPrefixKey(key)
	return group, p
}

// splitPrefixKey undoes prefixKey; the text of a prefix has one slash.
func splitPrefixKey(k string) (string, netip.Prefix, bool) {
	at := strings.LastIndexByte(k[:max(strings.LastIndexByte(k, '/'), 0)], '/')
	if at < 0 {
		return "", netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(k[at+1:])
	return k[:at], p, err == nil
}

// HasKey reports whether any row has a key of an index, without noting a read.
func (d *DB) HasKey(ix AnyIndex, key string) bool {
	st := d.state(ix.Of())
	if _, found := st.indexes[ix.place()][key]; found {
		return true
	}
	group, p, ok := splitPrefixKey(key)
	g := st.prefixes[ix.place()][group]
	if !ok || g == nil {
		return false
	}
	_, found := g.rows.Get(p)
	return found
}

// EachKey calls f for every key of an index, in no order.
func (d *DB) EachKey(ix AnyIndex, f func(key string)) {
	st := d.state(ix.Of())
	for k := range st.indexes[ix.place()] {
		f(k)
	}
	for name, g := range st.prefixes[ix.place()] {
		for p := range g.rows.All() {
			f(prefixKey(name, p))
		}
	}
}

func (d *DB) state(t AnyTable) *tableState {
	st := d.tables[t]
	if st != nil {
		return st
	}
	st = &tableState{rows: map[string]any{}, decl: t.(interface{ indexList() []anyIndex }).indexList()}
	st.indexes = make([]map[string][]string, len(st.decl))
	st.prefixes = make([]map[string]*prefixGroup, len(st.decl))
	for i := range st.decl {
		st.indexes[i] = map[string][]string{}
		st.prefixes[i] = map[string]*prefixGroup{}
	}
	d.tables[t] = st
	d.list = append(d.list, t)
	st.number = uint16(len(d.list))
	return st
}

func (st *tableState) group(slot int, name string) *prefixGroup {
	g := st.prefixes[slot][name]
	if g == nil {
		g = &prefixGroup{}
		st.prefixes[slot][name] = g
	}
	return g
}

func (st *tableState) sortedKeys() []string {
	if !st.keysOK {
		st.keys = st.keys[:0]
		for k := range st.rows {
			st.keys = append(st.keys, k)
		}
		slices.Sort(st.keys)
		st.keysOK = true
	}
	return st.keys
}

// KeyOfRow returns the key that a row has in a table whose row type the caller does not know.
func KeyOfRow(t AnyTable, row any) string { return t.keyOf(row) }
