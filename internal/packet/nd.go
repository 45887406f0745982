package packet

import "net/netip"

// ND option types (RFC 4861 section 4.6, RFC 8106, RFC 4191).
const (
	NDOptionSourceLinkAddr uint8 = 1
	NDOptionTargetLinkAddr uint8 = 2
	NDOptionPrefix         uint8 = 3
	NDOptionMTU            uint8 = 5
	NDOptionRoute          uint8 = 24
	NDOptionRDNSS          uint8 = 25
	NDOptionDNSSL          uint8 = 31
)

const ndHopLimit = 255

// NeighborSolicitation asks for the MAC of an address (RFC 4861 section 4.3).
type NeighborSolicitation struct {
	Target  netip.Addr
	Options NDOptions
}

// ParseNeighborSolicitation reads and validates (RFC 4861 section 7.1.1) what an IPv6 packet carries.
func ParseNeighborSolicitation(p IPv6) (NeighborSolicitation, error) {
	body, err := parseND(p, ICMPv6NeighborSol, 4+ipv6AddressLength)
	if err != nil {
		return NeighborSolicitation{}, err
	}
	s := NeighborSolicitation{Target: netip.AddrFrom16([16]byte(body[4:20])), Options: NDOptions(body[20:])}
	if err := s.Options.validate(); err != nil {
		return NeighborSolicitation{}, err
	}
	_, hasSource := s.Options.LinkAddr(NDOptionSourceLinkAddr)
	probe := p.Src.IsUnspecified()
	if s.Target.IsMulticast() || probe && (hasSource || !isSolicitedNode(p.Dst)) {
		return NeighborSolicitation{}, ErrNDFormat
	}
	return s, nil
}

// Append appends the ICMPv6 message.
func (s NeighborSolicitation) Append(b []byte, src, dst netip.Addr) []byte {
	start := len(b)
	b = append(b, ICMPv6NeighborSol, 0, 0, 0, 0, 0, 0, 0)
	b = append(appendAddr(b, s.Target), s.Options...)
	sealICMPv6(b[start:], src, dst)
	return b
}

// NeighborAdvertisement tells the MAC of an address (RFC 4861 section 4.4).
type NeighborAdvertisement struct {
	Router, Solicited, Override bool
	Target                      netip.Addr
	Options                     NDOptions
}

// ParseNeighborAdvertisement reads and validates (RFC 4861 section 7.1.2) what an IPv6 packet carries.
func ParseNeighborAdvertisement(p IPv6) (NeighborAdvertisement, error) {
	body, err := parseND(p, ICMPv6NeighborAdv, 4+ipv6AddressLength)
	if err != nil {
		return NeighborAdvertisement{}, err
	}
	a := NeighborAdvertisement{
		Router:    body[0]&0x80 != 0,
		Solicited: body[0]&0x40 != 0,
		Override:  body[0]&0x20 != 0,
		Target:    netip.AddrFrom16([16]byte(body[4:20])),
		Options:   NDOptions(body[20:]),
	}
	if err := a.Options.validate(); err != nil {
		return NeighborAdvertisement{}, err
	}
	if a.Target.IsMulticast() || p.Dst.IsMulticast() && a.Solicited {
		return NeighborAdvertisement{}, ErrNDFormat
	}
	return a, nil
}

// Append appends the ICMPv6 message.
func (a NeighborAdvertisement) Append(b []byte, src, dst netip.Addr) []byte {
	start := len(b)
	flags := flag(a.Router, 0x80) | flag(a.Solicited, 0x40) | flag(a.Override, 0x20)
	b = append(b, ICMPv6NeighborAdv, 0, 0, 0, flags, 0, 0, 0)
	b = append(appendAddr(b, a.Target), a.Options...)
	sealICMPv6(b[start:], src, dst)
	return b
}

// RouterSolicitation asks routers to advertise themselves now (RFC 4861 section 4.1).
type RouterSolicitation struct {
	Options NDOptions
}

