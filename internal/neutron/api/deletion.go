package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Resources that others refer to are deleted in two phases, so that no reference can appear in between,
// whichever server makes it. First the row is marked: whoever wants to refer to it depends on its
// revision, so what was under way fails and begins again, sees the mark and waits. Then the cache is
// awaited, which after that holds every reference there will be. If there is none the resource is
// removed, else the mark. A server that dies in between leaves a mark; every server finishes old ones.

// deleteInPhases deletes a network, subnet or security group.
func (s *Server) deleteInPhases(ctx context.Context, typ *resource.Type, id string, revision int64) error {
	row, err := s.store.Get(ctx, typ.Kind, id)
	if errors.Is(err, db.ErrNotFound) {
		return typ.NotFound(id)
	}
	if err != nil {
		return err
	}
	if s.inUse(row) != nil { // before a mark disturbs others; but believe it only when it is not old
		if err := s.store.Sync(ctx); err != nil {
			return err
		}
		if err := s.inUse(row); err != nil {
			return err
		}
	}
	err = s.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(typ, id)
		if err != nil {
			return err
		}
		if err := checkRevision(row, revision); err != nil {
			return err
		}
		return s.mark(t, typ, row, s.now().UTC())
	})
	if err != nil {
		return err
	}
	return s.finishDeletion(ctx, typ, id)
}

// mark sets or, with the zero time, removes the mark.
func (s *Server) mark(t *rows.Txn, typ *resource.Type, row resource.Row, at time.Time) error {
	marked := row.Clone()
	marked.Base().Deleting = at
	t.Update(typ, marked)
	if subnet, ok := row.(*resource.Subnet); ok { // ports depend on the network's row
		n, err := t.GetMarked(s.networks, subnet.NetworkID)
		if err != nil {
			return err
		}
		t.Update(s.networks, n.Clone())
	}
	return nil
}

// finishDeletion decides about a marked row. It may be called for the same row by several servers.
func (s *Server) finishDeletion(ctx context.Context, typ *resource.Type, id string) error {
	if err := s.store.Barrier(ctx, typ, id); err != nil {
		return err
	}
	row, ok := s.store.Cached(typ.Kind, id)
	if !ok || row.Base().Deleting.IsZero() {
		return nil
	}
	used := s.inUse(row)
	if used == nil {
		return s.drop(ctx, row)
	}
	err := s.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.GetMarked(typ, id)
		if err != nil || row.Base().Deleting.IsZero() {
			return err
		}
		return s.mark(t, typ, row, time.Time{})
	})
	return errors.Join(used, err)
}

// inUse says by what a row is still used.
func (s *Server) inUse(row resource.Row) error {
	switch row.(type) {
	case *resource.Network:
		return s.networkInUse(row)
	case *resource.Subnet:
		return s.subnetInUse(row)
	case *resource.SecurityGroup:
		return s.groupInUse(row)
	case *resource.QoSPolicy:
		return s.qosInUse(row)
	}
	return nil
}

func (s *Server) drop(ctx context.Context, row resource.Row) error {
	switch row.(type) {
	case *resource.Network:
		return s.dropNetwork(ctx, row)
	case *resource.Subnet:
		return s.dropSubnet(ctx, row)
	case *resource.QoSPolicy:
		return s.dropQoS(ctx, row)
	}
	return s.dropGroup(ctx, row)
}

// child is a row that goes with its parent.
type child struct {
	typ *resource.Type
	id  string
}

// dropMarked removes a row, if it is still marked, and its children; these first, where one batch does
// not hold all.
func (s *Server) dropMarked(ctx context.Context, typ *resource.Type, id string, children func() []child) error {
	for {
		done := false
		err := s.store.Update(ctx, func(t *rows.Txn) error {
			row, err := t.GetMarked(typ, id)
			if err != nil || row.Base().Deleting.IsZero() {
				done = true
				return notGone(err)
			}
			for _, c := range children() {
				if t.Size()+opsPerDelete > s.opts.DB.Capabilities.AtomicOps {
					return nil
				}
				if _, err := t.GetMarked(c.typ, c.id); err == nil {
					t.Delete(c.typ, c.id)
				} else if notGone(err) != nil {
					return err
				}
			}
			done = true
			for key := range s.reservations(row) {
				t.Release(key)
			}
			t.Delete(typ, id)
			return nil
		})
		if err != nil || done {
			return err
		}
	}
}

// opsPerDelete is at least what the deletion of a child and of its parent takes.
const opsPerDelete = 5

// notGone returns an error unless it says that something does not exist.
func notGone(err error) error {
	var e *resource.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound {
		return nil
	}
	return err
}

// abandoned is the age at which a mark is taken to have no server any more that works on it.
const abandoned = 5 * time.Second

// finishDeletions finishes what other servers have left, until ctx ends.
func (s *Server) finishDeletions(ctx context.Context) error {
	tick := time.NewTicker(abandoned)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.finishAbandoned(ctx)
		}
	}
}

func (s *Server) finishAbandoned(ctx context.Context) {
	if !s.store.Live() {
		return
	}
	for _, typ := range []*resource.Type{s.networks, s.subnets, s.groups, s.qosPolicies} {
		for _, row := range s.store.Select(typ.Kind, "") {
			at := row.Base().Deleting
			if at.IsZero() || s.now().Sub(at) < abandoned {
				continue
			}
			err := s.finishDeletion(ctx, typ, row.Base().ID)
			s.log.Warn("finished a deletion that a server had begun", "object", typ.Singular+"/"+row.Base().ID, "outcome", err)
		}
	}
}
