package apptest

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/operate"
)

// firstOf returns the first fragment of the datagram of which a packet is a later one, nil if it is none or that
// was not sent. It keeps those that are first.
func (s *Switch) firstOf(ofport uint32, frame []byte) []byte {
	p := operate.FromFrame(ofport, frame)
	key := fmt.Sprint(ofport, p.Get(flow.IPv4Src), p.Get(flow.IPv4Dst), p.Get(flow.IPv6Src), p.Get(flow.IPv6Dst))
	switch p.Get(flow.IPFrag).Lo {
	case flow.FragAny:
		s.firsts[key] = frame
	case flow.FragAny | flow.FragLater:
		return s.firsts[key]
	}
	return nil
}

// traceFragment has Open vSwitch trace a fragment piece by piece, from one visit of the connection tracker to the
// next: its own trace does not know what the tracker tells of fragments, which is the ports of the whole, and of a
// later one without its first that it is invalid.
func (s *Switch) traceFragment(tables *operate.Tables, p operate.Packet, first *operate.Packet) string {
	s.w.t.Helper()
	whole := p
	if first != nil {
		whole = *first
	}
	sum := func(fields ...flow.Field) (v uint64) { // of which a packet has one
		for _, f := range fields {
			v += whole.Get(f).Lo
		}
		return v
	}
	tuple := fmt.Sprintf(",ct_nw_proto=%d,ct_tp_src=%d,ct_tp_dst=%d", sum(flow.IPProto),
		sum(flow.TCPSrc, flow.UDPSrc, flow.SCTPSrc, flow.ICMPType, flow.ICMPv6Type),
		sum(flow.TCPDst, flow.UDPDst, flow.SCTPDst, flow.ICMPCode, flow.ICMPv6Code))
	here, rest, tracked := strings.Cut(s.Appctl("ofproto/trace", Bridge, operate.TraceSyntax(p)), "\nrecirc(")
	text := here
	for _, state := range tables.Walk(p, operate.Assumptions{First: first}).States {
		m, tables := resumed.FindStringSubmatch(rest), resumedAt.FindAllStringSubmatch(here, -1)
		if !tracked || m == nil || tables == nil {
			s.w.t.Errorf("the connection tracker does not get the fragment, of which it was to say %s:\n%s\n%s", state, text, rest)
			return text
		}
		seen := fmt.Sprintf("ct_state=%s,%s", strings.ReplaceAll(state, ",", "|"), spelled(m[1]))
		if !strings.Contains(state, "inv") {
			seen += tuple
		}
		here, rest, tracked = strings.Cut(s.Appctl("ofproto/trace-packet-out", Bridge, seen, "resubmit(,"+tables[len(tables)-1][1]+")"), "\nrecirc(")
		text += here
	}
	if tracked {
		s.w.t.Errorf("the connection tracker gets the fragment once more than was expected:\n%s\n%s", text, rest)
	}
	return text
}

// resumed is what a packet looks like when it comes from the connection tracker, and resumedAt the table where it
// goes on.
var (
	resumed   = regexp.MustCompile(`Flow: recirc_id=[^,]*,ct_state=[^,]*,(\S*)`)
	resumedAt = regexp.MustCompile(`will be resumed at table (\d+)`)
	tupleOf   = regexp.MustCompile(`ct_(nw|ipv6|tp)_\w+=[^,]*,`)
)

// spelled writes a packet that Open vSwitch wrote as Open vSwitch reads it.
func spelled(text string) string {
	text = tupleOf.ReplaceAllString(text, "")
	for protocol, names := range map[string][2]string{
		"udp": {",tp_", ",udp_"}, "sctp": {",tp_", ",sctp_"}, "icmp6": {",icmp_", ",icmpv6_"},
	} {
		if strings.Contains(text, "eth,"+protocol) {
			text = strings.ReplaceAll(text, names[0], names[1])
		}
	}
	return strings.Replace(text, "eth,", "", 1)
}
