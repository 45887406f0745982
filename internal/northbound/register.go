package northbound

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Registration keeps a chassis' sign of life in the database.
type Registration struct {
	store   *Store
	chassis model.Chassis
	ttl     time.Duration
	log     *slog.Logger
	stop    context.CancelFunc
	work    sync.WaitGroup
}

// Register keeps the chassis in the database for as long as the process lives, bound to a lease of at
// least ttl (10 s or more in production), and puts it there again when the lease was lost. The lease is
// up to a quarter longer than ttl, at random, so that a thousand chassis that started together do not
// renew together. It does not wait for the database. The chassis' revision is the time of registration.
func Register(ctx context.Context, s *Store, chassis model.Chassis, ttl time.Duration, log *slog.Logger) (*Registration, error) {
	if err := chassis.Validate(); err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	ttl += rand.N(ttl/4 + time.Second)
	r := &Registration{store: s, chassis: chassis, ttl: ttl.Truncate(time.Second), log: log}
	ctx, r.stop = context.WithCancel(ctx)
	r.work.Go(func() { r.run(ctx) })
	return r, nil
}

// Close ends the registration; the chassis goes from the database at once if that can be reached within
// a second, else when its lease ends.
func (r *Registration) Close() {
	r.stop()
	r.work.Wait()
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
			r.log.Warn("chassis not registered", "chassis", r.chassis.ID, "err", err)
			sleep(ctx, pause/2+rand.N(pause))
			pause = min(2*pause, longestPause)
			continue
		}
		pause = firstPause
		r.log.Info("chassis registered", "chassis", r.chassis.ID, "ttl", r.ttl)
		select {
		case <-lease.Done():
			r.log.Warn("chassis lease lost", "chassis", r.chassis.ID)
		case <-ctx.Done():
			revoke(lease)
		}
	}
}

// appear creates the lease and writes the chassis under it.
func (r *Registration) appear(ctx context.Context) (db.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, r.ttl)
	defer cancel()
	lease, err := r.store.conn.Lease(ctx, r.ttl)
	if err != nil {
		return nil, err
	}
	c := r.chassis
	c.Revision = r.store.now().UnixMicro()
	if _, err := r.store.Txn().PutLeased(&c, lease.ID()).Commit(ctx); err != nil {
		revoke(lease)
		return nil, err
	}
	return lease, nil
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
