package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// trunkOps serves trunks (extension "trunk"). A port is in one trunk at most: each says in which, and is written with it.
type trunkOps struct{ *Server }

func (o trunkOps) create(t *rows.Txn, row resource.Row, _ resource.Given) error {
	x := row.(*resource.Trunk)
	if err := o.checkQuota(t, o.trunks, x.ProjectID); err != nil {
		return err
	}
	parent, err := o.trunkPort(t, x.PortID)
	if err != nil {
		return err
	}
	switch owned, err := o.isOwned(t, parent); {
	case err != nil:
		return err
	case owned:
		return parentInUse(parent.ID)
	}
	wanted := x.SubPorts
	x.SubPorts = nil
	news, err := o.checkSubPorts(t, x, wanted)
	if err != nil {
		return err
	}
	x.SubPorts = news
	p := parent.Clone().(*resource.Port)
	p.TrunkID = x.ID // which no chassis and no client sees: the port is as it was
	t.Update(o.ports, p)
	t.Create(o.trunks, x)
	return o.settleAll(t, news)
}

func (o trunkOps) update(t *rows.Txn, _, row resource.Row, _ resource.Given) error {
	t.Update(o.trunks, row)
	return nil
}

// delete removes a trunk; its sub-ports stay. Those for which one batch is too small leave it before.
func (o trunkOps) delete(ctx context.Context, id string, revision int64) error {
	for {
		done := false
		err := o.store.Update(ctx, func(t *rows.Txn) error {
			x, err := o.changeable(t, id)
			if err != nil {
				return err
			}
			if err := checkRevision(x, revision); err != nil {
				return err
			}
			leave := x.SubPorts[:min(len(x.SubPorts), resource.MaxSubPortsAtOnce)]
			x.SubPorts = x.SubPorts[len(leave):]
			if done = len(x.SubPorts) == 0; done {
				t.Delete(o.trunks, id)
				if err := o.forgetTrunk(t, x.PortID); err != nil {
					return err
				}
			} else {
				t.Update(o.trunks, x)
			}
			return o.settleAll(t, leave)
		})
		if err != nil || done {
			return err
		}
	}
}

// forgetTrunk takes the mark off the port of a trunk that goes.
func (s *Server) forgetTrunk(t *rows.Txn, port string) error {
	row, err := t.Get(s.ports, port)
	if err != nil {
		return notGone(err)
	}
	p := row.Clone().(*resource.Port)
	p.TrunkID = ""
	t.Update(s.ports, p)
	return nil
}

// changeable returns a copy of a trunk that is not locked by its administrative state.
func (s *Server) changeable(t *rows.Txn, id string) (*resource.Trunk, error) {
	row, err := t.Get(s.trunks, id)
	if err != nil {
		return nil, err
	}
	x := row.Clone().(*resource.Trunk)
	if !x.AdminStateUp {
		return nil, resource.Conflict("TrunkDisabled", "Trunk %s is currently disabled.", id)
	}
	return x, nil
}

func (s *Server) trunkActions() map[string]action {
	return map[string]action{
		"add_subports": s.subPortsAction(true, func(t *rows.Txn, x *resource.Trunk, list []resource.SubPort) ([]resource.SubPort, error) {
			news, err := s.checkSubPorts(t, x, list)
			if err != nil {
				return nil, err
			}
			x.SubPorts = slices.Concat(x.SubPorts, news)
			return news, nil
		}),
		"remove_subports": s.subPortsAction(false, func(_ *rows.Txn, x *resource.Trunk, list []resource.SubPort) ([]resource.SubPort, error) {
			x.SubPorts = slices.Clone(x.SubPorts)
			for _, p := range list {
				at := x.SubPort(p.PortID)
				if at < 0 {
					return nil, &resource.Error{Status: http.StatusNotFound, Type: "SubPortNotFound",
						Message: "SubPort " + p.PortID + " on trunk " + x.ID + " could not be found."}
				}
				x.SubPorts = slices.Delete(x.SubPorts, at, at+1)
			}
			return list, nil
		}),
	}
}

