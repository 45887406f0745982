package packet

// MAC is an Ethernet address. It is an alias, so that values go to and from other packages' named types
// without conversion.
type MAC = [6]byte

// Ethernet types (IEEE "EtherType").
const (
	EtherTypeIPv4 uint16 = 0x0800
	EtherTypeARP  uint16 = 0x0806
	EtherTypeRARP uint16 = 0x8035
	EtherTypeVLAN uint16 = 0x8100
	EtherTypeIPv6 uint16 = 0x86dd
	EtherTypeQinQ uint16 = 0x88a8
)

// Lengths of headers in bytes.
const (
	EthernetHeaderLength = 14
	VLANTagLength        = 4
)

// Broadcast returns the Ethernet broadcast address.
func Broadcast() MAC { return MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// IsMulticast reports whether the group bit of a MAC is set; broadcast is multicast.
func IsMulticast(m MAC) bool { return m[0]&1 != 0 }

// Ethernet is an Ethernet II frame (IEEE 802.3 clause 3). EtherType is the first one: of a tagged frame
// it is EtherTypeVLAN or EtherTypeQinQ, and the payload is for [ParseVLAN].
type Ethernet struct {
	Dst, Src  MAC
	EtherType uint16
	Payload   []byte
}

// ParseEthernet reads a frame without frame check sequence.
func ParseEthernet(b []byte) (Ethernet, error) {
	if len(b) < EthernetHeaderLength {
		return Ethernet{}, ErrEthernetTruncated
	}
	return Ethernet{Dst: MAC(b[0:6]), Src: MAC(b[6:12]), EtherType: be16(b[12:]), Payload: b[14:]}, nil
}

// Append appends the header; the payload is for the caller to append.
func (e Ethernet) Append(b []byte) []byte {
	b = append(b, e.Dst[:]...)
	b = append(b, e.Src[:]...)
	return append16(b, e.EtherType)
}

// VLAN is an IEEE 802.1Q tag with what follows it.
type VLAN struct {
	// Priority is the priority code point, 0 to 7.
	Priority uint8
	// DropEligible is the DEI bit.
	DropEligible bool
	// ID is the VLAN identifier, 0 to 4095.
	ID uint16
	// EtherType is that of the payload.
	EtherType uint16
	Payload   []byte
}

// ParseVLAN reads the payload of a frame whose EtherType is EtherTypeVLAN or EtherTypeQinQ.
func ParseVLAN(b []byte) (VLAN, error) {
	if len(b) < VLANTagLength {
		return VLAN{}, ErrVLANTruncated
	}
	tci := be16(b)
	return VLAN{
		Priority:     uint8(tci >> 13),
		DropEligible: tci&0x1000 != 0,
		ID:           tci & 0x0fff,
		EtherType:    be16(b[2:]),
		Payload:      b[4:],
	}, nil
}

// Append appends the tag's control information and the payload's EtherType: what follows the EtherType
// of the tag itself, which is in the Ethernet header.
func (v VLAN) Append(b []byte) []byte {
	tci := uint16(v.Priority&7)<<13 | v.ID&0x0fff
	if v.DropEligible {
		tci |= 0x1000
	}
	return append16(append16(b, tci), v.EtherType)
}
