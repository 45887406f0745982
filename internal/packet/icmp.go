package packet

import "net/netip"

// ICMP types (RFC 792).
const (
	ICMPEchoReply          uint8 = 0
	ICMPUnreachable        uint8 = 3
	ICMPSourceQuench       uint8 = 4
	ICMPRedirect           uint8 = 5
	ICMPEchoRequest        uint8 = 8
	ICMPTimeExceeded       uint8 = 11
	ICMPParameterProblem   uint8 = 12
	ICMPv6Unreachable      uint8 = 1 // RFC 4443
	ICMPv6PacketTooBig     uint8 = 2
	ICMPv6TimeExceeded     uint8 = 3
	ICMPv6ParameterProblem uint8 = 4
	ICMPv6EchoRequest      uint8 = 128
	ICMPv6EchoReply        uint8 = 129
	ICMPv6RouterSol        uint8 = 133 // RFC 4861
	ICMPv6RouterAdv        uint8 = 134
	ICMPv6NeighborSol      uint8 = 135
	ICMPv6NeighborAdv      uint8 = 136
	ICMPv6Redirect         uint8 = 137
	icmpHeaderLength             = 8
	icmpv6HeaderLength           = 4
	icmpChecksumOffset           = 2
)

// Codes of ICMP errors: RFC 792, RFC 1812 section 5.2.7.1, RFC 4443 section 3.
const (
	ICMPNetUnreachable       uint8 = 0
	ICMPHostUnreachable      uint8 = 1
	ICMPProtocolUnreachable  uint8 = 2
	ICMPPortUnreachable      uint8 = 3
	ICMPFragmentationNeeded  uint8 = 4
	ICMPv6NoRoute            uint8 = 0
	ICMPv6BeyondScope        uint8 = 2
	ICMPv6AddressUnreachable uint8 = 3
	ICMPv6PortUnreachable    uint8 = 4
	ICMPv6UnknownNextHeader  uint8 = 1
)

// ICMP is an ICMP message for IPv4 (RFC 792).
type ICMP struct {
	Type, Code uint8
	// Rest is the second half of the header: identifier and sequence number of an echo, the next hop's
	// MTU (RFC 1191) in its last two bytes.
	Rest    [4]byte
	Payload []byte
}

// ParseICMP reads the payload of an IPv4 packet and checks its checksum.
func ParseICMP(b []byte) (ICMP, error) {
	if len(b) < icmpHeaderLength {
		return ICMP{}, ErrICMPTruncated
	}
	if !Sum(0).Add(b).Valid() {
		return ICMP{}, ErrICMPChecksum
	}
	return ICMP{Type: b[0], Code: b[1], Rest: [4]byte(b[4:8]), Payload: b[8:]}, nil
}

// Append appends the message, with its checksum and payload.
func (m ICMP) Append(b []byte) []byte {
	start := len(b)
	b = append(b, m.Type, m.Code, 0, 0)
	b = append(b, m.Rest[:]...)
	b = append(b, m.Payload...)
	put16(b[start+icmpChecksumOffset:], Checksum(b[start:]))
	return b
}

// ICMPv6 is an ICMP message for IPv6 (RFC 4443).
type ICMPv6 struct {
	Type, Code uint8
	// Body is everything after the checksum.
	Body []byte
}

// ParseICMPv6 reads the payload of an IPv6 packet between the given addresses and checks its checksum.
func ParseICMPv6(src, dst netip.Addr, b []byte) (ICMPv6, error) {
	if len(b) < icmpv6HeaderLength {
		return ICMPv6{}, ErrICMPTruncated
	}
	if !pseudoHeader(src, dst, ProtocolICMPv6, len(b)).Add(b).Valid() {
		return ICMPv6{}, ErrICMPChecksum
	}
	return ICMPv6{Type: b[0], Code: b[1], Body: b[icmpv6HeaderLength:]}, nil
}

// Append appends the message, with its checksum and body.
func (m ICMPv6) Append(b []byte, src, dst netip.Addr) []byte {
	start := len(b)
	b = append(b, m.Type, m.Code, 0, 0)
	b = append(b, m.Body...)
	sealICMPv6(b[start:], src, dst)
	return b
}

// sealICMPv6 writes the checksum of a message whose checksum field is zero.
func sealICMPv6(message []byte, src, dst netip.Addr) {
	sum := pseudoHeader(src, dst, ProtocolICMPv6, len(message)).Add(message)
	put16(message[icmpChecksumOffset:], sum.Checksum())
}
