package embedded

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// reserve is the free room on disk below which nothing more is written: etcd takes its log in pieces of
// 64 MiB, two at a time, and cannot go on when one does not fit.
const reserve = 160 << 20

// guard keeps etcd from running into a full disk, which it does not survive, and says why calls fail
// when it has failed.
type guard struct {
	db.Driver
	server *server
}

// room returns db.ErrFull when the disk is nearly full.
func (s *server) room() error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(s.dir, &st); err != nil {
		return fmt.Errorf("free room of %s: %w", s.dir, err)
	}
	if free := st.Bavail * uint64(st.Bsize); free < reserve {
		return fmt.Errorf("%w: the disk of %s has %d MiB free, %d MiB are needed", db.ErrFull, s.dir, free>>20, reserve>>20)
	}
	return nil
}

// explain adds why etcd has failed to the error of a call.
func (g *guard) explain(err error) error {
	if err == nil || g.server.failed.Err() == nil || errors.Is(err, db.ErrClosed) {
		return err
	}
	return fmt.Errorf("%w (%w)", err, g.server.cause())
}

// bound ends a call when etcd has failed, since it will not answer.
func (g *guard) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(g.server.failed, cancel)
	return ctx, func() { stop(); cancel() }
}

// Get implements [db.Driver].
func (g *guard) Get(ctx context.Context, key db.Key) (db.Item, error) {
	ctx, cancel := g.bound(ctx)
	defer cancel()
	it, err := g.Driver.Get(ctx, key)
	return it, g.explain(err)
}

// List implements [db.Driver].
func (g *guard) List(ctx context.Context, scope db.Scope) ([]db.Item, db.Revision, error) {
	ctx, cancel := g.bound(ctx)
	defer cancel()
	items, rev, err := g.Driver.List(ctx, scope)
	return items, rev, g.explain(err)
}

// Apply implements [db.Driver].
func (g *guard) Apply(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
	ctx, cancel := g.bound(ctx)
	defer cancel()
	if writes(ops) {
		if err := g.server.room(); err != nil {
			return nil, fmt.Errorf("apply: %w", err)
		}
	}
	revs, err := g.Driver.Apply(ctx, ops)
	return revs, g.explain(err)
}

// writes reports whether a batch needs room; what only deletes is let through, to make some.
func writes(ops []db.Op) bool {
	for i := range ops {
		if ops[i].Verb == db.Put {
			return true
		}
	}
	return false
}

// Lease implements [db.Driver].
func (g *guard) Lease(ctx context.Context, ttl time.Duration) (db.Lease, error) {
	ctx, cancel := g.bound(ctx)
	defer cancel()
	l, err := g.Driver.Lease(ctx, ttl)
	return l, g.explain(err)
}
