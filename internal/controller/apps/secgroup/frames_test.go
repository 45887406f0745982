package secgroup_test

import (
	"encoding/binary"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// TCP flags (RFC 9293).
const (
	syn = 0x02
	ack = 0x10
)

// path is what frames go along: from a port of the test to another, in one family.
type path struct {
	from, to *model.Port
	src, dst netip.Addr
}

// pathOf takes the n-th fixed address of both ports.
func pathOf(from, to *model.Port, n int) path {
	return path{from, to, from.FixedIPs[n].IPAddress, to.FixedIPs[n].IPAddress}
}

func (p path) back() path { return path{p.to, p.from, p.dst, p.src} }

// ip puts headers before an IP payload. The hop limit is 64, if none is given.
func (p path) ip(proto uint8, payload []byte, hops ...uint8) []byte {
	ttl := append(hops, 64)[0]
	e := packet.Ethernet{Dst: packet.MAC(p.to.MACAddress), Src: packet.MAC(p.from.MACAddress), EtherType: packet.EtherTypeIPv6}
	if p.src.Is4() {
		e.EtherType = packet.EtherTypeIPv4
		return append(packet.IPv4{TTL: ttl, Protocol: proto, Src: p.src, Dst: p.dst}.Append(e.Append(nil), len(payload)), payload...)
	}
	return append(packet.IPv6{HopLimit: ttl, NextHeader: proto, Src: p.src, Dst: p.dst}.Append(e.Append(nil), len(payload)), payload...)
}

func (p path) udp(sport, dport uint16) []byte {
	return p.ip(packet.ProtocolUDP, packet.UDP{SrcPort: sport, DstPort: dport, Payload: []byte("hello")}.Append(nil, p.src, p.dst))
}

// large is a datagram that does not fit into a frame.
func (p path) large(sport, dport uint16) []byte {
	return p.ip(packet.ProtocolUDP, packet.UDP{SrcPort: sport, DstPort: dport, Payload: make([]byte, 1800)}.Append(nil, p.src, p.dst))
}

// tcp is a segment with one byte of data, if it is not the first.
func (p path) tcp(sport, dport uint16, flags uint8, seq, acked uint32) []byte {
	b := binary.BigEndian.AppendUint16(nil, sport)
	b = binary.BigEndian.AppendUint16(b, dport)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, acked)
	b = append(b, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	if flags&syn == 0 {
		b = append(b, 'x')
	}
	s := packet.Sum(0).Add(p.src.AsSlice()).Add(p.dst.AsSlice()).AddUint16(packet.ProtocolTCP).AddUint16(uint16(len(b))).Add(b)
	binary.BigEndian.PutUint16(b[16:], s.Checksum())
	return p.ip(packet.ProtocolTCP, b)
}

// echo is an ICMP echo request or reply.
func (p path) echo(reply bool, payload []byte) []byte {
	if p.src.Is4() {
		m := packet.ICMP{Type: packet.ICMPEchoRequest, Rest: [4]byte{1, 2, 0, 1}, Payload: payload}
		if reply {
			m.Type = packet.ICMPEchoReply
		}
		return p.ip(packet.ProtocolICMP, m.Append(nil))
	}
	m := packet.ICMPv6{Type: packet.ICMPv6EchoRequest, Body: append([]byte{1, 2, 0, 1}, payload...)}
	if reply {
		m.Type = packet.ICMPv6EchoReply
	}
	return p.ip(packet.ProtocolICMPv6, m.Append(nil, p.src, p.dst))
}

// unreachable is an ICMP error about a frame that came the other way.
func (p path) unreachable(about []byte) []byte {
	about = about[packet.EthernetHeaderLength:]
	if p.src.Is4() {
		return p.ip(packet.ProtocolICMP, packet.ICMP{Type: packet.ICMPUnreachable, Code: 3, Payload: about}.Append(nil))
	}
	return p.ip(packet.ProtocolICMPv6,
		packet.ICMPv6{Type: packet.ICMPv6Unreachable, Code: 4, Body: append(make([]byte, 4), about...)}.Append(nil, p.src, p.dst))
}

// fragments cuts the IP payload of a frame in two, at a multiple of 8 bytes.
func (p path) fragments(frame []byte, at int) [][]byte {
	eth := frame[:packet.EthernetHeaderLength]
	if p.src.Is4() {
		payload := frame[packet.EthernetHeaderLength+packet.IPv4HeaderLength:]
		h := packet.IPv4{TTL: 64, Protocol: frame[23], Src: p.src, Dst: p.dst, ID: 77}
		first, last := h, h
		first.MoreFragments, last.FragmentOffset = true, uint16(at)
		return [][]byte{
			append(first.Append(append([]byte{}, eth...), at), payload[:at]...),
			append(last.Append(append([]byte{}, eth...), len(payload)-at), payload[at:]...),
		}
	}
	payload := frame[packet.EthernetHeaderLength+packet.IPv6HeaderLength:]
	proto := frame[20]
	part := func(offset uint16, more bool, b []byte) []byte {
		v := offset
		if more {
			v |= 1
		}
		ext := []byte{proto, 0, byte(v >> 8), byte(v), 0, 0, 0, 77}
		h := packet.IPv6{HopLimit: 64, NextHeader: packet.ProtocolFragment, Src: p.src, Dst: p.dst, Extensions: ext}
		return append(h.Append(append([]byte{}, eth...), len(b)), b...)
	}
	return [][]byte{part(0, true, payload[:at]), part(uint16(at), false, payload[at:])}
}
