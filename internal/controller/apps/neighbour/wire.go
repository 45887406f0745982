package neighbour

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

// Packets from outside that tell the controller of neighbours, in a second and for each network.
const (
	heard      = 200
	heardBurst = 400
)

// utterance is what this chassis says on a wire by itself: it asks for an address, or tells that it has one.
type utterance struct {
	network string
	wire    view.Wire
	// address and mac are the chassis' own.
	address netip.Addr
	mac     model.MAC
	// nextHop is whom it looks for; not valid of an announcement.
	nextHop netip.Addr
}

var utterances = view.NewDerived("Utterance", func(u utterance) string {
	return view.NeighbourKey(u.network, u.address) + "/" + u.nextHop.String()
})

func wireMeter(network string) string { return "neighbour/wire/" + network }

// wire bounds what is heard on it.
func wire(r *view.Reader, w view.Wire, out *app.Output) {
	out.Meter(flow.NewMeter(r.Number(pipeline.MeterNumbers, wireMeter(w.NetworkID)), flow.PacketsPerSecond, heard, heardBurst))
}

// resolve asks for a next hop, and hears who says to have its address: in an answer, or by himself.
func resolve(r *view.Reader, x view.Resolve, out *app.Output) {
	w, found := view.Get(r, view.Wires, x.NetworkID)
	if found != view.Present {
		return
	}
	app.Emit(out, utterances, utterance{x.NetworkID, w, x.Address, x.MAC, x.NextHop})
	hear := flow.Do(flow.Controller(flow.Punt{
		ID: pipeline.ControllerID, Userdata: app.Userdata(appID, heardData(x)...), Meter: r.Number(pipeline.MeterNumbers, wireMeter(x.NetworkID)),
	})).Goto(pipeline.DNATInput.Table())
	network := pipeline.Network.Is(uint64(w.Key))
	const reason = "somebody outside tells that he has an address that is looked for"
	if x.NextHop.Is4() {
		out.Flow(pipeline.WireServices, pipeline.Low, flow.NewMatch(network, flow.ARP(), flow.ARPSPA.Addr(x.NextHop)), hear, reason)
		return
	}
	out.Flow(pipeline.WireServices, pipeline.Low, flow.NewMatch(network, flow.IPv6(), flow.IPTTL.Is(hopLimit), flow.IPProto.Is(flow.ProtoICMPv6),
		flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborAdv)), flow.NDTarget.Addr(x.NextHop)), hear, reason)
}

// wireAddress answers those outside who ask for an address of this chassis, and announces it.
func wireAddress(r *view.Reader, a view.WireAddress, out *app.Output) {
	w, found := view.Get(r, view.Wires, a.NetworkID)
	if found != view.Present {
		return
	}
	if a.Announce {
		app.Emit(out, utterances, utterance{network: a.NetworkID, wire: w, address: a.Address, mac: a.MAC})
	}
	network := pipeline.Network.Is(uint64(w.Key))
	// The answer may go back to where the question came from.
	back := flow.Load(pipeline.SourcePort, pipeline.Routed)
	const reason = "somebody outside asks for an address that this chassis has there"
	if a.Address.Is4() {
		out.Flow(pipeline.WireServices, pipeline.Normal,
			flow.NewMatch(network, flow.ARP(), flow.ARPOp.Is(uint64(packet.ARPRequest)), flow.ARPTPA.Addr(a.Address)),
			flow.Do(append(turnARP(a.Address, a.MAC), back)...).Goto(pipeline.ProviderOutput.Table()), reason)
		return
	}
	asks := []flow.Constraint{
		network, flow.IPv6(), flow.IPTTL.Is(hopLimit), flow.IPProto.Is(flow.ProtoICMPv6),
		flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborSol)), flow.ICMPv6Code.Is(0), flow.NDTarget.Addr(a.Address),
	}
	out.Flow(pipeline.WireServices, pipeline.Normal, flow.NewMatch(asks...),
		flow.Do(append(turnND(a.Address, a.MAC), back)...).Goto(pipeline.NDReply.Table()), reason)
	out.Flow(pipeline.WireServices, pipeline.Normal+1, flow.NewMatch(append(asks, flow.IPv6Src.Addr(netip.IPv6Unspecified()))...), flow.Drop(),
		"neighbour discovery: somebody outside looks whether an address is free that this chassis has there")
}

