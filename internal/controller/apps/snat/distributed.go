package snat

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// internal is the address that stands for a router on this chassis: one of 240.0.0.0/4, which no host anywhere has
// (RFC 1112 section 4). It is seen by the connection tracker alone.
func internal(r *view.Reader, router string) netip.Addr {
	n := uint32(0xf)<<28 + r.Number(pipeline.SNATNumbers, router)
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// distributed translates what this chassis' own guests of a router send outside, in the router's zone, and takes
// the answers to the router.
func distributed(r *view.Reader, s view.DistributedSNAT, out *app.Output) {
	gateways, _ := view.Find(r, view.GatewaysByRouter, s.RouterID)
	if len(gateways) == 0 {
		return
	}
	g, address := gateways[0], internal(r, s.RouterID)
	zone := uint16(r.Number(pipeline.Zones, "snat-internal/"+s.RouterID))
	network, router := keysOf(r, g)
	out.Flow(pipeline.SNATOutput, translate, flow.NewMatch(network, router, flow.IPv4()), flow.Do(
		flow.SetField(flow.EthSrc.MAC(s.MAC)), source(zone, address, pipeline.SNATShare),
	), "distributed: the sender gets the address that stands for the router on this chassis")
	out.Flow(pipeline.SNATInternal, pipeline.Normal, flow.NewMatch(network, flow.IPv4(), flow.IPv4Dst.Addr(address)), flow.Do(
		flow.Load(pipeline.Router, router.Value.Lo),
		flow.CT(flow.ConnTrack{Zone: zone, NAT: &flow.NAT{}, HasTable: true, Table: pipeline.SNATReply.Table()}),
	), "distributed: the packet answers a guest of the router")
	out.Flow(pipeline.SNATReply, pipeline.Low+1, flow.NewMatch(router, flow.IPv4(), flow.IPv4Dst.Addr(address)), flow.Drop(),
		"snat: the packet answers a connection of the router that is no more")
	untouched(r, g, out)
	replies(r, g, out)
}

// chassis translates between what stands for the routers and the chassis' own address outside, and has those outside
// find that.
func chassis(r *view.Reader, a *model.ChassisAddress, out *app.Output) {
	address := addressOf(a)
	if !view.LeadsOutside(r, a.NetworkID) || !address.IsValid() {
		return
	}
	zone := uint16(r.Number(pipeline.Zones, "snat-chassis/"+a.NetworkID))
	network := pipeline.Network.Is(uint64(r.Number(pipeline.NetworkNumbers, a.NetworkID)))
	out.Flow(pipeline.SNATShare, pipeline.Normal, flow.NewMatch(network, flow.IPv4(), flow.CTStateIs(flow.CTTrk|flow.CTSNAT, flow.CTInv)),
		flow.Do(source(zone, address, pipeline.SNATLeave)), "distributed: the sender gets the address of this chassis")
	out.Flow(pipeline.SNATInput, translate,
		flow.NewMatch(network, flow.EthDst.MAC(a.MACAddress), flow.IPv4(), flow.IPv4Dst.Addr(address)),
		flow.Do(flow.CT(flow.ConnTrack{Zone: zone, NAT: &flow.NAT{}, HasTable: true, Table: pipeline.SNATInternal.Table()})),
		"distributed: the packet may answer what was sent with this chassis' address")
	app.Emit(out, view.WireAddresses, view.WireAddress{NetworkID: a.NetworkID, Address: address, MAC: a.MACAddress, Announce: true})
}

func addressOf(a *model.ChassisAddress) netip.Addr {
	for _, f := range a.FixedIPs {
		if f.IPAddress.Is4() {
			return f.IPAddress
		}
	}
	return netip.Addr{}
}
