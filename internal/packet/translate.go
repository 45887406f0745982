package packet

import "net/netip"

// Offsets of the checksums that cover addresses.
const (
	ipv4ChecksumOffset = 10
	udpChecksumOffset  = 6
	tcpChecksumOffset  = 16
	protocolUDPLite    = 136 // RFC 3828
)

// End says which address of a packet is meant.
type End uint8

// The ends.
const (
	Source End = iota
	Destination
)

func (e End) of(p IPv4) netip.Addr {
	if e == Source {
		return p.Src
	}
	return p.Dst
}

func (e End) offset() int {
	const source = 12
	return source + 4*int(e)
}

// Translate replaces an IPv4 address of a packet, or of the part of one that an ICMP error quotes, in place, and corrects
// the checksums that cover it (RFC 3022 section 4.2) as far as they are there. A packet whose address is not from
// is left alone, and is an error.
func Translate(b []byte, end End, from, to netip.Addr) error {
	p, err := ParseIPv4Quoted(b)
	if err != nil {
		return err
	}
	if end.of(p) != from || !to.Is4() {
		return ErrTranslate
	}
	old, replaced := from.As4(), to.As4()
	copy(b[end.offset():], replaced[:])
	update := func(at []byte) { put16(at, UpdateChecksumBytes(be16(at), old[:], replaced[:])) }
	update(b[ipv4ChecksumOffset:])
	if p.FragmentOffset != 0 { // of a later fragment nothing is a header
		return nil
	}
	offset := -1
	switch p.Protocol {
	case ProtocolTCP:
		offset = tcpChecksumOffset
	case ProtocolUDP, protocolUDPLite:
		offset = udpChecksumOffset
	}
	none := p.Protocol == ProtocolUDP && len(p.Payload) >= udpChecksumOffset+2 && be16(p.Payload[udpChecksumOffset:]) == 0
	if offset >= 0 && len(p.Payload) >= offset+2 && !none {
		update(p.Payload[offset:])
	}
	return nil
}

// TranslateQuoted replaces an address in the packet that an ICMP error quotes (RFC 5508 section 4.2), in place. b
// is the IPv4 packet that carries the error.
func TranslateQuoted(b []byte, end End, from, to netip.Addr) error {
	p, err := ParseIPv4(b)
	if err != nil {
		return err
	}
	m, err := ParseICMP(p.Payload)
	if err != nil {
		return err
	}
	if p.Protocol != ProtocolICMP || p.IsFragment() || !m.quotes() {
		return ErrTranslate
	}
	if err := Translate(m.Payload, end, from, to); err != nil {
		return err
	}
	put16(p.Payload[icmpChecksumOffset:], 0)
	put16(p.Payload[icmpChecksumOffset:], Checksum(p.Payload))
	return nil
}

// quotes reports whether the message is an error about a packet that somebody forwards.
func (m ICMP) quotes() bool {
	return m.Type == ICMPUnreachable || m.Type == ICMPTimeExceeded || m.Type == ICMPParameterProblem
}
