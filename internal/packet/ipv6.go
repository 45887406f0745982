package packet

import "net/netip"

// IPv6HeaderLength is that of the fixed header, in bytes.
const IPv6HeaderLength = 40

const fragmentHeaderLength = 8

// IPv6 is an IPv6 packet (RFC 8200).
type IPv6 struct {
	TrafficClass uint8
	FlowLabel    uint32
	HopLimit     uint8
	Src, Dst     netip.Addr
	// NextHeader is the protocol of what follows the fixed header: perhaps an extension header.
	NextHeader uint8
	// Protocol is that of Payload, after the extension headers: an upper layer protocol, or
	// ProtocolESP or ProtocolNoNext.
	Protocol uint8
	// Extensions are the extension headers as they are in the packet.
	Extensions []byte
	// Payload ends where the header says. In a fragment other than the first it is no upper layer
	// packet.
	Payload []byte
	// Fragmented is true if there is a fragment header. An atomic fragment (RFC 6946) has one, with
	// FragmentOffset 0 and MoreFragments false.
	Fragmented     bool
	MoreFragments  bool
	FragmentOffset uint16
}

// ParseIPv6 reads the payload of a frame with EtherTypeIPv6, and walks over the extension headers.
func ParseIPv6(b []byte) (IPv6, error) {
	if len(b) < IPv6HeaderLength {
		return IPv6{}, ErrIPv6Truncated
	}
	if b[0]>>4 != 6 {
		return IPv6{}, ErrIPv6Format
	}
	end := IPv6HeaderLength + int(be16(b[4:]))
	if end > len(b) {
		return IPv6{}, ErrIPv6Truncated
	}
	first := be32(b)
	p := IPv6{
		TrafficClass: uint8(first >> 20),
		FlowLabel:    first & 0xfffff,
		NextHeader:   b[6],
		Protocol:     b[6],
		HopLimit:     b[7],
		Src:          netip.AddrFrom16([16]byte(b[8:24])),
		Dst:          netip.AddrFrom16([16]byte(b[24:40])),
		Payload:      b[IPv6HeaderLength:end],
	}
	if err := p.skipExtensions(); err != nil {
		return IPv6{}, err
	}
	return p, nil
}

// skipExtensions moves Protocol and Payload behind the extension headers (RFC 8200 section 4). Each step
// shortens the payload by 8 bytes or more, so it ends.
func (p *IPv6) skipExtensions() error {
	all := p.Payload
	for {
		length := 0
		switch p.Protocol {
		case ProtocolHopByHop, ProtocolRouting, ProtocolDstOpts, ProtocolMobility, ProtocolHIP, ProtocolShim6:
			if len(p.Payload) >= 2 {
				length = 8 + 8*int(p.Payload[1])
			}
		case ProtocolAH:
			if len(p.Payload) >= 2 {
				length = 8 + 4*int(p.Payload[1]) // RFC 4302 section 2.2: in words, minus 2
			}
		case ProtocolFragment:
			if len(p.Payload) >= fragmentHeaderLength {
				length = fragmentHeaderLength
				p.readFragment()
			}
		default:
			p.Extensions = all[:len(all)-len(p.Payload)]
			return nil
		}
		if length == 0 || length > len(p.Payload) {
			return ErrIPv6Truncated
		}
		p.Protocol, p.Payload = p.Payload[0], p.Payload[length:]
		if p.FragmentOffset != 0 { // what follows continues another packet
			p.Extensions = all[:len(all)-len(p.Payload)]
			return nil
		}
	}
}

func (p *IPv6) readFragment() {
	v := be16(p.Payload[2:])
	p.Fragmented, p.FragmentOffset, p.MoreFragments = true, v&^7, v&1 != 0
}

// IsFragment reports whether the packet is a part of another: its payload is no whole upper layer packet.
func (p IPv6) IsFragment() bool { return p.MoreFragments || p.FragmentOffset != 0 }

// Append appends the fixed header, with NextHeader, and Extensions, for an upper layer payload of the
// given length, which is for the caller to append; the other fields are ignored.
func (p IPv6) Append(b []byte, payload int) []byte {
	b = append32(b, 6<<28|uint32(p.TrafficClass)<<20|p.FlowLabel&0xfffff)
	b = append16(b, uint16(len(p.Extensions)+payload))
	b = append(b, p.NextHeader, p.HopLimit)
	b = appendAddr(b, p.Src)
	b = appendAddr(b, p.Dst)
	return append(b, p.Extensions...)
}

// SolicitedNode returns the multicast group on which the owner of an IPv6 address is asked for its MAC
// (RFC 4291 section 2.7.1).
func SolicitedNode(a netip.Addr) netip.Addr {
	v := a.As16()
	return netip.AddrFrom16([16]byte{0xff, 0x02, 11: 1, 12: 0xff, 13: v[13], 14: v[14], 15: v[15]})
}

// MulticastMAC returns the Ethernet address of a multicast group (RFC 1112 section 6.4, RFC 2464
// section 7).
func MulticastMAC(group netip.Addr) MAC {
	if group.Is4() {
		v := group.As4()
		return MAC{0x01, 0x00, 0x5e, v[1] & 0x7f, v[2], v[3]}
	}
	v := group.As16()
	return MAC{0x33, 0x33, v[12], v[13], v[14], v[15]}
}

// LinkLocal returns the link-local address that a host forms from its MAC (RFC 4291 appendix A:
// modified EUI-64).
func LinkLocal(m MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}
