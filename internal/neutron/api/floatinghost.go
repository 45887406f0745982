package api

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// maxVIPHosts bounds on how many chassis an address that several ports may have is served from outside.
const maxVIPHosts = 16

// placesByName returns the chassis.
func (b *board) placesByName() map[string]place {
	out := map[string]place{}
	for _, p := range b.places() {
		out[p.name] = p
	}
	return out
}

// servers are the chassis that may serve a floating IP, in order: that of its port if it reaches the external
// network, else the gateways of the router. One to which the port may move, for a live migration, serves it as soon as
// the guest is there, before anybody else hears of that: what the guest sends until then from another address than
// before would break its connections. Where the port is plugged nowhere, because its address is one
// that other ports may have by their allowed address pairs, the chassis of those count: the one whose guest
// has the address serves.
func (s *Server) servers(f *resource.FloatingIP, p *resource.Port, r *resource.Router, n *resource.Network, places map[string]place) []string {
	hosts := []string{p.HostID}
	if p.HostID == "" {
		hosts = s.vipHosts(p.NetworkID, f.FixedIPAddress)
	}
	var out []string
	serve := func(host string) {
		if !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	for _, h := range hosts {
		if c, ok := places[h]; ok && c.reaches(n) {
			serve(h)
			continue
		}
		if r.Gateway != nil {
			for _, c := range model.ByPriority(r.Gateway.Chassis) {
				serve(c.Name)
			}
		}
	}
	for _, b := range p.Inactive {
		if c, ok := places[b.HostID]; ok && c.reaches(n) {
			serve(b.HostID)
		}
	}
	return out
}

// vipHosts are the chassis of the ports that may have an address by their allowed address pairs, first that of the one
// that has it.
func (s *Server) vipHosts(network string, address netip.Addr) (hosts []string) {
	holder := ""
	if row, ok := s.store.Cached(s.activeAddresses.Kind, resource.ActiveAddressID(network, address)); ok {
		holder = row.(*resource.ActiveAddress).PortID
	}
	for _, row := range s.store.Select(s.ports.Kind, rows.ByPair(network, address)) {
		switch p := row.(*resource.Port); {
		case p.HostID == "":
		case p.ID == holder:
			hosts = slices.Insert(hosts, 0, p.HostID)
		case len(hosts) < maxVIPHosts:
			hosts = append(hosts, p.HostID)
		}
	}
	return hosts
}

// serversOf is servers for who has only the floating IP and its port.
func (s *Server) serversOf(f *resource.FloatingIP, p *resource.Port, places map[string]place) ([]string, bool) {
	r, isRouter := s.store.Cached(s.routers.Kind, f.RouterID)
	n, isNetwork := s.store.Cached(s.networks.Kind, f.NetworkID)
	if !isRouter || !isNetwork {
		return nil, false
	}
	return s.servers(f, p, r.(*resource.Router), n.(*resource.Network), places), true
}

// followPort lets what depends on a port follow it in the batch in which the port is written: floating IPs to
// the chassis where it is now; and these, port forwardings and announced addresses leave what it no longer has.
func (s *Server) followPort(t *rows.Txn, old, p *resource.Port) error {
	if s.opts.Neutron {
		return s.followPushed(t, old, p)
	}
	if err := s.followParent(t, old, p); err != nil {
		return err
	}
	if len(old.AllowedAddressPairs)+len(p.AllowedAddressPairs) > 0 {
		t.After(s.board.poke) // those of addresses that it shares with others follow
	}
	if p.HostID != old.HostID && (s.followsDistribution(p.NetworkID) || s.store.Count(s.forwardings.Kind, rows.ByPort(p.ID)) > 0) {
		t.After(s.board.poke)
	}
	if err := errors.Join(s.leaveForwardings(t, p), s.leaveAddresses(t, p)); err != nil {
		return err
	}
	places := map[string]place(nil)
	for _, row := range s.store.Select(s.floatingIPs.Kind, rows.ByPort(p.ID)) {
		row, err := t.Get(s.floatingIPs, row.Base().ID)
		if err != nil {
			if notGone(err) != nil {
				return err
			}
			continue
		}
		f := row.Clone().(*resource.FloatingIP)
		if f.PortID != p.ID {
			continue
		}
		if !hasAddress(p, f.FixedIPAddress) {
			disassociate(f)
		} else {
			if places == nil {
				places = s.board.placesByName()
			}
			hosts, ok := s.serversOf(f, p, places)
			if !ok || slices.Equal(hosts, f.Hosts) {
				continue
			}
			f.Hosts = hosts
		}
		s.stamp(f, f.Revision+1)
		t.Update(s.floatingIPs, f)
	}
	return nil
}

func hasAddress(p *resource.Port, a netip.Addr) bool {
	return slices.ContainsFunc(p.FixedIPs, func(x model.FixedIP) bool { return x.IPAddress == a })
}

// leavePort takes a port that goes away from what depends on it.
func (s *Server) leavePort(t *rows.Txn, p *resource.Port) error {
	gone := *p
	gone.FixedIPs, gone.AllowedAddressPairs, gone.HostID = nil, nil, ""
	return s.followPort(t, p, &gone)
}

// settleFloatingIPs lets floating IPs be served by the chassis that should serve them now.
func (s *Server) settleFloatingIPs(ctx context.Context) error {
	var failed error
	places := s.board.placesByName()
	for _, row := range s.store.Select(s.floatingIPs.Kind, "") {
		f := row.(*resource.FloatingIP)
		p, ok := s.store.Cached(s.ports.Kind, f.PortID)
		if f.PortID == "" || !ok {
			continue
		}
		if hosts, ok := s.serversOf(f, p.(*resource.Port), places); ok && !slices.Equal(hosts, f.Hosts) {
			failed = errors.Join(failed, s.settleFloatingIP(ctx, f))
		}
	}
	return failed
}

func (s *Server) settleFloatingIP(ctx context.Context, f *resource.FloatingIP) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	return s.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(s.ports, f.PortID)
		if err != nil {
			return notGone(err)
		}
		return s.followPort(t, row.(*resource.Port), row.(*resource.Port))
	})
}

