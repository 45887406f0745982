package packet

import "net/netip"

// IPv4HeaderLength is that of a header without options, in bytes.
const IPv4HeaderLength = 20

const (
	ipv4MoreFragments = 0x2000
	ipv4DontFragment  = 0x4000
	ipv4OffsetMask    = 0x1fff
)

// IPv4 is an IPv4 packet (RFC 791).
type IPv4 struct {
	TOS          uint8
	ID           uint16
	DontFragment bool
	// MoreFragments is false in the last fragment and in a packet that is whole.
	MoreFragments bool
	// FragmentOffset is in bytes, a multiple of 8.
	FragmentOffset uint16
	TTL            uint8
	Protocol       uint8
	Src, Dst       netip.Addr
	// Options are the header's, padded to a multiple of 4 bytes, at most 40.
	Options []byte
	// Payload ends where the header says, without the frame's padding.
	Payload []byte
}

// ParseIPv4 reads the payload of a frame with EtherTypeIPv4 and checks the header's checksum. Fragments
// are returned as they are: see [IPv4.IsFragment].
func ParseIPv4(b []byte) (IPv4, error) {
	p, total, err := parseIPv4Header(b)
	if err != nil {
		return IPv4{}, err
	}
	header := IPv4HeaderLength + len(p.Options)
	if total > len(b) {
		return IPv4{}, ErrIPv4Truncated
	}
	if !Sum(0).Add(b[:header]).Valid() {
		return IPv4{}, ErrIPv4Checksum
	}
	p.Payload = b[header:total]
	return p, nil
}

// ParseIPv4Quoted reads the packet that an ICMP error quotes: its end may be missing, and its header may
// have been changed on the way, so the checksum is not looked at.
func ParseIPv4Quoted(b []byte) (IPv4, error) {
	p, total, err := parseIPv4Header(b)
	if err != nil {
		return IPv4{}, err
	}
	p.Payload = b[IPv4HeaderLength+len(p.Options) : min(total, len(b))]
	return p, nil
}

// parseIPv4Header reads all but the payload; the header lies within b and within total, the packet's
// length as the header has it.
func parseIPv4Header(b []byte) (p IPv4, total int, err error) {
	if len(b) < IPv4HeaderLength {
		return IPv4{}, 0, ErrIPv4Truncated
	}
	header := int(b[0]&0x0f) * 4
	total = int(be16(b[2:]))
	if b[0]>>4 != 4 || header < IPv4HeaderLength || total < header {
		return IPv4{}, 0, ErrIPv4Format
	}
	if len(b) < header {
		return IPv4{}, 0, ErrIPv4Truncated
	}
	frag := be16(b[6:])
	return IPv4{
		TOS:            b[1],
		ID:             be16(b[4:]),
		DontFragment:   frag&ipv4DontFragment != 0,
		MoreFragments:  frag&ipv4MoreFragments != 0,
		FragmentOffset: frag & ipv4OffsetMask * 8,
		TTL:            b[8],
		Protocol:       b[9],
		Src:            netip.AddrFrom4([4]byte(b[12:16])),
		Dst:            netip.AddrFrom4([4]byte(b[16:20])),
		Options:        b[IPv4HeaderLength:header],
	}, total, nil
}

// IsFragment reports whether the packet is a part of another: its payload is no upper layer packet.
func (p IPv4) IsFragment() bool { return p.MoreFragments || p.FragmentOffset != 0 }

// Append appends the header, with its checksum, for a payload of the given length, which is for the
// caller to append; the Payload field is ignored. Header and payload together must not exceed 65,535 bytes,
// and Options must be a multiple of 4 bytes, at most 40.
func (p IPv4) Append(b []byte, payload int) []byte {
	start := len(b)
	header := IPv4HeaderLength + len(p.Options)
	b = append(b, 0x40|uint8(header/4), p.TOS)
	b = append16(b, uint16(header+payload))
	b = append16(b, p.ID)
	frag := p.FragmentOffset / 8 & ipv4OffsetMask
	if p.DontFragment {
		frag |= ipv4DontFragment
	}
	if p.MoreFragments {
		frag |= ipv4MoreFragments
	}
	b = append16(b, frag)
	b = append(b, p.TTL, p.Protocol, 0, 0)
	b = appendAddr(b, p.Src)
	b = appendAddr(b, p.Dst)
	b = append(b, p.Options...)
	put16(b[start+10:], Checksum(b[start:]))
	return b
}
