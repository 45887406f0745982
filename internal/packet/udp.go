package packet

import "net/netip"

// UDPHeaderLength is in bytes.
const UDPHeaderLength = 8

// UDP is a datagram (RFC 768).
type UDP struct {
	SrcPort, DstPort uint16
	// Payload ends where the header says.
	Payload []byte
}

// ParseUDP reads the payload of an IP packet between the given addresses and checks its checksum. None
// (zero) is accepted over IPv4 and refused over IPv6 (RFC 8200 section 8.1).
func ParseUDP(src, dst netip.Addr, b []byte) (UDP, error) {
	if len(b) < UDPHeaderLength {
		return UDP{}, ErrUDPTruncated
	}
	length := int(be16(b[4:]))
	if length < UDPHeaderLength {
		return UDP{}, ErrUDPFormat
	}
	if length > len(b) {
		return UDP{}, ErrUDPTruncated
	}
	b = b[:length]
	if be16(b[6:]) == 0 {
		if !src.Is4() {
			return UDP{}, ErrUDPChecksum
		}
	} else if !pseudoHeader(src, dst, ProtocolUDP, length).Add(b).Valid() {
		return UDP{}, ErrUDPChecksum
	}
	return UDP{SrcPort: be16(b), DstPort: be16(b[2:]), Payload: b[UDPHeaderLength:]}, nil
}

// Append appends the header, with its checksum, and the payload, which together must not exceed 65,535
// bytes.
func (u UDP) Append(b []byte, src, dst netip.Addr) []byte {
	start := len(b)
	length := UDPHeaderLength + len(u.Payload)
	b = append16(b, u.SrcPort)
	b = append16(b, u.DstPort)
	b = append16(b, uint16(length))
	b = append(b, 0, 0)
	b = append(b, u.Payload...)
	sum := pseudoHeader(src, dst, ProtocolUDP, length).Add(b[start:]).Checksum()
	if sum == 0 { // zero would mean "no checksum"
		sum = maxUint16
	}
	put16(b[start+6:], sum)
	return b
}
