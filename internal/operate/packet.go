package operate

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// Packet is a packet as flows see it: the values of its fields, of the registers and of the metadata. A
// field that is not there is zero, as in Open vSwitch.
type Packet struct{ fields map[flow.Field]flow.Value }

// NewPacket returns a packet that has the values of constraints, which must be exact.
func NewPacket(fields ...flow.Constraint) Packet {
	p := Packet{map[flow.Field]flow.Value{}}
	for _, c := range fields {
		p.set(c.Field, c.Value, c.Mask)
	}
	return p
}

// Get returns the value of a field.
func (p Packet) Get(f flow.Field) flow.Value {
	v := p.fields[f]
	if f >= flow.XXReg0 && f <= flow.XXReg3 {
		first := flow.Reg0 + 4*(f-flow.XXReg0)
		for i := range 4 {
			v = v.Or(p.fields[first+flow.Field(i)].Shl(32 * (3 - i)))
		}
	}
	return v
}

// inPort is the OpenFlow port at which the packet came in.
func (p Packet) inPort() uint64 { return p.Get(flow.InPort).Lo }

// in is the packet with the tag of a VLAN, as the guest of a sub-port sends it; zero is none.
func (p Packet) in(vlan uint16) Packet {
	if vlan == 0 {
		return p
	}
	return p.With(flow.Tagged(vlan))
}

// vlan is the VLAN of the packet's tag, zero if it has none.
func (p Packet) vlan() uint16 { return uint16(p.Get(flow.VLANVID).Lo &^ flow.VLANPresent) }

// With returns a packet that differs in the given fields.
func (p Packet) With(fields ...flow.Constraint) Packet {
	q := p.clone()
	for _, c := range fields {
		q.set(c.Field, c.Value, c.Mask)
	}
	return q
}

func (p Packet) clone() Packet { return Packet{maps.Clone(p.fields)} }

// set writes the masked bits of a field. The 128-bit registers are those of 32 bits they are made of.
func (p Packet) set(f flow.Field, value, mask flow.Value) {
	if f >= flow.XXReg0 && f <= flow.XXReg3 {
		first := flow.Reg0 + 4*(f-flow.XXReg0)
		for i := range 4 {
			word, shift := flow.Uint(1<<32-1), 32*(3-i)
			p.set(first+flow.Field(i), value.Shr(shift).And(word), mask.Shr(shift).And(word))
		}
		return
	}
	if v := p.fields[f].AndNot(mask).Or(value.And(mask)); v.IsZero() {
		delete(p.fields, f)
	} else {
		p.fields[f] = v
	}
}

// read returns some bits of a field as a number.
func (p Packet) read(s flow.SubField) flow.Value {
	return p.Get(s.Field).And(s.Mask()).Shr(int(s.Ofs))
}

// write sets some bits of a field to a number.
func (p Packet) write(s flow.SubField, v flow.Value) {
	p.set(s.Field, v.Shl(int(s.Ofs)).And(s.Mask()), s.Mask())
}

// TraceSyntax writes a packet as Open vSwitch's ofproto/trace takes it.
func TraceSyntax(p Packet) string {
	var list []flow.Constraint
	for f := flow.InPort; f.Valid(); f++ {
		if v := p.fields[f]; !v.IsZero() {
			list = append(list, f.With(v, whole(f)))
		}
	}
	text := flow.NewMatch(list...).String()
	// ofproto/trace takes the short names of ports and of ICMP for TCP and ICMP only.
	for _, proto := range []string{"udp", "sctp"} {
		if strings.HasPrefix(text, proto) {
			text = strings.ReplaceAll(text, "tp_", proto+"_")
		}
	}
	if strings.HasPrefix(text, "icmp6") {
		text = strings.ReplaceAll(text, "icmp_", "icmpv6_")
	}
	return text
}

// whole is the mask that selects all of a field.
func whole(f flow.Field) flow.Value {
	switch {
	case f == flow.VLANVID:
		return flow.Uint(0x1fff)
	case f.Bits() == 128:
		return flow.Value{Hi: 1<<64 - 1, Lo: 1<<64 - 1}
	}
	return flow.Uint(1<<f.Bits() - 1)
}

// isLaterFragment reports whether the packet is a fragment without ports.
func (p Packet) isLaterFragment() bool { return p.Get(flow.IPFrag).Lo&flow.FragLater != 0 }

// asFirst is the first fragment of the datagram of which the packet is a later one, where the packet is; of
// first it has what only that one tells.
func (p Packet) asFirst(first Packet) Packet {
	q := p.clone()
	q.set(flow.IPFrag, flow.Uint(flow.FragAny), flow.Uint(3))
	for f, v := range first.fields {
		if f == flow.IPProto || slices.Contains(upperFields(), f) {
			q.fields[f] = v
		}
	}
	return q
}

