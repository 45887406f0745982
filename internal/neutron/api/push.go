package api

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Change is one object as a Neutron pushes it: what it is now, or that it is gone.
type Change struct {
	// Kind is the singular name of the object's type, such as "port".
	Kind, ID string
	// Revision is Neutron's revision_number.
	Revision int64
	// Generation is that of a Reread to which the change answers. A deletion with one is of an object that was found to be
	// absent from Neutron: it is carried out unless somebody wrote in between, and is not final.
	Generation string
	// Row is nil for a deletion. Its ID, revision and digest are the change's.
	Row resource.Row
}

// Outcome is what became of a change.
type Outcome string

// The outcomes.
const (
	// Stored and Deleted say that the database has the change.
	Stored  Outcome = "stored"
	Deleted Outcome = "deleted"
	// Same says that it had just that already, Stale that it has a newer revision.
	Same  Outcome = "same"
	Stale Outcome = "stale"
	// Reread says that the database has something else of the same revision, and nobody can know which is newer: the
	// object is to be read again, and pushed with the generation of the result.
	Reread Outcome = "reread"
	// Gone says that the object has been deleted, and does not come back.
	Gone Outcome = "gone"
	// Refused says that the change cannot be stored.
	Refused Outcome = "refused"
)

// Result is the outcome of one change, with the revision that the server has afterwards.
type Result struct {
	Kind       string  `json:"kind"`
	ID         string  `json:"id"`
	Outcome    Outcome `json:"outcome"`
	Revision   int64   `json:"revision"`
	Generation string  `json:"generation,omitzero"`
	Message    string  `json:"message,omitzero"`
}

// together is how many changes are tried in one batch; a port takes about six operations of it.
const together = 20

// Push takes changes, in their order, each of them whole or not at all, and says what became of each. An object's
// revision decides: a lower one changes nothing, and what has been deleted does not come back. What the changes refer
// to may come later. An error says that the database did not answer; any of them may have been carried out then, and
// all of them may be pushed again.
func (s *Server) Push(ctx context.Context, changes []Change) ([]Result, error) {
	results := make([]Result, len(changes))
	for at := 0; at < len(changes); {
		end := at + 1
		for changes[at].Row != nil && end < len(changes) && end-at < together && changes[end].Row != nil {
			end++
		}
		var err error
		if changes[at].Row == nil {
			err = s.withdraw(ctx, changes[at], &results[at])
		} else {
			err = s.storeTogether(ctx, changes[at:end], results[at:end])
		}
		if err != nil {
			return nil, err
		}
		at = end
	}
	return results, nil
}

// Pushed lists the kinds of objects that a Neutron may push.
func (s *Server) Pushed() []string { return slices.Sorted(maps.Keys(s.pushed)) }

// storeTogether writes some objects in one batch, or in several if it is too large.
func (s *Server) storeTogether(ctx context.Context, changes []Change, results []Result) error {
	err := s.store.Update(ctx, func(t *rows.Txn) error {
		for i, c := range changes {
			r, err := s.accept(t, c)
			if err != nil {
				return err
			}
			results[i] = r
			if len(changes) > 1 && t.Size() > s.opts.DB.Capabilities.AtomicOps {
				return db.ErrBatchTooLarge
			}
		}
		return nil
	})
	refused := (*resource.Error)(nil)
	alone := len(changes) == 1
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && alone, errors.Is(err, db.ErrBatchTooLarge) && alone, errors.Is(err, db.ErrTooLarge) && alone:
		results[0] = Result{Kind: changes[0].Kind, ID: changes[0].ID, Outcome: Refused, Message: err.Error()}
		return nil
	case errors.As(err, &refused), errors.Is(err, db.ErrBatchTooLarge), errors.Is(err, db.ErrTooLarge):
		half := len(changes) / 2
		if err := s.storeTogether(ctx, changes[:half], results[:half]); err != nil {
			return err
		}
		return s.storeTogether(ctx, changes[half:], results[half:])
	}
	return err
}

// accept adds one object to the batch if it is newer than what there is.
func (s *Server) accept(t *rows.Txn, c Change) (Result, error) {
	typ := s.pushed[c.Kind]
	r := Result{Kind: c.Kind, ID: c.ID, Outcome: Stored, Revision: c.Revision}
	if e, ok := t.Find(typ, c.ID); ok {
		return s.replace(t, typ, c, r, e)
	}
	if !t.Absent(northbound.TombstoneKey(rows.RowKey(typ, c.ID))) {
		r.Outcome = Gone
		return r, nil
	}
	row := c.Row.Clone()
	if err := s.join(t, row); err != nil {
		return r, err
	}
	t.Create(typ, row)
	return r, s.follow(t, nil, row)
}

