package operate

import (
	"fmt"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// controllerSays asks the app that gets a packet what it would do with it. The packet is made up from what
// the flows see of it, so an app that looks deeper may refuse it.
func (w World) controllerSays(o *Outcome, apps []*app.App) string {
	if len(o.userdata) == 0 {
		return "its time to live has ended"
	}
	for _, a := range apps {
		if a.ID != o.userdata[0] {
			continue
		}
		data := o.packet.frame()
		if a.PacketIn == nil || data == nil {
			return fmt.Sprintf("the app %s gets it", a.Name)
		}
		reply, err := w.ask(a, app.PacketIn{
			Userdata: o.userdata[1:], InPort: uint32(o.packet.Get(flow.InPort).Lo), Data: data,
			SourcePort: uint32(o.packet.read(pipeline.SourcePort).Lo), Network: uint32(o.packet.read(pipeline.Network).Lo),
			Router: uint32(o.packet.read(pipeline.Router).Lo), CameBy: uint32(o.packet.read(pipeline.CameBy).Lo),
			Refusal: uint32(o.packet.read(pipeline.Refusal).Lo),
		})
		if err != nil {
			return fmt.Sprintf("the app %s gets it, and says of a packet without content: %v", a.Name, err)
		}
		return fmt.Sprintf("the app %s %s", a.Name, w.answers(reply))
	}
	return "no app of this version knows it"
}

// ask contains an app that fails on a made-up packet.
func (w World) ask(a *app.App, in app.PacketIn) (reply app.Reply, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the app failed: %v", r)
		}
	}()
	return a.PacketIn(view.NewReader(w.View, w.Numbers, nil), in)
}

// answers says what an app sends.
func (w World) answers(r app.Reply) string {
	if len(r.Packets) == 0 {
		if r.Event != "" {
			return "does not answer (" + r.Event + ")"
		}
		return "does not answer"
	}
	text := "answers"
	for i, p := range r.Packets {
		if i > 0 {
			text += " and"
		}
		text += " with " + describe(p.Data)
		if to, ok := w.portAt(func(l view.LocalPort) bool { return l.OFPort == p.OFPort && l.VLAN == p.VLAN }); ok {
			text += " to " + portName(to.Port)
		}
	}
	return text
}

// describe says what a frame is.
func describe(frame []byte) string {
	e, err := packet.ParseEthernet(frame)
	if err != nil {
		return "a frame"
	}
	switch e.EtherType {
	case packet.EtherTypeIPv4:
		if p, err := packet.ParseIPv4(e.Payload); err == nil {
			return describeIP(p.Protocol, p.Src, p.Payload)
		}
	case packet.EtherTypeIPv6:
		if p, err := packet.ParseIPv6(e.Payload); err == nil {
			return describeIP(p.Protocol, p.Src, p.Payload)
		}
	}
	return fmt.Sprintf("a frame of type %#04x", e.EtherType)
}

func describeIP(proto uint8, src netip.Addr, payload []byte) string {
	what := protocolName(int(proto))
	if isICMP := proto == packet.ProtocolICMP || proto == packet.ProtocolICMPv6; isICMP && len(payload) >= 2 {
		kinds := map[[2]uint8]string{
			{packet.ProtocolICMP, 0}: "an echo reply", {packet.ProtocolICMP, 3}: "destination unreachable", {packet.ProtocolICMP, 11}: "time exceeded",
			{packet.ProtocolICMPv6, 1}: "destination unreachable", {packet.ProtocolICMPv6, 2}: "packet too big",
			{packet.ProtocolICMPv6, 3}: "time exceeded", {packet.ProtocolICMPv6, 129}: "an echo reply",
			{packet.ProtocolICMPv6, 134}: "a router advertisement", {packet.ProtocolICMPv6, 136}: "a neighbour advertisement",
		}
		what = fmt.Sprintf("%s/%d/%d", what, payload[0], payload[1])
		if kind := kinds[[2]uint8{proto, payload[0]}]; kind != "" {
			what = fmt.Sprintf("%s (%s)", kind, what)
		}
	}
	return fmt.Sprintf("%s from %s", what, src)
}

// frame makes an IP packet out of the fields, nil if it is none.
func (p Packet) frame() []byte {
	src, dst := addrOf(p, flow.IPv4Src, flow.IPv6Src), addrOf(p, flow.IPv4Dst, flow.IPv6Dst)
	etherType := uint16(p.Get(flow.EthType).Lo)
	isIP := etherType == packet.EtherTypeIPv4 || etherType == packet.EtherTypeIPv6
	if !isIP || !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() {
		return nil
	}
	proto, ttl := uint8(p.Get(flow.IPProto).Lo), uint8(p.Get(flow.IPTTL).Lo)
	upper := p.upperBytes(src, dst)
	b := packet.Ethernet{Dst: macOf(p.Get(flow.EthDst)), Src: macOf(p.Get(flow.EthSrc)), EtherType: etherType}.Append(nil)
	if src.Is4() {
		b = packet.IPv4{TTL: ttl, Protocol: proto, Src: src, Dst: dst}.Append(b, len(upper))
	} else {
		b = packet.IPv6{HopLimit: ttl, NextHeader: proto, Protocol: proto, Src: src, Dst: dst}.Append(b, len(upper))
	}
	return append(b, upper...)
}

// upperBytes makes what follows the IP header: enough for an ICMP error to quote.
func (p Packet) upperBytes(src, dst netip.Addr) []byte {
	const quoted = 8
	switch p.Get(flow.IPProto).Lo {
	case flow.ProtoUDP:
		u := packet.UDP{SrcPort: uint16(p.Get(flow.UDPSrc).Lo), DstPort: uint16(p.Get(flow.UDPDst).Lo), Payload: make([]byte, quoted)}
		return u.Append(nil, src, dst)
	case flow.ProtoICMP:
		return packet.ICMP{Type: uint8(p.Get(flow.ICMPType).Lo), Code: uint8(p.Get(flow.ICMPCode).Lo), Payload: make([]byte, quoted)}.Append(nil)
	case flow.ProtoICMPv6:
		m := packet.ICMPv6{Type: uint8(p.Get(flow.ICMPv6Type).Lo), Code: uint8(p.Get(flow.ICMPv6Code).Lo), Body: make([]byte, quoted)}
		return m.Append(nil, src, dst)
	case flow.ProtoTCP:
		s, d := p.Get(flow.TCPSrc).Lo, p.Get(flow.TCPDst).Lo
		const header = 20
		return append([]byte{byte(s >> 8), byte(s), byte(d >> 8), byte(d)}, make([]byte, header-4)...)
	}
	return make([]byte, quoted)
}

func macOf(v flow.Value) packet.MAC {
	var m packet.MAC
	copy(m[:], appendValue(nil, v)[16-len(m):])
	return m
}
