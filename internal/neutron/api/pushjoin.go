package api

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
	"github.com/dragonflow/dragonflow/internal/neutron/translate"
)

// What a Neutron pushes comes in any order, and some objects say less than chassis need: a router not which port is
// its gateway, a floating IP not which MAC it has outside nor which chassis serves it. A row is joined with the others
// that it belongs to when it is written, when these are written, and again whenever a server sees any of them change,
// so it does not matter which came first, nor through which server. Until all are there, chassis are told nothing.

// keep takes over from the row that is replaced what Neutron does not know.
func (s *Server) keep(old, row resource.Row) {
	switch r := row.(type) {
	case *resource.Port:
		keepArrival(old.(*resource.Port), r)
	case *resource.Router:
		if was := old.(*resource.Router).Gateway; was != nil && r.Gateway != nil {
			g := *r.Gateway
			g.TransitVNI = was.TransitVNI
			if g.NetworkID == was.NetworkID {
				g.Chassis = was.Chassis
			}
			r.Gateway = &g
		}
	}
}

// keepArrival leaves a port where its guest has been heard, until Neutron has its binding there active or none there.
func keepArrival(old, p *resource.Port) {
	if at := inactive(p, old.Arrived); old.Arrived != "" && at >= 0 {
		p.Inactive = slices.Clone(p.Inactive)
		swapBindings(p, at)
		p.Arrived = old.Arrived
	}
}

// release gives back what a row has reserved and its successor, which may be nil, has not.
func (s *Server) release(t *rows.Txn, old, row resource.Row) {
	was, ok := old.(*resource.Router)
	if !ok || was.Gateway == nil || was.Gateway.TransitVNI == 0 {
		return
	}
	if r, ok := row.(*resource.Router); !ok || r.Gateway == nil {
		t.Release(segment.TransitKey(was.Gateway.TransitVNI))
	}
}

// join completes a row by what others say. The row is the caller's.
func (s *Server) join(t *rows.Txn, row resource.Row) error {
	switch r := row.(type) {
	case *resource.Subnet:
		r.AddressScopeID = ""
		if pool, ok := t.Lookup(s.subnetPools, r.SubnetPoolID); ok {
			r.AddressScopeID = pool.(*resource.SubnetPool).AddressScopeID
		}
	case *resource.Router:
		return s.joinRouter(t, r)
	case *resource.FloatingIP:
		s.joinFloatingIP(t, r)
	case *resource.PortForwarding:
		s.joinForwarding(t, r)
	case *resource.Port:
		s.joinSubPort(t, r)
	}
	return nil
}

// portOf finds the port that a router or floating IP has on an external network.
func (s *Server) portOf(t *rows.Txn, device, owner, network string) *resource.Port {
	var found *resource.Port
	for _, row := range t.Select(s.ports, rows.ByDevice(device)) {
		p := row.(*resource.Port)
		if p.DeviceOwner == owner && p.NetworkID == network && (found == nil || p.ID < found.ID) {
			found = p
		}
	}
	return found
}

func (s *Server) joinRouter(t *rows.Txn, r *resource.Router) error {
	if r.Gateway == nil {
		return nil
	}
	g := *r.Gateway
	r.Gateway = &g
	g.PortID, g.MACAddress, g.FixedIPs = "", model.MAC{}, nil
	if p := s.portOf(t, r.ID, model.RouterGatewayOwner, g.NetworkID); p != nil {
		g.PortID, g.MACAddress, g.FixedIPs = p.ID, p.MACAddress, p.FixedIPs
	}
	if n, ok := t.Lookup(s.networks, g.NetworkID); ok {
		g.Chassis = inOrder(s.schedule(r, n.(*resource.Network), g.Chassis), s.formerChassis(r))
	}
	var err error
	if g.TransitVNI == 0 {
		g.TransitVNI, err = s.takeTransit(t, r.ID)
	}
	return err
}

// formerChassis are a router's gateways as they were before the database was lost.
func (s *Server) formerChassis(r *resource.Router) []model.GatewayChassis {
	row, ok := s.store.Former(s.routers.Kind, r.ID)
	if !ok || row.(*resource.Router).Gateway == nil || row.(*resource.Router).Gateway.NetworkID != r.Gateway.NetworkID {
		return nil
	}
	return row.(*resource.Router).Gateway.Chassis
}

// inOrder gives chassis the order that they had; those that were not there come last.
func inOrder(chassis, former []model.GatewayChassis) []model.GatewayChassis {
	place := func(c model.GatewayChassis) int {
		at := slices.IndexFunc(model.ByPriority(former), func(f model.GatewayChassis) bool { return f.Name == c.Name })
		if at < 0 {
			return len(former)
		}
		return at
	}
	sorted := model.ByPriority(chassis)
	slices.SortStableFunc(sorted, func(a, b model.GatewayChassis) int { return place(a) - place(b) })
	for i := range sorted {
		sorted[i].Priority = len(sorted) - i
	}
	return sorted
}

