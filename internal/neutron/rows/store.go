// Package rows keeps Neutron's resources in the northbound database: it reads them from a cache that a
// watch feeds, and writes them in atomic batches together with the logical objects that they stand for.
//
// Any number of servers may share one database. Every write is a compare-and-set on the rows that it
// changes and on those that it depends on, and is built again from newer rows where another server was
// faster; see [Store.Update].
package rows

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Scope holds all rows. They lie in one scope so that every server sees their changes in one order; no
// chassis watches it.
const Scope db.Scope = "neutron"

// Errors of the store.
var (
	// ErrBehind says that the cache is not up to date and did not become so in time.
	ErrBehind = errors.New("the database's changes do not arrive")
	// ErrContended says that other writers were faster each time.
	ErrContended = errors.New("too many concurrent changes")

	errWrongID = errors.New("the id in the value is not the key's")
)

// Store reads and writes rows. Its methods are safe for concurrent use.
type Store struct {
	conn  *db.Connection
	cache *cache
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	claims map[db.Key]bool // reservation keys that a write of this server is about to take
}

// New returns a store; it serves reads once Run has brought it in sync.
func New(conn *db.Connection, types []*resource.Type, log *slog.Logger, now func() time.Time) *Store {
	return &Store{conn: conn, cache: newCache(types, log), log: log, now: now, claims: map[db.Key]bool{}}
}

// Run feeds the cache until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	events, err := s.conn.Watch(ctx, Scope)
	if err != nil {
		return fmt.Errorf("watch %s: %w", Scope, err)
	}
	for batch := range events {
		s.cache.feed(batch)
	}
	return ctx.Err()
}

// Live reports whether the cache follows the database; otherwise what it holds may be old.
func (s *Store) Live() bool {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	return s.cache.live
}

// WaitLive waits until the cache follows the database.
func (s *Store) WaitLive(ctx context.Context) error {
	if err := s.cache.wait(ctx, func() bool { return s.cache.live }); err != nil {
		return ErrBehind
	}
	return nil
}

// Get returns a row. One that the cache does not know is looked for in the database, so that what another
// server has just made is found.
func (s *Store) Get(ctx context.Context, kind, id string) (resource.Row, error) {
	e, err := s.entry(ctx, kind, id)
	return e.Row, err
}

func (s *Store) entry(ctx context.Context, kind, id string) (Entry, error) {
	if e, ok := s.cache.get(kind, id); ok {
		return e, nil
	}
	key := db.Key{Scope: Scope, Kind: kind, ID: id}
	if id == "" {
		return Entry{}, fmt.Errorf("get %s: %w", key, db.ErrNotFound)
	}
	it, err := s.conn.Get(ctx, key)
	if errors.Is(err, db.ErrInvalidKey) {
		err = fmt.Errorf("get %s: %w", kind, db.ErrNotFound)
	}
	if err != nil {
		return Entry{}, err
	}
	return s.catchUp(ctx, key, func(e Entry, ok bool) bool {
		return ok && e.Rev >= it.Revision || s.cache.seen >= it.Revision
	})
}

// catchUp waits until the cache's entry of a key is as expected.
func (s *Store) catchUp(ctx context.Context, key db.Key, expected func(Entry, bool) bool) (Entry, error) {
	var e Entry
	var ok bool
	err := s.cache.wait(ctx, func() bool {
		e, ok = s.cache.tables[key.Kind][key.ID]
		return expected(e, ok)
	})
	if err != nil {
		return Entry{}, fmt.Errorf("catch up with %s: %w", key, ErrBehind)
	}
	if !ok {
		return Entry{}, fmt.Errorf("get %s: %w", key, db.ErrNotFound)
	}
	return e, nil
}

// Barrier waits until the cache has everything that was written before the row of that id was last
// written. After a row has been marked, no server that checks it can have added to what the cache shows.
func (s *Store) Barrier(ctx context.Context, typ *resource.Type, id string) error {
	err := s.cache.wait(ctx, func() bool {
		e, ok := s.cache.tables[typ.Kind][id]
		return !ok || s.cache.seen >= e.Rev
	})
	if err != nil {
		return fmt.Errorf("catch up with %s %s: %w", typ.Singular, id, ErrBehind)
	}
	return nil
}

// Select returns the rows of a kind that have an index key (all, if it is empty), ordered by id.
func (s *Store) Select(kind, key string) []resource.Row {
	entries := s.cache.selectKind(kind, key)
	out := make([]resource.Row, len(entries))
	for i, e := range entries {
		out[i] = e.Row
	}
	slices.SortFunc(out, func(a, b resource.Row) int { return cmp.Compare(a.Base().ID, b.Base().ID) })
	return out
}

// Count returns how many rows of a kind have an index key, or how many there are if that is "".
func (s *Store) Count(kind, key string) int { return s.cache.count(kind, key) }

// Has reports whether a row of a kind has an index key, other than the one whose id is except.
func (s *Store) Has(kind, key, except string) bool { return s.cache.has(kind, key, except) }

// Cached returns a row if the cache has it.
func (s *Store) Cached(kind, id string) (resource.Row, bool) {
	e, ok := s.cache.get(kind, id)
	return e.Row, ok
}

// Hosts returns the hosts to which ports are bound, and a number that changes when one comes or goes.
func (s *Store) Hosts() (map[string]bool, int) {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	out := make(map[string]bool, len(s.cache.hosts))
	for h := range s.cache.hosts {
		out[h] = true
	}
	return out, s.cache.hostsN
}

// WaitHosts waits until the number that Hosts returned has changed.
func (s *Store) WaitHosts(ctx context.Context, generation int) error {
	return s.cache.wait(ctx, func() bool { return s.cache.hostsN != generation })
}
