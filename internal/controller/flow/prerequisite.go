package flow

import "fmt"

// prerequisite is what else a match must demand before a field means anything: ovs-fields(7).
type prerequisite uint8

const (
	needsNothing prerequisite = iota
	needsVLAN
	needsARP
	needsIPv4
	needsIPv6
	needsIP
	needsTCP
	needsUDP
	needsSCTP
	needsICMP
	needsICMPv6
	needsND
	needsNS
	needsNA
	needsCT
	needsCTv4
	needsCTv6
	needsCTPorts
)

// context is what a match demands that prerequisites are about.
type context struct {
	ethType  uint64 // 0: not demanded
	proto    uint64
	hasProto bool
	icmp6    uint64 // type, 0: not demanded
	tag      bool
	tracked  bool // ct_state implies an entry in the tracker, or says that the packet is not invalid
	ctProto  bool
}

func (c *context) note(k Constraint) {
	switch k.Field {
	case EthType:
		c.ethType = k.Value.Lo
	case IPProto:
		c.proto, c.hasProto = k.Value.Lo, true
	case ICMPv6Type:
		c.icmp6 = k.Value.Lo
	case VLANVID:
		c.tag = k.Value.Lo&VLANPresent != 0
	case CTState:
		entry := k.Value.Lo & (CTNew | CTEst | CTRel | CTRpl | CTSNAT | CTDNAT)
		c.tracked = entry != 0 || k.Value.Lo&CTTrk != 0 && k.Value.Lo&CTInv == 0 && k.Mask.Lo&CTInv != 0
	case CTNwProto:
		c.ctProto = k.Value.Lo != 0
	}
}

func (c *context) isIP() bool { return c.ethType == EthTypeIPv4 || c.ethType == EthTypeIPv6 }

func (c *context) isProto(p uint64) bool { return c.isIP() && c.hasProto && c.proto == p }

// meets reports whether the match has what p needs.
func (c *context) meets(p prerequisite) bool {
	icmp6 := c.ethType == EthTypeIPv6 && c.isProto(ProtoICMPv6)
	switch p {
	case needsVLAN:
		return c.tag
	case needsARP:
		return c.ethType == EthTypeARP || c.ethType == EthTypeRARP
	case needsIPv4:
		return c.ethType == EthTypeIPv4
	case needsIPv6:
		return c.ethType == EthTypeIPv6
	case needsIP:
		return c.isIP()
	case needsTCP:
		return c.isProto(ProtoTCP)
	case needsUDP:
		return c.isProto(ProtoUDP)
	case needsSCTP:
		return c.isProto(ProtoSCTP)
	case needsICMP:
		return c.ethType == EthTypeIPv4 && c.isProto(ProtoICMP)
	case needsICMPv6:
		return icmp6
	case needsND:
		return icmp6 && (c.icmp6 == 135 || c.icmp6 == 136)
	case needsNS:
		return icmp6 && c.icmp6 == 135
	case needsNA:
		return icmp6 && c.icmp6 == 136
	case needsCT:
		return c.isIP() && c.tracked
	case needsCTv4:
		return c.ethType == EthTypeIPv4 && c.tracked
	case needsCTv6:
		return c.ethType == EthTypeIPv6 && c.tracked
	case needsCTPorts:
		return c.isIP() && c.tracked && c.ctProto
	}
	return true
}

func (p prerequisite) String() string {
	names := [...]string{
		needsNothing: "nothing",
		needsVLAN:    "a VLAN tag",
		needsARP:     "eth_type=0x806",
		needsIPv4:    "eth_type=0x800",
		needsIPv6:    "eth_type=0x86dd",
		needsIP:      "eth_type=0x800 or 0x86dd",
		needsTCP:     "ip_proto=6",
		needsUDP:     "ip_proto=17",
		needsSCTP:    "ip_proto=132",
		needsICMP:    "eth_type=0x800 and ip_proto=1",
		needsICMPv6:  "eth_type=0x86dd and ip_proto=58",
		needsND:      "icmpv6_type=135 or 136",
		needsNS:      "icmpv6_type=135",
		needsNA:      "icmpv6_type=136",
		needsCT:      "eth_type=0x800 or 0x86dd and ct_state=+trk-inv",
		needsCTv4:    "eth_type=0x800 and ct_state=+trk",
		needsCTv6:    "eth_type=0x86dd and ct_state=+trk",
		needsCTPorts: "ct_state=+trk and ct_nw_proto",
	}
	if int(p) < len(names) {
		return names[p]
	}
	return fmt.Sprintf("prerequisite %d", p)
}
