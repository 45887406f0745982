package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// sweepInterval is how often a connection without leases looks for leases whose time is over.
const sweepInterval = 2 * time.Second

type lease struct {
	d    *driver
	id   int64
	ttl  time.Duration
	ctx  context.Context // ends when the lease does
	stop context.CancelFunc
}

// Lease implements [db.Driver].
func (d *driver) Lease(ctx context.Context, ttl time.Duration) (db.Lease, error) {
	if ttl < 2*time.Second || ttl%time.Second != 0 {
		return nil, fmt.Errorf("lease: %w: ttl %s is not at least 2 s in whole seconds", db.ErrInvalidOp, ttl)
	}
	asked := time.Now()
	answer, err := d.leaseCall(ctx, "grant", 0, ttl)
	if err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	l := &lease{d: d, id: answer, ttl: ttl}
	l.ctx, l.stop = context.WithCancel(d.ctx)
	d.mu.Lock()
	d.leases[l] = struct{}{}
	d.mu.Unlock()
	if !d.spawn(func() { l.renew(asked) }) {
		return nil, fmt.Errorf("lease: %w", db.ErrClosed)
	}
	return l, nil
}

// leaseCall runs the script; its answer is the new lease, or whether the lease is alive.
func (d *driver) leaseCall(ctx context.Context, what string, id int64, ttl time.Duration) (int64, error) {
	var answer string
	err := d.await(ctx, func(ctx context.Context) (err error) {
		answer, err = d.leaseScript.Run(ctx, d.client, nil, d.prefix, what, id, ttl.Milliseconds()).Text()
		return err
	})
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(answer, 10, 64)
}

// renew keeps the lease until it ends. It ends too when no renewal reached the server for ttl.
func (l *lease) renew(renewed time.Time) {
	defer l.forget()
	wait := l.ttl / 3
	for {
		pause(l.ctx, wait)
		if l.ctx.Err() != nil {
			return
		}
		asked := time.Now()
		ctx, cancel := context.WithDeadline(l.ctx, renewed.Add(l.ttl))
		alive, err := l.d.leaseCall(ctx, "renew", l.id, l.ttl)
		cancel()
		switch {
		case err == nil && alive == 0:
			return
		case err == nil:
			renewed, wait = asked, l.ttl/3
		case time.Since(renewed) >= l.ttl:
			return
		default:
			wait = min(l.ttl/10, time.Second)
		}
	}
}

func (l *lease) forget() {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	delete(l.d.leases, l)
	l.stop()
}

// ID names the lease.
func (l *lease) ID() db.LeaseID { return db.LeaseID(l.id) }

// Done is closed when the lease has ended.
func (l *lease) Done() <-chan struct{} { return l.ctx.Done() }

// Close revokes the lease.
func (l *lease) Close(ctx context.Context) error {
	if _, err := l.d.leaseCall(ctx, "revoke", l.id, 0); err != nil {
		return fmt.Errorf("revoke lease %d: %w", l.id, err)
	}
	l.stop()
	return nil
}

// tend ends leases whose time is over. A connection that renews leases of its own does that by the way.
func (d *driver) tend() {
	for d.ctx.Err() == nil {
		pause(d.ctx, sweepInterval/2+rand.N(sweepInterval))
		d.mu.Lock()
		idle := len(d.leases) == 0
		d.mu.Unlock()
		if idle && d.ctx.Err() == nil {
			_, _ = d.leaseCall(d.ctx, "sweep", 0, 0) // again soon
		}
	}
}
