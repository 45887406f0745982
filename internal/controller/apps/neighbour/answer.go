package neighbour

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// hopLimit is what every ND packet must have: it did not cross a router (RFC 4861 section 7.1.1).
const hopLimit = 255

// Flags in the first word of an advertisement (RFC 4861 section 4.4).
const (
	naFlags  = 0x60000000 // solicited, override
	naRouter = 0x80000000
)

// answer answers for what a port has alone, on a network where somebody on this chassis may ask.
func answer(r *view.Reader, c claim, port string, out *app.Output) {
	n, found := view.Get(r, served, c.network)
	switch {
	case found != view.Present || shared(r, c, port):
	case c.address.Is4():
		answerARP(n, c, out)
	default:
		answerND(n, c, out)
	}
}

// answerARP turns the request around (RFC 826): what was the sender's becomes the target's.
func answerARP(n servedNetwork, c claim, out *app.Output) {
	out.Flow(pipeline.ARPResponder, pipeline.Normal,
		flow.NewMatch(pipeline.Network.Is(uint64(n.key)), flow.ARP(), flow.ARPOp.Is(uint64(packet.ARPRequest)), flow.ARPTPA.Addr(c.address)),
		flow.Do(append(turnARP(c.address, c.mac), back()...)...).Goto(pipeline.Deliver.Table()), "the address is this port's: the chassis answers for it")
}

// turnARP makes the answer of a request.
func turnARP(a netip.Addr, mac model.MAC) []flow.Action {
	return []flow.Action{
		flow.Move(flow.EthSrc.All(), flow.EthDst.All()),
		flow.SetField(flow.EthSrc.MAC(mac)),
		flow.SetField(flow.ARPOp.Is(uint64(packet.ARPReply))),
		flow.Move(flow.ARPSHA.All(), flow.ARPTHA.All()),
		flow.SetField(flow.ARPSHA.MAC(mac)),
		flow.Move(flow.ARPSPA.All(), flow.ARPTPA.All()),
		flow.SetField(flow.ARPSPA.Addr(a)),
	}
}

// turnND makes what can be made of the answer before its type is known to the switch.
func turnND(a netip.Addr, mac model.MAC) []flow.Action {
	return []flow.Action{
		flow.Move(flow.EthSrc.All(), flow.EthDst.All()),
		flow.SetField(flow.EthSrc.MAC(mac)),
		flow.Move(flow.IPv6Src.All(), flow.IPv6Dst.All()),
		flow.SetField(flow.IPv6Src.Addr(a)),
		flow.SetField(flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborAdv))),
	}
}

// answerND turns the solicitation into an advertisement (RFC 4861 section 7.2.4). Its options can be set
// only when the switch has taken the new type in: in the next stage.
func answerND(n servedNetwork, c claim, out *app.Output) {
	asks := []flow.Constraint{
		pipeline.Network.Is(uint64(n.key)), flow.IPv6(), flow.IPTTL.Is(hopLimit), flow.IPProto.Is(flow.ProtoICMPv6),
		flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborSol)), flow.ICMPv6Code.Is(0), flow.NDTarget.Addr(c.address),
	}
	out.Flow(pipeline.NDResponder, pipeline.Normal, flow.NewMatch(asks...),
		flow.Do(turnND(c.address, c.mac)...).Goto(pipeline.NDReply.Table()), "the address is this port's: the chassis answers for it")
	// A solicitation to a group that does not tell the sender's MAC address is duplicate address
	// detection. Its answer goes to all nodes and must have an option for which the packet has no room
	// (section 4.4), so it is built by the controller, to which the next stage sends it; the chassis' own
	// guests do not come here when they ask for their own addresses.
	group := [6]byte{1}
	out.Flow(pipeline.NDResponder, pipeline.Normal+1,
		flow.NewMatch(append(asks, flow.NDSLL.Is(0), flow.EthDst.MACMasked(group, group))...),
		flow.Goto(pipeline.NDReply.Table()), "somebody looks whether the address of this port is free")
	if c.router {
		complete(out, pipeline.High, naFlags|naRouter, "the advertisement of a router goes back to the asker",
			pipeline.Network.Is(uint64(n.key)), flow.EthSrc.MAC(c.mac))
	}
}

// reply completes the advertisements of all ports: the sender's MAC address is in the Ethernet header.
func reply(_ *view.Reader, _ view.Chassis, out *app.Output) {
	complete(out, pipeline.Normal, naFlags, "the advertisement goes back to the asker")
}

// complete sets what of an advertisement can be set only once its type is.
func complete(out *app.Output, priority uint16, flags uint64, reason string, of ...flow.Constraint) {
	match := append(of, flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6), flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborAdv)))
	out.Flow(pipeline.NDReply, priority, flow.NewMatch(match...),
		flow.Do(append(completion(flags), back()...)...).Goto(pipeline.Deliver.Table()), reason)
}

// back sends an answer to the port that has asked. The switch puts no packet out where it came in.
func back() []flow.Action {
	return []flow.Action{flow.Move(pipeline.SourcePort, pipeline.DestPort), flow.Load(flow.InPort.All(), 0)}
}

func completion(flags uint64) []flow.Action {
	return []flow.Action{
		flow.SetField(flow.NDReserved.Is(flags)),
		flow.SetField(flow.NDOptionsType.Is(uint64(packet.NDOptionTargetLinkAddr))),
		flow.Move(flow.EthSrc.All(), flow.NDTLL.All()),
	}
}

// own lets a port ask for its own addresses: probes and duplicate address detection must reach the others
// and find nobody here; announcements are for everybody.
func own(_ *view.Reader, p view.LocalPort, out *app.Output) {
	from := pipeline.SourcePort.Is(uint64(p.Key))
	done := map[netip.Addr]bool{}
	for _, f := range p.Port.FixedIPs {
		if done[f.IPAddress] {
			continue
		}
		done[f.IPAddress] = true
		stage, match := asksFor(f.IPAddress)
		out.Flow(stage, pipeline.High, flow.NewMatch(append(match, from)...), flow.Goto(pipeline.Routers.Table()),
			"the port asks for its own address")
	}
}

// asksFor is a question for an address, and the stage that it comes to.
func asksFor(a netip.Addr) (pipeline.Stage, []flow.Constraint) {
	if a.Is4() {
		return pipeline.ARPResponder, []flow.Constraint{flow.ARP(), flow.ARPTPA.Addr(a)}
	}
	return pipeline.NDResponder, []flow.Constraint{
		flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6), flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborSol)), flow.NDTarget.Addr(a),
	}
}

// isPort begins what tells the handler which port asks.
const isPort byte = 'P'

// Packets that a port may send to the controller in a second: conflicts of addresses are rare.
const (
	punted      = 10
	puntedBurst = 20
)

// detects sends to the controller what a port asks about addresses that others have: so little of it that no port
// keeps others from being answered.
func detects(r *view.Reader, p view.LocalPort, out *app.Output) {
	if p.Prepared {
		return
	}
	meter := r.Number(pipeline.MeterNumbers, "neighbour/"+p.Port.ID)
	out.Meter(flow.NewMeter(meter, flow.PacketsPerSecond, punted, puntedBurst))
	out.Flow(pipeline.NDReply, pipeline.Normal,
		flow.NewMatch(pipeline.SourcePort.Is(uint64(p.Key)), flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6),
			flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborSol))),
		flow.Do(flow.Controller(flow.Punt{
			ID: pipeline.ControllerID, Userdata: app.Userdata(appID, append([]byte{isPort}, p.Port.ID...)...), Meter: meter,
		})), "the port asks for an address that somebody has")
}
