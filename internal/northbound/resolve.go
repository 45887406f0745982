package northbound

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// OutdatedError says that the database has a higher revision of the object than the change.
type OutdatedError struct {
	Key            db.Key
	Stored, Change int64
}

// Error names the object and both revisions.
func (e *OutdatedError) Error() string {
	return fmt.Sprintf("%s: revision %d is outdated, %d is stored", e.Key, e.Change, e.Stored)
}

// DivergedError says that the database has another content at the same revision: the writer must read
// the source again, see [Digest].
type DivergedError struct {
	Key            db.Key
	Revision       int64
	Stored, Change string
}

// Error names the object, the revision and both digests.
func (e *DivergedError) Error() string {
	return fmt.Sprintf("%s: revision %d is stored with digest %s, the change has %s", e.Key, e.Revision, e.Stored, e.Change)
}

// DeletedError says that the object was deleted at the revision of the change or later.
type DeletedError struct {
	Key             db.Key
	Deleted, Change int64
}

// Error names the object and both revisions.
func (e *DeletedError) Error() string {
	return fmt.Sprintf("%s: was deleted at revision %d, the change has %d", e.Key, e.Deleted, e.Change)
}

// PartialError says that a transaction too long to be atomic was written in part.
type PartialError struct {
	Written int
	Err     error
}

// Error says how many values were written.
func (e *PartialError) Error() string {
	return fmt.Sprintf("after %d values were written: %v", e.Written, e.Err)
}

// Unwrap returns the cause.
func (e *PartialError) Unwrap() error { return e.Err }

func partial(done map[db.Key]db.Revision, err error) error {
	if len(done) > 0 {
		err = &PartialError{Written: len(done), Err: err}
	}
	return fmt.Errorf("commit: %w", err)
}

// readers bounds the reads that one Commit has under way.
const readers = 8

// resolve turns every step that is not yet resolved into conditional operations on what the database
// has now.
func (s *Store) resolve(ctx context.Context, steps []*step) error {
	var work sync.WaitGroup
	errs := make([]error, len(steps))
	slots := make(chan struct{}, readers)
	for i, st := range steps {
		if st.resolved {
			continue
		}
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			errs[i] = s.resolveStep(ctx, st)
		})
	}
	work.Wait()
	return errors.Join(errs...)
}

func (s *Store) resolveStep(ctx context.Context, st *step) error {
	first := st.ops == nil
	st.ops = nil
	var err error
	if !first || st.remove {
		if st.grave, st.graveRev, err = s.tombstone(ctx, st.key); err != nil {
			return err
		}
	}
	switch {
	case st.remove:
		err = s.resolveDelete(ctx, st)
	case st.versioned:
		err = s.resolvePut(ctx, st)
	default:
		err = st.write(st.rev)
	}
	st.resolved = err == nil
	if st.ops == nil {
		st.ops = []db.Op{}
	}
	return err
}

func (s *Store) resolvePut(ctx context.Context, st *step) error {
	it, err := s.conn.Get(ctx, st.key)
	if isNotFound(err) {
		return st.write(0)
	}
	if err != nil {
		return err
	}
	stored, err := Decode(it.Key, it.Value)
	if err != nil {
		if errors.Is(err, ErrNewerSchema) {
			return err
		}
		return st.write(it.Revision) // what nobody can read is no version to protect
	}
	have, change := stored.Metadata().Revision, st.object.Metadata().Revision
	switch {
	case have > change:
		return &OutdatedError{Key: st.key, Stored: have, Change: change}
	case have == change && sameContent(stored, it.Value, st.encoded):
		return nil
	case have == change:
		return &DivergedError{Key: st.key, Revision: have, Stored: Digest(it.Value), Change: Digest(st.encoded)}
	}
	return st.write(it.Revision)
}

// write puts the object where the key is at rev. Where it is absent, the deletion that is remembered
// must be an earlier one, and goes.
func (st *step) write(rev db.Revision) error {
	put := db.Op{Verb: db.Put, Key: st.key, If: rev, Value: st.encoded, Lease: st.lease}
	if rev != 0 {
		st.ops = []db.Op{put}
		return nil
	}
	grave := db.Op{Verb: db.Check, Key: tombstoneKey(st.key), If: st.graveRev}
	st.ops = []db.Op{grave, put}
	if st.graveRev != 0 {
		if change := st.object.Metadata().Revision; st.grave.Revision >= change {
			return &DeletedError{Key: st.key, Deleted: st.grave.Revision, Change: change}
		}
		grave.Verb = db.Delete
		st.ops = []db.Op{put, grave}
	}
	return nil
}

func (s *Store) resolveDelete(ctx context.Context, st *step) error {
	it, err := s.conn.Get(ctx, st.key)
	if err != nil && !isNotFound(err) {
		return err
	}
	present, revision := err == nil, st.revision
	if present {
		if o, err := Decode(it.Key, it.Value); err == nil {
			have := o.Metadata().Revision
			if revision == AnyObjectRevision {
				revision = have
			}
			if have > revision {
				return &OutdatedError{Key: st.key, Stored: have, Change: revision}
			}
		}
		st.ops = append(st.ops, db.Op{Verb: db.Delete, Key: st.key, If: it.Revision})
	} else if revision != AnyObjectRevision {
		st.ops = append(st.ops, db.Op{Verb: db.Check, Key: st.key})
	}
	if revision == AnyObjectRevision || it.Lease != 0 || st.graveRev != 0 && st.grave.Revision >= revision {
		return nil
	}
	value, err := s.encodeTombstone(revision)
	if err != nil {
		return err
	}
	grave := db.Op{Verb: db.Put, Key: tombstoneKey(st.key), If: st.graveRev, Value: value}
	st.ops = append([]db.Op{grave}, st.ops...)
	return nil
}
