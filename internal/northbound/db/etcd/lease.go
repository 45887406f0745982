package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

type lease struct {
	d    *driver
	id   clientv3.LeaseID
	done chan struct{}
}

// Lease implements [db.Driver].
func (d *driver) Lease(ctx context.Context, ttl time.Duration) (db.Lease, error) {
	if ttl < 2*time.Second || ttl%time.Second != 0 {
		return nil, fmt.Errorf("lease: %w: ttl %s is not at least 2 s in whole seconds", db.ErrInvalidOp, ttl)
	}
	ctx, cancel, err := d.call(ctx)
	if err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	defer cancel()
	granted, err := d.client.Grant(ctx, int64(ttl/time.Second))
	if err != nil {
		return nil, fmt.Errorf("lease: %w", d.explain(ctx, err))
	}
	answers, err := d.client.KeepAlive(d.ctx, granted.ID)
	if err != nil {
		return nil, fmt.Errorf("lease: %w", d.explain(ctx, err))
	}
	l := &lease{d: d, id: granted.ID, done: make(chan struct{})}
	ok := d.spawn(func() {
		defer close(l.done)
		for range answers { // until the lease has ended, or the connection is closed
		}
	})
	if !ok {
		return nil, fmt.Errorf("lease: %w", db.ErrClosed)
	}
	return l, nil
}

// ID names the lease.
func (l *lease) ID() db.LeaseID { return db.LeaseID(l.id) }

// Done is closed when the lease has ended.
func (l *lease) Done() <-chan struct{} { return l.done }

// Close revokes the lease.
func (l *lease) Close(ctx context.Context) error {
	ctx, cancel, err := l.d.call(ctx)
	if err != nil {
		return fmt.Errorf("revoke lease %x: %w", l.id, err)
	}
	defer cancel()
	if _, err := l.d.client.Revoke(ctx, l.id); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return fmt.Errorf("revoke lease %x: %w", l.id, l.d.explain(ctx, err))
	}
	return nil
}
