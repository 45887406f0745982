package rows

import (
	"context"
	"errors"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/translate"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Txn is one atomic change being built. It sees its own changes. It is not safe for concurrent use.
type Txn struct {
	store *Store
	ctx   context.Context
	id    string
	ops   map[db.Key]*pending
	order []db.Key
	taken map[db.Key]bool // reservations that turned out to be somebody else's
	err   error
	after []func()
}

// pending is what the batch will do with one key.
type pending struct {
	op  db.Op
	row resource.Row // of a Put or Check of a row
	typ bool         // op is about a row
}

// write is one row that a committed batch has written; a nil row is a deletion.
type write struct {
	key db.Key
	row resource.Row
	rev db.Revision
}

func rowKey(t *resource.Type, id string) db.Key { return db.Key{Scope: Scope, Kind: t.Kind, ID: id} }

// Get returns a row and makes the batch depend on it: it fails if the row has changed by then. A row that
// is being deleted is waited for.
func (t *Txn) Get(typ *resource.Type, id string) (resource.Row, error) { return t.get(typ, id, false) }

// GetMarked is Get for who deletes: a row that is being deleted is returned as it is.
func (t *Txn) GetMarked(typ *resource.Type, id string) (resource.Row, error) {
	return t.get(typ, id, true)
}

// Peek returns a row without making the batch depend on it; use it for what another row of the batch
// stands for. A row that is being deleted is waited for, as by Get.
func (t *Txn) Peek(typ *resource.Type, id string) (resource.Row, error) {
	if p := t.ops[rowKey(typ, id)]; p != nil && p.row != nil {
		return p.row, nil
	}
	e, err := t.settled(typ, id)
	return e.Row, err
}

func (t *Txn) current(typ *resource.Type, id string) (Entry, error) {
	e, err := t.store.entry(t.ctx, typ.Kind, id)
	if errors.Is(err, db.ErrNotFound) {
		err = typ.NotFound(id)
	}
	return e, err
}

// Outdated is the error for a build that has found that a row it has read cannot be the newest: the batch
// is built again when a newer one is there.
func (t *Txn) Outdated(typ *resource.Type, id string) error {
	key := rowKey(typ, id)
	c := &db.ConflictError{Key: key}
	if p := t.ops[key]; p != nil {
		c.Want = p.op.If
	}
	return c
}

// settled returns an entry once it is decided whether its row is deleted.
func (t *Txn) settled(typ *resource.Type, id string) (Entry, error) {
	e, err := t.current(typ, id)
	if err == nil && !e.Row.Base().Deleting.IsZero() {
		e, err = t.store.catchUp(t.ctx, rowKey(typ, id), func(e Entry, ok bool) bool {
			return !ok || e.Row.Base().Deleting.IsZero()
		})
	}
	if errors.Is(err, db.ErrNotFound) {
		err = typ.NotFound(id)
	}
	return e, err
}

// After has a function called when the batch is in the database.
func (t *Txn) After(f func()) { t.after = append(t.after, f) }

// Created returns the rows of a type that the batch makes.
func (t *Txn) Created(typ *resource.Type) []resource.Row {
	var out []resource.Row
	for _, k := range t.order {
		if p := t.ops[k]; k.Kind == typ.Kind && p.typ && p.op.Verb == db.Put && p.op.If == 0 {
			out = append(out, p.row)
		}
	}
	return out
}

// Context returns the context of the request.
func (t *Txn) Context() context.Context { return t.ctx }

func (t *Txn) get(typ *resource.Type, id string, marked bool) (resource.Row, error) {
	key := rowKey(typ, id)
	if p := t.ops[key]; p != nil {
		if p.row == nil {
			return nil, typ.NotFound(id)
		}
		return p.row, nil
	}
	read := t.settled
	if marked {
		read = t.current
	}
	e, err := read(typ, id)
	if err != nil {
		return nil, err
	}
	t.add(db.Op{Verb: db.Check, Key: key, If: e.Rev}, e.Row, true)
	return e.Row, nil
}

// Create adds a new row with its logical objects.
func (t *Txn) Create(typ *resource.Type, row resource.Row) {
	t.put(rowKey(typ, row.Base().ID), row, nil, 0)
}

// Update replaces a row that Get has returned, with its logical objects.
func (t *Txn) Update(typ *resource.Type, row resource.Row) {
	key := rowKey(typ, row.Base().ID)
	p := t.ops[key]
	if p == nil || p.row == nil {
		t.fail(fmt.Errorf("update %s: not read before", key))
		return
	}
	t.put(key, row, p.row, p.op.If)
}

func (t *Txn) put(key db.Key, row, old resource.Row, rev db.Revision) {
	row.Base().Write = t.id
	value, err := resource.Store(row)
	if err != nil {
		t.fail(fmt.Errorf("write %s: %w", key, err))
		return
	}
	t.add(db.Op{Verb: db.Put, Key: key, If: rev, Value: value}, row, true)
	t.objects(old, row)
}

// Delete removes a row that Get has returned, with its logical objects.
func (t *Txn) Delete(typ *resource.Type, id string) {
	key := rowKey(typ, id)
	p := t.ops[key]
	if p == nil || p.row == nil {
		t.fail(fmt.Errorf("delete %s: not read before", key))
		return
	}
	t.objects(p.row, nil)
	t.add(db.Op{Verb: db.Delete, Key: key, If: p.op.If}, nil, true)
}

// Reserve takes a key that can have one owner only. It reports false if somebody else has it, or is
// about to.
func (t *Txn) Reserve(key db.Key, value []byte) bool {
	if p := t.ops[key]; p != nil {
		if p.op.Verb != db.Delete {
			return false
		}
		t.add(db.Op{Verb: db.Put, Key: key, If: db.AnyRevision, Value: value}, nil, false)
		return true
	}
	if t.taken[key] || !t.store.claim(key) {
		return false
	}
	t.add(db.Op{Verb: db.Put, Key: key, Value: value}, nil, false)
	return true
}

// Absent makes the batch depend on a key that can have one owner having none. It reports false if it is
// known to have one.
func (t *Txn) Absent(key db.Key) bool {
	if t.ops[key] != nil || t.taken[key] {
		return false
	}
	t.add(db.Op{Verb: db.Check, Key: key}, nil, false)
	return true
}

// Release gives a reserved key back. The row whose reservation it is must be written in the same batch.
func (t *Txn) Release(key db.Key) {
	if p := t.ops[key]; p != nil && p.op.If == 0 {
		t.remove(key)
		t.store.unclaim(key)
		return
	}
	t.add(db.Op{Verb: db.Delete, Key: key, If: db.AnyRevision}, nil, false)
}

// PutObject writes one logical object over what the database has at a revision; the audit uses it.
func (t *Txn) PutObject(o model.Object, rev db.Revision) error {
	value, err := encode(o)
	if err == nil {
		t.add(db.Op{Verb: db.Put, Key: northbound.KeyOf(o), If: rev, Value: value}, nil, false)
	}
	return err
}

// PutRaw writes one value over what the database has at a revision.
func (t *Txn) PutRaw(key db.Key, value []byte, rev db.Revision) {
	t.add(db.Op{Verb: db.Put, Key: key, If: rev, Value: value}, nil, false)
}

// Remove removes what the database has under a key at a revision.
func (t *Txn) Remove(key db.Key, rev db.Revision) {
	t.add(db.Op{Verb: db.Delete, Key: key, If: rev}, nil, false)
}

// Size is the number of operations of the batch.
func (t *Txn) Size() int { return len(t.order) }

func (t *Txn) add(op db.Op, row resource.Row, isRow bool) {
	if _, ok := t.ops[op.Key]; !ok {
		t.order = append(t.order, op.Key)
	}
	t.ops[op.Key] = &pending{op, row, isRow}
}

func (t *Txn) remove(key db.Key) {
	delete(t.ops, key)
	for i, k := range t.order {
		if k == key {
			t.order = append(t.order[:i:i], t.order[i+1:]...)
			return
		}
	}
}

func (t *Txn) fail(err error) { t.err = errors.Join(t.err, err) }

// objects writes the logical objects of a row where they differ from those of the row that it replaces,
// and removes those that it no longer has. They need no condition of their own: the row has one.
func (t *Txn) objects(old, row resource.Row) {
	before := map[db.Key]model.Object{}
	for _, o := range translate.Objects(old) {
		before[northbound.KeyOf(o)] = o
	}
	for _, o := range translate.Objects(row) {
		key := northbound.KeyOf(o)
		was := before[key]
		delete(before, key)
		if was != nil && translate.Same(was, o) {
			continue
		}
		value, err := encode(o)
		if err != nil {
			t.fail(err)
			return
		}
		t.add(db.Op{Verb: db.Put, Key: key, If: db.AnyRevision, Value: value}, nil, false)
	}
	for _, o := range translate.Objects(old) {
		if key := northbound.KeyOf(o); before[key] != nil {
			t.add(db.Op{Verb: db.Delete, Key: key, If: db.AnyRevision}, nil, false)
		}
	}
}

func encode(o model.Object) ([]byte, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return northbound.Encode(o)
}

func (t *Txn) batch() []db.Op {
	out := make([]db.Op, len(t.order))
	for i, k := range t.order {
		out[i] = t.ops[k].op
	}
	return out
}

// writes pairs the rows of the batch with the revisions that Apply returned.
func (t *Txn) writes(revs []db.Revision) []write {
	var out []write
	for i, k := range t.order {
		if p := t.ops[k]; p.typ && p.op.Verb != db.Check {
			out = append(out, write{k, p.row, revs[i]})
		}
	}
	return out
}
