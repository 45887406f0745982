package packet

import "net/netip"

// TCPHeaderLength is that of a header without options, in bytes.
const TCPHeaderLength = 20

// Flags of a TCP segment (RFC 9293 section 3.1).
const (
	TCPFin uint8 = 1 << iota
	TCPSyn
	TCPRst
	TCPPsh
	TCPAck
)

// TCP is a segment (RFC 9293). Options are not kept.
type TCP struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            uint8
	Payload          []byte
}

// ParseTCP reads the payload of an IP packet. It does not look at the checksum: who needs the content must.
func ParseTCP(b []byte) (TCP, error) {
	if len(b) < TCPHeaderLength {
		return TCP{}, ErrTCPTruncated
	}
	header := int(b[12]>>4) * 4
	if header < TCPHeaderLength {
		return TCP{}, ErrTCPFormat
	}
	if header > len(b) {
		return TCP{}, ErrTCPTruncated
	}
	return TCP{SrcPort: be16(b), DstPort: be16(b[2:]), Seq: be32(b[4:]), Ack: be32(b[8:]), Flags: b[13], Payload: b[header:]}, nil
}

// Append appends the header without options, with its checksum, and the payload. The window is zero.
func (t TCP) Append(b []byte, src, dst netip.Addr) []byte {
	start := len(b)
	b = append16(b, t.SrcPort)
	b = append16(b, t.DstPort)
	b = append32(b, t.Seq)
	b = append32(b, t.Ack)
	b = append(b, TCPHeaderLength/4<<4, t.Flags, 0, 0, 0, 0, 0, 0)
	b = append(b, t.Payload...)
	put16(b[start+16:], pseudoHeader(src, dst, ProtocolTCP, len(b)-start).Add(b[start:]).Checksum())
	return b
}

// Reset is the answer to a segment of a connection that does not exist (RFC 9293 section 3.10.7.1); ok is
// false if there must be none, as the segment is a reset itself.
func (t TCP) Reset() (reset TCP, ok bool) {
	reset = TCP{SrcPort: t.DstPort, DstPort: t.SrcPort, Flags: TCPRst}
	switch {
	case t.Flags&TCPRst != 0:
		return TCP{}, false
	case t.Flags&TCPAck != 0:
		reset.Seq = t.Ack
	default:
		reset.Flags |= TCPAck
		reset.Ack = t.Seq + uint32(len(t.Payload))
		for _, counted := range []uint8{TCPSyn, TCPFin} {
			if t.Flags&counted != 0 {
				reset.Ack++
			}
		}
	}
	return reset, true
}
