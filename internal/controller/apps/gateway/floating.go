package gateway

import (
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// floating has what the port of a floating IP sends outside leave here, not at the router's gateway, if this chassis
// is the one that serves the floating IP.
func floating(r *view.Reader, f *model.FloatingIP, out *app.Output) {
	if n, found := view.Get(r, view.Networks, f.NetworkID); found == view.Present && len(n.Segments) == 0 {
		out.Problem("network_id: the external network has no segment by which floating IPs are reached: give it one, " +
			"or take the floating IP from one that has")
		return
	}
	if !serves(r, f) {
		return
	}
	app.Emit(out, view.ServedFloatingIPs, view.ServedFloatingIP{
		ID: f.ID, RouterID: f.RouterID, NetworkID: f.NetworkID, Address: f.FloatingIPAddress, MAC: f.MACAddress,
		Fixed: f.FixedIPAddress, PortID: f.PortID, PortNetworkID: f.PortNetworkID,
	})
	app.Emit(out, view.Hairpins, view.Hairpin{NetworkID: f.NetworkID, MAC: f.MACAddress})
	out.Flow(pipeline.Gateways, pipeline.High, flow.NewMatch(
		pipeline.Network.Is(uint64(r.Number(pipeline.NetworkNumbers, f.NetworkID))),
		pipeline.Router.Is(uint64(r.Number(pipeline.RouterNumbers, f.RouterID))), flow.IPv4(), flow.IPv4Src.Addr(f.FixedIPAddress),
	), flow.Do(flow.Load(pipeline.AddressScope, scopeOf(r, f.NetworkID, f.FloatingIPAddress))).Goto(pipeline.NextHops.Table()),
		"the sender has a floating IP, which is here")
}

// serves reports whether a floating IP that this chassis may serve is its to serve now: if its port is here, or if
// the router's gateway is. Nobody serves one whose router is down or has left the external network.
func serves(r *view.Reader, f *model.FloatingIP) bool {
	n, ok := leadsOut(r, f.RouterID, f.NetworkID)
	if !ok {
		return false
	}
	if p, here := view.Get(r, view.LocalPorts, f.PortID); here == view.Present && !p.Prepared {
		return true
	}
	if own, found := view.Get(r, view.Ports, view.Within(f.PortNetworkID, f.PortID)); found == view.Present && own.Host != "" && reaches(r, n, own.Host) {
		return false // who has the port serves
	}
	if at, kept := keptFor(r, f); kept {
		p, here := view.Get(r, view.LocalPorts, at.ID)
		if here == view.Present || at.Host == "" || reaches(r, n, at.Host) {
			return here == view.Present && !p.Prepared
		}
	}
	_, active := view.Get(r, view.ActiveGateways, f.RouterID)
	return active == view.Present
}

// leadsOut returns the external network of a router, if it is up and this chassis is connected to it.
func leadsOut(r *view.Reader, router, network string) (*model.Network, bool) {
	ro, found := view.Get(r, view.Routers, router)
	n, netFound := view.Get(r, view.Networks, network)
	if found != view.Present || netFound != view.Present || !ro.AdminStateUp || !n.AdminStateUp || !view.LeadsOutside(r, network) {
		return nil, false
	}
	gateways, _ := view.Find(r, view.GatewaysByRouter, router)
	return n, slices.ContainsFunc(gateways, func(g *model.RouterGateway) bool { return g.NetworkID == network })
}

// keptFor returns the port that has the address of a floating IP whose own port is bound nowhere and keeps the address
// for those that may have it by their allowed address pairs; it reports false if there are none. No port has the
// address as long as several may have it and none has announced it.
func keptFor(r *view.Reader, f *model.FloatingIP) (at model.Port, kept bool) {
	own, found := view.Get(r, view.Ports, view.Within(f.PortNetworkID, f.PortID))
	if found != view.Present || own.Host != "" {
		return at, false
	}
	var ports []*model.Port
	for _, p := range view.Covering(r, view.PortsByAddressPair, f.PortNetworkID, netip.PrefixFrom(f.FixedIPAddress, f.FixedIPAddress.BitLen())) {
		if p.Host != "" && p.AdminStateUp && !slices.Contains(ports, p) {
			ports = append(ports, p)
		}
	}
	h, announced := view.Get(r, view.AddressHolders, view.ActiveKey(f.PortNetworkID, f.FixedIPAddress))
	for _, p := range ports {
		if len(ports) == 1 || announced == view.Present && p.ID == h.PortID {
			return *p, true
		}
	}
	return at, len(ports) > 0
}

// reaches tells whether a chassis is connected to a physical network of an external network, or, where tunnels alone
// carry that, has such tunnels.
func reaches(r *view.Reader, n *model.Network, chassis string) bool {
	c, found := view.Get(r, view.ChassisAll, chassis)
	if s, tunnelled := model.TunnelOnly(n.Segments); tunnelled {
		return found == view.Present && c.TunnelIP.IsValid() && slices.Contains(c.TunnelTypes, s.NetworkType)
	}
	return found == view.Present && slices.ContainsFunc(n.Segments, func(s model.Segment) bool {
		return s.PhysicalNetwork != "" && slices.Contains(c.PhysicalNetworks, s.PhysicalNetwork)
	})
}

// scopeOf returns the number of the address scope of an address on a network, zero for none.
func scopeOf(r *view.Reader, network string, a netip.Addr) uint64 {
	id := view.AddressScopeOf(r, network, a)
	if id == "" {
		return 0
	}
	return uint64(r.Number(pipeline.AddressScopeNumbers, id))
}
