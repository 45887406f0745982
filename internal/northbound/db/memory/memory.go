// Package memory is the northbound database in this process: for tests, and for nothing that must
// outlive it. It keeps the whole contract of package db, and its [Link] can be cut, so that tests can
// see what the rest of Dragonflow does when a database is away.
package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// can is what the driver declares; the limits are etcd's, so that tests with it find what would fail
// there.
var can = db.Capabilities{AtomicOps: 128, AtomicBytes: 1280 << 10, Durability: db.Volatile, MaxValue: 1 << 20}

// Store is the database. It is safe for concurrent use.
type Store struct {
	mu        sync.Mutex
	rev       db.Revision
	scopes    map[db.Scope]*scope
	leases    map[db.LeaseID]*lease
	lastLease db.LeaseID
}

type scope struct {
	items   map[db.Key]db.Item
	watches map[*watch]struct{}
}

// New returns an empty database.
func New() *Store {
	return &Store{scopes: map[db.Scope]*scope{}, leases: map[db.LeaseID]*lease{}}
}

// Open returns a connection to an empty database of its own.
func Open() *db.Connection {
	c, _ := New().Connect()
	return c
}

// Connect returns one more connection to the database, and its link.
func (s *Store) Connect() (*db.Connection, *Link) {
	ctx, stop := context.WithCancel(context.Background())
	l := &Link{store: s, ctx: ctx, stop: stop, up: closedChan()}
	return &db.Connection{Driver: l, Capabilities: can, Name: "memory", Scopes: l.scopes, Close: l.close}, l
}

// Compact forgets the history: watches on links that are cut must start again.
func (s *Store) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sc := range s.scopes {
		for w := range sc.watches {
			if w.link.cut {
				w.overflow()
			}
		}
	}
}

// Saved is the content of a Store at some moment.
type Saved struct {
	rev   db.Revision
	items map[db.Scope]map[db.Key]db.Item
}

// Save returns the content as it is now.
func (s *Store) Save() Saved {
	s.mu.Lock()
	defer s.mu.Unlock()
	saved := Saved{rev: s.rev, items: map[db.Scope]map[db.Key]db.Item{}}
	for name, sc := range s.scopes {
		saved.items[name] = maps.Clone(sc.items)
	}
	return saved
}

// Rewind makes the database go back to what was saved, as a restored backup would, its revision
// included. Watches start again.
func (s *Store) Rewind(saved Saved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sc := range s.scopes {
		sc.items = map[db.Key]db.Item{}
	}
	for name, items := range saved.items {
		s.scope(name).items = maps.Clone(items)
	}
	s.rev = saved.rev
	for name, sc := range s.scopes {
		for w := range sc.watches {
			w.overflow()
			w.wake()
		}
		s.release(name)
	}
}

// scope returns the scope, which it makes if need be. The caller holds the lock.
func (s *Store) scope(name db.Scope) *scope {
	sc := s.scopes[name]
	if sc == nil {
		sc = &scope{items: map[db.Key]db.Item{}, watches: map[*watch]struct{}{}}
		s.scopes[name] = sc
	}
	return sc
}

func (s *Store) release(name db.Scope) {
	if sc := s.scopes[name]; sc != nil && len(sc.items) == 0 && len(sc.watches) == 0 {
		delete(s.scopes, name)
	}
}

func (s *Store) list(name db.Scope) []db.Item {
	sc := s.scopes[name]
	if sc == nil {
		return nil
	}
	out := make([]db.Item, 0, len(sc.items))
	for _, it := range sc.items {
		out = append(out, it)
	}
	slices.SortFunc(out, func(a, b db.Item) int { return db.CompareKeys(a.Key, b.Key) })
	return out
}

func (s *Store) revision(k db.Key) db.Revision {
	if sc := s.scopes[k.Scope]; sc != nil {
		return sc.items[k].Revision
	}
	return 0
}

// apply carries out a checked batch. The caller holds the lock.
func (s *Store) apply(ops []db.Op) ([]db.Revision, error) {
	for i := range ops {
		op := &ops[i]
		if cur := s.revision(op.Key); op.If != db.AnyRevision && op.If != cur {
			return nil, &db.ConflictError{Key: op.Key, Want: op.If, Current: cur}
		}
		if op.Lease != 0 && s.leases[op.Lease] == nil {
			return nil, fmt.Errorf("put %s: %w", op.Key, db.ErrLeaseGone)
		}
	}
	return s.write(ops), nil
}

func (s *Store) write(ops []db.Op) []db.Revision {
	revs := make([]db.Revision, len(ops))
	events := map[db.Scope][]db.Event{}
	next := s.rev + 1
	for i := range ops {
		op := &ops[i]
		old, had := s.scope(op.Key.Scope).items[op.Key]
		if op.Verb == db.Check || op.Verb == db.Delete && !had {
			continue
		}
		s.unbind(old)
		revs[i], s.rev = next, next
		it := db.Item{Key: op.Key, Revision: next}
		ev := db.Event{Type: db.Removed, Item: it}
		if op.Verb == db.Put {
			it.Value, it.Lease = slices.Clone(op.Value), op.Lease
			s.scope(op.Key.Scope).items[op.Key] = it
			s.bind(it)
			ev = db.Event{Type: db.Changed, Item: it}
		} else {
			delete(s.scope(op.Key.Scope).items, op.Key)
		}
		events[op.Key.Scope] = append(events[op.Key.Scope], ev)
	}
	for name, evs := range events {
		for w := range s.scope(name).watches {
			w.push(evs)
		}
	}
	for i := range ops {
		s.release(ops[i].Key.Scope)
	}
	return revs
}

func (s *Store) bind(it db.Item) {
	if l := s.leases[it.Lease]; l != nil {
		l.keys[it.Key] = struct{}{}
	}
}

func (s *Store) unbind(it db.Item) {
	if l := s.leases[it.Lease]; l != nil {
		delete(l.keys, it.Key)
	}
}

// lease is a promise of life; the store ends it ttl after the last renewal.
type lease struct {
	id     db.LeaseID
	ttl    time.Duration
	link   *Link
	keys   map[db.Key]struct{}
	expiry *time.Timer
	done   chan struct{}
}

// ID names the lease.
func (l *lease) ID() db.LeaseID { return l.id }

// Done is closed when the lease has ended.
func (l *lease) Done() <-chan struct{} { return l.done }

// Close revokes the lease.
func (l *lease) Close(ctx context.Context) error {
	l.link.store.mu.Lock()
	defer l.link.store.mu.Unlock()
	if l.link.store.leases[l.id] == nil {
		return nil
	}
	if err := l.link.usable(ctx); err != nil {
		return fmt.Errorf("revoke lease %d: %w", l.id, err)
	}
	l.link.store.end(l)
	return nil
}

// end removes the lease and its keys. The caller holds the lock.
func (s *Store) end(l *lease) {
	if s.leases[l.id] == nil {
		return
	}
	ops := make([]db.Op, 0, len(l.keys))
	for k := range l.keys {
		ops = append(ops, db.Op{Verb: db.Delete, Key: k, If: db.AnyRevision})
	}
	slices.SortFunc(ops, func(a, b db.Op) int { return db.CompareKeys(a.Key, b.Key) })
	delete(s.leases, l.id)
	l.expiry.Stop()
	s.write(ops)
	close(l.done)
}

func closedChan() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
