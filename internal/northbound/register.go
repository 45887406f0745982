package northbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Registration keeps a chassis, and its sign of life, in the database.
type Registration struct {
	store   *Store
	mu      sync.Mutex
	chassis model.Chassis // guarded by mu
	started time.Time
	ttl     time.Duration
	log     *slog.Logger
	again   chan struct{}
	stop    context.CancelFunc
	work    sync.WaitGroup
}

// Register writes the chassis into the database, where it stays, and keeps its heartbeat there for as
// long as the process lives, bound to a lease of at least ttl (10 s or more in production); it puts both
// there again when the lease was lost. The lease is up to a quarter longer than ttl, at random, so that
// a thousand chassis that started together do not renew together. It does not wait for the database. The
// chassis' revision is the time of registration; a chassis that is there as it should be is not written
// again, since all others hear of it.
func Register(ctx context.Context, s *Store, chassis model.Chassis, ttl time.Duration, log *slog.Logger) (*Registration, error) {
	if err := chassis.Validate(); err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	ttl += rand.N(ttl/4 + time.Second)
	r := &Registration{store: s, chassis: chassis, started: s.now(), ttl: ttl.Truncate(time.Second), log: log,
		again: make(chan struct{}, 1)}
	ctx, r.stop = context.WithCancel(ctx)
	r.work.Go(func() { r.run(ctx) })
	return r, nil
}

// Close ends the registration; the heartbeat goes from the database at once if that can be reached within
// a second, else when its lease ends.
func (r *Registration) Close() {
	r.stop()
	r.work.Wait()
}

// Renew puts the chassis and its heartbeat into the database again, if somebody has taken them away. It does not wait,
// and may be called at any time and from anywhere.
func (r *Registration) Renew() {
	select {
	case r.again <- struct{}{}:
	default: // it is about to be done
	}
}

// Change has the chassis show itself otherwise from now on. It does not wait, and may be called at any time and from
// anywhere; the name must stay.
func (r *Registration) Change(chassis model.Chassis) error {
	if err := chassis.Validate(); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	r.mu.Lock()
	r.chassis = chassis
	r.mu.Unlock()
	r.Renew()
	return nil
}

func (r *Registration) shown() model.Chassis {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.chassis
}

// pauses between attempts to register, in either case doubled from first to longest and jittered.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
)

func (r *Registration) run(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		lease, err := r.appear(ctx)
		if err != nil {
			r.log.Warn("chassis not registered", "chassis", r.shown().ID, "err", err)
			sleep(ctx, pause/2+rand.N(pause))
			pause = min(2*pause, longestPause)
			continue
		}
		pause = firstPause
		r.log.Info("chassis registered", "chassis", r.shown().ID, "ttl", r.ttl)
		r.live(ctx, lease)
	}
}

// live returns when the lease has ended, or is of no use any more.
func (r *Registration) live(ctx context.Context, lease db.Lease) {
	for {
		select {
		case <-lease.Done():
			r.log.Warn("chassis lease lost", "chassis", r.shown().ID)
			return
		case <-ctx.Done():
			revoke(lease)
			return
		case <-r.again:
			if err := r.rewrite(ctx, lease); err != nil {
				r.log.Warn("chassis not registered again", "chassis", r.shown().ID, "err", err)
				revoke(lease)
				return
			}
			sleep(ctx, firstPause) // whoever deletes it without end does not make this host busy
		}
	}
}

// rewrite puts under the lease what is not in the database any more.
func (r *Registration) rewrite(ctx context.Context, lease db.Lease) error {
	ctx, cancel := context.WithTimeout(ctx, r.ttl)
	defer cancel()
	return r.write(ctx, lease.ID())
}

// appear creates the lease, writes the heartbeat under it, and the chassis where it is not as it was.
func (r *Registration) appear(ctx context.Context) (db.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, r.ttl)
	defer cancel()
	lease, err := r.store.conn.Lease(ctx, r.ttl)
	if err != nil {
		return nil, err
	}
	if err := r.write(ctx, lease.ID()); err != nil {
		revoke(lease)
		return nil, err
	}
	return lease, nil
}

func (r *Registration) write(ctx context.Context, lease db.LeaseID) error {
	now, want := r.store.now(), r.shown()
	beat := &model.Heartbeat{
		Meta: model.Meta{ID: want.ID, Revision: now.UnixMicro()}, Started: r.started.UTC().Format(time.RFC3339),
	}
	txn := r.store.Txn().PutLeased(beat, lease)
	there, _, err := Get[model.Chassis](ctx, r.store, model.ScopeGlobal, want.ID)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	if err == nil {
		want.Meta = there.Meta
	}
	if err != nil || !reflect.DeepEqual(&want, there) {
		want.Revision = now.UnixMicro()
		txn.PutIf(&want, db.AnyRevision)
	}
	_, err = txn.Commit(ctx)
	return err
}

func revoke(lease db.Lease) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = lease.Close(ctx) // it ends by itself otherwise
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
