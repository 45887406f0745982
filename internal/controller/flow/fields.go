package flow

// header identifies a field on the wire: OpenFlow 1.4 §7.2.3.2. exp is the experimenter of class 0xffff.
type header struct {
	class uint16
	field uint8
	exp   uint32
}

const (
	classNXM0 = 0x0000 // NXM_OF, the fields of OpenFlow 1.0
	classNXM1 = 0x0001 // NXM_NX, Nicira's
	classOXM  = 0x8000 // OpenFlow 1.2 and later
	classEric = 0x1000 // ERICOXM_OF
	classExp  = 0xffff // experimenter OXM, a further 32 bits say whose
	onfExp    = 0x4f4e4600
)

func oxm(n uint8) header  { return header{class: classOXM, field: n} }
func nxm0(n uint8) header { return header{class: classNXM0, field: n} }
func nxm1(n uint8) header { return header{class: classNXM1, field: n} }
func eric(n uint8) header { return header{class: classEric, field: n} }

// form says how a value is written in text.
type form uint8

const (
	formDecimal form = iota // decimal, masked in hexadecimal
	formHex
	formMAC
	formIPv4
	formIPv6
	formPort
	formFrag
	formCTState
	formTCPFlags
)

// fieldInfo is what there is to know about a field.
type fieldInfo struct {
	name  string // in set_field
	text  string // in a match, empty if it is printed in a special way
	nxm   string // in load, move, …
	match header // in a match and in set_field
	act   header // in every Nicira action
	bits  uint8
	bytes uint8
	form  form
	mask  bool // may be masked
	needs prerequisite
}

