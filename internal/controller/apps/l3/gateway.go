package l3

import (
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// gateway connects a followed router to its external network: to the subnets there of which it has an
// address, and by their gateways to everything else. On which chassis a packet goes out is decided behind
// the routes, which are the same everywhere.
func gateway(r *view.Reader, g *model.RouterGateway, out *app.Output) {
	if _, found := view.Get(r, followed, g.RouterID); found != view.Present {
		return
	}
	ro, found := view.Get(r, view.Routers, g.RouterID)
	net, netFound := view.Get(r, view.Networks, g.NetworkID)
	if found != view.Present || netFound != view.Present || !ro.AdminStateUp || !net.AdminStateUp {
		return
	}
	app.Emit(out, links, link{g.ID, g.RouterID, g.NetworkID, g.MACAddress, net.MTU, true})
	app.Emit(out, ways, way{g.RouterID, g.NetworkID})
	app.Emit(out, routedNetworks, routedNetwork{g.NetworkID})
	if comesIn(r, g.RouterID) {
		app.Emit(out, linkMTUs, linkMTU{g.RouterID, net.MTU})
	}
	for _, f := range g.FixedIPs {
		if f.IPAddress.Is6() {
			app.Emit(out, routerAddresses, routerAddress{g.RouterID, packet.LinkLocal(g.MACAddress)})
		}
		app.Emit(out, routerAddresses, routerAddress{g.RouterID, f.IPAddress})
		s, found := view.Get(r, view.Subnets, view.Within(g.NetworkID, f.SubnetID))
		if found != view.Present {
			continue
		}
		app.Emit(out, connections, connection{g.RouterID, g.NetworkID, g.ID, s.CIDR, f.IPAddress, s.AddressScopeID, true})
		app.Emit(out, destinations, destination{g.RouterID, s.CIDR})
		defaultRoute(ro, g, s, out)
	}
}

// defaultRoute leads to the gateway of an external subnet, unless the router has an extra route in its place.
func defaultRoute(ro *model.Router, g *model.RouterGateway, s *model.Subnet, out *app.Output) {
	everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if s.CIDR.Addr().Is6() {
		everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	replaced := slices.ContainsFunc(ro.Routes, func(x model.Route) bool { return x.Destination == everything })
	if !s.GatewayIP.IsValid() || replaced {
		return
	}
	app.Emit(out, extras, extra{g.RouterID, everything, g.NetworkID, s.GatewayIP, true})
	app.Emit(out, destinations, destination{g.RouterID, everything})
}

// comesIn reports whether packets from outside may come to a router on this chassis.
func comesIn(r *view.Reader, router string) bool {
	if _, found := view.Get(r, view.GatewayDuties, router); found == view.Present {
		return true
	}
	_, found := view.Find(r, view.FloatingIPsByRouter, router)
	return found == view.Present
}

// exit has the gateway of a router be where it leaves the cloud: it takes what comes for the router from
// the wire, and answers there for its addresses. Only the chassis that is the gateway now does so.
func exit(r *view.Reader, g *model.RouterGateway, out *app.Output) {
	_, active := view.Get(r, view.ActiveGateways, g.RouterID)
	_, wired := view.Get(r, view.Wires, g.NetworkID)
	list, _ := view.Find(r, linksByWay, way{g.RouterID, g.NetworkID}.key())
	if active != view.Present || wired != view.Present || len(list) == 0 {
		return
	}
	takeIn(r, list[0], out)
	for _, f := range g.FixedIPs {
		app.Emit(out, view.WireAddresses, view.WireAddress{NetworkID: g.NetworkID, Address: f.IPAddress, MAC: g.MACAddress, Announce: true})
	}
}

// takeIn takes to a router what comes for it from the wire.
func takeIn(r *view.Reader, l link, out *app.Output) {
	network := uint64(r.Number(pipeline.NetworkNumbers, l.network))
	for family, ip := range families() {
		do := []flow.Action{
			flow.Load(pipeline.SourcePort, pipeline.Routed), flow.Load(pipeline.CameBy, network),
			flow.Load(pipeline.Router, uint64(r.Number(pipeline.RouterNumbers, l.router))),
		}
		if mixed(r, l.router, family) {
			do = append(do, flow.Load(pipeline.AddressScope, way{l.router, l.network}.scope(r, family)))
		}
		out.Flow(pipeline.Routers, pipeline.High, flow.NewMatch(pipeline.Network.Is(network), pipeline.SourcePort.Is(0), flow.EthDst.MAC(l.mac), ip),
			flow.Do(do...).Goto(pipeline.RouterAddresses.Table()), "the packet came from outside for the router, whose gateway is here")
	}
}
