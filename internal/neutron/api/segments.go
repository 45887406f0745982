package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
)

// resolveSegments serves the extension "segment": the segments of networks, each by itself. They are stored
// with their networks, so that what a network shows as its "segments" is always the same.
func (s *Server) resolveSegments(prefix string, parts []string) (string, methods) {
	o := segments{s}
	switch len(parts) {
	case 0:
		return prefix, methods{http.MethodGet: o.list, http.MethodPost: o.create}
	case 1:
		one := func(h func(http.ResponseWriter, *http.Request, string) error) handler {
			return func(w http.ResponseWriter, r *http.Request) error { return h(w, r, parts[0]) }
		}
		return prefix + "/{id}", methods{
			http.MethodGet: one(o.show), http.MethodPut: one(o.update), http.MethodDelete: one(o.delete),
		}
	}
	return "other", nil
}

// segments serves the segments of all networks.
type segments struct{ *Server }

func (o segments) list(w http.ResponseWriter, r *http.Request) error {
	key := ""
	if wanted := r.URL.Query()["id"]; len(wanted) == 1 {
		key = rows.BySegmentID(wanted[0])
	}
	c := &collection{server: o.Server, typ: o.Server.segments, rows: func() []resource.Row {
		out := []resource.Row{}
		for _, n := range o.store.Select(o.networks.Kind, key) {
			for _, s := range n.(*resource.Network).SegmentRows() {
				out = append(out, s)
			}
		}
		slices.SortFunc(out, func(a, b resource.Row) int { return cmp.Compare(a.Base().ID, b.Base().ID) })
		return out
	}}
	return c.list(w, r)
}

// networkOf returns the id of the network that has a segment. A segment that is not known may be one that
// another server has just made.
func (o segments) networkOf(ctx context.Context, id string) (string, error) {
	for _, sync := range []bool{false, true} {
		if sync {
			if err := o.store.Sync(ctx); err != nil {
				return "", err
			}
		}
		for _, n := range o.store.Select(o.networks.Kind, rows.BySegmentID(id)) {
			return n.Base().ID, nil
		}
	}
	return "", o.Server.segments.NotFound(id)
}

// find returns a segment, and the network to which it belongs and on which the batch depends.
func (o segments) find(t *rows.Txn, network, id string) (*resource.Network, *resource.Segment, error) {
	n, err := o.network(t, network)
	if notGone(err) != nil {
		return nil, nil, err
	}
	if err == nil {
		for _, s := range n.SegmentRows() {
			if s.ID == id {
				return n.Clone().(*resource.Network), s, nil
			}
		}
	}
	return nil, nil, o.Server.segments.NotFound(id)
}

func (o segments) show(w http.ResponseWriter, r *http.Request, id string) error {
	network, err := o.networkOf(r.Context(), id)
	if err != nil {
		return err
	}
	row, err := o.store.Get(r.Context(), o.networks.Kind, network)
	if err != nil {
		return o.Server.segments.NotFound(id)
	}
	for _, s := range row.(*resource.Network).SegmentRows() {
		if s.ID == id {
			answer(w, http.StatusOK, map[string]any{"segment": o.Server.segments.Show(s, fields(r))})
			return nil
		}
	}
	return o.Server.segments.NotFound(id)
}

