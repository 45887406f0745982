package packet

import "net/netip"

// Refusable reports whether an ICMP error may be sent about a packet (RFC 1122 section 3.2.2, RFC 1812
// section 4.3.2.7): it comes from one host and goes to one, it is no later fragment, and no ICMP error
// itself. Who knows the subnets must look for their broadcast addresses.
func (p IPv4) Refusable() bool {
	return p.FragmentOffset == 0 && isHost(p.Src) && isHost(p.Dst) &&
		(p.Protocol != ProtocolICMP || len(p.Payload) > 0 && isICMPQuery(p.Payload[0]))
}

// Refusable reports whether an ICMP error may be sent about a packet (RFC 4443 section 2.4 (e)), but for
// those about its size, which may be sent about multicasts, too.
func (p IPv6) Refusable() bool {
	return p.FragmentOffset == 0 && isHost(p.Src) && isHost(p.Dst) &&
		(p.Protocol != ProtocolICMPv6 || len(p.Payload) > 0 && p.Payload[0]&0x80 != 0 && p.Payload[0] != ICMPv6Redirect)
}

// isICMPQuery reports whether a type of ICMP is none of the errors: RFC 1122 section 3.2.2 counts them up.
func isICMPQuery(typ uint8) bool {
	switch typ {
	case ICMPUnreachable, ICMPSourceQuench, ICMPRedirect, ICMPTimeExceeded, ICMPParameterProblem:
		return false
	}
	return true
}

// isHost reports whether an address is that of one host. IPv4's class E is none (RFC 1122 section 3.2.1.3),
// nor is network zero.
func isHost(a netip.Addr) bool {
	if a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() {
		return false
	}
	return !a.Is4() || a.As4()[0] != 0 && a.As4()[0] < 240
}

// Lengths of the packets in which errors are sent: RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 (c).
const (
	maxError4 = 576
	maxError6 = 1280
)

// errorTOS is the precedence of ICMP errors: internetwork control (RFC 1812 section 4.3.2.5).
const errorTOS = 6 << 5

// AppendError appends an IPv4 packet that carries an ICMP error about another packet, of which it quotes
// as much as there is room for.
func (m ICMP) AppendError(b []byte, src, dst netip.Addr, ttl uint8, about []byte) []byte {
	m.Payload = about[:min(len(about), maxError4-IPv4HeaderLength-icmpHeaderLength)]
	header := IPv4{TOS: errorTOS, DontFragment: true, TTL: ttl, Protocol: ProtocolICMP, Src: src, Dst: dst}
	return m.Append(header.Append(b, icmpHeaderLength+len(m.Payload)))
}

// AppendICMPv6Error appends an IPv6 packet that carries an ICMPv6 error about another packet, of which it
// quotes as much as there is room for. The argument is the error's own: an MTU, a pointer, else zero.
func AppendICMPv6Error(b []byte, typ, code uint8, argument uint32, src, dst netip.Addr, hopLimit uint8, about []byte) []byte {
	about = about[:min(len(about), maxError6-IPv6HeaderLength-icmpHeaderLength)]
	m := ICMPv6{Type: typ, Code: code, Body: append(append32(make([]byte, 0, 4+len(about)), argument), about...)}
	header := IPv6{NextHeader: ProtocolICMPv6, HopLimit: hopLimit, Src: src, Dst: dst}
	return m.Append(header.Append(b, icmpv6HeaderLength+len(m.Body)), src, dst)
}

// ProtocolAt is where the packet names its upper layer protocol, in bytes from its start: in the last of
// its headers.
func (p IPv6) ProtocolAt() int {
	const fixed = 6
	at, next, rest := fixed, p.NextHeader, p.Extensions
	for offset := IPv6HeaderLength; len(rest) >= 2; {
		length := 8 + 8*int(rest[1])
		switch next {
		case ProtocolFragment:
			length = fragmentHeaderLength
		case ProtocolAH:
			length = 8 + 4*int(rest[1])
		}
		if length > len(rest) {
			break
		}
		at, next = offset, rest[0]
		offset, rest = offset+length, rest[length:]
	}
	return at
}
