package secgroup

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/model"
)

// clause is what one or several equal rules allow. It is comparable, and its order is canonical.
type clause struct {
	scope
	// first and last bound the destination port. For ICMP they bound type<<8 | code.
	first, last uint16
}

// scope is what a clause is about.
type scope struct {
	v6 bool
	// group, if not empty, limits the other end to its members; else prefix, if valid, limits it.
	group  string
	prefix netip.Prefix
	// proto is the IP protocol or model.AnyProtocol.
	proto int
}

func (c clause) isICMP() bool {
	return !c.v6 && c.proto == flow.ProtoICMP || c.v6 && c.proto == flow.ProtoICMPv6
}

// compile turns the rules of a direction into the smallest set of clauses that it is easy to find, in
// canonical order, and says what cannot be done.
func compile(rules []*model.SecurityGroupRule, d direction) (list []clause, problems []string) {
	for _, r := range rules {
		if r.Direction != d.name {
			continue
		}
		c, err := clauseOf(r)
		if err != nil {
			problems = append(problems, fmt.Sprintf("rule %s of group %s: %v", r.ID, r.SecurityGroupID, err))
			continue
		}
		list = append(list, c)
	}
	slices.SortFunc(list, clause.compare)
	slices.Sort(problems)
	return merge(list), problems
}

func clauseOf(r *model.SecurityGroupRule) (clause, error) {
	c := clause{scope: scope{v6: r.EtherType == model.IPv6, group: r.RemoteGroupID, proto: r.Protocol}, last: anyPort}
	if c.v6 && c.proto == flow.ProtoICMP {
		c.proto = flow.ProtoICMPv6 // Neutron's "icmp" means the family's own
	}
	if r.RemoteIPPrefix.IsValid() && r.RemoteIPPrefix.Bits() > 0 {
		c.prefix = r.RemoteIPPrefix.Masked()
	}
	if r.PortRangeMin == nil && r.PortRangeMax == nil {
		return c, nil
	}
	if c.isICMP() {
		return c.withICMP(r.PortRangeMin, r.PortRangeMax)
	}
	lo, hi := r.PortRangeMin, r.PortRangeMax
	if lo == nil {
		lo = hi
	}
	if hi == nil {
		hi = lo
	}
	if *lo > *hi {
		return c, fmt.Errorf("port_range_min %d is greater than port_range_max %d", *lo, *hi)
	}
	c.first, c.last = uint16(*lo), uint16(*hi)
	if _, ok := portField(c.proto); !ok && !c.allPorts() {
		return c, fmt.Errorf("port_range_min: Open vSwitch cannot match ports of IP protocol %d; the rule allows nothing", c.proto)
	}
	return c, nil
}

func (c clause) withICMP(typ, code *int) (clause, error) {
	switch {
	case typ == nil:
		return c, fmt.Errorf("port_range_max: an ICMP code needs a type")
	case *typ > 255 || code != nil && *code > 255:
		return c, fmt.Errorf("port_range_min: ICMP types and codes are at most 255")
	case code == nil:
		c.first, c.last = uint16(*typ)<<8, uint16(*typ)<<8|255
	default:
		c.first = uint16(*typ)<<8 | uint16(*code)
		c.last = c.first
	}
	return c, nil
}

const anyPort = 1<<16 - 1

func (c clause) allPorts() bool {
	return c.first == 0 && c.last == anyPort || c.first == 1 && c.last == anyPort
}

func (c clause) compare(o clause) int {
	return cmp.Or(c.scope.compare(o.scope), cmp.Compare(c.first, o.first), cmp.Compare(o.last, c.last))
}

