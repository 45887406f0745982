// Package snat is the app that has many senders share an address outside (Neutron API "enable_snat"): what a router's
// guests without a floating IP send into its external network gets the address of the router's gateway, on the
// chassis that is the gateway, and what is answered comes back to them. Only IPv4 is translated.
//
// With distributed SNAT each chassis that has an address of its own on the external network translates what its
// own guests send to that, for all routers, in two steps: in the router's own zone of the connection tracker to an
// address that stands for the router on this chassis, and from that, in a zone of the external network, to the address
// outside. In one step, two guests of different routers with the same address and port would be one.
package snat

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "snat", ID: 15,
		Rules: []app.Rule{
			app.For("snat.gateway", view.RouterGateways, gateway),
			app.For("snat.distributed", view.DistributedSNATs, distributed),
			app.For("snat.chassis", view.ChassisAddresses, chassis),
			app.For("snat.always", view.Self, always),
		},
	}
}

// Priorities in the stages: what is kept as it is comes before what is translated, and what other chassis sent here
// before what the chassis' own guests did.
const (
	keeps     = pipeline.High
	transit   = pipeline.Normal + 1
	translate = pipeline.Normal
)

// gateway translates to the address of a router's gateway, if that is here now.
func gateway(r *view.Reader, g *model.RouterGateway, out *app.Output) {
	address := view.TranslatedTo(g)
	_, active := view.Get(r, view.ActiveGateways, g.RouterID)
	if !address.IsValid() || active != view.Present || !view.LeadsOutside(r, g.NetworkID) {
		return
	}
	zone := zoneOf(r, g.RouterID)
	network, router := keysOf(r, g)
	to := flow.NewMatch(network, flow.EthDst.MAC(g.MACAddress), flow.IPv4())
	out.Flow(pipeline.SNATInput, pipeline.High, to.And(flow.IPv4Dst.Addr(address)), flow.Do(
		flow.Load(pipeline.Router, router.Value.Lo),
		flow.CT(flow.ConnTrack{Zone: zone, NAT: &flow.NAT{}, HasTable: true, Table: pipeline.SNATReply.Table()}),
	), "the packet may answer what was sent with the gateway's address")
	if view.AddressScopeOf(r, g.NetworkID, address) == "" {
		unasked(r, g, to, zone, out)
	}
	priority, from := translate, flow.NewMatch(network, router, flow.IPv4())
	if _, here := view.Get(r, view.DistributedSNATs, g.RouterID); here == view.Present {
		priority, from = transit, from.And(pipeline.SourcePort.Is(pipeline.Routed)) // what other chassis sent here
	}
	out.Flow(pipeline.SNATOutput, priority, from, flow.Do(source(zone, address, pipeline.SNATLeave)),
		"the sender gets the address of the router's gateway")
	untouched(r, g, out)
	replies(r, g, out)
}

// unasked notes what those outside send, where a route leads them, to an address inside without translation, so that
// the answer keeps its sender, too.
func unasked(r *view.Reader, g *model.RouterGateway, to flow.Match, zone uint16, out *app.Output) {
	for _, in := range view.InsideOf(r, g.RouterID, false) {
		if in.Scope == "" {
			out.Flow(pipeline.SNATInput, translate, to.And(flow.IPv4Dst.Prefix(in.Prefix)), flow.Do(flow.CT(flow.ConnTrack{
				Commit: true, Zone: zone, HasTable: true, Table: pipeline.Routers.Table(),
			})), "the packet is for an address inside: what answers it is not translated")
		}
	}
}

