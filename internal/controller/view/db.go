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
)

// Watcher hears of every change of a DB, in the middle of it; it only takes notes.
type Watcher interface {
	// Touched says that the answer to a noted read may have changed.
	Touched(*Node)
	// RowChanged says that a row of a table was set (or replaced) or deleted.
	RowChanged(AnyTable, *Subject)
	// KeyChanged says that the rows of an index' key, or of a prefix, changed, or one of them did.
	KeyChanged(AnyIndex, *Subject)
}

// DB holds the rows.
type DB struct {
	tables  map[AnyTable]*tableState
	scopes  map[string]*scope
	watcher Watcher
}

// scope is the mark of a scope, and who read it.
type scope struct {
	Node
	synced bool
}

type tableState struct {
	home    home
	rows    map[string]*Row
	count   int // of rows that have a value
	all     Node
	sorted  []*Row // by All, lazily
	inOrder bool
	indexes []index
}

// NewDB returns an empty view. The watcher may be nil.
func NewDB(w Watcher) *DB {
	return &DB{tables: map[AnyTable]*tableState{}, scopes: map[string]*scope{}, watcher: w}
}

// Watch sets who hears of changes from now on.
func (d *DB) Watch(w Watcher) { d.watcher = w }

// SetSynced says whether a scope's content is completely in the view.
func (d *DB) SetSynced(name string, synced bool) {
	if d.Synced(name) == synced {
		return
	}
	s := d.scope(name)
	s.synced = synced
	d.touch(&s.Node)
	d.Forget(&s.Node)
}

// Synced reports whether a scope is completely in the view.
func (d *DB) Synced(name string) bool {
	s := d.scopes[name]
	return s != nil && s.synced
}

func (d *DB) scope(name string) *scope {
	s := d.scopes[name]
	if s == nil {
		s = &scope{Node: Node{key: name}}
		d.scopes[name] = s
	}
	return s
}

// Set adds or replaces a row. Setting an equal row changes nothing.
func Set[R any](d *DB, t *Table[R], row R) { d.set(t, t.key(row), row) }

// Delete removes a row; removing an absent one changes nothing.
func Delete[R any](d *DB, t *Table[R], key string) { d.remove(t, key) }

// SetAny is Set for a table whose row type the caller does not know; a row of another type panics.
func (d *DB) SetAny(t AnyTable, row any) { d.set(t, t.keyOf(row), row) }

// DeleteAny is Delete for a table whose row type the caller does not know.
func (d *DB) DeleteAny(t AnyTable, key string) { d.remove(t, key) }

// Put is SetAny for a caller who has the row's place.
func (d *DB) Put(r *Row, row any) { d.put(r, row) }

// Same reports whether a row is what a place has.
func (d *DB) Same(r *Row, row any) bool { return r.value != nil && r.home.table.same(r.value, row) }

// Drop is DeleteAny for a caller who has the row's place.
func (d *DB) Drop(r *Row) { d.drop(r) }

// PlaceOf returns the place of a row, whether there is one or not, which is its place as long as there is or the
// watcher keeps something with it.
func (d *DB) PlaceOf(t AnyTable, key string) *Row { return d.state(t).row(key) }

// Each calls f for every row of a table, in key order, without noting a read.
func (d *DB) Each(t AnyTable, f func(key string, row any)) {
	for _, r := range d.state(t).inKeyOrder() {
		f(r.key, r.value)
	}
}

// EachSubject calls f for what rules over a table can be evaluated for or, if ix is not nil, over the index. It
// calls it also for what has owners only. It notes no read and keeps no order.
func (d *DB) EachSubject(t AnyTable, ix AnyIndex, f func(*Subject)) {
	st := d.state(t)
	if ix == nil {
		for _, r := range st.rows {
			f(&r.Subject)
		}
		return
	}
	x := &st.indexes[ix.place()]
	for _, b := range x.keys {
		f(&b.Subject)
	}
	for _, g := range x.groups {
		for _, b := range g.tree.All() {
			f(&b.Subject)
		}
	}
}

// SubjectOf returns what rules over a table, or over an index if ix is not nil, are evaluated for by its key, nil if
// there is nothing.
func (d *DB) SubjectOf(t AnyTable, ix AnyIndex, key string) *Subject {
	st := d.state(t)
	if ix == nil {
		if r := st.rows[key]; r != nil {
			return &r.Subject
		}
		return nil
	}
	if b := st.indexes[ix.place()].bucketAt(key); b != nil {
		return &b.Subject
	}
	return nil
}

// Content returns the row for which rules are evaluated, nil for a key of an index, and whether there is still
// something to evaluate them for.
func (d *DB) Content(s *Subject) (row any, present bool) {
	if s.home.kind == rowKind {
		if r := s.home.state.rows[s.key]; r != nil && &r.Subject == s {
			return r.Value()
		}
		return nil, false
	}
	b := s.home.state.indexes[s.home.slot].bucketAt(s.key)
	return nil, b != nil && &b.Subject == s && len(b.rows) > 0
}

// Has reports whether a row exists, without noting a read.
func (d *DB) Has(t AnyTable, key string) bool { _, ok := d.Row(t, key); return ok }

// Row returns a row, without noting a read.
func (d *DB) Row(t AnyTable, key string) (any, bool) {
	if r := d.state(t).rows[key]; r != nil {
		return r.Value()
	}
	return nil, false
}

