package rows

import (
	"cmp"
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// What a batch sees without depending on it: for what is settled again when it turns out to have changed.

// Lookup returns a row as the batch leaves it, or else as the cache has it.
func (t *Txn) Lookup(typ *resource.Type, id string) (resource.Row, bool) {
	if p := t.ops[rowKey(typ, id)]; p != nil {
		return p.row, p.row != nil
	}
	return t.store.Cached(typ.Kind, id)
}

// Find is Lookup with the database's revision of the row that the batch replaces.
func (t *Txn) Find(typ *resource.Type, id string) (Entry, bool) {
	if p := t.ops[rowKey(typ, id)]; p != nil {
		return Entry{p.row, p.op.If}, p.row != nil
	}
	return t.store.Entry(typ.Kind, id)
}

// Select returns the rows that have an index key, as Store.Select, but as the batch leaves them.
func (t *Txn) Select(typ *resource.Type, key string) []resource.Row {
	out := slices.DeleteFunc(t.store.Select(typ.Kind, key), func(r resource.Row) bool {
		return t.ops[rowKey(typ, r.Base().ID)] != nil
	})
	for _, k := range t.order {
		p := t.ops[k]
		if k.Kind == typ.Kind && p.row != nil && slices.Contains(indexKeys(p.row), key) {
			out = append(out, p.row)
		}
	}
	return out
}

// Missing makes the batch depend on there being no such row, as somebody has found out before.
func (t *Txn) Missing(typ *resource.Type, id string) {
	if key := rowKey(typ, id); t.ops[key] == nil {
		t.add(db.Op{Verb: db.Check, Key: key}, nil, true)
	}
}

// Notify has a function told of the key of every row that comes, changes or goes. It is called before Run and once; the
// function must return at once and not use the store.
func (s *Store) Notify(f func(db.Key)) { s.cache.note = f }

// RowKey is where a row lies.
func RowKey(typ *resource.Type, id string) db.Key { return rowKey(typ, id) }

// Versions returns the rows of a kind whose ids lie behind after and not behind until, if that is not empty, in order.
func (s *Store) Versions(kind, after, until string) []Entry {
	var out []Entry
	for _, e := range s.cache.selectKind(kind, "") {
		if id := e.Row.Base().ID; id > after && (until == "" || id <= until) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return cmp.Compare(a.Row.Base().ID, b.Row.Base().ID) })
	return out
}

// Former returns the row that there was before the database went back in time, until Forget is called.
func (s *Store) Former(kind, id string) (resource.Row, bool) {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	e, ok := s.cache.former[kind][id]
	return e.Row, ok
}

// Forget ends the memory of what there was before the database went back in time.
func (s *Store) Forget() {
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	s.cache.former = nil
}

// Entry returns a row with its revision if the cache has it.
func (s *Store) Entry(kind, id string) (Entry, bool) { return s.cache.get(kind, id) }
