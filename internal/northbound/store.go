package northbound

import (
	"context"
	"fmt"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Store reads and writes the objects of the logical topology. It is safe for concurrent use and keeps
// nothing of its own: what it says is in the database.
type Store struct {
	conn *db.Connection
	now  func() time.Time
}

// NewStore returns the store in an open database, which the caller closes.
func NewStore(conn *db.Connection) *Store { return &Store{conn: conn, now: time.Now} }

// Connection returns the database below, for values that are not objects of the model.
func (s *Store) Connection() *db.Connection { return s.conn }

// Entry is one stored value of a scope. Where it cannot be read, Object is nil and Err says why.
type Entry struct {
	Key      db.Key
	Object   model.Object
	Raw      []byte
	Revision db.Revision
	Err      error
}

func entry(it db.Item) Entry {
	e := Entry{Key: it.Key, Raw: it.Value, Revision: it.Revision}
	e.Object, e.Err = Decode(it.Key, it.Value)
	return e
}

// Pointer is the constraint for a kind's struct T, whose pointer is the object; it is always inferred.
type Pointer[T any] interface {
	*T
	model.Object
}

// Get returns the object of one kind, as Get[model.Port](ctx, store, scope, id), and the database's
// revision for compare-and-set. An absent one is db.ErrNotFound.
func Get[T any, P Pointer[T]](ctx context.Context, s *Store, scope, id string) (P, db.Revision, error) {
	key := db.Key{Scope: db.Scope(scope), Kind: string(P(new(T)).Kind()), ID: id}
	it, err := s.conn.Get(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	o, err := Decode(it.Key, it.Value)
	if err != nil {
		return nil, it.Revision, err
	}
	return o.(P), it.Revision, nil
}

// List returns everything in a scope as of one moment, ordered by kind and id, what cannot be read
// included.
func (s *Store) List(ctx context.Context, scope string) ([]Entry, db.Revision, error) {
	items, rev, err := s.conn.List(ctx, db.Scope(scope))
	if err != nil {
		return nil, 0, err
	}
	out := make([]Entry, len(items))
	for i, it := range items {
		out[i] = entry(it)
	}
	return out, rev, nil
}

// Of returns the readable objects of one kind among entries, in their order.
func Of[T any, P Pointer[T]](entries []Entry) []P {
	var out []P
	for _, e := range entries {
		if o, ok := e.Object.(P); ok {
			out = append(out, o)
		}
	}
	return out
}

// RaiseEpoch says that the database is to be believed although it went back in time, see [model.Epoch],
// and returns the new number. It is higher than any before, also those that the database lost, as long
// as the clock of some caller is right.
func (s *Store) RaiseEpoch(ctx context.Context, reason string) (int64, error) {
	for {
		old, rev, err := Get[model.Epoch](ctx, s, model.ScopeGlobal, model.EpochID)
		if err != nil && !isNotFound(err) {
			return 0, fmt.Errorf("raise epoch: %w", err)
		}
		next := &model.Epoch{Meta: model.Meta{ID: model.EpochID}, Number: s.now().UnixMicro(), Reason: reason}
		if old != nil {
			next.Number = max(next.Number, old.Number+1)
		}
		next.Revision = next.Number
		if _, err := s.Txn().PutIf(next, rev).Commit(ctx); err == nil {
			return next.Number, nil
		} else if !isConflict(err) {
			return 0, fmt.Errorf("raise epoch: %w", err)
		}
	}
}