func (s *Server) joinFloatingIP(t *rows.Txn, f *resource.FloatingIP) {
	f.FloatingPortID, f.MACAddress, f.PortNetworkID, f.Hosts = "", model.MAC{}, "", nil
	if p := s.portOf(t, f.ID, model.FloatingIPOwner, f.NetworkID); p != nil {
		f.FloatingPortID, f.MACAddress = p.ID, p.MACAddress
	}
	inside, isPort := t.Lookup(s.ports, f.PortID)
	r, isRouter := t.Lookup(s.routers, f.RouterID)
	n, isNetwork := t.Lookup(s.networks, f.NetworkID)
	if !isPort {
		return
	}
	p := inside.(*resource.Port)
	f.PortNetworkID = p.NetworkID
	if f.FloatingPortID == "" || !isRouter || !isNetwork || !hasAddress(p, f.FixedIPAddress) {
		return
	}
	f.Hosts = s.servers(f, p, r.(*resource.Router), n.(*resource.Network), s.board.placesByName())
	if !valid(f) {
		f.Hosts = nil
	}
}

func (s *Server) joinForwarding(t *rows.Txn, f *resource.PortForwarding) {
	f.ExternalAddress, f.NetworkID, f.MACAddress, f.PortNetworkID, f.RouterID, f.Hosts = netip.Addr{}, "", model.MAC{}, "", "", nil
	row, isFloating := t.Lookup(s.floatingIPs, f.FloatingIPID)
	inside, isPort := t.Lookup(s.ports, f.InternalPortID)
	if !isFloating || !isPort {
		return
	}
	outside, p := row.(*resource.FloatingIP), inside.(*resource.Port)
	f.ProjectID = outside.ProjectID
	f.ExternalAddress, f.NetworkID, f.MACAddress = outside.FloatingIPAddress, outside.NetworkID, outside.MACAddress
	f.PortNetworkID, f.RouterID = p.NetworkID, outside.RouterID
	r, isRouter := t.Lookup(s.routers, f.RouterID)
	if !isRouter || !hasAddress(p, f.InternalAddress) {
		return
	}
	f.Hosts = forwardingHosts(r.(*resource.Router), p)
	if !valid(f) {
		f.Hosts = nil
	}
}

// valid reports whether chassis can be told what a row stands for.
func valid(row resource.Row) bool {
	for _, o := range translate.Objects(row) {
		if o.Validate() != nil {
			return false
		}
	}
	return true
}

// follow has what belongs to a row follow it, in the batch in which it is written: old or row is nil if there was or
// will be none.
func (s *Server) follow(t *rows.Txn, old, row resource.Row) error {
	was, _ := old.(*resource.Port)
	p, _ := row.(*resource.Port)
	if was != nil || p != nil {
		return s.followPushed(t, was, p)
	}
	return nil
}

// followPushed is follow for ports; either may be nil.
func (s *Server) followPushed(t *rows.Txn, old, p *resource.Port) error {
	for _, x := range []*resource.Port{old, p} {
		if x == nil {
			continue
		}
		err := s.rejoin(t, s.routers, x.DeviceID, x.DeviceOwner == model.RouterGatewayOwner)
		err = errors.Join(err, s.rejoin(t, s.floatingIPs, x.DeviceID, x.DeviceOwner == model.FloatingIPOwner))
		if err != nil {
			return err
		}
	}
	one := p
	if one == nil {
		one = &resource.Port{Common: resource.Common{ID: old.ID}}
	}
	for _, row := range t.Select(s.floatingIPs, rows.ByPort(one.ID)) {
		if err := s.rejoin(t, s.floatingIPs, row.Base().ID, true); err != nil {
			return err
		}
	}
	for i, row := range t.Select(s.forwardings, rows.ByPort(one.ID)) {
		if i >= maxDropped {
			break // the others follow as soon as the server sees the port changed
		}
		if err := s.rejoin(t, s.forwardings, row.Base().ID, true); err != nil {
			return err
		}
	}
	if old != nil && p != nil {
		if err := s.followParent(t, old, p); err != nil {
			return err
		}
	}
	return s.leaveAddresses(t, one)
}

// rejoin joins a row, if it is there and another row concerns it.
func (s *Server) rejoin(t *rows.Txn, typ *resource.Type, id string, concerned bool) error {
	old, ok := t.Lookup(typ, id)
	if !concerned || !ok {
		return nil
	}
	row := old.Clone()
	if err := s.join(t, row); err != nil || sameRow(old, row) {
		return err
	}
	old, err := t.Get(typ, id)
	if err != nil {
		return notGone(err)
	}
	row = old.Clone()
	if err := s.join(t, row); err != nil {
		return err
	}
	t.Update(typ, row)
	return nil
}

// settlePushed joins everything again, as the chassis are now.
func (s *Server) settlePushed(ctx context.Context) error {
	var failed error
	for _, typ := range []*resource.Type{s.ports, s.subnets, s.routers, s.floatingIPs, s.forwardings} {
		for _, row := range s.store.Select(typ.Kind, "") {
			failed = errors.Join(failed, s.settleRow(ctx, typ, row.Base().ID))
		}
	}
	return failed
}

func (s *Server) settleRow(ctx context.Context, typ *resource.Type, id string) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	return s.store.Update(ctx, func(t *rows.Txn) error { return s.rejoin(t, typ, id, true) })
}
