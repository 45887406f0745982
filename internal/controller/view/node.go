package view

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/gaissmai/bart"
)

// Node is something that can be read: a row by its key, the rows of an index' key or of a prefix, all rows of a
// table, a scope's mark. It is the unit of invalidation. There are several for each port, so each is there only as
// long as it has rows, readers or owners.
type Node struct {
	key  string
	home *home
	// Readers is what the watcher keeps about who noted the node; nil says that nobody did.
	Readers any
}

// Subject is what rules are evaluated for: a row, a key of an index or a prefix of an index' group.
type Subject struct {
	Node
	// Owners is what the watcher keeps about its evaluations; nil says that there are none.
	Owners any
}

// Key returns the key of the row, or of the index.
func (n *Node) Key() string { return n.key }

// Derived reports whether a node is of a table that rules fill, and which.
func (n *Node) Derived() (AnyTable, bool) {
	if n.home == nil || !n.home.table.Derived() {
		return nil, false
	}
	return n.home.table, true
}

// home is where nodes of one kind are: those of a table, or of one index of it.
type home struct {
	table AnyTable
	state *tableState
	slot  int // of the index
	kind  kind
}

// kind is what a node stands for.
type kind uint8

const (
	rowKind kind = iota
	allKind
	keyKind
	prefixKind
	groupKind // an index' group without rows
)

// Row is the place of a row in its table.
type Row struct {
	Subject
	value any // nil if there is none, but readers or owners
	// Claims is what the watcher keeps about who derives the row.
	Claims any
}

// Value returns the row and whether there is one.
func (r *Row) Value() (any, bool) { return r.value, r.value != nil }

// bucket is the rows of an index' key or of a prefix, in order of their keys.
type bucket struct {
	Subject
	rows []*Row
}

func compareRows(a, b *Row) int { return strings.Compare(a.key, b.key) }

func (b *bucket) add(r *Row) {
	if at, found := slices.BinarySearchFunc(b.rows, r, compareRows); !found {
		b.rows = slices.Insert(b.rows, at, r)
	}
}

func (b *bucket) remove(r *Row) {
	if at, found := slices.BinarySearchFunc(b.rows, r, compareRows); found {
		b.rows = slices.Delete(b.rows, at, at+1)
	}
}

func (b *bucket) unused() bool { return len(b.rows) == 0 && b.Readers == nil && b.Owners == nil }

// index is what a DB has of an index of a table.
type index struct {
	anyIndex
	home, groupHome *home
	keys            map[string]*bucket
	groups          map[string]*prefixGroup
}

// bucketOf returns the bucket of a key, and makes it if there is none.
func (x *index) bucketOf(key string) *bucket {
	b := x.keys[key]
	if b == nil {
		b = &bucket{Subject: Subject{Node: Node{key: key, home: x.home}}}
		x.keys[key] = b
	}
	return b
}

// bucketAt returns the bucket of a key, nil if there is none.
func (x *index) bucketAt(key string) *bucket {
	if x.home.kind == keyKind {
		return x.keys[key]
	}
	group, p := SplitPrefixKey(key)
	if g := x.groups[group]; g != nil {
		b, _ := g.tree.Get(p)
		return b
	}
	return nil
}

// groupOf returns a group of a prefix index, and makes it if there is none.
func (x *index) groupOf(name string) *prefixGroup {
	g := x.groups[name]
	if g == nil {
		g = &prefixGroup{empty: Node{key: name, home: x.groupHome}}
		x.groups[name] = g
	}
	return g
}

// prefixed returns the bucket of a prefix in a group, and makes it if there is none.
func (x *index) prefixed(g *prefixGroup, p netip.Prefix) *bucket {
	b, found := g.tree.Get(p)
	if !found {
		b = &bucket{Subject: Subject{Node: Node{key: prefixKey(g.empty.key, p), home: x.home}}}
		g.tree.Insert(p, b)
	}
	return b
}

// prefixGroup holds the rows of one group of a prefix index, and who asked about which prefixes.
type prefixGroup struct {
	tree bart.Table[*bucket]
	// rows is how many buckets have rows.
	rows int
	// empty is what is noted by who reads while no bucket has any.
	empty Node
}

// Forget says that a node has lost its last reader, or its last owner.
func (d *DB) Forget(n *Node) {
	if n.home == nil {
		if s := d.scopes[n.key]; s != nil && s.Readers == nil && !s.synced {
			delete(d.scopes, n.key)
		}
		return
	}
	n.home.tidy(n.key)
}

// tidy lets a node go that has nothing more to remember.
func (h *home) tidy(key string) {
	switch st := h.state; h.kind {
	case rowKind:
		if r := st.rows[key]; r != nil && r.value == nil && r.Readers == nil && r.Owners == nil {
			delete(st.rows, key)
		}
	case keyKind:
		if b := st.indexes[h.slot].keys[key]; b != nil && b.unused() {
			delete(st.indexes[h.slot].keys, key)
		}
	case prefixKind:
		group, p := SplitPrefixKey(key)
		g := st.indexes[h.slot].groups[group]
		if g == nil {
			return
		}
		if b, found := g.tree.Get(p); found && b.unused() {
			g.tree.Delete(p)
		}
		st.indexes[h.slot].tidyGroup(g)
	case groupKind:
		if g := st.indexes[h.slot].groups[key]; g != nil {
			st.indexes[h.slot].tidyGroup(g)
		}
	}
}

func (x *index) tidyGroup(g *prefixGroup) {
	if g.tree.Size() == 0 && g.empty.Readers == nil {
		delete(x.groups, g.empty.key)
	}
}

func prefixKey(group string, p netip.Prefix) string { return group + "/" + p.String() }

// SplitPrefixKey returns the group and the prefix of which the key of a prefix index is made.
func SplitPrefixKey(key string) (group string, p netip.Prefix) {
	at := strings.LastIndexByte(key[:max(strings.LastIndexByte(key, '/'), 0)], '/') // the text of a prefix has one slash
	if p, err := netip.ParsePrefix(key[at+1:]); at >= 0 && err == nil {
		return key[:at], p
	}
	return "", netip.Prefix{}
}