// Len returns the number of rows of a table.
func (d *DB) Len(t AnyTable) int { return d.state(t).count }

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
		for _, r := range st.rows {
			if r.value != nil {
				o.rows = append(o.rows, outsideRow{t, r.key, r.value})
			}
		}
	}
	for _, s := range d.scopes {
		if s.synced {
			o.synced = append(o.synced, s.key)
		}
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

func (d *DB) set(t AnyTable, key string, row any) { d.put(d.state(t).row(key), row) }

func (d *DB) remove(t AnyTable, key string) {
	if r := d.state(t).rows[key]; r != nil {
		d.drop(r)
	}
}

func (d *DB) put(r *Row, row any) {
	st := r.home.state
	switch {
	case r.value == nil:
		st.count++
		st.inOrder = false
		d.touch(&st.all)
	case r.home.table.same(r.value, row):
		return
	default:
		d.unindex(st, r)
	}
	r.value = row
	d.index(st, r)
	d.changed(r)
}

func (d *DB) drop(r *Row) {
	if r.value == nil {
		return
	}
	st := r.home.state
	d.unindex(st, r)
	r.value = nil
	st.count--
	st.inOrder = false
	d.touch(&st.all)
	d.changed(r)
	r.home.tidy(r.key)
}

func (d *DB) changed(r *Row) {
	d.touch(&r.Node)
	if d.watcher != nil {
		d.watcher.RowChanged(r.home.table, &r.Subject)
	}
}

func (d *DB) touch(n *Node) {
	if n.Readers != nil && d.watcher != nil {
		d.watcher.Touched(n)
	}
}

func (d *DB) index(st *tableState, r *Row) {
	for i := range st.indexes {
		x := &st.indexes[i]
		for _, k := range x.keysOf(r.value) {
			b := x.bucketOf(k)
			b.add(r)
			d.bucketChanged(x, b)
		}
		for _, gp := range x.prefixesOf(r.value) {
			g := x.groupOf(gp.group)
			b := x.prefixed(g, gp.prefix)
			if len(b.rows) == 0 {
				if g.rows++; g.rows == 1 {
					d.touch(&g.empty)
				}
			}
			b.add(r)
			d.prefixChanged(x, g, gp.prefix, b)
		}
	}
}

func (d *DB) unindex(st *tableState, r *Row) {
	for i := range st.indexes {
		x := &st.indexes[i]
		for _, k := range x.keysOf(r.value) {
			b := x.bucketOf(k)
			b.remove(r)
			d.bucketChanged(x, b)
			x.home.tidy(k)
		}
		for _, gp := range x.prefixesOf(r.value) {
			g := x.groupOf(gp.group)
			b := x.prefixed(g, gp.prefix)
			if len(b.rows) > 0 {
				if b.remove(r); len(b.rows) == 0 {
					g.rows--
				}
			}
			d.prefixChanged(x, g, gp.prefix, b)
			x.home.tidy(b.key)
		}
	}
}

func (d *DB) bucketChanged(x *index, b *bucket) {
	d.touch(&b.Node)
	if d.watcher != nil {
		d.watcher.KeyChanged(x.anyIndex, &b.Subject)
	}
}

// prefixChanged invalidates the reads of every prefix that lies within the changed one: those are the
// readers whom a covering row concerns.
func (d *DB) prefixChanged(x *index, g *prefixGroup, p netip.Prefix, b *bucket) {
	for _, within := range g.tree.Subnets(p) {
		d.touch(&within.Node)
	}
	if d.watcher != nil {
		d.watcher.KeyChanged(x.anyIndex, &b.Subject)
	}
}

func (d *DB) state(t AnyTable) *tableState {
	st := d.tables[t]
	if st != nil {
		return st
	}
	decl := t.(interface{ indexList() []anyIndex }).indexList()
	st = &tableState{rows: map[string]*Row{}, indexes: make([]index, len(decl))}
	st.home = home{table: t, state: st}
	st.all.home = &home{table: t, state: st, kind: allKind}
	for i, ix := range decl {
		st.indexes[i] = index{
			anyIndex:  ix,
			home:      &home{table: t, state: st, slot: i, kind: ix.kindOf()},
			groupHome: &home{table: t, state: st, slot: i, kind: groupKind},
			keys:      map[string]*bucket{}, groups: map[string]*prefixGroup{},
		}
	}
	d.tables[t] = st
	return st
}

// row returns the place of a row, and makes it if there is none.
func (st *tableState) row(key string) *Row {
	r := st.rows[key]
	if r == nil {
		r = &Row{Subject: Subject{Node: Node{key: key, home: &st.home}}}
		st.rows[key] = r
	}
	return r
}

func (st *tableState) inKeyOrder() []*Row {
	if !st.inOrder {
		clear(st.sorted)
		st.sorted = st.sorted[:0]
		for _, r := range st.rows {
			if r.value != nil {
				st.sorted = append(st.sorted, r)
			}
		}
		slices.SortFunc(st.sorted, compareRows)
		st.inOrder = true
	}
	return st.sorted
}

// KeyOfRow returns the key that a row has in a table whose row type the caller does not know.
func KeyOfRow(t AnyTable, row any) string { return t.keyOf(row) }