// fields has a row for each Field. Headers, names and prerequisites are those of ovs-fields(7).
var fields = [numFields]fieldInfo{
	ConjID:        {"conj_id", "conj_id", "NXM_NX_CONJ_ID", nxm1(37), nxm1(37), 32, 4, formDecimal, false, needsNothing},
	InPort:        {"in_port_oxm", "in_port", "OXM_OF_IN_PORT", oxm(0), oxm(0), 32, 4, formPort, false, needsNothing},
	EthSrc:        {"eth_src", "dl_src", "NXM_OF_ETH_SRC", oxm(4), nxm0(2), 48, 6, formMAC, true, needsNothing},
	EthDst:        {"eth_dst", "dl_dst", "NXM_OF_ETH_DST", oxm(3), nxm0(1), 48, 6, formMAC, true, needsNothing},
	EthType:       {"eth_type", "dl_type", "NXM_OF_ETH_TYPE", oxm(5), nxm0(3), 16, 2, formHex, false, needsNothing},
	VLANVID:       {"vlan_vid", "", "OXM_OF_VLAN_VID", oxm(6), oxm(6), 12, 2, formDecimal, true, needsNothing},
	VLANPCP:       {"vlan_pcp", "", "OXM_OF_VLAN_PCP", oxm(7), oxm(7), 3, 1, formDecimal, false, needsVLAN},
	IPv4Src:       {"ip_src", "nw_src", "NXM_OF_IP_SRC", oxm(11), nxm0(7), 32, 4, formIPv4, true, needsIPv4},
	IPv4Dst:       {"ip_dst", "nw_dst", "NXM_OF_IP_DST", oxm(12), nxm0(8), 32, 4, formIPv4, true, needsIPv4},
	IPv6Src:       {"ipv6_src", "ipv6_src", "NXM_NX_IPV6_SRC", oxm(26), nxm1(19), 128, 16, formIPv6, true, needsIPv6},
	IPv6Dst:       {"ipv6_dst", "ipv6_dst", "NXM_NX_IPV6_DST", oxm(27), nxm1(20), 128, 16, formIPv6, true, needsIPv6},
	IPFrag:        {"ip_frag", "nw_frag", "NXM_NX_IP_FRAG", nxm1(26), nxm1(26), 2, 1, formFrag, true, needsIP},
	IPDSCP:        {"ip_dscp", "nw_tos", "OXM_OF_IP_DSCP", oxm(8), oxm(8), 6, 1, formDecimal, false, needsIP},
	IPECN:         {"nw_ecn", "nw_ecn", "NXM_NX_IP_ECN", oxm(9), nxm1(28), 2, 1, formDecimal, false, needsIP},
	IPTTL:         {"nw_ttl", "nw_ttl", "NXM_NX_IP_TTL", nxm1(29), nxm1(29), 8, 1, formDecimal, false, needsIP},
	IPv6Label:     {"ipv6_label", "ipv6_label", "NXM_NX_IPV6_LABEL", oxm(28), nxm1(27), 20, 4, formHex, true, needsIPv6},
	IPProto:       {"nw_proto", "nw_proto", "NXM_OF_IP_PROTO", oxm(10), nxm0(6), 8, 1, formDecimal, false, needsIP},
	TCPSrc:        {"tcp_src", "tp_src", "NXM_OF_TCP_SRC", oxm(13), nxm0(9), 16, 2, formDecimal, true, needsTCP},
	TCPDst:        {"tcp_dst", "tp_dst", "NXM_OF_TCP_DST", oxm(14), nxm0(10), 16, 2, formDecimal, true, needsTCP},
	TCPFlags:      {"tcp_flags", "tcp_flags", "NXM_NX_TCP_FLAGS", header{classExp, 42, onfExp}, nxm1(34), 12, 2, formTCPFlags, true, needsTCP},
	UDPSrc:        {"udp_src", "tp_src", "NXM_OF_UDP_SRC", oxm(15), nxm0(11), 16, 2, formDecimal, true, needsUDP},
	UDPDst:        {"udp_dst", "tp_dst", "NXM_OF_UDP_DST", oxm(16), nxm0(12), 16, 2, formDecimal, true, needsUDP},
	SCTPSrc:       {"sctp_src", "tp_src", "OXM_OF_SCTP_SRC", oxm(17), oxm(17), 16, 2, formDecimal, true, needsSCTP},
	SCTPDst:       {"sctp_dst", "tp_dst", "OXM_OF_SCTP_DST", oxm(18), oxm(18), 16, 2, formDecimal, true, needsSCTP},
	ICMPType:      {"icmp_type", "icmp_type", "NXM_OF_ICMP_TYPE", oxm(19), nxm0(13), 8, 1, formDecimal, false, needsICMP},
	ICMPCode:      {"icmp_code", "icmp_code", "NXM_OF_ICMP_CODE", oxm(20), nxm0(14), 8, 1, formDecimal, false, needsICMP},
	ICMPv6Type:    {"icmpv6_type", "icmp_type", "NXM_NX_ICMPV6_TYPE", oxm(29), nxm1(21), 8, 1, formDecimal, false, needsICMPv6},
	ICMPv6Code:    {"icmpv6_code", "icmp_code", "NXM_NX_ICMPV6_CODE", oxm(30), nxm1(22), 8, 1, formDecimal, false, needsICMPv6},
	NDReserved:    {"nd_reserved", "nd_reserved", "ERICOXM_OF_ICMPV6_ND_RESERVED", eric(1), eric(1), 32, 4, formDecimal, false, needsND},
	NDTarget:      {"nd_target", "nd_target", "NXM_NX_ND_TARGET", oxm(31), nxm1(23), 128, 16, formIPv6, true, needsND},
	NDOptionsType: {"nd_options_type", "nd_options_type", "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE", eric(2), eric(2), 8, 1, formDecimal, false, needsND},
	NDSLL:         {"nd_sll", "nd_sll", "NXM_NX_ND_SLL", oxm(32), nxm1(24), 48, 6, formMAC, true, needsNS},
	NDTLL:         {"nd_tll", "nd_tll", "NXM_NX_ND_TLL", oxm(33), nxm1(25), 48, 6, formMAC, true, needsNA},
	ARPOp:         {"arp_op", "arp_op", "NXM_OF_ARP_OP", oxm(21), nxm0(15), 16, 2, formDecimal, false, needsARP},
	ARPSPA:        {"arp_spa", "arp_spa", "NXM_OF_ARP_SPA", oxm(22), nxm0(16), 32, 4, formIPv4, true, needsARP},
	ARPTPA:        {"arp_tpa", "arp_tpa", "NXM_OF_ARP_TPA", oxm(23), nxm0(17), 32, 4, formIPv4, true, needsARP},
	ARPSHA:        {"arp_sha", "arp_sha", "NXM_NX_ARP_SHA", oxm(24), nxm1(17), 48, 6, formMAC, true, needsARP},
	ARPTHA:        {"arp_tha", "arp_tha", "NXM_NX_ARP_THA", oxm(25), nxm1(18), 48, 6, formMAC, true, needsARP},
	TunID:         {"tun_id", "tun_id", "NXM_NX_TUN_ID", oxm(38), nxm1(16), 64, 8, formHex, true, needsNothing},
	TunSrc:        {"tun_src", "tun_src", "NXM_NX_TUN_IPV4_SRC", nxm1(31), nxm1(31), 32, 4, formIPv4, true, needsNothing},
	TunDst:        {"tun_dst", "tun_dst", "NXM_NX_TUN_IPV4_DST", nxm1(32), nxm1(32), 32, 4, formIPv4, true, needsNothing},
	TunIPv6Src:    {"tun_ipv6_src", "tun_ipv6_src", "NXM_NX_TUN_IPV6_SRC", nxm1(109), nxm1(109), 128, 16, formIPv6, true, needsNothing},
	TunIPv6Dst:    {"tun_ipv6_dst", "tun_ipv6_dst", "NXM_NX_TUN_IPV6_DST", nxm1(110), nxm1(110), 128, 16, formIPv6, true, needsNothing},
	Reg0:          {"reg0", "reg0", "NXM_NX_REG0", nxm1(0), nxm1(0), 32, 4, formHex, true, needsNothing},
	Reg1:          {"reg1", "reg1", "NXM_NX_REG1", nxm1(1), nxm1(1), 32, 4, formHex, true, needsNothing},
	Reg2:          {"reg2", "reg2", "NXM_NX_REG2", nxm1(2), nxm1(2), 32, 4, formHex, true, needsNothing},
	Reg3:          {"reg3", "reg3", "NXM_NX_REG3", nxm1(3), nxm1(3), 32, 4, formHex, true, needsNothing},
	Reg4:          {"reg4", "reg4", "NXM_NX_REG4", nxm1(4), nxm1(4), 32, 4, formHex, true, needsNothing},
	Reg5:          {"reg5", "reg5", "NXM_NX_REG5", nxm1(5), nxm1(5), 32, 4, formHex, true, needsNothing},
	Reg6:          {"reg6", "reg6", "NXM_NX_REG6", nxm1(6), nxm1(6), 32, 4, formHex, true, needsNothing},
	Reg7:          {"reg7", "reg7", "NXM_NX_REG7", nxm1(7), nxm1(7), 32, 4, formHex, true, needsNothing},
	Reg8:          {"reg8", "reg8", "NXM_NX_REG8", nxm1(8), nxm1(8), 32, 4, formHex, true, needsNothing},
	Reg9:          {"reg9", "reg9", "NXM_NX_REG9", nxm1(9), nxm1(9), 32, 4, formHex, true, needsNothing},
	Reg10:         {"reg10", "reg10", "NXM_NX_REG10", nxm1(10), nxm1(10), 32, 4, formHex, true, needsNothing},
	Reg11:         {"reg11", "reg11", "NXM_NX_REG11", nxm1(11), nxm1(11), 32, 4, formHex, true, needsNothing},
	Reg12:         {"reg12", "reg12", "NXM_NX_REG12", nxm1(12), nxm1(12), 32, 4, formHex, true, needsNothing},
	Reg13:         {"reg13", "reg13", "NXM_NX_REG13", nxm1(13), nxm1(13), 32, 4, formHex, true, needsNothing},
	Reg14:         {"reg14", "reg14", "NXM_NX_REG14", nxm1(14), nxm1(14), 32, 4, formHex, true, needsNothing},
	Reg15:         {"reg15", "reg15", "NXM_NX_REG15", nxm1(15), nxm1(15), 32, 4, formHex, true, needsNothing},
	PktMark:       {"pkt_mark", "pkt_mark", "NXM_NX_PKT_MARK", nxm1(33), nxm1(33), 32, 4, formHex, true, needsNothing},
	CTState:       {"ct_state", "ct_state", "NXM_NX_CT_STATE", nxm1(105), nxm1(105), 32, 4, formCTState, true, needsNothing},
	CTZone:        {"ct_zone", "ct_zone", "NXM_NX_CT_ZONE", nxm1(106), nxm1(106), 16, 2, formHex, false, needsNothing},
	CTMark:        {"ct_mark", "ct_mark", "NXM_NX_CT_MARK", nxm1(107), nxm1(107), 32, 4, formHex, true, needsNothing},
	CTLabel:       {"ct_label", "ct_label", "NXM_NX_CT_LABEL", nxm1(108), nxm1(108), 128, 16, formHex, true, needsNothing},
	CTNwSrc:       {"ct_nw_src", "ct_nw_src", "NXM_NX_CT_NW_SRC", nxm1(120), nxm1(120), 32, 4, formIPv4, true, needsCTv4},
	CTIPv6Src:     {"ct_ipv6_src", "ct_ipv6_src", "NXM_NX_CT_IPV6_SRC", nxm1(122), nxm1(122), 128, 16, formIPv6, true, needsCTv6},
	CTNwDst:       {"ct_nw_dst", "ct_nw_dst", "NXM_NX_CT_NW_DST", nxm1(121), nxm1(121), 32, 4, formIPv4, true, needsCTv4},
	CTIPv6Dst:     {"ct_ipv6_dst", "ct_ipv6_dst", "NXM_NX_CT_IPV6_DST", nxm1(123), nxm1(123), 128, 16, formIPv6, true, needsCTv6},
	CTNwProto:     {"ct_nw_proto", "ct_nw_proto", "NXM_NX_CT_NW_PROTO", nxm1(119), nxm1(119), 8, 1, formDecimal, false, needsCT},
	CTTpSrc:       {"ct_tp_src", "ct_tp_src", "NXM_NX_CT_TP_SRC", nxm1(124), nxm1(124), 16, 2, formDecimal, true, needsCTPorts},
	CTTpDst:       {"ct_tp_dst", "ct_tp_dst", "NXM_NX_CT_TP_DST", nxm1(125), nxm1(125), 16, 2, formDecimal, true, needsCTPorts},
	Metadata:      {"metadata", "metadata", "OXM_OF_METADATA", oxm(2), oxm(2), 64, 8, formHex, true, needsNothing},
	XXReg0:        {"xxreg0", "xxreg0", "NXM_NX_XXREG0", nxm1(111), nxm1(111), 128, 16, formHex, true, needsNothing},
	XXReg1:        {"xxreg1", "xxreg1", "NXM_NX_XXREG1", nxm1(112), nxm1(112), 128, 16, formHex, true, needsNothing},
	XXReg2:        {"xxreg2", "xxreg2", "NXM_NX_XXREG2", nxm1(113), nxm1(113), 128, 16, formHex, true, needsNothing},
	XXReg3:        {"xxreg3", "xxreg3", "NXM_NX_XXREG3", nxm1(114), nxm1(114), 128, 16, formHex, true, needsNothing},
}

// byHeader finds a field by its header, whichever of its two is used.
var byHeader = func() map[header]Field {
	m := make(map[header]Field, 2*len(fields))
	for f := noField + 1; f < numFields; f++ {
		m[fields[f].act] = f
		m[fields[f].match] = f
	}
	return m
}()
