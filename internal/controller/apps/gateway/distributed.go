package gateway

import (
	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Where what a guest without a floating IP sends leaves, if his chassis translates addresses by itself: what stays
// untranslated needs the gateway all the same.
const (
	leavesHere     = pipeline.Normal + 1
	leavesAsItCame = pipeline.Normal + 2
)

// distributed has what guests of a router with distributed SNAT send outside leave here, if the chassis has an address
// of its own on the external network.
func distributed(r *view.Reader, g *model.RouterGateway, out *app.Output) {
	ro, found := view.Get(r, view.Routers, g.RouterID)
	if !g.Distributed || !view.TranslatedTo(g).IsValid() || found != view.Present || !ro.AdminStateUp || !view.LeadsOutside(r, g.NetworkID) {
		return
	}
	list, _ := view.Find(r, view.ChassisAddressesByNetwork, g.NetworkID)
	for _, a := range list {
		for _, f := range a.FixedIPs {
			if !f.IPAddress.Is4() {
				continue
			}
			app.Emit(out, view.DistributedSNATs, view.DistributedSNAT{
				RouterID: g.RouterID, NetworkID: g.NetworkID, Address: f.IPAddress, MAC: a.MACAddress,
			})
			app.Emit(out, view.Hairpins, view.Hairpin{NetworkID: g.NetworkID, MAC: a.MACAddress})
			if !seesOutside(r, g) {
				return
			}
			out.Flow(pipeline.Gateways, leavesHere, flow.NewMatch(
				pipeline.Network.Is(uint64(r.Number(pipeline.NetworkNumbers, g.NetworkID))),
				pipeline.Router.Is(uint64(r.Number(pipeline.RouterNumbers, g.RouterID))), flow.IPv4(),
			), flow.Do().Goto(pipeline.NextHops.Table()), "the sender's address is translated here, to the chassis' own")
			return
		}
	}
}

// seesOutside reports whether the gateway of the external subnet has been found from here. Until then, and if it is not
// to be found any more, the router's gateway is the better way. By tunnels all chassis find the same.
func seesOutside(r *view.Reader, g *model.RouterGateway) bool {
	if _, tunnelled := view.Get(r, view.Overlays, g.NetworkID); tunnelled == view.Present {
		return true
	}
	subnets, _ := view.Find(r, view.SubnetsByNetwork, g.NetworkID)
	for _, s := range subnets {
		if s.CIDR.Contains(view.TranslatedTo(g)) && s.GatewayIP.IsValid() {
			_, found := view.Get(r, view.Neighbours, view.NeighbourKey(g.NetworkID, s.GatewayIP))
			return found == view.Present
		}
	}
	return true
}

// leave sends what matches on, from here or to the gateway, but for what leaves elsewhere.
func leave(r *view.Reader, g *model.RouterGateway, match flow.Match, do flow.Instructions, reason string, out *app.Output) {
	out.Flow(pipeline.Gateways, pipeline.Normal, match, do, reason)
	if _, here := view.Get(r, view.DistributedSNATs, g.RouterID); here != view.Present {
		return
	}
	for _, p := range view.Untranslated(r, g) {
		out.Flow(pipeline.Gateways, leavesAsItCame, match.And(flow.IPv4()).And(flow.IPv4Src.Prefix(p)), do, reason)
	}
	forwardings, _ := view.Find(r, view.PortForwardingsByRouter, g.RouterID)
	for _, f := range forwardings {
		forwarded(f, match, do, out)
	}
}