// ParseRouterSolicitation reads and validates (RFC 4861 section 6.1.1) what an IPv6 packet carries.
func ParseRouterSolicitation(p IPv6) (RouterSolicitation, error) {
	body, err := parseND(p, ICMPv6RouterSol, 4)
	if err != nil {
		return RouterSolicitation{}, err
	}
	s := RouterSolicitation{Options: NDOptions(body[4:])}
	if err := s.Options.validate(); err != nil {
		return RouterSolicitation{}, err
	}
	if _, ok := s.Options.LinkAddr(NDOptionSourceLinkAddr); ok && p.Src.IsUnspecified() {
		return RouterSolicitation{}, ErrNDFormat
	}
	return s, nil
}

// Append appends the ICMPv6 message.
func (s RouterSolicitation) Append(b []byte, src, dst netip.Addr) []byte {
	start := len(b)
	b = append(b, ICMPv6RouterSol, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, s.Options...)
	sealICMPv6(b[start:], src, dst)
	return b
}

// RouterAdvertisement announces a router and how hosts configure themselves (RFC 4861 section 4.2).
// Times are on the wire as here.
type RouterAdvertisement struct {
	CurHopLimit uint8
	// Managed: addresses are to be had by DHCPv6. Other: further configuration is.
	Managed, Other bool
	// Preference is the default router preference of RFC 4191: 0 medium, 1 high, 3 low.
	Preference uint8
	// RouterLifetime is in seconds; 0 says that the sender is no default router.
	RouterLifetime uint16
	// ReachableTime and RetransTimer are in milliseconds; 0 leaves them to the host.
	ReachableTime, RetransTimer uint32
	Options                     NDOptions
}

// ParseRouterAdvertisement reads and validates (RFC 4861 section 6.1.2) what an IPv6 packet carries.
func ParseRouterAdvertisement(p IPv6) (RouterAdvertisement, error) {
	body, err := parseND(p, ICMPv6RouterAdv, 12)
	if err != nil {
		return RouterAdvertisement{}, err
	}
	a := RouterAdvertisement{
		CurHopLimit:    body[0],
		Managed:        body[1]&0x80 != 0,
		Other:          body[1]&0x40 != 0,
		Preference:     body[1] >> 3 & 3,
		RouterLifetime: be16(body[2:]),
		ReachableTime:  be32(body[4:]),
		RetransTimer:   be32(body[8:]),
		Options:        NDOptions(body[12:]),
	}
	if err := a.Options.validate(); err != nil {
		return RouterAdvertisement{}, err
	}
	if !p.Src.IsLinkLocalUnicast() {
		return RouterAdvertisement{}, ErrNDFormat
	}
	return a, nil
}

// Append appends the ICMPv6 message.
func (a RouterAdvertisement) Append(b []byte, src, dst netip.Addr) []byte {
	start := len(b)
	flags := flag(a.Managed, 0x80) | flag(a.Other, 0x40) | a.Preference&3<<3
	b = append(b, ICMPv6RouterAdv, 0, 0, 0, a.CurHopLimit, flags)
	b = append16(b, a.RouterLifetime)
	b = append32(b, a.ReachableTime)
	b = append32(b, a.RetransTimer)
	b = append(b, a.Options...)
	sealICMPv6(b[start:], src, dst)
	return b
}

// parseND checks what all ND messages have in common and returns the body, of at least the given length.
func parseND(p IPv6, typ uint8, length int) ([]byte, error) {
	if p.Protocol != ProtocolICMPv6 || p.Fragmented { // RFC 6980: ND is never fragmented
		return nil, ErrNDType
	}
	if p.HopLimit != ndHopLimit {
		return nil, ErrNDHopLimit
	}
	m, err := ParseICMPv6(p.Src, p.Dst, p.Payload)
	if err != nil {
		return nil, err
	}
	if m.Type != typ || m.Code != 0 {
		return nil, ErrNDType
	}
	if len(m.Body) < length {
		return nil, ErrNDTruncated
	}
	return m.Body, nil
}

func isSolicitedNode(a netip.Addr) bool { return a == SolicitedNode(a) }

func flag(set bool, bit uint8) uint8 {
	if set {
		return bit
	}
	return 0
}
