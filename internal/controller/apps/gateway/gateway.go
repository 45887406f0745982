// Package gateway is the app that decides on which chassis a router's packets leave the cloud. A router has
// a list of chassis that may be its gateway; of those that live, the first one is. All others send it what
// is for outside as their guests sent it, unrouted, with the router's transit identifier on the tunnel.
//
// Whether a chassis lives, Open vSwitch finds out by BFD (RFC 5880) on ports for that alone. Who sends to a
// gateway chooses it in the switch, by a fast failover group; who may be a gateway is told by the same
// ports. So neither the database nor a controller takes part when a gateway is replaced, and none of them
// causes it by being away.
package gateway

import (
	"fmt"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "gateway", ID: 13,
		Rules: []app.Rule{
			app.For("gateway.watch", view.RouterGateways, watches),
			app.For("gateway.distributed", view.RouterGateways, distributed),
			app.For("gateway.way", view.RouterGateways, way),
			app.For("gateway.floating", view.FloatingIPs, floating),
			app.For("gateway.forwarding", view.PortForwardings, forwarding),
		},
	}
}

// place tells where this chassis stands among those that may be the gateway of a router.
type place struct {
	*model.RouterGateway
	// before are the other chassis that are to be the gateway rather than this one, all of them if this one
	// is none.
	before []model.GatewayChassis
	// mine says that this chassis is on the list.
	mine bool
}

func placeOf(r *view.Reader, g *model.RouterGateway) place {
	self, _ := view.Get(r, view.Self, "self")
	list := model.ByPriority(g.Chassis)
	at := slices.IndexFunc(list, func(c model.GatewayChassis) bool { return c.Name == self.Name })
	if at < 0 {
		return place{g, list, false}
	}
	return place{g, list[:at], true}
}

// watches derives what has to be watched for a router's gateway.
func watches(r *view.Reader, g *model.RouterGateway, out *app.Output) {
	self, _ := view.Get(r, view.Self, "self")
	list := g.Chassis
	if len(list) == 0 {
		out.Problem("chassis: no chassis is a gateway of the router, what is for outside is dropped: set gateway on chassis " +
			"that are connected to the external network")
		return
	}
	if len(list) == 1 { // there is nobody to choose from
		return
	}
	for _, other := range list {
		if other.Name != self.Name {
			app.Emit(out, view.Watches, view.Watch{Chassis: other.Name})
		}
	}
	if !placeOf(r, g).mine {
		return
	}
	// Those who send here watch this chassis, which works only if both ends do.
	interfaces, _ := view.Find(r, view.InterfacesByRouter, g.RouterID)
	for _, i := range interfaces {
		app.Emit(out, view.WatchedNetworks, view.WatchedNetwork{ID: i.NetworkID})
	}
	if _, tunnelled := view.Get(r, view.Overlays, g.NetworkID); tunnelled == view.Present {
		app.Emit(out, view.WatchedNetworks, view.WatchedNetwork{ID: g.NetworkID})
	}
}

// reach returns the type of tunnel by which another chassis is reached: the first that both have, in the
// order in which all chassis look.
func reach(r *view.Reader, chassis string) (model.NetworkType, bool) {
	c, found := view.Get(r, view.ChassisAll, chassis)
	if found != view.Present {
		return "", false
	}
	return view.CommonTunnel(r, c)
}

