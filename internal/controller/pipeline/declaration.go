package pipeline

import "github.com/dragonflow/dragonflow/internal/controller/flow"

// declaration is what a stage promises. Flows that break it are refused.
type declaration struct {
	name    string
	purpose string
	// app owns the stage: only its rules put flows there.
	app string
	// matches and sets list the fields that flows may match and change; sets includes what packets
	// rewritten into answers change.
	matches, sets []flow.Field
	// next lists the stages to which a packet may go.
	next []Stage
	// again lists earlier stages to which a packet may be sent back, which its time to live bounds.
	again []Stage
	// miss is the reason given when no flow matches and the packet is dropped; pass, if not zero, is
	// where it goes on instead.
	miss string
	pass Stage
	// prefixes lists the fields for which the switch keeps a prefix tree, so that megaflows stay wide.
	prefixes []string
}

var (
	ethernet = []flow.Field{flow.EthSrc, flow.EthDst, flow.EthType, flow.VLANVID}
	ip       = []flow.Field{flow.EthType, flow.IPv4Src, flow.IPv4Dst, flow.IPv6Src, flow.IPv6Dst, flow.IPProto, flow.IPFrag, flow.IPTTL}
	l4       = []flow.Field{
		flow.TCPSrc, flow.TCPDst, flow.UDPSrc, flow.UDPDst, flow.SCTPSrc, flow.SCTPDst,
		flow.ICMPType, flow.ICMPCode, flow.ICMPv6Type, flow.ICMPv6Code,
	}
	arp       = []flow.Field{flow.ARPOp, flow.ARPSPA, flow.ARPTPA, flow.ARPSHA, flow.ARPTHA}
	nd        = []flow.Field{flow.NDTarget, flow.NDSLL, flow.NDTLL, flow.NDReserved, flow.NDOptionsType}
	conntrack = []flow.Field{flow.CTState, flow.CTMark, flow.CTZone}
	// conntrackTuple is the connection's own tuple, which later fragments have, too.
	conntrackTuple = []flow.Field{flow.CTState, flow.CTNwProto, flow.CTTpSrc, flow.CTTpDst}
	// nextHop carries an IPv4 next hop in Reg8, an IPv6 one in all. Security groups use the same registers
	// before and after.
	nextHop   = []flow.Field{flow.Reg8, flow.Reg9, flow.Reg10, flow.Reg11, flow.XXReg2}
	groupBits = []flow.Field{flow.Reg8, flow.Reg9, flow.Reg10, flow.Reg11, flow.Reg12, flow.Reg13, flow.Reg14, flow.Reg15}
	// Open vSwitch keeps at most three prefix trees a table.
	sources      = []string{"ip_src", "ipv6_src"}
	destinations = []string{"ip_dst", "ipv6_dst"}
)

func fields(lists ...[]flow.Field) []flow.Field {
	var out []flow.Field
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

func one(f ...flow.Field) []flow.Field { return f }

// untranslated is why a packet does not leave with the address that it came with.
const untranslated = "snat: the sender's address could not be translated: it begins no connection, no port or ICMP identifier of the address " +
	"outside is free for it, or the router has as many connections as it may have"
