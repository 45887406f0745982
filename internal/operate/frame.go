package operate

import (
	"encoding/binary"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// FromFrame is the packet that flows see of an Ethernet frame that comes in at an OpenFlow port. What is
// too short for its protocol has none of the protocol's fields.
func FromFrame(inPort uint32, frame []byte) Packet {
	p := NewPacket(flow.InPort.Is(uint64(inPort)))
	const addresses, tag = 12, 4
	if len(frame) < addresses+2 {
		return p
	}
	p.put(flow.EthDst, frame[:6])
	p.put(flow.EthSrc, frame[6:12])
	rest := frame[addresses:]
	if typ := binary.BigEndian.Uint16(rest); typ == flow.EthTypeVLAN && len(rest) >= tag+2 {
		tci := uint64(binary.BigEndian.Uint16(rest[2:]))
		p.set(flow.VLANVID, flow.Uint(flow.VLANPresent|tci&0xfff), flow.Uint(0x1fff))
		p.set(flow.VLANPCP, flow.Uint(tci>>13), flow.Uint(7))
		rest = rest[tag:]
	}
	p.put(flow.EthType, rest[:2])
	body := rest[2:]
	switch p.Get(flow.EthType).Lo {
	case flow.EthTypeARP, flow.EthTypeRARP:
		p.arp(body)
	case flow.EthTypeIPv4:
		p.ipv4(body)
	case flow.EthTypeIPv6:
		p.ipv6(body)
	}
	return p
}

// put sets a field to bytes in network order.
func (p Packet) put(f flow.Field, b []byte) {
	var v flow.Value
	for _, x := range b {
		v = v.Shl(8).Or(flow.Uint(uint64(x)))
	}
	p.set(f, v, flow.Value{Hi: 1<<64 - 1, Lo: 1<<64 - 1})
}

func (p Packet) arp(b []byte) {
	const length = 28
	if len(b) < length {
		return
	}
	p.put(flow.ARPOp, b[7:8]) // Open vSwitch has room for 8 bits
	p.put(flow.ARPSHA, b[8:14])
	p.put(flow.ARPSPA, b[14:18])
	p.put(flow.ARPTHA, b[18:24])
	p.put(flow.ARPTPA, b[24:28])
}

func (p Packet) ipv4(b []byte) {
	const least = 20
	if len(b) < least || int(b[0]&15)*4 < least || len(b) < int(b[0]&15)*4 {
		return
	}
	p.set(flow.IPDSCP, flow.Uint(uint64(b[1]>>2)), flow.Uint(0x3f))
	p.set(flow.IPECN, flow.Uint(uint64(b[1]&3)), flow.Uint(3))
	p.put(flow.IPTTL, b[8:9])
	p.put(flow.IPProto, b[9:10])
	p.put(flow.IPv4Src, b[12:16])
	p.put(flow.IPv4Dst, b[16:20])
	offset := binary.BigEndian.Uint16(b[6:])
	const more, fragment = 0x2000, 0x1fff
	if p.fragment(offset&fragment != 0, offset&more != 0) {
		return
	}
	total := min(len(b), max(int(binary.BigEndian.Uint16(b[2:])), int(b[0]&15)*4))
	p.transport(b[int(b[0]&15)*4:total], flow.ICMPType, flow.ICMPCode)
}

// fragment notes which fragment it is, and reports whether its transport header is in another.
func (p Packet) fragment(later, more bool) bool {
	if later {
		p.set(flow.IPFrag, flow.Uint(flow.FragAny|flow.FragLater), flow.Uint(3))
	} else if more {
		p.set(flow.IPFrag, flow.Uint(flow.FragAny), flow.Uint(3))
	}
	return later
}

func (p Packet) ipv6(b []byte) {
	const header = 40
	if len(b) < header {
		return
	}
	class := b[0]<<4 | b[1]>>4
	p.set(flow.IPDSCP, flow.Uint(uint64(class>>2)), flow.Uint(0x3f))
	p.set(flow.IPECN, flow.Uint(uint64(class&3)), flow.Uint(3))
	p.set(flow.IPv6Label, flow.Uint(uint64(binary.BigEndian.Uint32(b)&0xfffff)), flow.Uint(0xfffff))
	p.put(flow.IPTTL, b[7:8])
	p.put(flow.IPv6Src, b[8:24])
	p.put(flow.IPv6Dst, b[24:40])
	next, rest := b[6], b[header:min(len(b), header+int(binary.BigEndian.Uint16(b[4:])))]
	later := false
	for isExtension(next) && len(rest) >= 8 && !later {
		length := 8 + 8*int(rest[1])
		switch next {
		case packet.ProtocolFragment:
			length = 8
			offset := binary.BigEndian.Uint16(rest[2:])
			later = p.fragment(offset&^7 != 0, offset&1 != 0)
		case packet.ProtocolAH:
			length = 4 * (int(rest[1]) + 2)
		}
		if len(rest) < length {
			return
		}
		next, rest = rest[0], rest[length:]
	}
	if later {
		next = packet.ProtocolFragment // Open vSwitch does not look behind it
	}
	p.put(flow.IPProto, []byte{next})
	if !later {
		p.transport(rest, flow.ICMPv6Type, flow.ICMPv6Code)
	}
}

func isExtension(next byte) bool {
	const destination = 60
	return next == packet.ProtocolHopByHop || next == packet.ProtocolRouting || next == packet.ProtocolFragment ||
		next == packet.ProtocolAH || next == destination
}

func (p Packet) transport(b []byte, icmpType, icmpCode flow.Field) {
	ports := func(src, dst flow.Field, least int) bool {
		if len(b) < least {
			return false
		}
		p.put(src, b[:2])
		p.put(dst, b[2:4])
		return true
	}
	switch p.Get(flow.IPProto).Lo {
	case flow.ProtoTCP:
		if ports(flow.TCPSrc, flow.TCPDst, 20) {
			p.set(flow.TCPFlags, flow.Uint(uint64(binary.BigEndian.Uint16(b[12:])&0xfff)), flow.Uint(0xfff))
		}
	case flow.ProtoUDP:
		ports(flow.UDPSrc, flow.UDPDst, 8)
	case flow.ProtoSCTP:
		ports(flow.SCTPSrc, flow.SCTPDst, 12)
	case flow.ProtoICMP, flow.ProtoICMPv6:
		if len(b) < 8 || (p.Get(flow.IPProto).Lo == flow.ProtoICMP) != (icmpType == flow.ICMPType) {
			return
		}
		p.put(icmpType, b[:1])
		p.put(icmpCode, b[1:2])
		if icmpType == flow.ICMPv6Type {
			p.discovery(b)
		}
	}
}

// discovery reads neighbour solicitations and advertisements (RFC 4861 §4.3, §4.4).
func (p Packet) discovery(b []byte) {
	const solicitation, advertisement, fixed = 135, 136, 24
	if b[0] != solicitation && b[0] != advertisement || b[1] != 0 || len(b) < fixed {
		return
	}
	p.put(flow.NDReserved, b[4:8])
	p.put(flow.NDTarget, b[8:24])
	for o := b[fixed:]; len(o) >= 8; o = o[8*int(o[1]):] {
		again := o[0] == 1 && !p.Get(flow.NDSLL).IsZero() || o[0] == 2 && !p.Get(flow.NDTLL).IsZero()
		if o[1] == 0 || len(o) < 8*int(o[1]) || again {
			for _, f := range []flow.Field{flow.NDTarget, flow.NDSLL, flow.NDTLL} {
				delete(p.fields, f) // Open vSwitch trusts nothing of a malformed message
			}
			return
		}
		field, link := map[byte]flow.Field{1: flow.NDSLL, 2: flow.NDTLL}[o[0]], o[1] == 1
		if field.Valid() && link && (o[0] == 1) == (b[0] == solicitation) {
			p.put(field, o[2:8])
		}
		p.put(flow.NDOptionsType, o[:1])
	}
}
