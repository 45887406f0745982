package view

import (
	"net/netip"
)

// Table describes a kind of rows. Tables and indexes are declared once, as package variables, and never
// change; the rows are in a [DB].
type Table[R any] struct {
	name    string
	key     func(R) string
	scope   func(key string) string
	equal   func(a, b R) bool
	derived bool
	indexes []anyIndex
}

// AnyTable is a *Table of whatever row type.
type AnyTable interface {
	// Name is the kind of the rows, as it appears in owners and on the command line.
	Name() string
	// Derived reports whether rules fill the table.
	Derived() bool

	keyOf(row any) string
	scopeOf(key string) string
	same(a, b any) bool
}

// NewTable declares a table of objects that come from outside: the database, OVSDB or facts. scope
// says in which scope the row of a key lies, so that a read can tell absent from unknown; nil means
// that the table is always complete.
func NewTable[R comparable](name string, key func(R) string, scope func(key string) string) *Table[R] {
	return &Table[R]{name: name, key: key, scope: scope, equal: func(a, b R) bool { return a == b }}
}

// NewDerived declares a table that rules fill. Its rows are compared by value: readers run again only
// when a row appears, changes or goes, not when one more owner emits the same row.
func NewDerived[R comparable](name string, key func(R) string) *Table[R] {
	t := NewTable(name, key, nil)
	t.derived = true
	return t
}

// Name is the kind of the rows.
func (t *Table[R]) Name() string { return t.name }

// Derived reports whether rules fill the table.
func (t *Table[R]) Derived() bool { return t.derived }

// Key returns the key of a row.
func (t *Table[R]) Key(row R) string { return t.key(row) }

func (t *Table[R]) keyOf(row any) string { return t.key(row.(R)) }

func (t *Table[R]) scopeOf(key string) string {
	if t.scope == nil {
		return ""
	}
	return t.scope(key)
}

func (t *Table[R]) same(a, b any) bool { return t.equal(a.(R), b.(R)) }

// AnyIndex is an index of whatever row type, for the keys of which a rule can be evaluated.
type AnyIndex interface {
	// Name is the kind of what a key stands for, as it appears in owners.
	Name() string
	// Of is the table whose rows it finds.
	Of() AnyTable

	place() int
	kindOf() kind
}

// Index finds rows by a value other than their key.
type Index[R any] struct {
	table *Table[R]
	name  string
	keys  func(R) []string
	scope func(key string) string
	slot  int
}

type anyIndex interface {
	AnyIndex
	keysOf(row any) []string
	prefixesOf(row any) []groupPrefix
}

// NewIndex declares an index over a table. keys returns the index keys of a row, without duplicates.
// scope is as for NewTable.
func NewIndex[R any](t *Table[R], name string, keys func(R) []string, scope func(key string) string) *Index[R] {
	ix := &Index[R]{table: t, name: name, keys: keys, scope: scope, slot: len(t.indexes)}
	t.indexes = append(t.indexes, ix)
	return ix
}

// Name is the kind of what a key stands for.
func (ix *Index[R]) Name() string { return ix.name }

// Of is the table whose rows it finds.
func (ix *Index[R]) Of() AnyTable { return ix.table }

func (ix *Index[R]) place() int { return ix.slot }

func (ix *Index[R]) kindOf() kind { return keyKind }

func (ix *Index[R]) keysOf(row any) []string      { return ix.keys(row.(R)) }
func (ix *Index[R]) prefixesOf(any) []groupPrefix { return nil }
func (ix *Index[R]) scopeOf(key string) string {
	if ix.scope == nil {
		return ""
	}
	return ix.scope(key)
}

// PrefixIndex finds rows by an address prefix within a group, such as a universe of security groups.
type PrefixIndex[R any] struct {
	table    *Table[R]
	name     string
	prefixes func(R) (group string, prefixes []netip.Prefix)
	slot     int
}

type groupPrefix struct {
	group  string
	prefix netip.Prefix
}

// NewPrefixIndex declares an index by the prefixes of a row. An invalid prefix is left out.
func NewPrefixIndex[R any](t *Table[R], name string, of func(R) (string, []netip.Prefix)) *PrefixIndex[R] {
	ix := &PrefixIndex[R]{table: t, name: name, prefixes: of, slot: len(t.indexes)}
	t.indexes = append(t.indexes, ix)
	return ix
}

// Name is the kind of what a prefix of a group stands for.
func (ix *PrefixIndex[R]) Name() string { return ix.name }

// Of is the table whose rows it finds.
func (ix *PrefixIndex[R]) Of() AnyTable { return ix.table }

func (ix *PrefixIndex[R]) place() int { return ix.slot }

func (ix *PrefixIndex[R]) kindOf() kind { return prefixKind }

func (ix *PrefixIndex[R]) keysOf(any) []string { return nil }
func (ix *PrefixIndex[R]) prefixesOf(row any) []groupPrefix {
	g, list := ix.prefixes(row.(R))
	if len(list) == 0 {
		return nil
	}
	out := make([]groupPrefix, 0, len(list))
	for _, p := range list {
		if p.IsValid() {
			out = append(out, groupPrefix{g, p.Masked()})
		}
	}
	return out
}

func (t *Table[R]) indexList() []anyIndex { return t.indexes }
