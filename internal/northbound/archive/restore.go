package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// ErrNotEmpty says that a restore would mix a backup with what is there.
var ErrNotEmpty = errors.New("the database is not empty")

// Restore makes the database what the backup holds and raises the epoch, so that chassis which have seen
// more follow. The whole backup is verified before anything is written. A database that is not empty
// gives ErrNotEmpty, unless replace is set: then what the backup does not hold is removed, but for what
// is bound to a lease.
//
// A restore is not atomic. If it fails on the way, it can be run again with replace.
func Restore(ctx context.Context, conn *db.Connection, r io.ReadSeeker, replace bool) (Info, error) {
	info, err := restore(ctx, conn, r, replace)
	if err != nil {
		return info, fmt.Errorf("restore: %w", err)
	}
	return info, nil
}

func restore(ctx context.Context, conn *db.Connection, r io.ReadSeeker, replace bool) (Info, error) {
	keep := map[db.Key]struct{}{}
	info, err := read(r, func(it db.Item) error {
		keep[it.Key] = struct{}{}
		return nil
	})
	if err != nil {
		return info, err
	}
	if len(keep) != info.Items {
		return info, fmt.Errorf("%w: a key occurs twice", ErrDamaged)
	}
	if !replace {
		if err := mustBeEmpty(ctx, conn); err != nil {
			return info, err
		}
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return info, err
	}
	b := &batch{ctx: ctx, conn: conn}
	if replace {
		if err := b.clear(keep); err != nil {
			return info, err
		}
	}
	if _, err := read(r, func(it db.Item) error {
		return b.add(db.Op{Verb: db.Put, Key: it.Key, If: db.AnyRevision, Value: it.Value})
	}); err != nil {
		return info, err
	}
	if err := b.flush(); err != nil {
		return info, err
	}
	reason := "restored from the backup of " + info.Created.Format(time.RFC3339)
	_, err = northbound.NewStore(conn).RaiseEpoch(ctx, reason)
	return info, err
}

func mustBeEmpty(ctx context.Context, conn *db.Connection) error {
	scopes, err := conn.Scopes(ctx)
	if err != nil {
		return err
	}
	for _, s := range scopes {
		items, _, err := conn.List(ctx, s)
		if err != nil {
			return err
		}
		for _, it := range items {
			if it.Lease == 0 {
				return fmt.Errorf("%w: it has %s", ErrNotEmpty, it.Key)
			}
		}
	}
	return nil
}

// batch writes operations in batches as large as the database takes.
type batch struct {
	ctx  context.Context
	conn *db.Connection
	ops  []db.Op
	size int
}

func (b *batch) add(op db.Op) error {
	size := len(op.Value) + db.MaxKey
	if len(b.ops) == b.conn.Capabilities.AtomicOps || b.size+size > b.conn.Capabilities.AtomicBytes {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.ops, b.size = append(b.ops, op), b.size+size
	return nil
}

func (b *batch) flush() error {
	if len(b.ops) == 0 {
		return nil
	}
	_, err := b.conn.Apply(b.ctx, b.ops)
	b.ops, b.size = b.ops[:0], 0
	return err
}

// clear removes everything that lasts and is not to be kept.
func (b *batch) clear(keep map[db.Key]struct{}) error {
	scopes, err := b.conn.Scopes(b.ctx)
	if err != nil {
		return err
	}
	for _, s := range scopes {
		items, _, err := b.conn.List(b.ctx, s)
		if err != nil {
			return err
		}
		for _, it := range items {
			if _, kept := keep[it.Key]; kept || it.Lease != 0 {
				continue
			}
			if err := b.add(db.Op{Verb: db.Delete, Key: it.Key, If: db.AnyRevision}); err != nil {
				return err
			}
		}
	}
	return b.flush()
}

// String says in a line what a backup holds.
func (i Info) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d objects in %d scopes, from %s at %s", i.Items, i.Scopes, i.Database, i.Created.Format(time.RFC3339))
	return s.String()
}
