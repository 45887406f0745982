package l3

import (
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
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
	app.Emit(out, links, link{g.ID, g.RouterID, g.NetworkID, g.MACAddress, net.MTU})
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