// subPortsAction changes which sub-ports a trunk has, as edit says, which returns those that are concerned.
func (s *Server) subPortsAction(adding bool, edit func(*rows.Txn, *resource.Trunk, []resource.SubPort) ([]resource.SubPort, error)) action {
	return func(w http.ResponseWriter, r *http.Request, id string) error {
		want, err := ifMatch(r)
		if err != nil {
			return err
		}
		body, err := readBody(w, r)
		if err != nil {
			return err
		}
		if _, err := s.store.Get(r.Context(), s.trunks.Kind, id); err != nil {
			return s.collectionOf(s.trunks).missing(err, id)
		}
		list, err := subPorts(body, adding)
		if err != nil {
			return err
		}
		err = s.store.Update(r.Context(), func(t *rows.Txn) error {
			x, err := s.changeable(t, id)
			if err != nil {
				return err
			}
			if err := checkRevision(x, want); err != nil {
				return err
			}
			concerned, err := edit(t, x, list)
			if err != nil || len(concerned) == 0 {
				return err
			}
			s.stamp(x, x.Revision+1)
			t.Update(s.trunks, x)
			return s.settleAll(t, concerned)
		})
		if err != nil {
			return err
		}
		row, err := s.store.Get(r.Context(), s.trunks.Kind, id)
		if err != nil {
			return s.collectionOf(s.trunks).missing(err, id)
		}
		answer(w, http.StatusOK, s.collectionOf(s.trunks).view(row, nil)) // as Neutron, without the resource's name around it
		return nil
	}
}

// subPorts reads a body that holds a list of sub-ports and nothing else.
func subPorts(body map[string]any, adding bool) ([]resource.SubPort, error) {
	raw, ok := body["sub_ports"]
	if !ok || len(body) != 1 {
		return nil, resource.BadRequest("Unable to find 'sub_ports', and nothing else, in the request body")
	}
	list, err := resource.ParseSubPorts(raw, adding)
	if worded := (*resource.Error)(nil); err != nil && !errors.As(err, &worded) {
		err = resource.InvalidInput("%s", err)
	}
	return list, err
}

func (s *Server) showSubPorts(w http.ResponseWriter, r *http.Request, id string) error {
	row, err := s.store.Get(r.Context(), s.trunks.Kind, id)
	if err != nil {
		return s.collectionOf(s.trunks).missing(err, id)
	}
	answer(w, http.StatusOK, map[string]any{"sub_ports": resource.ShowSubPorts(row.(*resource.Trunk).SubPorts)})
	return nil
}

// decorateTrunk fills in the status.
func (s *Server) decorateTrunk(row resource.Row) resource.Row {
	x := row.Clone().(*resource.Trunk)
	x.Status = s.trunkStatus(x)
	return x
}

// trunkStatus is what the states of the ports make of a trunk.
func (s *Server) trunkStatus(x *resource.Trunk) string {
	row, ok := s.store.Cached(s.ports.Kind, x.PortID)
	if !ok || s.decoratePort(row).(*resource.Port).Status != "ACTIVE" {
		return resource.TrunkDown
	}
	status := resource.TrunkActive
	for _, sub := range x.SubPorts {
		row, ok := s.store.Cached(s.ports.Kind, sub.PortID)
		if !ok {
			return resource.TrunkDegraded
		}
		p := row.(*resource.Port)
		up, reported := s.board.state(p.ID, p.HostID)
		switch {
		case up || !s.shouldBeUp(p):
		case !reported:
			status = resource.TrunkBuild
		default:
			return resource.TrunkDegraded
		}
	}
	return status
}

// shouldBeUp reports whether users and administrators want a port to be up.
func (s *Server) shouldBeUp(p *resource.Port) bool {
	n, ok := s.store.Cached(s.networks.Kind, p.NetworkID)
	return p.AdminStateUp && ok && n.(*resource.Network).AdminStateUp
}

// trunkDetails is what a port shows of its trunk, nil if it carries none.
func (s *Server) trunkDetails(p *resource.Port) *resource.TrunkDetails {
	if p.TrunkID == "" || p.IsSubPort() {
		return nil
	}
	row, ok := s.store.Cached(s.trunks.Kind, p.TrunkID)
	if !ok || row.(*resource.Trunk).PortID != p.ID {
		return nil
	}
	out := &resource.TrunkDetails{TrunkID: p.TrunkID, SubPorts: []resource.SubPortDetails{}}
	for _, sub := range row.(*resource.Trunk).SubPorts {
		d := resource.SubPortDetails{PortID: sub.PortID, SegmentationType: sub.SegmentationType, SegmentationID: sub.SegmentationID}
		if row, ok := s.store.Cached(s.ports.Kind, sub.PortID); ok {
			d.MACAddress = row.(*resource.Port).MACAddress
		}
		out.SubPorts = append(out.SubPorts, d)
	}
	return out
}