func (o segments) create(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	list, bulk, err := items(o.Server.segments, body, true)
	if err != nil {
		return err
	}
	wanted := make([]*resource.Segment, len(list))
	for i, item := range list {
		row, _, err := o.Server.segments.Create(item)
		if err != nil {
			return err
		}
		wanted[i] = row.(*resource.Segment)
		wanted[i].ID = uuid.NewString()
		wanted[i].Segment.ID = wanted[i].ID
	}
	made := make([]resource.Object, len(wanted))
	err = o.store.Update(r.Context(), func(t *rows.Txn) error {
		for i, s := range wanted {
			row := s.Clone().(*resource.Segment)
			if err := o.add(t, row); err != nil {
				return err
			}
			made[i] = o.Server.segments.Show(row, nil)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case bulk:
		answer(w, http.StatusCreated, map[string]any{"segments": made})
	default:
		answer(w, http.StatusCreated, map[string]any{"segment": made[0]})
	}
	return nil
}

// add gives a network one more segment.
func (o segments) add(t *rows.Txn, row *resource.Segment) error {
	old, err := o.network(t, row.NetworkID)
	if err != nil {
		return err
	}
	n := old.Clone().(*resource.Network)
	if len(n.Segments) >= resource.MaxSegments {
		return resource.InvalidInput("a network can have %d segments", resource.MaxSegments)
	}
	if err := networkOps(o).addSegment(t, n, row.Segment); err != nil {
		return err
	}
	row.Segment = n.Segments[len(n.Segments)-1]
	n.Unsegmented = false
	if err := networkOps(o).checkMTU(n); err != nil {
		return err
	}
	o.stamp(row, 1)
	n.NoteSegment(row)
	o.write(t, n)
	return nil
}

// write writes a network whose segments are others. Chassis may reach it now, or no longer.
func (o segments) write(t *rows.Txn, n *resource.Network) {
	o.stamp(n, n.Revision+1)
	t.Update(o.networks, n)
	t.After(o.board.poke)
}

func (o segments) update(w http.ResponseWriter, r *http.Request, id string) error {
	want, err := ifMatch(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	list, _, err := items(o.Server.segments, body, false)
	if err != nil {
		return err
	}
	network, err := o.networkOf(r.Context(), id)
	if err != nil {
		return err
	}
	var changed resource.Row
	err = o.store.Update(r.Context(), func(t *rows.Txn) error {
		n, old, err := o.find(t, network, id)
		if err != nil {
			return err
		}
		if err := checkRevision(old, want); err != nil {
			return err
		}
		changed, _, err = o.Server.segments.Update(old, list[0])
		if err != nil || changed.Base().Name == old.Name && changed.Base().Description == old.Description {
			return err
		}
		o.stamp(changed, old.Revision+1)
		n.NoteSegment(changed.(*resource.Segment))
		o.write(t, n)
		return nil
	})
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]any{"segment": o.Server.segments.Show(changed, nil)})
	return nil
}

func (o segments) delete(w http.ResponseWriter, r *http.Request, id string) error {
	want, err := ifMatch(r)
	if err != nil {
		return err
	}
	if err := o.store.Sync(r.Context()); err != nil { // so that ports are counted that other servers have bound
		return err
	}
	network, err := o.networkOf(r.Context(), id)
	if err != nil {
		return err
	}
	err = o.store.Update(r.Context(), func(t *rows.Txn) error {
		n, row, err := o.find(t, network, id)
		if err != nil {
			return err
		}
		if err := checkRevision(row, want); err != nil {
			return err
		}
		if err := o.segmentInUse(t, n, row); err != nil {
			return err
		}
		n.Segments = slices.DeleteFunc(slices.Clone(n.Segments), func(s model.Segment) bool { return s.ID == id })
		n.Unsegmented = len(n.Segments) == 0
		n.NoteSegment(nil)
		t.Release(segment.Key(row.Segment))
		o.write(t, n)
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// segmentInUse refuses to delete a segment with subnets, or by which chassis reach the network for their ports.
func (o segments) segmentInUse(t *rows.Txn, n *resource.Network, row *resource.Segment) error {
	refuse := func(reason string) error {
		return resource.Conflict("SegmentInUse", "Segment '%s' cannot be deleted: %s.", row.ID, reason)
	}
	subnets, err := o.subnetsOf(t, n)
	if err != nil {
		return err
	}
	var ids []string
	for _, s := range subnets {
		if s.SegmentID == row.ID {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) > 0 {
		return refuse("The segment is still associated with subnet(s) " + strings.Join(ids, ", "))
	}
	bound, places := 0, o.board.placesByName()
	for _, p := range o.store.Select(o.ports.Kind, rows.ByNetwork(n.ID)) {
		if at, ok := places[p.(*resource.Port).HostID]; ok {
			if s, ok := at.segmentOf(n); ok && s.ID == row.ID {
				bound++
			}
		}
	}
	if bound > 0 {
		return refuse(fmt.Sprintf("The segment is still bound with %d port(s)", bound))
	}
	return nil
}
