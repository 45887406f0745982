package dnat

import (
	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// forwarding sends what comes for ports of a floating IP to ports of a guest. Unlike a floating IP that stands for one
// port, it needs the connection tracker: a guest's port may be that of many outside, and what the guest sends by itself
// is not the floating IP's. The zone is that in which the router's gateway translates what guests send.
func forwarding(r *view.Reader, f view.ServedForwarding, out *app.Output) {
	network := pipeline.Network.Is(uint64(r.Number(pipeline.NetworkNumbers, f.NetworkID)))
	router := pipeline.Router.Is(uint64(r.Number(pipeline.RouterNumbers, f.RouterID)))
	zone := uint16(r.Number(pipeline.Zones, view.RouterZone(f.RouterID)))
	known := func(next pipeline.Stage) flow.Action {
		return flow.CT(flow.ConnTrack{Zone: zone, NAT: &flow.NAT{}, HasTable: true, Table: next.Table()})
	}
	out.Flow(pipeline.DNATInput, pipeline.Normal, flow.NewMatch(network, flow.EthDst.MAC(f.MAC), flow.IPv4(), flow.IPv4Dst.Addr(f.Address)),
		flow.Do(flow.Load(pipeline.Router, router.Value.Lo), known(pipeline.DNATForward)),
		"the packet is for a floating IP of which ports are forwarded: it may be of a known connection")
	begins(f, router, zone, out)
	out.Flow(pipeline.DNATEnter, pipeline.Normal, flow.NewMatch(router, flow.IPv4(), flow.CTStateIs(flow.CTTrk|flow.CTDNAT, flow.CTInv), flow.IPv4Dst.Addr(f.Fixed)),
		flow.Do(
			flow.Load(pipeline.SourcePort, pipeline.Routed), flow.Load(pipeline.CameBy, network.Value.Lo),
			flow.Load(pipeline.AddressScope, scopeOf(r, f.PortNetworkID, f.Fixed)),
		).Goto(pipeline.RouterAddresses.Table()), "the packet is for a guest to which a port of a floating IP is forwarded")
	out.Flow(pipeline.DNATOutput, pipeline.Normal, flow.NewMatch(network, router, flow.IPv4(), flow.IPv4Src.Addr(f.Fixed)),
		flow.Do(known(pipeline.DNATReply)), "the sender may answer what a port forwarding has brought")
	answers(f, network, out)
	app.Emit(out, view.WireAddresses, view.WireAddress{NetworkID: f.NetworkID, Address: f.Address, MAC: f.MAC, Announce: true})
}

// begins translates the first packet of a connection, and lets pass what is translated by it as long as the port is
// forwarded. Of a fragment the switch knows no port: what begins in fragments is not forwarded.
func begins(f view.ServedForwarding, router flow.Constraint, zone uint16, out *app.Output) {
	port := flow.TCPDst
	if f.Protocol == flow.ProtoUDP {
		port = flow.UDPDst
	}
	match := func(state, dst flow.Constraint, more ...flow.Constraint) flow.Match {
		return flow.NewMatch(append(more, router, flow.IPv4(), state, dst)...)
	}
	ports := func(m flow.PortMask) []flow.Constraint {
		return []flow.Constraint{flow.IPFrag.Is(0), flow.IPProto.Is(uint64(f.Protocol)), port.Masked(uint64(m.Value), uint64(m.Mask))}
	}
	translated, inside := flow.CTStateIs(flow.CTTrk|flow.CTDNAT, flow.CTInv), flow.IPv4Dst.Addr(f.Fixed)
	known := func(reason string, more ...flow.Constraint) {
		out.Flow(pipeline.DNATForward, pipeline.High, match(translated, inside, more...), flow.Goto(pipeline.DNATEnter.Table()), reason)
	}
	for _, m := range flow.PortMasks(f.Internal.First, f.Internal.Last) {
		known("the connection is known: its destination is translated", ports(m)...)
	}
	known("an ICMP error about what the guest has answered", flow.IPProto.Is(flow.ProtoICMP))
	known("the first fragment of what is translated", flow.IPFrag.Is(flow.FragAny))
	known("a later fragment of what is translated", flow.IPFrag.Is(flow.FragAny|flow.FragLater))
	for _, t := range targets(f) {
		out.Flow(pipeline.DNATForward, pipeline.Normal, match(flow.CTStateIs(flow.CTTrk|flow.CTNew, flow.CTInv), flow.IPv4Dst.Addr(f.Address), ports(t.of)...),
			flow.Do(flow.CT(flow.ConnTrack{
				Commit: true, Zone: zone, NAT: &flow.NAT{Dst: true, Min: f.Fixed, MinPort: t.to}, HasTable: true, Table: pipeline.DNATEnter.Table(),
			})), "the port is forwarded to a guest")
	}
}

// target is where a block of ports goes: to one port, or, if it is zero, each to the same inside.
type target struct {
	of flow.PortMask
	to uint16
}

// targets lists where the ports go. Ranges that are not the same inside and outside need one flow for each port: the
// connection tracker cannot be told to add a number.
func targets(f view.ServedForwarding) (list []target) {
	e, i := f.External, f.Internal
	if e == i || i.First == i.Last {
		to := i.First
		if e == i {
			to = 0
		}
		for _, m := range flow.PortMasks(e.First, e.Last) {
			list = append(list, target{m, to})
		}
		return list
	}
	for n := range uint32(e.Last-e.First) + 1 {
		list = append(list, target{flow.PortMask{Value: e.First + uint16(n), Mask: 1<<16 - 1}, i.First + uint16(n)})
	}
	return list
}

// answers lets leave what the connection tracker knows: with the floating IP what answers a forwarded connection, and
// what is of a connection that the guest has begun by itself as the tracker has translated it.
func answers(f view.ServedForwarding, network flow.Constraint, out *app.Output) {
	translated := flow.CTStateIs(flow.CTTrk|flow.CTSNAT, flow.CTInv)
	out.Flow(pipeline.DNATReply, pipeline.Normal, flow.NewMatch(network, flow.IPv4(), translated, flow.IPv4Src.Addr(f.Address)),
		flow.Do(flow.SetField(flow.EthSrc.MAC(f.MAC)), flow.Load(pipeline.Router, 0)).Goto(pipeline.L2Lookup.Table()),
		"the packet answers what was sent to the floating IP")
	out.Flow(pipeline.DNATReply, pipeline.Low, flow.NewMatch(network, flow.IPv4(), translated),
		flow.Do(flow.Load(pipeline.Router, 0)).Goto(pipeline.L2Lookup.Table()), "the sender's address was translated")
}
