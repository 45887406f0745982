package api

import (
	"slices"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
)

// setGateway gives a router, whose row is a copy and written afterwards, the gateway that a request wants,
// or takes it away.
func (s *Server) setGateway(t *rows.Txn, r *resource.Router) error {
	want, old := r.Wanted, r.Gateway
	r.Wanted = nil
	switch {
	case want == nil:
		return nil
	case want.NetworkID == "":
		return s.clearGateway(t, r)
	}
	n, err := s.network(t, want.NetworkID)
	if err != nil {
		return err
	}
	if !n.External {
		return badRouter("Network %s is not an external network", n.ID)
	}
	if err := s.checkNotGateways(t, n, want.FixedIPs); err != nil {
		return err
	}
	if old != nil && old.NetworkID != n.ID {
		if err := s.dropGatewayPort(t, r); err != nil {
			return err
		}
	}
	p, err := s.gatewayPort(t, r, n, want)
	if err != nil {
		return err
	}
	if err := s.checkGateway(t, r, p); err != nil {
		return err
	}
	g := &resource.Gateway{PortID: p.ID, NetworkID: n.ID, MACAddress: p.MACAddress, FixedIPs: p.FixedIPs, EnableSNAT: want.EnableSNAT}
	if old != nil {
		g.TransitVNI, g.Chassis = old.TransitVNI, old.Chassis
	}
	if g.TransitVNI == 0 {
		if g.TransitVNI, err = s.takeTransit(t, r.ID); err != nil {
			return err
		}
	}
	g.Chassis = s.schedule(r, n, g.Chassis)
	r.Gateway = g
	t.After(s.board.poke)
	return nil
}

// clearGateway takes a router's gateway away.
func (s *Server) clearGateway(t *rows.Txn, r *resource.Router) error {
	own, err := s.gatewayAttachments(t, r)
	if err != nil {
		return err
	}
	for _, a := range own {
		if err := checkUnrouted(r, a.subnet); err != nil {
			return err
		}
	}
	if err := s.dropGatewayPort(t, r); err != nil {
		return err
	}
	t.Release(segment.TransitKey(r.Gateway.TransitVNI))
	r.Gateway = nil
	return nil
}

// dropGatewayPort removes a router's port on its external network, unless floating IPs need it.
func (s *Server) dropGatewayPort(t *rows.Txn, r *resource.Router) error {
	if err := s.behindGateway(r); err != nil {
		return err
	}
	row, err := t.Get(s.ports, r.Gateway.PortID)
	if err != nil {
		return err
	}
	portOps{s}.drop(t, row.(*resource.Port))
	return nil
}

// checkNotGateways refuses addresses that are those of the routers outside.
func (s *Server) checkNotGateways(t *rows.Txn, n *resource.Network, wanted []model.FixedIP) error {
	subnets, err := s.subnetsOf(t, n)
	if err != nil {
		return err
	}
	for _, w := range wanted {
		for _, sub := range subnets {
			if w.IPAddress.IsValid() && w.IPAddress == sub.GatewayIP {
				return badRouter("External IP %s is the same as the gateway IP", w.IPAddress)
			}
		}
	}
	return nil
}

// gatewayPort returns the router's port on its external network: that which it has there, with the
// addresses that are wanted now, or a new one.
func (s *Server) gatewayPort(t *rows.Txn, r *resource.Router, n *resource.Network, want *resource.GatewayRequest) (*resource.Port, error) {
	if r.Gateway != nil && r.Gateway.NetworkID == n.ID {
		if want.Named {
			return s.changeAddresses(t, r.Gateway.PortID, want.FixedIPs)
		}
		row, err := t.Get(s.ports, r.Gateway.PortID)
		if err != nil {
			return nil, err
		}
		return row.(*resource.Port), nil
	}
	p := s.ports.New().(*resource.Port)
	p.ID, p.NetworkID = uuid.NewString(), n.ID // as in Neutron it belongs to no project
	p.DeviceID, p.DeviceOwner = r.ID, model.RouterGatewayOwner
	p.FixedIPs = want.FixedIPs
	s.stamp(p, 1)
	return p, portOps{s}.add(t, p, resource.Given{"fixed_ips": want.Named})
}

// gatewayAttachments returns the addresses of a router that the batch depends on on its external network.
func (s *Server) gatewayAttachments(t *rows.Txn, r *resource.Router) (attachments, error) {
	if r.Gateway == nil {
		return nil, nil
	}
	row, err := t.Peek(s.ports, r.Gateway.PortID)
	if notGone(err) != nil {
		return nil, err
	}
	if err != nil {
		return nil, t.Outdated(s.routers, r.ID)
	}
	return s.attachmentsOf(t, row.(*resource.Port))
}

// checkGateway refuses a gateway on a prefix to which the router has an interface already, and to leave one
// on which next hops lie.
func (s *Server) checkGateway(t *rows.Txn, r *resource.Router, p *resource.Port) error {
	inside, err := s.interfaces(t, r)
	if err != nil {
		return err
	}
	outside, err := s.attachmentsOf(t, p)
	if err != nil {
		return err
	}
	if err := inside.check(outside); err != nil {
		return err
	}
	return append(inside, outside...).checkRoutes(r)
}

// takeTransit reserves a VNI for what chassis send each other on behalf of a router.
func (s *Server) takeTransit(t *rows.Txn, router string) (uint32, error) {
	ranges := s.opts.Segments.Transit
	if ranges.Size() == 0 {
		return 0, resource.InvalidInput("routers can have no gateway while the server's transit-vnis are empty")
	}
	at, ok := ranges.Pick(segment.TransitFrom(ranges, router), func(vni uint32) bool {
		return !s.store.Has(s.routers.Kind, rows.ByTransit(vni), router) &&
			t.Reserve(segment.TransitKey(vni), segment.Reservation{Router: router}.Encode())
	})
	if !ok {
		return 0, resource.Conflict("NoNetworkAvailable", "No transit VNI is available for the gateway of router %s.", router)
	}
	return ranges.At(at), nil
}

// ownGateway returns the router of which a port is the gateway, nil if it is none.
func (s *Server) ownGateway(t *rows.Txn, p *resource.Port) (*resource.Router, error) {
	if p.DeviceOwner != model.RouterGatewayOwner || !resource.IsUUID(p.DeviceID) {
		return nil, nil
	}
	row, err := t.Get(s.routers, p.DeviceID)
	if err != nil {
		return nil, notGone(err)
	}
	r := row.(*resource.Router)
	if r.Gateway == nil || r.Gateway.PortID != p.ID {
		return nil, nil
	}
	return r, nil
}

// reattachGateway checks the new addresses of a port that is a router's gateway, and writes them into the
// router.
func (s *Server) reattachGateway(t *rows.Txn, r *resource.Router, p *resource.Port) error {
	r = r.Clone().(*resource.Router)
	if err := s.checkGateway(t, r, p); err != nil {
		return err
	}
	g := *r.Gateway
	g.FixedIPs = slices.Clone(p.FixedIPs)
	r.Gateway = &g
	s.stamp(r, r.Revision+1)
	t.Update(s.routers, r)
	return nil
}
