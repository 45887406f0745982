package northbound

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Txn collects changes and commits them together. As far as the database's limits reach (see
// [db.Capabilities]) it is all or nothing; a longer one is written in order, what is referred to first
// and deletions last, so that a failure between leaves nothing that refers to what never was.
//
// A Txn is for one goroutine and one Commit.
type Txn struct {
	store *Store
	steps []*step
	err   error
}

// step is one change of a Txn; its ops are always in one batch where the database has batches.
type step struct {
	key      db.Key
	object   model.Object // of a put
	encoded  []byte
	revision int64       // of a delete
	rev      db.Revision // what the caller requires, unless versioned
	// versioned says that the object's own revision decides, not rev.
	versioned bool
	remove    bool
	raw       bool
	lease     db.LeaseID
	// ops are what the step comes to, once it is resolved.
	ops      []db.Op
	resolved bool
	// grave is what the database is known to remember of the key's deletion.
	grave    tombstone
	graveRev db.Revision
}

// AnyObjectRevision as the revision of a Delete removes whatever is there.
const AnyObjectRevision int64 = -1

// Txn begins a transaction.
func (s *Store) Txn() *Txn { return &Txn{store: s} }

// Put writes an object by its own revision: over a lower one, or where there is none and no deletion at
// this revision or later is remembered. Over an equal one it does nothing. Otherwise Commit gives an
// *OutdatedError, a *DivergedError or a *DeletedError.
func (t *Txn) Put(o model.Object) *Txn { return t.put(o, &step{versioned: true}) }

// PutIf writes an object if the database still has it at the revision rev that a read gave, zero for
// not at all; otherwise Commit gives a *db.ConflictError. A remembered deletion still refuses it.
func (t *Txn) PutIf(o model.Object, rev db.Revision) *Txn { return t.put(o, &step{rev: rev}) }

// PutLeased writes an object, whatever was there, that vanishes with a lease.
func (t *Txn) PutLeased(o model.Object, lease db.LeaseID) *Txn {
	return t.put(o, &step{rev: db.AnyRevision, lease: lease})
}

func (t *Txn) put(o model.Object, s *step) *Txn {
	s.key, s.object = KeyOf(o), o
	var err error
	if s.encoded, err = Encode(o); err != nil {
		t.err = errors.Join(t.err, err)
	}
	t.steps = append(t.steps, s)
	return t
}

// Delete removes an object that the source deleted at the given revision of its own, and remembers
// that for an hour, so that a late update cannot bring it back. A stored object with a higher revision
// gives an *OutdatedError. If the object is not there, the deletion is remembered all the same, unless
// the revision is AnyObjectRevision.
func (t *Txn) Delete(key db.Key, revision int64) *Txn {
	t.steps = append(t.steps, &step{key: key, revision: revision, versioned: true, remove: true})
	return t
}

// Op adds an operation on a value that is not an object of the model.
func (t *Txn) Op(op db.Op) *Txn {
	t.steps = append(t.steps, &step{key: op.Key, rev: op.If, remove: op.Verb == db.Delete, raw: true,
		ops: []db.Op{op}, resolved: true})
	return t
}

// attempts bounds how often a Commit reads again what somebody else changed meanwhile.
const attempts = 16

// Commit carries the transaction out and returns the database's revision of every key that it wrote.
// After db.ErrUnavailable the outcome is unknown; the same transaction may be built and committed again.
func (t *Txn) Commit(ctx context.Context) (map[db.Key]db.Revision, error) {
	if t.err != nil {
		return nil, fmt.Errorf("commit: %w", t.err)
	}
	slices.SortStableFunc(t.steps, compareSteps)
	done := make(map[db.Key]db.Revision, len(t.steps))
	todo := t.steps
	for attempt := range attempts {
		if err := t.store.resolve(ctx, todo); err != nil {
			return done, partial(done, err)
		}
		n, err := t.store.applyAll(ctx, todo, done)
		todo = todo[n:]
		if err == nil {
			return done, nil
		}
		if !retry(todo, err) || attempt == attempts-1 {
			return done, partial(done, err)
		}
		select {
		case <-time.After(rand.N(time.Millisecond << min(attempt, 6))):
		case <-ctx.Done():
			return done, partial(done, errors.Join(err, ctx.Err()))
		}
	}
	return done, nil
}

// retry marks the step whose condition failed to be resolved again, if the condition was ours.
func retry(steps []*step, err error) bool {
	var c *db.ConflictError
	if !errors.As(err, &c) {
		return false
	}
	for _, s := range steps {
		if !s.raw && (tombstoneKey(s.key) == c.Key || s.key == c.Key && s.versioned) {
			s.resolved = false
			return true
		}
	}
	return false
}

// applyAll writes the steps in as few batches as the database allows, notes their revisions, and
// returns how many steps are written.
func (s *Store) applyAll(ctx context.Context, steps []*step, done map[db.Key]db.Revision) (int, error) {
	written := 0
	for written < len(steps) {
		n, ops := s.chunk(steps[written:])
		// More than one piece only where the database cannot write one step's ops at once.
		for piece := range slices.Chunk(ops, s.conn.Capabilities.AtomicOps) {
			revs, err := s.conn.Apply(ctx, piece)
			if err != nil {
				return written, err
			}
			for i, op := range piece {
				if revs[i] != 0 && !IsTombstoneScope(op.Key.Scope) {
					done[op.Key] = revs[i]
				}
			}
		}
		written += n
	}
	return written, nil
}

// chunk returns how many of the steps fit into one batch, at least one, and their ops.
func (s *Store) chunk(steps []*step) (int, []db.Op) {
	var ops []db.Op
	size := 0
	for n, st := range steps {
		more := 0
		for _, op := range st.ops {
			more += len(op.Value) + db.MaxKey
		}
		if n > 0 && (len(ops)+len(st.ops) > s.conn.Capabilities.AtomicOps || size+more > s.conn.Capabilities.AtomicBytes) {
			return n, ops
		}
		ops, size = append(ops, st.ops...), size+more
	}
	return len(steps), ops
}

// compareSteps orders what is referred to before what refers to it, and deletions last and backwards.
func compareSteps(a, b *step) int { return a.rank() - b.rank() }

func (st *step) rank() int {
	const last = 100
	switch {
	case st.raw:
		return 0
	case st.remove:
		return 2*last - kindRank(st.key.Kind)
	}
	return kindRank(st.key.Kind)
}

func kindRank(kind string) int {
	order := []model.Kind{model.KindNetwork, model.KindSubnet, model.KindQoSPolicy, model.KindSecurityGroup,
		model.KindSecurityGroupRule, model.KindPort, model.KindSecurityGroupMember, model.KindBinding,
		model.KindSecurityGroupLog}
	if i := slices.Index(order, model.Kind(kind)); i >= 0 {
		return i + 1
	}
	return len(order) + 1
}