// ownFloatingIP reports whether a port holds the address of a floating IP.
func (s *Server) ownFloatingIP(t *rows.Txn, p *resource.Port) (bool, error) {
	if p.DeviceOwner != model.FloatingIPOwner || !resource.IsUUID(p.DeviceID) {
		return false, nil
	}
	row, err := t.Peek(s.floatingIPs, p.DeviceID)
	if err != nil {
		return false, notGone(err)
	}
	return row.(*resource.FloatingIP).FloatingPortID == p.ID, nil
}

// behindGateway refuses to take a router's way outside away from floating IPs.
func (s *Server) behindGateway(r *resource.Router) error {
	if s.store.Count(s.floatingIPs.Kind, rows.ByRouter(r.ID)) == 0 {
		return nil
	}
	return resource.Conflict("RouterExternalGatewayInUseByFloatingIp", "Gateway cannot be updated for router %s, since a gateway to "+
		"external network %s is required by one or more floating IPs.", r.ID, r.Gateway.NetworkID)
}

// behindInterface refuses to take a router's way to a subnet away from floating IPs.
func (s *Server) behindInterface(r *resource.Router, subnet *resource.Subnet) error {
	for _, row := range s.store.Select(s.floatingIPs.Kind, rows.ByRouter(r.ID)) {
		if f := row.(*resource.FloatingIP); f.PortNetworkID == subnet.NetworkID && subnet.CIDR.Contains(f.FixedIPAddress) {
			return resource.Conflict("RouterInterfaceInUseByFloatingIP", "Router interface for subnet %s on router %s cannot be deleted, "+
				"as it is required by one or more floating IPs.", subnet.ID, r.ID)
		}
	}
	for _, row := range s.store.Select(s.forwardings.Kind, rows.ByRouter(r.ID)) {
		if f := row.(*resource.PortForwarding); f.PortNetworkID == subnet.NetworkID && subnet.CIDR.Contains(f.InternalAddress) {
			return resource.Conflict("RouterInterfaceInUseByFloatingIP", "Router interface for subnet %s on router %s cannot be deleted, "+
				"as it is required by one or more floating IPs.", subnet.ID, r.ID)
		}
	}
	return nil
}
