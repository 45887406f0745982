// Package l3 is the app of the distributed router: every chassis routes what its own guests send, so that
// a packet between two networks goes straight from the sender's chassis to the receiver's.
//
// The app also derives which routers and networks a chassis follows. What a router answers in flows is an
// echo; what it refuses, the controller tells the sender by ICMP, metered for each port. It also tells guests of a router's new
// addresses, as they may know them of another router.
package l3

import (
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

const appID = 8

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "l3", ID: appID,
		Rules: slices.Concat(closureRules(), []app.Rule{
			app.For("l3.interface", view.RouterInterfaces, routerInterface),
			app.For("l3.gateway", view.RouterGateways, gateway),
			app.For("l3.routes", followed, extraRoutes),
			app.For("l3.scopes", ways, scopesOf),
			app.For("l3.enter", links, enter),
			app.For("l3.address", routerAddresses, answer),
			app.For("l3.route", destinations, route),
			app.For("l3.port", view.Ports, port),
			app.For("l3.active", view.AddressHolders, activeHolder),
			app.For("l3.floating", view.ServedFloatingIPs, floating),
			app.For("l3.served", view.ServedForwardings, served),
			app.For("l3.forwarded", view.PortForwardings, forwarded),
			app.For("l3.chassis", view.DistributedSNATs, ownAddress),
			app.For("l3.meet", exits, meet),
			app.ForEach("l3.hop", holdersByHop, nextHop),
			app.For("l3.outside", view.Wires, outside),
			app.For("l3.via", extras, via),
			app.For("l3.exit", view.RouterGateways, exit),
			app.For("l3.sought", view.SoughtAddresses, sought),
			app.For("l3.beyond", view.Neighbours, beyond),
			app.For("l3.output", ways, output),
			app.For("l3.router", view.Routers, router),
			app.For("l3.network", view.Networks, network),
			app.For("l3.sender", view.LocalPorts, sender),
			app.For("l3.always", view.Self, always),
		}),
		PacketIn:  packetIn,
		Announcer: &app.Announcer{Table: interfaceAddresses, Send: announce},
	}
}
