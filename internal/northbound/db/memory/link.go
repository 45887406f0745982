package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Link is one connection's way to the database.
type Link struct {
	store *Store
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup
	// cut and up are guarded by store.mu; up is closed while the link is not cut.
	cut bool
	up  chan struct{}
}

// Cut makes the database unreachable over this link: calls fail, watches say that they are stale,
// leases are not renewed.
func (l *Link) Cut() {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if !l.cut {
		l.cut, l.up = true, make(chan struct{})
		l.eachWatch((*watch).stale)
	}
}

// Restore undoes Cut.
func (l *Link) Restore() {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.cut {
		l.cut = false
		close(l.up)
		l.eachWatch((*watch).resume)
	}
}

// eachWatch calls f for the link's watches. The caller holds the lock.
func (l *Link) eachWatch(f func(*watch)) {
	for _, sc := range l.store.scopes {
		for w := range sc.watches {
			if w.link == l {
				f(w)
			}
		}
	}
}

// usable says why the link cannot be used now. The caller holds the lock.
func (l *Link) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return errors.Join(db.ErrUnavailable, err)
	}
	if l.ctx.Err() != nil {
		return db.ErrClosed
	}
	if l.cut {
		return db.ErrUnavailable
	}
	return nil
}

// Get implements [db.Driver].
func (l *Link) Get(ctx context.Context, key db.Key) (db.Item, error) {
	if err := key.Check(); err != nil {
		return db.Item{}, fmt.Errorf("get: %w", err)
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if err := l.usable(ctx); err != nil {
		return db.Item{}, fmt.Errorf("get %s: %w", key, err)
	}
	if sc := l.store.scopes[key.Scope]; sc != nil {
		if it, ok := sc.items[key]; ok {
			return it, nil
		}
	}
	return db.Item{}, fmt.Errorf("get %s: %w", key, db.ErrNotFound)
}

// List implements [db.Driver].
func (l *Link) List(ctx context.Context, scope db.Scope) ([]db.Item, db.Revision, error) {
	if err := scope.Check(); err != nil {
		return nil, 0, fmt.Errorf("list: %w", err)
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if err := l.usable(ctx); err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", scope, err)
	}
	return l.store.list(scope), l.store.rev, nil
}

// Apply implements [db.Driver].
func (l *Link) Apply(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
	if err := db.CheckBatch(ops, can); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if err := l.usable(ctx); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	revs, err := l.store.apply(ops)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	return revs, nil
}

// Watch implements [db.Driver].
func (l *Link) Watch(ctx context.Context, scope db.Scope) (<-chan []db.Event, error) {
	if err := scope.Check(); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, fmt.Errorf("watch %s: %w", scope, db.ErrClosed)
	}
	w := &watch{link: l, scope: scope, ready: make(chan struct{}, 1), restart: true, first: true}
	l.store.scope(scope).watches[w] = struct{}{}
	if l.cut {
		w.stale()
	}
	w.wake()
	out := make(chan []db.Event)
	l.work.Go(func() { w.run(ctx, out) })
	return out, nil
}

// Lease implements [db.Driver].
func (l *Link) Lease(ctx context.Context, ttl time.Duration) (db.Lease, error) {
	if ttl < 2*time.Second || ttl%time.Second != 0 {
		return nil, fmt.Errorf("lease: %w: ttl %s is not at least 2 s in whole seconds", db.ErrInvalidOp, ttl)
	}
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if err := l.usable(ctx); err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	l.store.lastLease++
	le := &lease{id: l.store.lastLease, ttl: ttl, link: l, keys: map[db.Key]struct{}{}, done: make(chan struct{})}
	le.expiry = time.AfterFunc(ttl, func() {
		l.store.mu.Lock()
		defer l.store.mu.Unlock()
		l.store.end(le)
	})
	l.store.leases[le.id] = le
	l.work.Go(func() { l.renew(le) })
	return le, nil
}

func (l *Link) renew(le *lease) {
	tick := time.NewTicker(le.ttl / 3)
	defer tick.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-le.done:
			return
		case <-tick.C:
		}
		l.store.mu.Lock()
		if !l.cut && l.store.leases[le.id] != nil {
			le.expiry.Reset(le.ttl)
		}
		l.store.mu.Unlock()
	}
}

func (l *Link) scopes(ctx context.Context) ([]db.Scope, error) {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if err := l.usable(ctx); err != nil {
		return nil, fmt.Errorf("list scopes: %w", err)
	}
	var out []db.Scope
	for name, sc := range l.store.scopes {
		if len(sc.items) > 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

func (l *Link) close() error {
	l.store.mu.Lock()
	l.stop()
	l.store.mu.Unlock()
	l.work.Wait()
	return nil
}
