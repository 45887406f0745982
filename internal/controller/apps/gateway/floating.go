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
	ro, found := view.Get(r, view.Routers, f.RouterID)
	n, netFound := view.Get(r, view.Networks, f.NetworkID)
	_, wired := view.Get(r, view.Wires, f.NetworkID)
	if found != view.Present || netFound != view.Present || !ro.AdminStateUp || !n.AdminStateUp || wired != view.Present {
		return false
	}
	gateways, _ := view.Find(r, view.GatewaysByRouter, f.RouterID)
	if !slices.ContainsFunc(gateways, func(g *model.RouterGateway) bool { return g.NetworkID == f.NetworkID }) {
		return false
	}
	if p, here := view.Get(r, view.LocalPorts, f.PortID); here == view.Present {
		return !p.Prepared
	}
	_, active := view.Get(r, view.ActiveGateways, f.RouterID)
	return active == view.Present
}

// scopeOf returns the number of the address scope of an address on a network, zero for none.
func scopeOf(r *view.Reader, network string, a netip.Addr) uint64 {
	id := view.AddressScopeOf(r, network, a)
	if id == "" {
		return 0
	}
	return uint64(r.Number(pipeline.AddressScopeNumbers, id))
}