func (s scope) compare(o scope) int {
	return cmp.Or(compareBool(s.v6, o.v6), cmp.Compare(s.group, o.group), cmp.Compare(s.prefix.String(), o.prefix.String()),
		cmp.Compare(s.proto, o.proto))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// merge drops clauses that another one covers, and joins ranges of ports that touch. The list is sorted.
func merge(list []clause) []clause {
	var out []clause
	everything := map[scope]bool{} // by scope without protocol
	for _, c := range list {
		s := c.scope
		s.proto = model.AnyProtocol
		if everything[s] {
			continue
		}
		if c.proto == model.AnyProtocol {
			everything[s] = true
		}
		if n := len(out) - 1; n >= 0 && out[n].scope == c.scope {
			if c.last <= out[n].last {
				continue
			}
			if !c.isICMP() && uint32(c.first) <= uint32(out[n].last)+1 {
				out[n].last = c.last
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// matches returns the constraints of each flow that the clause needs, first those of whole packets and
// first fragments, then that of later fragments, if it needs one.
//
// The switch hides ports and ICMP types of all fragments. But the connection tracker puts them together
// to look at them, so that the tuple of the connection tells for the first one; a later one has neither.
// It may go as far as the commit, where the tracker lets nothing go that is not whole: the first decides.
// In stateless groups nobody puts fragments together, and a clause about ports is not about fragments.
func (c clause) matches(stateful bool) (exact [][]flow.Constraint, later []flow.Constraint) {
	family := flow.IPv4()
	if c.v6 {
		family = flow.IPv6()
	}
	if c.proto == model.AnyProtocol {
		return [][]flow.Constraint{{family}}, nil
	}
	proto := flow.IPProto.Is(uint64(c.proto))
	tuple := []flow.Constraint{family, flow.CTStateIs(flow.CTTrk, flow.CTInv), flow.CTNwProto.Is(uint64(c.proto))}
	// An IPv6 fragment other than the first does not tell its protocol either.
	if stateful && (c.v6 || !c.allPorts()) {
		later = slices.Concat(tuple, []flow.Constraint{flow.IPFrag.Is(flow.FragAny | flow.FragLater)})
	}
	if c.allPorts() {
		return [][]flow.Constraint{{family, proto}}, later
	}
	typ, dst := fieldsOf(c)
	exact = c.limited([]flow.Constraint{family, proto, flow.IPFrag.Is(0)}, typ, dst)
	if stateful {
		first := append(tuple, proto, flow.IPFrag.Is(flow.FragAny))
		exact = append(exact, c.limited(first, flow.CTTpSrc, flow.CTTpDst)...)
	}
	return exact, later
}

// limited adds what the clause says about ports, or about type and code, of which fields are given.
func (c clause) limited(base []flow.Constraint, typ, dst flow.Field) [][]flow.Constraint {
	if c.isICMP() {
		return [][]flow.Constraint{append(base, c.icmp(typ, dst)...)}
	}
	var out [][]flow.Constraint
	for _, m := range flow.PortMasks(c.first, c.last) {
		out = append(out, append(slices.Clone(base), dst.Masked(uint64(m.Value), uint64(m.Mask))))
	}
	return out
}

// icmp demands the type and, if the clause is about one, the code.
func (c clause) icmp(typ, code flow.Field) []flow.Constraint {
	list := []flow.Constraint{typ.Is(uint64(c.first >> 8))}
	if c.first == c.last {
		list = append(list, code.Is(uint64(c.first&255)))
	}
	return list
}

// fieldsOf returns the fields that a clause about ports or ICMP types is about.
func fieldsOf(c clause) (typ, dst flow.Field) {
	switch {
	case c.isICMP() && c.v6:
		return flow.ICMPv6Type, flow.ICMPv6Code
	case c.isICMP():
		return flow.ICMPType, flow.ICMPCode
	}
	dst, _ = portField(c.proto)
	return 0, dst
}

// portField returns the field of a protocol's destination port.
func portField(proto int) (dst flow.Field, ok bool) {
	switch proto {
	case flow.ProtoTCP:
		return flow.TCPDst, true
	case flow.ProtoUDP:
		return flow.UDPDst, true
	case flow.ProtoSCTP:
		return flow.SCTPDst, true
	}
	return 0, false
}

// hash tells sets of clauses apart.
func hash(list []clause) uint64 {
	h := fnv.New64a()
	for _, c := range list {
		_, _ = fmt.Fprintf(h, "%v/%s/%s/%d/%d-%d;", c.v6, c.group, c.prefix, c.proto, c.first, c.last)
	}
	return h.Sum64()
}