// way sends what a router has for outside: on from here if this chassis is its gateway, else to the chassis
// that is.
func way(r *view.Reader, g *model.RouterGateway, out *app.Output) {
	c := placeOf(r, g)
	if len(c.before) == 0 && !c.mine {
		return // reported with the router
	}
	number := r.Number(pipeline.RouterNumbers, c.RouterID)
	network := r.Number(pipeline.NetworkNumbers, c.NetworkID)
	if c.mine && c.TransitVNI != 0 {
		_, tunnelled := view.Get(r, view.Overlays, c.NetworkID)
		app.Emit(out, view.Transits, view.Transit{
			VNI: c.TransitVNI, RouterKey: number, NetworkKey: network, Source: pipeline.Routed,
			Scopes:  [...]uint32{uint32(scopesOf(r, g, false).outside), uint32(scopesOf(r, g, true).outside)},
			Overlay: tunnelled == view.Present,
		})
	}
	match := flow.NewMatch(pipeline.Network.Is(uint64(network)), pipeline.Router.Is(uint64(number)))
	if c.mine && !slices.ContainsFunc(c.before, func(o model.GatewayChassis) bool { return mayLive(r, o.Name) }) {
		app.Emit(out, view.ActiveGateways, view.ActiveGateway{RouterID: c.RouterID})
		if view.LeadsOutside(r, c.NetworkID) {
			app.Emit(out, view.Hairpins, view.Hairpin{NetworkID: c.NetworkID, MAC: c.MACAddress})
		}
		leave(r, g, match, flow.Do().Goto(pipeline.NextHops.Table()), "this chassis is the router's gateway", out)
		return
	}
	if c.TransitVNI == 0 {
		out.Problem("transit_vni: the router has none, so nothing can be sent to its gateway: run the server, which gives it one")
		return
	}
	choices := choices(r, c, out)
	if len(choices) == 0 {
		return
	}
	// The switch puts no packet out where it came in, unless it is said to have come from elsewhere.
	do := []flow.Action{flow.Load(flow.TunID.All(), uint64(c.TransitVNI)), flow.Load(flow.InPort.All(), 0)}
	if len(choices) == 1 {
		do = append(do, flow.Load(pipeline.RemoteChassis, uint64(choices[0].via)), flow.Resubmit(pipeline.TunnelOutput.Table()))
	} else {
		do = append(do, flow.Group(failover(r, c.RouterID, choices, out)))
	}
	keepScope(r, g, match, out)
	leave(r, g, match, flow.Do(do...), "the packet goes to the router's gateway, unrouted", out)
}

// mayLive reports whether a chassis forwards packets, or has just begun to be watched.
func mayLive(r *view.Reader, chassis string) bool {
	if _, reached := reach(r, chassis); !reached {
		return false
	}
	w, found := view.Get(r, view.WatchPorts, chassis)
	return found != view.Present || w.Alive
}

// choice is a chassis that may be the gateway, and how packets get there.
type choice struct {
	via uint32
	// watched is the port by which the switch knows whether it lives; zero if there is none yet.
	watched uint32
	// tunnel is the port by which packets go there.
	tunnel uint32
}

// choices returns who may be asked, first the one to be asked first.
func choices(r *view.Reader, c place, out *app.Output) []choice {
	var list []choice
	for _, other := range c.before {
		typ, ok := reach(r, other.Name)
		if !ok {
			out.Problem(fmt.Sprintf("chassis: %s, which may be the router's gateway, is not reached by a tunnel: see tunnel-ip and tunnel-types there and here", other.Name))
			continue
		}
		app.Emit(out, view.TunnelPeers, view.TunnelPeer{Chassis: other.Name, Type: typ})
		at, _ := view.Get(r, view.TunnelPorts, string(typ))
		w, _ := view.Get(r, view.WatchPorts, other.Name)
		list = append(list, choice{
			via: r.Number(pipeline.ChassisNumbers, pipeline.ChassisContent(other.Name, string(typ))), watched: w.OFPort, tunnel: at.OFPort,
		})
	}
	return list
}

// failover makes the group that sends to the first of several chassis that lives. If none seems to, the
// first one is tried: that it is not heard may be the fault of this chassis.
func failover(r *view.Reader, router string, list []choice, out *app.Output) uint32 {
	var buckets []flow.Bucket
	to := func(c choice, watch uint32) {
		buckets = append(buckets, flow.Bucket{WatchPort: watch, Actions: []flow.Action{
			flow.Load(pipeline.RemoteChassis, uint64(c.via)), flow.Resubmit(pipeline.TunnelOutput.Table()),
		}})
	}
	for _, c := range list {
		if c.watched != 0 {
			to(c, c.watched)
		}
	}
	to(list[0], list[0].tunnel) // this port is always there
	id := r.Number(pipeline.GroupNumbers, "gateway/"+router)
	out.Group(flow.NewGroup(id, flow.GroupFastFailover, buckets...))
	return id
}
