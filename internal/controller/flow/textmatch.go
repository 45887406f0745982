package flow

import (
	"fmt"
	"strconv"
)

// textOrder is the order in which ovs-ofctl prints fields, after the name of the protocol; beforeProtocol of them
// come before it. It is not the order of the wire.
var textOrder = [...]Field{
	PktMark, ConjID, CTState, CTZone, CTMark, CTLabel, CTNwSrc, CTIPv6Src, CTNwDst, CTIPv6Dst, CTNwProto, CTTpSrc, CTTpDst,
	EthType,
	Reg0, Reg1, Reg2, Reg3, Reg4, Reg5, Reg6, Reg7, Reg8, Reg9, Reg10, Reg11, Reg12, Reg13, Reg14, Reg15,
	TunID, TunSrc, TunDst, TunIPv6Src, TunIPv6Dst, Metadata, InPort, VLANVID, VLANPCP, EthSrc, EthDst,
	EthType, // the second time: if there is no shorthand
	IPv6Src, IPv6Dst, IPv6Label, IPv4Src, IPv4Dst, ARPSPA, ARPTPA, IPProto, ARPOp, ARPSHA, ARPTHA,
	IPDSCP, IPECN, IPTTL, IPFrag, ICMPType, ICMPCode, ICMPv6Type, ICMPv6Code, NDTarget, NDSLL, NDTLL, NDReserved, NDOptionsType,
	TCPSrc, TCPDst, UDPSrc, UDPDst, SCTPSrc, SCTPDst, TCPFlags,
}

// demands is a match with random access.
type demands struct {
	have  [numFields]bool
	by    [numFields]Constraint
	proto string // shorthand that stands for eth_type and perhaps ip_proto
	ipv   bool   // the shorthand stands for ip_proto, too
	typed bool   // the place of the shorthand has passed
}

// Match writes a match.
func (x Formatter) Match(m Match) string { return string(x.appendMatch(nil, m)) }

func (x Formatter) appendMatch(b []byte, m Match) []byte {
	var d demands
	for c := range m.Fields() {
		d.have[c.Field], d.by[c.Field] = true, c
	}
	d.proto, d.ipv = d.shorthand()
	start := len(b)
	for _, f := range textOrder {
		if d.have[f] {
			b = x.appendDemand(b, &d, d.by[f])
		}
	}
	if len(b) > start {
		b = b[:len(b)-1] // the comma
	}
	return b
}

// appendDemand writes one field with a comma after it, or nothing.
func (x Formatter) appendDemand(b []byte, d *demands, c Constraint) []byte {
	switch c.Field {
	case EthType:
		return d.appendEthType(b)
	case VLANVID, VLANPCP:
		return d.appendVLAN(b, c.Field)
	case IPProto:
		if d.ipv {
			return b
		}
	}
	return x.appendSimple(b, c)
}

func (x Formatter) appendSimple(b []byte, c Constraint) []byte {
	name := fields[c.Field].text
	if x.Field != nil {
		if s := x.Field(whole(c)); s != "" {
			name = s
		}
	}
	b = append(append(b, name...), '=')
	b = x.appendMatchValue(b, c)
	return append(b, ',')
}

// appendMatchValue differs from appendForm for the fields that a match prints in its own way.
func (x Formatter) appendMatchValue(b []byte, c Constraint) []byte {
	masked := c.Mask != c.Field.mask()
	switch c.Field {
	case CTZone:
		return strconv.AppendUint(b, c.Value.Lo, 10)
	case IPDSCP:
		return strconv.AppendUint(b, c.Value.Lo<<2, 10)
	case IPv6Label:
		b = fmt.Appendf(b, "0x%05x", c.Value.Lo)
		if masked {
			b = fmt.Appendf(b, "/0x%05x", c.Mask.Lo)
		}
		return b
	}
	if masked && fields[c.Field].form == formDecimal {
		return fmt.Appendf(b, "0x%x/0x%x", c.Value.Lo, c.Mask.Lo) // ports; here Open vSwitch writes zero as 0x0
	}
	return x.appendForm(b, c)
}

// shorthand returns the word for the protocol, and whether it stands for ip_proto, too.
func (d *demands) shorthand() (word string, proto bool) {
	if !d.have[EthType] {
		return "", false
	}
	p := uint64(0)
	if d.have[IPProto] {
		p = d.by[IPProto].Value.Lo
	}
	switch d.by[EthType].Value.Lo {
	case EthTypeIPv4:
		switch p {
		case ProtoICMP:
			return "icmp", true
		case ProtoTCP:
			return "tcp", true
		case ProtoUDP:
			return "udp", true
		case ProtoSCTP:
			return "sctp", true
		}
		return "ip", false
	case EthTypeIPv6:
		switch p {
		case ProtoICMPv6:
			return "icmp6", true
		case ProtoTCP:
			return "tcp6", true
		case ProtoUDP:
			return "udp6", true
		case ProtoSCTP:
			return "sctp6", true
		}
		return "ipv6", false
	case EthTypeARP:
		return "arp", false
	case EthTypeRARP:
		return "rarp", false
	}
	return "", false
}

// appendEthType writes the shorthand when it is called first, what has none the second time.
func (d *demands) appendEthType(b []byte) []byte {
	first := !d.typed
	d.typed = true
	switch {
	case first && d.proto != "":
		return append(append(b, d.proto...), ',')
	case !first && d.proto == "":
		return fmt.Appendf(b, "dl_type=0x%04x,", d.by[EthType].Value.Lo)
	}
	return b
}

// appendVLAN writes the tag at the first of its two fields.
func (d *demands) appendVLAN(b []byte, at Field) []byte {
	if at == VLANPCP && d.have[VLANVID] {
		return b
	}
	tci, mask := d.by[VLANVID].Value.Lo, d.by[VLANVID].Mask.Lo
	if d.have[VLANPCP] {
		tci |= d.by[VLANPCP].Value.Lo << 13
		mask |= 7 << 13
	}
	id, pcp := mask&0xfff, mask>>13
	tagged := mask&VLANPresent != 0 && tci&VLANPresent != 0
	if tagged && (id == 0 || id == 0xfff) && (id != 0 || pcp != 0) {
		if id != 0 {
			b = fmt.Appendf(b, "dl_vlan=%d,", tci&0xfff)
		}
		if pcp != 0 {
			b = fmt.Appendf(b, "dl_vlan_pcp=%d,", tci>>13)
		}
		return b
	}
	if mask == 0xffff {
		return fmt.Appendf(b, "vlan_tci=0x%04x,", tci)
	}
	return fmt.Appendf(b, "vlan_tci=0x%04x/0x%04x,", tci, mask)
}

// whole is the range of a field that a constraint is about.
func whole(c Constraint) SubField {
	s := c.Field.All()
	n := 0
	for n < c.Field.Bits() && !c.Mask.Shr(n).IsZero() && c.Mask.Shr(n).Lo&1 == 0 {
		n++
	}
	size := c.Field.Bits() - n
	for size > 1 && c.Mask.Shr(n+size-1).IsZero() {
		size--
	}
	s.Ofs, s.Bits = uint8(n), uint8(size)
	return s
}
