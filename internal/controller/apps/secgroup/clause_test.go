package secgroup

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/model"
)

// anyRule draws a rule of a small world, so that rules often overlap.
func anyRule(t *rapid.T) *model.SecurityGroupRule {
	family := rapid.SampledFrom([]model.EtherType{model.IPv4, model.IPv4, model.IPv6}).Draw(t, "family")
	r := &model.SecurityGroupRule{
		Meta: model.Meta{ID: "r"}, SecurityGroupID: "g", Direction: model.Ingress, EtherType: family,
		Protocol: rapid.SampledFrom([]int{
			flow.ProtoTCP, flow.ProtoTCP, flow.ProtoTCP, flow.ProtoICMP, flow.ProtoICMP, flow.ProtoICMPv6, flow.ProtoUDP, 112, model.AnyProtocol,
		}).Draw(t, "protocol"),
	}
	switch rapid.IntRange(0, 5).Draw(t, "remote") {
	case 1:
		r.RemoteGroupID = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "group")
	case 2:
		r.RemoteIPPrefix = netip.MustParsePrefix(map[model.EtherType]string{model.IPv4: "10.0.0.0/8", model.IPv6: "2001:db8::/32"}[family])
	}
	highest := 10
	if r.Protocol == flow.ProtoICMP || r.Protocol == flow.ProtoICMPv6 {
		highest = 3
	}
	limitable := r.Protocol != model.AnyProtocol && r.Protocol != 112 && (r.Protocol != flow.ProtoICMPv6 || family == model.IPv6)
	if limitable && rapid.Bool().Draw(t, "limited") {
		lo, hi := rapid.IntRange(0, highest).Draw(t, "min"), rapid.IntRange(0, highest).Draw(t, "max")
		icmp := highest == 3
		if !icmp && lo > hi {
			lo, hi = hi, lo
		}
		r.PortRangeMin = &lo
		if !icmp || rapid.Bool().Draw(t, "code") {
			r.PortRangeMax = &hi
		}
	}
	return r
}

// tcpRule and icmpRule draw rules that differ in ports, or in type and code, alone: ranges meet only where
// all else is equal.
func tcpRule(t *rapid.T) *model.SecurityGroupRule {
	lo := rapid.IntRange(0, 10).Draw(t, "min")
	hi := rapid.IntRange(lo, 10).Draw(t, "max")
	return &model.SecurityGroupRule{
		Direction: model.Ingress, EtherType: model.IPv4, Protocol: flow.ProtoTCP, PortRangeMin: &lo, PortRangeMax: &hi,
	}
}

func icmpRule(t *rapid.T) *model.SecurityGroupRule {
	typ, code := rapid.IntRange(0, 3).Draw(t, "type"), rapid.IntRange(0, 3).Draw(t, "code")
	r := &model.SecurityGroupRule{Direction: model.Ingress, EtherType: model.IPv4, Protocol: flow.ProtoICMP, PortRangeMin: &typ}
	if rapid.Bool().Draw(t, "with code") {
		r.PortRangeMax = &code
	}
	return r
}

// groupRule draws rules that differ in the remote group and in whether they are about any protocol.
func groupRule(t *rapid.T) *model.SecurityGroupRule {
	return &model.SecurityGroupRule{
		Direction: model.Ingress, EtherType: model.IPv4, RemoteGroupID: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "group"),
		Protocol: rapid.SampledFrom([]int{model.AnyProtocol, flow.ProtoTCP}).Draw(t, "protocol"),
	}
}

// packet is what a rule can see of one. The members of groups have no address here.
type packet struct {
	v6          bool
	proto, port int
	typ, code   int
	group       string
	inPrefix    bool
}

// allows is what a rule means, said in another way than by the app.
func allows(r *model.SecurityGroupRule, p packet) bool {
	proto := r.Protocol
	if p.v6 && proto == flow.ProtoICMP {
		proto = flow.ProtoICMPv6
	}
	if (r.EtherType == model.IPv6) != p.v6 || proto != model.AnyProtocol && proto != p.proto {
		return false
	}
	if r.RemoteGroupID != "" && r.RemoteGroupID != p.group || r.RemoteIPPrefix.IsValid() && !p.inPrefix {
		return false
	}
	if r.PortRangeMin == nil {
		return true
	}
	if p.isICMP() {
		return *r.PortRangeMin == p.typ && (r.PortRangeMax == nil || *r.PortRangeMax == p.code)
	}
	return *r.PortRangeMin <= p.port && p.port <= *r.PortRangeMax
}