// untouched lets leave as they are what the router itself sends, and what is of the external network's address scope.
// What has a floating IP does not come here. A guest that has given itself another's address outside is translated.
func untouched(r *view.Reader, g *model.RouterGateway, out *app.Output) {
	network, router := keysOf(r, g)
	keep := func(p netip.Prefix, reason string) {
		out.Flow(pipeline.SNATOutput, keeps, flow.NewMatch(network, router, flow.IPv4(), flow.IPv4Src.Prefix(p)),
			flow.Do(flow.Load(pipeline.Router, 0)).Goto(pipeline.L2Lookup.Table()), reason)
	}
	for _, f := range g.FixedIPs {
		if f.IPAddress.Is4() {
			keep(netip.PrefixFrom(f.IPAddress, f.IPAddress.BitLen()), "the sender is the router itself")
		}
	}
	for _, p := range view.Untranslated(r, g) {
		keep(p, "the sender's address is of the external network's address scope")
	}
}

// replies takes what the connection tracker has addressed to a guest again to his router. The router takes it for
// something of the guest's own address scope: translation leads from one to another.
func replies(r *view.Reader, g *model.RouterGateway, out *app.Output) {
	network, router := keysOf(r, g)
	match := flow.NewMatch(router, flow.IPv4(), flow.CTStateIs(flow.CTTrk|flow.CTDNAT, flow.CTInv))
	enter := func(priority uint16, m flow.Match, scope uint64) {
		out.Flow(pipeline.SNATReply, priority, m, flow.Do(
			flow.Load(pipeline.SourcePort, pipeline.Routed), flow.Load(pipeline.CameBy, network.Value.Lo),
			flow.Load(pipeline.AddressScope, scope),
		).Goto(pipeline.RouterAddresses.Table()), "the packet answers what a guest of the router sent")
	}
	enter(pipeline.Normal, match, 0)
	for _, in := range view.InsideOf(r, g.RouterID, false) {
		if in.Scope != "" {
			enter(pipeline.High, match.And(flow.IPv4Dst.Prefix(in.Prefix)), uint64(r.Number(pipeline.AddressScopeNumbers, in.Scope)))
		}
	}
	out.Flow(pipeline.SNATReply, pipeline.Low, flow.NewMatch(router),
		flow.Do(flow.Load(pipeline.Router, 0)).Goto(pipeline.Routers.Table()), "the packet answers nobody: it is for the router itself")
}

// source translates the source address in a zone and goes on.
func source(zone uint16, address netip.Addr, next pipeline.Stage) flow.Action {
	return flow.CT(flow.ConnTrack{
		Commit: true, Zone: zone, NAT: &flow.NAT{Src: true, Min: address}, HasTable: true, Table: next.Table(),
	})
}

// keysOf are the external network and the router of a gateway, as matches.
func keysOf(r *view.Reader, g *model.RouterGateway) (network, router flow.Constraint) {
	return pipeline.Network.Is(uint64(r.Number(pipeline.NetworkNumbers, g.NetworkID))),
		pipeline.Router.Is(uint64(r.Number(pipeline.RouterNumbers, g.RouterID)))
}

// zoneOf is the zone of a router whose gateway is here. Security groups take theirs from the same numbers, so that no
// two are the same. It is given back when the gateway moves, so that the connections of a gateway that
// comes back are not those of long ago.
func zoneOf(r *view.Reader, router string) uint16 {
	return uint16(r.Number(pipeline.Zones, view.RouterZone(router)))
}

// always is what holds for all routers.
func always(_ *view.Reader, _ view.Chassis, out *app.Output) {
	leave := flow.Do(flow.Load(pipeline.Router, 0)).Goto(pipeline.L2Lookup.Table())
	out.Flow(pipeline.SNATOutput, pipeline.Low, flow.Match{}, leave, "no address is translated on the way into this network")
	out.Flow(pipeline.SNATLeave, pipeline.Normal, flow.NewMatch(flow.CTStateIs(flow.CTTrk|flow.CTSNAT, flow.CTInv)), leave,
		"the sender's address was translated")
	out.Flow(pipeline.SNATLeave, pipeline.Low, flow.NewMatch(flow.CTStateIs(flow.CTTrk|flow.CTRpl, flow.CTInv)), leave,
		"the packet answers what came in without translation")
}
