package packet

import "net/netip"

// ARP operations (RFC 826, RFC 903).
const (
	ARPRequest    uint16 = 1
	ARPReply      uint16 = 2
	RARPRequest   uint16 = 3
	RARPReply     uint16 = 4
	arpLength            = 28
	arpEthernet          = 1
	arpMACLength         = 6
	arpIPv4Length        = 4
)

// ARP is an address resolution packet for IPv4 over Ethernet (RFC 826). The addresses are IPv4.
type ARP struct {
	Operation            uint16
	SenderMAC, TargetMAC MAC
	SenderIP, TargetIP   netip.Addr
}

// ParseARP reads the payload of a frame with EtherTypeARP or EtherTypeRARP. Padding is ignored.
func ParseARP(b []byte) (ARP, error) {
	if len(b) < arpLength {
		return ARP{}, ErrARPTruncated
	}
	if be16(b) != arpEthernet || be16(b[2:]) != EtherTypeIPv4 || b[4] != arpMACLength || b[5] != arpIPv4Length {
		return ARP{}, ErrARPFormat
	}
	return ARP{
		Operation: be16(b[6:]),
		SenderMAC: MAC(b[8:14]),
		SenderIP:  netip.AddrFrom4([4]byte(b[14:18])),
		TargetMAC: MAC(b[18:24]),
		TargetIP:  netip.AddrFrom4([4]byte(b[24:28])),
	}, nil
}

// IsProbe reports whether the sender asks if somebody has the address that it wants for itself
// (RFC 5227 section 2.1.1).
func (a ARP) IsProbe() bool {
	return a.Operation == ARPRequest && a.SenderIP == netip.IPv4Unspecified()
}

// IsAnnouncement reports whether the sender tells everybody its address: "gratuitous ARP", as a request
// (RFC 5227 section 2.3) or as a reply (RFC 5944 section 4.6).
func (a ARP) IsAnnouncement() bool { return a.SenderIP == a.TargetIP && a.Operation <= ARPReply }

// Append appends the packet. Both IP addresses must be IPv4.
func (a ARP) Append(b []byte) []byte {
	b = append16(b, arpEthernet)
	b = append16(b, EtherTypeIPv4)
	b = append(b, arpMACLength, arpIPv4Length)
	b = append16(b, a.Operation)
	b = append(b, a.SenderMAC[:]...)
	b = appendAddr(b, a.SenderIP)
	b = append(b, a.TargetMAC[:]...)
	return appendAddr(b, a.TargetIP)
}

// appendAddr appends the 4 or 16 bytes of an address; AppendTo of netip would write text.
func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		v := a.As4()
		return append(b, v[:]...)
	}
	v := a.As16()
	return append(b, v[:]...)
}
