package operate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Rule is a security group rule in an answer.
type Rule struct {
	ID        string          `json:"id"`
	Group     string          `json:"group"` // its name
	Direction model.Direction `json:"direction"`
	// Text says what it allows, such as "tcp/443 from 10.0.0.0/8".
	Text string `json:"text"`
	// Differs lists why it does not allow the packet.
	Differs []string `json:"differs,omitempty"`
}

// judgement is what the rules of a port say about a packet.
type judgement struct {
	allowed, nearest *Rule
}

// judge asks the rules of a port's security groups about a packet.
func (w World) judge(p *model.Port, b Probe, d model.Direction) judgement {
	var out judgement
	best := distance{criteria: 1 << 30}
	groups := slices.Clone(p.SecurityGroups)
	slices.SortFunc(groups, func(x, y string) int { return cmp.Compare(w.groupName(x), w.groupName(y)) })
	for _, g := range groups {
		for _, r := range find(w, view.RulesByGroup, g) {
			if r.Direction != d {
				continue
			}
			differs, dist := w.compare(r, b)
			rule := &Rule{ID: r.ID, Group: w.groupName(g), Direction: d, Text: w.ruleText(r), Differs: differs}
			if len(differs) == 0 {
				out.allowed = rule
				return out
			}
			if dist.less(best) {
				out.nearest, best = rule, dist
			}
		}
	}
	return out
}

// distance is how far a rule is from allowing a packet: in how many criteria it differs and, among
// equals, by how many ports.
type distance struct{ criteria, ports int }

func (d distance) less(o distance) bool {
	return cmp.Or(cmp.Compare(d.criteria, o.criteria), cmp.Compare(d.ports, o.ports)) < 0
}

// compare says in what a rule differs from a packet.
func (w World) compare(r *model.SecurityGroupRule, b Probe) ([]string, distance) {
	var differs []string
	if (r.EtherType == model.IPv4) != b.Src.Is4() {
		differs = append(differs, "ethertype")
	}
	proto, off := protocolOf(r), 0
	bothICMP := b.isICMP() && (proto == flow.ProtoICMP || proto == flow.ProtoICMPv6)
	if proto != model.AnyProtocol && proto != b.Proto && !bothICMP {
		differs = append(differs, "protocol")
	}
	if off = portsOff(r, b); off > 0 && proto != model.AnyProtocol {
		differs = append(differs, map[bool]string{true: "type", false: "port"}[b.isICMP()])
	}
	remote, end := b.Dst, "destination"
	if r.Direction == model.Ingress {
		remote, end = b.Src, "source"
	}
	if !w.hasRemote(r, remote) {
		differs = append(differs, end)
	}
	criteria := len(differs)
	if slices.Contains(differs, "protocol") {
		criteria++ // of two rules that differ in one thing, that with the packet's protocol is nearer
	}
	return differs, distance{criteria, off}
}

// protocolOf is the protocol that a rule means: Neutron's icmp is the family's own.
func protocolOf(r *model.SecurityGroupRule) int {
	if r.EtherType == model.IPv6 && r.Protocol == flow.ProtoICMP {
		return flow.ProtoICMPv6
	}
	return r.Protocol
}

// portsOff is how far the packet's port lies outside the rule's range, zero if within.
func portsOff(r *model.SecurityGroupRule, b Probe) int {
	lo, hi := r.PortRangeMin, r.PortRangeMax
	if lo == nil && hi == nil {
		return 0
	}
	if b.isICMP() {
		if lo != nil && *lo != b.DstPort || hi != nil && *hi != b.Code {
			return 1
		}
		return 0
	}
	lo, hi = cmp.Or(lo, hi), cmp.Or(hi, lo)
	return max(*lo-b.DstPort, b.DstPort-*hi, 0)
}

func (w World) hasRemote(r *model.SecurityGroupRule, a netip.Addr) bool {
	switch {
	case r.RemoteGroupID != "":
		for _, m := range find(w, view.MembersByGroup, r.RemoteGroupID) {
			if slices.ContainsFunc(m.Addresses, func(p netip.Prefix) bool { return p.Contains(a) }) {
				return true
			}
		}
		return false
	case r.RemoteIPPrefix.IsValid():
		return r.RemoteIPPrefix.Contains(a)
	}
	return true
}

// ruleText says what a rule allows.
func (w World) ruleText(r *model.SecurityGroupRule) string {
	preposition := "to"
	if r.Direction == model.Ingress {
		preposition = "from"
	}
	remote := map[model.EtherType]string{model.IPv4: "0.0.0.0/0", model.IPv6: "::/0"}[r.EtherType]
	switch {
	case r.RemoteGroupID != "":
		remote = "members of " + w.groupName(r.RemoteGroupID)
		if r.EtherType == model.IPv6 {
			remote += " (IPv6)"
		}
	case r.RemoteIPPrefix.IsValid():
		remote = r.RemoteIPPrefix.String()
	}
	return fmt.Sprintf("%s %s %s", what(protocolOf(r), r.PortRangeMin, r.PortRangeMax), preposition, remote)
}

// what writes a protocol with ports, or type and code, as in "tcp/80-81".
func what(proto int, lo, hi *int) string {
	s := protocolName(proto)
	switch {
	case lo == nil && hi == nil:
		return s
	case proto == flow.ProtoICMP || proto == flow.ProtoICMPv6:
		for _, v := range []*int{lo, hi} {
			if v != nil {
				s += "/" + strconv.Itoa(*v)
			}
		}
		return s
	}
	lo, hi = cmp.Or(lo, hi), cmp.Or(hi, lo)
	if *lo == *hi {
		return fmt.Sprintf("%s/%d", s, *lo)
	}
	return fmt.Sprintf("%s/%d-%d", s, *lo, *hi)
}

// protocols are the names that people use for IP protocols, as Neutron has them.
func protocols() map[string]int {
	return map[string]int{
		"any": model.AnyProtocol, "icmp": flow.ProtoICMP, "igmp": flow.ProtoIGMP, "tcp": flow.ProtoTCP, "udp": flow.ProtoUDP,
		"icmpv6": flow.ProtoICMPv6, "sctp": flow.ProtoSCTP, "gre": 47, "esp": 50, "ah": 51, "ospf": 89, "vrrp": 112,
	}
}

func protocolName(proto int) string {
	for name, p := range protocols() {
		if p == proto {
			return name
		}
	}
	return fmt.Sprintf("protocol %d", proto)
}

// phrase names the rule in a sentence.
func (r *Rule) phrase() string {
	s := fmt.Sprintf("%s of group %s", r.Text, r.Group)
	if len(r.Differs) > 0 {
		s += " (other " + strings.Join(r.Differs, ", ") + ")"
	}
	return s
}