// wireReply completes the advertisements that go to the wire: there only routers have addresses of ours.
func wireReply(_ *view.Reader, _ view.Chassis, out *app.Output) {
	match := []flow.Constraint{pipeline.SourcePort.Is(pipeline.Routed), flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6), flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborAdv))}
	out.Flow(pipeline.NDReply, pipeline.Override, flow.NewMatch(match...),
		flow.Do(completion(naFlags|naRouter)...).Goto(pipeline.ProviderOutput.Table()), "the advertisement goes back to the asker outside")
}

// say returns the frames of an utterance.
func (u utterance) say(r *view.Reader) []app.PacketOut {
	if !u.nextHop.IsValid() {
		return []app.PacketOut{u.tell()}
	}
	return []app.PacketOut{u.ask(r)}
}

// ask looks for the next hop: at all, or, where it was heard before, at it alone (RFC 1122 section 2.3.2.1,
// RFC 4861 section 7.3.3).
func (u utterance) ask(r *view.Reader) app.PacketOut {
	known, found := view.Get(r, view.Neighbours, view.NeighbourKey(u.network, u.nextHop))
	if u.nextHop.Is4() {
		to := packet.Broadcast()
		if found == view.Present {
			to = known.MAC
		}
		return u.frame(to, packet.EtherTypeARP, packet.ARP{
			Operation: packet.ARPRequest, SenderMAC: u.mac, SenderIP: u.address, TargetIP: u.nextHop,
		}.Append(nil))
	}
	group := packet.SolicitedNode(u.nextHop)
	to, toMAC := group, packet.MulticastMAC(group)
	if found == view.Present {
		to, toMAC = u.nextHop, known.MAC
	}
	ns := packet.NeighborSolicitation{Target: u.nextHop, Options: packet.NDOptions(nil).AppendLinkAddr(packet.NDOptionSourceLinkAddr, u.mac)}
	return u.frame6(toMAC, to, ns.Append(nil, u.address, to))
}

// tell announces an address.
func (u utterance) tell() app.PacketOut {
	return u.frame(packet.Announcement(u.mac, u.address))
}

func (u utterance) frame6(toMAC packet.MAC, to netip.Addr, message []byte) app.PacketOut {
	b := packet.IPv6{HopLimit: hopLimit, NextHeader: packet.ProtocolICMPv6, Src: u.address, Dst: to}.Append(nil, len(message))
	return u.frame(toMAC, packet.EtherTypeIPv6, append(b, message...))
}

func (u utterance) frame(to packet.MAC, typ uint16, payload []byte) app.PacketOut {
	e := packet.Ethernet{Dst: to, Src: u.mac, EtherType: typ}
	var b []byte
	if u.wire.VLAN != 0 {
		e.EtherType = packet.EtherTypeVLAN
		b = packet.VLAN{ID: u.wire.VLAN, EtherType: typ}.Append(e.Append(nil))
	} else {
		b = e.Append(nil)
	}
	return app.PacketOut{OFPort: u.wire.OFPort, Data: append(b, payload...)}
}

// announce says what is new at once.
func announce(r *view.Reader, key string) []app.PacketOut {
	if u, found := view.Get(r, utterances, key); found == view.Present {
		return u.say(r)
	}
	return nil
}

// askSoon looks again, a few times, for who has not answered at once. The first answer may be lost when an address has
// just come here from another chassis: switches outside, and the bridge that leads there, still hold what goes to its
// MAC address for something from outside that stays there, until they have seen to what the question has taught them.
func askSoon(r *view.Reader, key string) []app.PacketOut {
	u, found := view.Get(r, utterances, key)
	if found != view.Present || !u.nextHop.IsValid() {
		return nil
	}
	if _, known := view.Get(r, view.Neighbours, view.NeighbourKey(u.network, u.nextHop)); known == view.Present {
		return nil
	}
	return []app.PacketOut{u.ask(r)}
}

// askAgain looks whether neighbours are still there.
func askAgain(r *view.Reader) []app.PacketOut { return askThose(r, view.Present) }

// lookAgain looks for those who have not answered yet: a question or its answer may be lost, also because the switch
// takes some time to see that it has another flow for the answer.
func lookAgain(r *view.Reader) []app.PacketOut { return askThose(r, view.Absent) }

// askThose asks for the next hops that are known, or for those that are not.
func askThose(r *view.Reader, known view.Presence) []app.PacketOut {
	var out []app.PacketOut
	for _, u := range view.All(r, utterances) {
		if !u.nextHop.IsValid() {
			continue
		}
		if _, found := view.Get(r, view.Neighbours, view.NeighbourKey(u.network, u.nextHop)); found == known {
			out = append(out, u.ask(r))
		}
	}
	return slices.Clip(out)
}
