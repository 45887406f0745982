package rows

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// maxAttempts bounds how often a batch is built again because others were faster.
const maxAttempts = 100

// Update builds a batch and commits it. Build is called again, with newer rows, when another writer has
// changed what the batch depends on; it must have no other effect than on the Txn. An error of build
// is returned as it is. A refusal (a *resource.Error other than 404, for which the database has been asked)
// is only believed when everything that was written before the call has been looked at.
//
// When it returns nil the batch is in the database as a whole and in the cache. If the database does not
// answer, the outcome may be unknown: then it has been carried out as a whole or not at all.
func (s *Store) Update(ctx context.Context, build func(*Txn) error) error {
	taken := map[db.Key]bool{}
	synced := false
	for range maxAttempts {
		err := s.attempt(ctx, taken, build)
		var conflict *db.ConflictError
		switch {
		case errors.As(err, &conflict):
			err = s.learn(ctx, conflict, taken)
		case isRefusal(err) && !synced:
			synced = true
			clear(taken)
			err = s.Sync(ctx)
		default:
			return err
		}
		if err != nil {
			return err
		}
	}
	return ErrContended
}

func (s *Store) attempt(ctx context.Context, taken map[db.Key]bool, build func(*Txn) error) error {
	t := &Txn{store: s, ctx: ctx, id: uuid.NewString(), ops: map[db.Key]*pending{}, taken: taken}
	defer s.releaseClaims(t)
	err := build(t)
	if err == nil {
		err = t.err
	}
	if err == nil {
		err = s.commit(ctx, t)
	}
	if err == nil {
		for _, f := range t.after {
			f()
		}
	}
	return err
}

func isRefusal(err error) bool {
	var e *resource.Error
	return errors.As(err, &e) && e.Status != http.StatusNotFound
}

// syncKey is written to learn how far the scope has come.
var syncKey = db.Key{Scope: Scope, Kind: "neutron.sync", ID: "sync"}

// Sync waits until the cache has everything that was written, by whichever server, before the call. It
// costs a write.
func (s *Store) Sync(ctx context.Context) error {
	ops := []db.Op{{Verb: db.Put, Key: syncKey, If: db.AnyRevision, Value: []byte("{}")}}
	revs, err := s.conn.Apply(ctx, ops)
	for errors.Is(err, db.ErrUnavailable) && pause(ctx, 50*time.Millisecond) {
		revs, err = s.conn.Apply(ctx, ops)
	}
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if err := s.cache.wait(ctx, func() bool { return s.cache.seen >= revs[0] }); err != nil {
		return fmt.Errorf("sync: %w", ErrBehind)
	}
	return nil
}

// commit applies the batch once, finding out what became of it where the answer was lost.
func (s *Store) commit(ctx context.Context, t *Txn) error {
	ops := t.batch()
	if len(ops) == 0 {
		return nil
	}
	if limit := s.conn.Capabilities.AtomicOps; len(ops) > limit {
		return fmt.Errorf("%d operations: %w", len(ops), db.ErrBatchTooLarge)
	}
	unknown := false
	for {
		revs, err := s.conn.Apply(ctx, ops)
		var conflict *db.ConflictError
		switch {
		case err == nil:
			s.cache.written(t.writes(revs))
			return nil
		case errors.As(err, &conflict):
			if unknown && s.applied(ctx, t) == nil {
				return nil
			}
			return err
		case errors.Is(err, db.ErrBatchTooLarge), errors.Is(err, db.ErrTooLarge), errors.Is(err, db.ErrInvalidKey):
			return err
		}
		unknown = true
		if s.applied(ctx, t) == nil {
			return nil
		}
		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("write: %w", err)
		}
	}
}

// errNotApplied says that a batch is not in the database.
var errNotApplied = errors.New("not carried out")

// applied reads back whether the batch has been carried out, and if so waits until the cache has it.
func (s *Store) applied(ctx context.Context, t *Txn) error {
	for _, k := range t.order {
		p := t.ops[k]
		if !p.typ || p.op.Verb == db.Check {
			continue
		}
		it, err := s.conn.Get(ctx, k)
		if p.op.Verb == db.Delete {
			if !errors.Is(err, db.ErrNotFound) {
				return errors.Join(errNotApplied, err)
			}
			_, err := s.catchUp(ctx, k, func(_ Entry, ok bool) bool { return !ok })
			if errors.Is(err, db.ErrNotFound) {
				return nil
			}
			return err
		}
		if err != nil {
			return errors.Join(errNotApplied, err)
		}
		row, err := s.cache.types[k.Kind].Load(it.Value)
		if err != nil || row.Base().Write != t.id {
			return errors.Join(errNotApplied, err)
		}
		_, err = s.catchUp(ctx, k, func(e Entry, ok bool) bool { return e.Rev >= it.Revision || s.cache.seen >= it.Revision })
		return err
	}
	return errNotApplied
}

// learn makes the next attempt see what the last one had not known.
func (s *Store) learn(ctx context.Context, c *db.ConflictError, taken map[db.Key]bool) error {
	if c.Key.Scope != Scope {
		taken[c.Key] = true
		return nil
	}
	_, err := s.catchUp(ctx, c.Key, func(e Entry, _ bool) bool {
		passed := c.Current != 0 && s.cache.seen >= c.Current // what came may be gone again
		return e.Rev != c.Want || passed
	})
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	return err
}

func (s *Store) claim(key db.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.claims[key] {
		return false
	}
	s.claims[key] = true
	return true
}

func (s *Store) unclaim(key db.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.claims, key)
}

func (s *Store) releaseClaims(t *Txn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range t.order {
		if p := t.ops[k]; !p.typ && p.op.Verb == db.Put && p.op.If == 0 {
			delete(s.claims, k)
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