func (p packet) isICMP() bool {
	return !p.v6 && p.proto == flow.ProtoICMP || p.v6 && p.proto == flow.ProtoICMPv6
}

// meets says whether one of the flows of a clause matches a whole packet.
func (c clause) meets(p packet) bool {
	if c.group != "" && c.group != p.group || c.prefix.IsValid() && !p.inPrefix {
		return false
	}
	exact, _ := c.matches(false)
	for _, m := range exact {
		ok := true
		for _, k := range m {
			var have uint64
			switch k.Field {
			case flow.EthType:
				have = map[bool]uint64{false: flow.EthTypeIPv4, true: flow.EthTypeIPv6}[p.v6]
			case flow.IPProto:
				have = uint64(p.proto)
			case flow.ICMPType, flow.ICMPv6Type:
				have = uint64(p.typ)
			case flow.ICMPCode, flow.ICMPv6Code:
				have = uint64(p.code)
			case flow.TCPDst, flow.UDPDst:
				have = uint64(p.port)
			}
			ok = ok && have&k.Mask.Lo == k.Value.Lo
		}
		if ok {
			return true
		}
	}
	return false
}

// everyPacket lists all packets of the small world.
func everyPacket() []packet {
	var out []packet
	for n := range 12 {
		p := packet{v6: n%2 == 1, group: []string{"", "a", "b"}[n/2%3], inPrefix: n/6 == 1}
		for _, p.proto = range []int{flow.ProtoTCP, flow.ProtoUDP, flow.ProtoICMP, flow.ProtoICMPv6, 112, 47} {
			for p.port = range 12 {
				out = append(out, p)
			}
			for kind := range 16 {
				p.typ, p.code = kind/4, kind%4
				out = append(out, p)
			}
		}
	}
	return out
}

func TestClausesMeanWhatTheRulesMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of := rapid.SampledFrom([]func(*rapid.T) *model.SecurityGroupRule{anyRule, tcpRule, icmpRule, groupRule}).Draw(t, "kind")
		rules := rapid.SliceOfN(rapid.Custom(of), 2, 8).Draw(t, "rules")
		list, problems := compile(rules, ingress())
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		for _, p := range everyPacket() {
			want, got := false, false
			for _, r := range rules {
				want = want || allows(r, p)
			}
			for _, c := range list {
				got = got || c.meets(p)
			}
			if got != want {
				t.Fatalf("%+v: the rules say %v, the flows %v: %+v", p, want, got, list)
			}
		}
	})
}

func TestOrderAndRepetitionOfRulesDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfN(rapid.Custom(anyRule), 0, 12).Draw(t, "rules")
		list, _ := compile(rules, ingress())
		again, _ := compile(append(rapid.Permutation(rules).Draw(t, "order"), rules...), ingress())
		if fmt.Sprint(list) != fmt.Sprint(again) || hash(list) != hash(again) {
			t.Fatalf("%v, and in another order %v", list, again)
		}
	})
}

func TestMasksCoverARangeExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.Uint16().Draw(t, "first")
		c := clause{scope: scope{proto: flow.ProtoTCP}, first: first, last: rapid.Uint16Range(first, 65535).Draw(t, "last")}
		exact, _ := c.matches(false)
		if len(exact) > 30 {
			t.Fatalf("%d masks, a range needs at most 30", len(exact))
		}
		covered := 0
		for _, m := range exact {
			for _, k := range m {
				if k.Field == flow.TCPDst {
					lo, size := int(k.Value.Lo), 1<<16-int(k.Mask.Lo)
					if lo < int(first) || lo+size-1 > int(c.last) {
						t.Fatalf("mask %#x/%#x reaches beyond", k.Value.Lo, k.Mask.Lo)
					}
					covered += size
				}
			}
		}
		if want := int(c.last) - int(first) + 1; covered != want && !c.allPorts() {
			t.Fatalf("the masks cover %d ports, want %d", covered, want)
		}
	})
}