// asMatched is the packet as matches see it: the switch hides ports and ICMP types of all fragments.
func (p Packet) asMatched() Packet {
	if p.Get(flow.IPFrag).IsZero() {
		return p
	}
	q := p.clone()
	for _, f := range upperFields() {
		delete(q.fields, f)
	}
	return q
}

// upperFields are what the switch hides of fragments.
func upperFields() []flow.Field {
	return []flow.Field{
		flow.TCPSrc, flow.TCPDst, flow.UDPSrc, flow.UDPDst, flow.SCTPSrc, flow.SCTPDst,
		flow.ICMPType, flow.ICMPCode, flow.ICMPv6Type, flow.ICMPv6Code,
	}
}

// tuple sets what the connection tracker has of the packet that began the connection: protocol and ports of
// one that was put together.
func (p Packet) tuple(whole Packet, reply bool) {
	src, dst := flow.CTTpSrc, flow.CTTpDst
	if reply {
		src, dst = dst, src
	}
	p.set(flow.CTNwProto, whole.Get(flow.IPProto), flow.Uint(0xff))
	pairs := map[uint64][2]flow.Field{
		flow.ProtoTCP: {flow.TCPSrc, flow.TCPDst}, flow.ProtoUDP: {flow.UDPSrc, flow.UDPDst}, flow.ProtoSCTP: {flow.SCTPSrc, flow.SCTPDst},
		flow.ProtoICMP: {flow.ICMPType, flow.ICMPCode}, flow.ProtoICMPv6: {flow.ICMPv6Type, flow.ICMPv6Code},
	}
	if pair, has := pairs[whole.Get(flow.IPProto).Lo]; has {
		p.set(src, whole.Get(pair[0]), flow.Uint(0xffff))
		p.set(dst, whole.Get(pair[1]), flow.Uint(0xffff))
	}
}

// meets reports whether the packet has all that a match demands.
func (p Packet) meets(m flow.Match) bool {
	for c := range m.Fields() {
		if p.Get(c.Field).And(c.Mask) != c.Value {
			return false
		}
	}
	return true
}

// Probe is a packet to ask about, in the terms of people. The zero values of what its protocol does not
// have are ignored.
type Probe struct {
	SrcMAC, DstMAC packet.MAC
	Src, Dst       netip.Addr
	// Proto is the IP protocol.
	Proto int
	// SrcPort and DstPort are those of TCP, UDP and SCTP; for ICMP DstPort is the type and Code the code.
	SrcPort, DstPort, Code int
	// TTL is the time to live or hop limit; 64 if zero.
	TTL int
}

// Reply is what the other end would answer.
func (b Probe) Reply() Probe {
	b.SrcMAC, b.DstMAC, b.Src, b.Dst = b.DstMAC, b.SrcMAC, b.Dst, b.Src
	if !b.isICMP() {
		b.SrcPort, b.DstPort = b.DstPort, b.SrcPort
		return b
	}
	b.DstPort = map[int]int{8: 0, 128: 129}[b.DstPort]
	return b
}

func (b Probe) isICMP() bool { return b.Proto == flow.ProtoICMP || b.Proto == flow.ProtoICMPv6 }

// Packet is the probe as it comes in at an OpenFlow port.
func (b Probe) Packet(inPort uint32) Packet {
	p := NewPacket(flow.InPort.Is(uint64(inPort)), flow.EthSrc.MAC(b.SrcMAC), flow.EthDst.MAC(b.DstMAC), flow.IPOf(b.Src),
		flow.IPProto.Is(uint64(b.Proto)), flow.IPTTL.Is(uint64(cmp.Or(b.TTL, 64))))
	src, dst := flow.IPv4Src, flow.IPv4Dst
	if b.Src.Is6() {
		src, dst = flow.IPv6Src, flow.IPv6Dst
	}
	return p.With(src.Addr(b.Src), dst.Addr(b.Dst)).With(b.upper()...)
}

func (b Probe) upper() []flow.Constraint {
	pair := func(src, dst flow.Field, s, d int) []flow.Constraint {
		return []flow.Constraint{src.Is(uint64(s)), dst.Is(uint64(d))}
	}
	switch b.Proto {
	case flow.ProtoTCP:
		const syn = 2
		return append(pair(flow.TCPSrc, flow.TCPDst, b.SrcPort, b.DstPort), flow.TCPFlags.Is(syn))
	case flow.ProtoUDP:
		return pair(flow.UDPSrc, flow.UDPDst, b.SrcPort, b.DstPort)
	case flow.ProtoSCTP:
		return pair(flow.SCTPSrc, flow.SCTPDst, b.SrcPort, b.DstPort)
	case flow.ProtoICMP:
		return pair(flow.ICMPType, flow.ICMPCode, b.DstPort, b.Code)
	case flow.ProtoICMPv6:
		return pair(flow.ICMPv6Type, flow.ICMPv6Code, b.DstPort, b.Code)
	}
	return nil
}
