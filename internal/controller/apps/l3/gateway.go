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
		leadsToPorts(r, g, out)
	}
	for _, f := range g.FixedIPs {
		app.Emit(out, exits, exitPoint{hop{g.NetworkID, f.IPAddress}, g.MACAddress})
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

// leadsToPorts asks for the ports of an external network that tunnels alone carry: nobody else is outside there. What
// they send that is refused, they are told.
func leadsToPorts(r *view.Reader, g *model.RouterGateway, out *app.Output) {
	if _, tunnelled := view.Get(r, view.Overlays, g.NetworkID); tunnelled == view.Present {
		app.Emit(out, view.Interests, view.Interest{Scope: model.ScopeNetworkPorts(g.NetworkID)})
		hearOutside(r, out)
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
	if _, found := view.Get(r, view.DistributedSNATs, router); found == view.Present {
		return true
	}
	_, found := view.Find(r, view.FloatingIPsByRouter, router)
	return found == view.Present
}

// exit has the gateway of a router be where it leaves the cloud: it takes what comes for the router from
// the wire, and answers there for its addresses. Only the chassis that is the gateway now does so.
func exit(r *view.Reader, g *model.RouterGateway, out *app.Output) {
	_, active := view.Get(r, view.ActiveGateways, g.RouterID)
	list, _ := view.Find(r, linksByWay, way{g.RouterID, g.NetworkID}.key())
	if active != view.Present || !view.LeadsOutside(r, g.NetworkID) || len(list) == 0 {
		return
	}
	takeIn(r, list[0], out)
	for _, f := range g.FixedIPs {
		app.Emit(out, view.WireAddresses, view.WireAddress{NetworkID: g.NetworkID, Address: f.IPAddress, MAC: g.MACAddress, Announce: true})
	}
}

// exitPoint is an address on an external network of which this chassis knows who has it, without following the
// network's ports.
type exitPoint struct {
	hop
	mac model.MAC
}

var exits = view.NewDerived("ExitPoint", func(e exitPoint) string { return e.key() })

// floating has what routers of this chassis send to a floating IP that is here find it, and lets its port speak
// to the address of its router outside: behind that there are those to whom the router gave it in place of theirs.
func floating(r *view.Reader, f view.ServedFloatingIP, out *app.Output) {
	app.Emit(out, exits, exitPoint{hop{f.NetworkID, f.Address}, f.MAC})
	gateways, _ := view.Find(r, view.GatewaysByRouter, f.RouterID)
	for _, g := range gateways {
		for _, at := range g.FixedIPs {
			if !g.EnableSNAT || !at.IPAddress.Is4() {
				continue
			}
			out.Flow(pipeline.RouterAddresses, pipeline.Normal+1, flow.NewMatch(
				pipeline.Router.Is(uint64(r.Number(pipeline.RouterNumbers, f.RouterID))), flow.IPv4(), flow.IPv4Src.Addr(f.Fixed), flow.IPv4Dst.Addr(at.IPAddress),
			), flow.Goto(pipeline.Routes.Table()), "the sender has a floating IP, and answers somebody who has the address of the router outside")
		}
	}
}

// ownAddress has floating IPs of this chassis find the address that its other guests have outside.
func ownAddress(_ *view.Reader, s view.DistributedSNAT, out *app.Output) {
	app.Emit(out, exits, exitPoint{hop{s.NetworkID, s.Address}, s.MAC})
}

// meet addresses packets to who has an address on the external network.
func meet(r *view.Reader, e exitPoint, out *app.Output) {
	_, routed := view.Get(r, routedNetworks, e.network)
	if list, _ := view.Find(r, holdersByHop, e.key()); routed != view.Present || len(list) > 0 {
		return
	}
	network := uint64(r.Number(pipeline.NetworkNumbers, e.network))
	out.Flow(pipeline.NextHops, pipeline.Normal, flow.NewMatch(pipeline.Network.Is(network), flow.IPOf(e.address), isNextHop(e.address)),
		flow.Do(flow.SetField(flow.EthDst.MAC(e.mac))).Goto(pipeline.RouteOutput.Table()), "a router, or a floating IP of this chassis, has the next hop's address")
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