// replace is accept for an object that is there.
func (s *Server) replace(t *rows.Txn, typ *resource.Type, c Change, r Result, e rows.Entry) (Result, error) {
	old := e.Row
	have, want := old.Base(), c.Row.Base()
	r.Revision = have.Revision
	switch {
	case want.Revision < have.Revision:
		r.Outcome = Stale
		return r, nil
	case want.Revision == have.Revision && want.Digest == have.Digest && want.Digest != "":
		r.Outcome = Same
		return r, nil
	}
	row := c.Row.Clone()
	s.keep(old, row)
	if err := s.join(t, row); err != nil {
		return r, err
	}
	if want.Revision == have.Revision && sameRow(old, row) {
		r.Outcome = Same
		return r, nil
	}
	if want.Revision == have.Revision && c.Generation != generation(e) {
		r.Outcome, r.Generation = Reread, generation(e)
		return r, nil
	}
	if now, err := t.Get(typ, c.ID); err != nil || now != old { // it has just become another one
		if notGone(err) != nil {
			return r, err
		}
		return s.accept(t, c)
	}
	s.release(t, old, row)
	t.Update(typ, row)
	r.Revision = want.Revision
	return r, s.follow(t, old, row)
}

// generation tells writings of an object apart.
func generation(e rows.Entry) string { return strconv.FormatInt(int64(e.Rev), 10) }

// sameRow compares rows but for who has written them.
func sameRow(a, b resource.Row) bool {
	a, b = a.Clone(), b.Clone()
	for _, r := range []resource.Row{a, b} {
		r.Base().Write, r.Base().Schema, r.Base().Unknown = "", 0, nil
	}
	return reflect.DeepEqual(a, b)
}

// withdraw removes an object and what is a part of it. Unless the change has a generation, it does not come back.
func (s *Server) withdraw(ctx context.Context, c Change, r *Result) error {
	typ, final := s.pushed[c.Kind], c.Generation == ""
	for {
		done := false
		err := s.store.Update(ctx, func(t *rows.Txn) error {
			*r = Result{Kind: c.Kind, ID: c.ID, Outcome: Deleted, Revision: c.Revision}
			if e, ok := t.Find(typ, c.ID); ok && !final && generation(e) != c.Generation {
				r.Outcome, r.Generation, done = Reread, generation(e), true
				return nil
			}
			for _, part := range s.parts(t, typ, c.ID) {
				if t.Size()+opsPerWithdrawal > s.opts.DB.Capabilities.AtomicOps {
					done = false
					return nil
				}
				if err := s.remove(t, part.typ, part.id, c.Revision, final); err != nil {
					return err
				}
			}
			done = true
			return s.remove(t, typ, c.ID, c.Revision, final)
		})
		if err != nil || done {
			return err
		}
	}
}

// opsPerWithdrawal is at least what the deletion of a part and of the whole takes.
const opsPerWithdrawal = 32

// parts are the rows that go with another one.
func (s *Server) parts(t *rows.Txn, typ *resource.Type, id string) []child {
	var out []child
	add := func(typ *resource.Type, keys ...string) {
		for _, key := range keys {
			for _, row := range t.Select(typ, key) {
				out = append(out, child{typ, row.Base().ID})
			}
		}
	}
	switch typ {
	case s.networks:
		add(s.subnets, rows.ByNetwork(id))
	case s.groups:
		add(s.rules, rows.ByGroup(id), rows.ByRemoteGroup(id))
	case s.floatingIPs:
		add(s.forwardings, rows.ByFloatingIP(id))
	}
	return out
}

// remove takes one row away, if it is there.
func (s *Server) remove(t *rows.Txn, typ *resource.Type, id string, revision int64, final bool) error {
	old, err := t.GetMarked(typ, id)
	switch {
	case notGone(err) != nil:
		return err
	case err != nil:
		t.Missing(typ, id)
	default:
		s.release(t, old, nil)
		t.Delete(typ, id)
		if err := s.follow(t, old, nil); err != nil {
			return err
		}
		revision = max(revision, old.Base().Revision)
	}
	if !final {
		return nil
	}
	value, err := northbound.EncodeTombstone(revision, s.now())
	if err != nil {
		return err
	}
	t.PutRaw(northbound.TombstoneKey(rows.RowKey(typ, id)), value, db.AnyRevision)
	return nil
}
