package flow

// Field names a field of a packet or of its metadata that a flow can match or change. The order of the
// constants is the order in which Open vSwitch emits them in a dump; a [Match] is kept in that order.
type Field uint8

// The fields. Their meaning is that of ovs-fields(7).
const (
	noField Field = iota
	ConjID
	InPort
	EthSrc
	EthDst
	EthType
	VLANVID // 13 bits: the VLAN id and, in bit 12, whether there is a tag at all
	VLANPCP
	IPv4Src
	IPv4Dst
	IPv6Src
	IPv6Dst
	IPFrag
	IPDSCP
	IPECN
	IPTTL // IPv6's hop limit, too
	IPv6Label
	IPProto
	TCPSrc
	TCPDst
	TCPFlags
	UDPSrc
	UDPDst
	SCTPSrc
	SCTPDst
	ICMPType
	ICMPCode
	ICMPv6Type
	ICMPv6Code
	NDReserved
	NDTarget
	NDOptionsType
	NDSLL
	NDTLL
	ARPOp
	ARPSPA
	ARPTPA
	ARPSHA
	ARPTHA
	TunID
	TunSrc
	TunDst
	TunIPv6Src
	TunIPv6Dst
	Reg0
	Reg1
	Reg2
	Reg3
	Reg4
	Reg5
	Reg6
	Reg7
	Reg8
	Reg9
	Reg10
	Reg11
	Reg12
	Reg13
	Reg14
	Reg15
	PktMark
	CTState
	CTZone
	CTMark
	CTLabel
	CTNwSrc
	CTIPv6Src
	CTNwDst
	CTIPv6Dst
	CTNwProto
	CTTpSrc
	CTTpDst
	Metadata
	XXReg0 // Reg0 (most significant) to Reg3 as one field of 128 bits, and so on
	XXReg1
	XXReg2
	XXReg3
	numFields
)

// Values of [EthType].
const (
	EthTypeIPv4 = 0x0800
	EthTypeARP  = 0x0806
	EthTypeRARP = 0x8035
	EthTypeVLAN = 0x8100
	// EthTypeServiceVLAN is the tag of a provider around that of its customer (IEEE 802.1ad).
	EthTypeServiceVLAN = 0x88a8
	EthTypeIPv6        = 0x86dd
)

// Values of [IPProto].
const (
	ProtoICMP   = 1
	ProtoIGMP   = 2
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
	ProtoSCTP   = 132
)

// VLANPresent is the bit of [VLANVID] that is set in every tagged packet.
const VLANPresent = 0x1000

// Bits of [IPFrag].
const (
	FragAny   = 1 // the packet is a fragment
	FragLater = 2 // with an offset other than zero
)

// Valid reports whether f is one of the constants above.
func (f Field) Valid() bool { return f > noField && f < numFields }

// Bits is the width of the field as a [SubField]: an OpenFlow VLAN id has 12 bits, although a match on it has 13.
func (f Field) Bits() int { return int(fields[f].bits) }

// String returns the name that ovs-ofctl uses in set_field, such as "eth_dst".
func (f Field) String() string {
	if !f.Valid() {
		return "no field"
	}
	return fields[f].name
}

// NXM returns the name of the header that ovs-ofctl uses in load and move, such as "NXM_NX_REG0".
func (f Field) NXM() string { return fields[f].nxm }

// mask has every bit set that a match can be about.
func (f Field) mask() Value {
	switch f {
	case VLANVID:
		return Uint(0x1fff)
	case CTState:
		return Uint(0xff)
	}
	return ones(f.Bits())
}

// Reg returns register n, 0 to 15.
func Reg(n int) Field {
	if n < 0 || n > 15 {
		panicf("register %d does not exist, only 0 to 15", n)
	}
	return Reg0 + Field(n)
}
