package secgroup_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// family is one half of a pair of cases.
type family struct {
	name                       string
	etherType                  model.EtherType
	icmp, echo                 int
	own, peer, other, wide, in string
}

func families() []family {
	return []family{
		{"ipv4", model.IPv4, 1, 8, "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.0/24", "192.0.2.0/25"},
		{"ipv6", model.IPv6, 58, 128, "2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::/64", "2001:db8:ffff::/48"},
	}
}

func TestGoldenFlows(t *testing.T) {
	for name, rows := range map[string]func(family) []any{
		"default group": func(f family) []any {
			p, rows := local(1, []string{"default"}, f.own)
			q := apptest.Port("far", "n", 2, f.peer)
			return append(rows, group("default"), rule("out", "default", model.Egress, f.etherType),
				rule("in", "default", model.Ingress, f.etherType, remote("default")), memberOf("default", p), memberOf("default", q))
		},
		"protocols and ports": func(f family) []any {
			_, rows := local(1, []string{"web"}, f.own)
			in := func(id string, o ...option) any { return rule(id, "web", model.Ingress, f.etherType, o...) }
			return append(rows, group("web"),
				in("https", proto(6), ports(443, 443)), in("range", proto(6), ports(8000, 8100)), in("overlapping", proto(6), ports(8050, 8111)),
				in("all udp", proto(17), ports(1, 65535)), in("sctp", proto(132), ports(36412, 36412)),
				in("echo", proto(f.icmp), icmpType(f.echo)), in("code", proto(f.icmp), ports(3, 4)),
				in("vrrp", proto(112), prefix(f.in)), in("ssh", proto(6), ports(22, 22), prefix(f.in)))
		},
		"two groups and an address pair": func(f family) []any {
			p, rows := local(1, []string{"b", "a"}, f.own)
			q, z := apptest.Port("q", "n", 2, f.peer), apptest.Port("z", "n", 3, f.other)
			z.AllowedAddressPairs = []model.AddressPair{{IPAddress: apptest.Prefix(f.wide), MACAddress: z.MACAddress}}
			return append(rows, group("a"), group("b"), rule("1", "a", model.Ingress, f.etherType, remote("a"), proto(6), ports(80, 80)),
				rule("2", "b", model.Ingress, f.etherType, remote("b")), rule("3", "b", model.Ingress, f.etherType, remote("b"), proto(6)),
				memberOf("a", p), memberOf("b", p), memberOf("a", q), memberOf("b", z))
		},
		"stateless group": func(f family) []any {
			p, rows := local(1, []string{"s"}, f.own)
			return append(rows, statelessGroup("s"), rule("1", "s", model.Ingress, f.etherType, proto(17), ports(53, 53)),
				rule("2", "s", model.Egress, f.etherType, remote("s")), memberOf("s", p))
		},
	} {
		for _, f := range families() {
			t.Run(name+"/"+f.name, func(t *testing.T) {
				w := world(t, rows(f)...)
				w.MustStep()
				apptest.Golden(t, name+"-"+f.name, flows(w))
			})
		}
	}
}

func TestWhatEveryChassisHas(t *testing.T) {
	w := world(t)
	w.MustStep()
	apptest.Golden(t, "always", w.Engine.Text(func(o engine.Owner) bool { return o.Rule == "secgroup.always" }))
}

func TestPortsWithoutPortSecurityAndWithoutGroups(t *testing.T) {
	open, rows := local(1, []string{"default"}, "10.0.0.1")
	open.PortSecurityEnabled = false
	_, shut := local(2, nil, "10.0.0.2")
	w := world(t, append(append(rows, shut...), defaultGroup("default")...)...)
	w.MustStep()
	apptest.Golden(t, "open and shut", flows(w))
}

// Neutron has protocols with ports that Open vSwitch cannot match. The rule then allows nothing.
func TestAPortThatCannotBeMatchedIsShown(t *testing.T) {
	_, rows := local(1, []string{"g"}, "10.0.0.1")
	w := world(t, append(rows, group("g"), rule("dccp", "g", model.Ingress, model.IPv4, proto(33), ports(5, 5)),
		rule("all dccp", "g", model.Egress, model.IPv4, proto(33)))...)
	w.Step()
	apptest.Golden(t, "dccp", flows(w))
	problems := w.Engine.Problems()
	const want = "rule dccp of group g: port_range_min: Open vSwitch cannot match ports of IP protocol 33; the rule allows nothing"
	if len(problems) != 1 || problems[0].Text != want {
		t.Errorf("problems = %v, want %q", problems, want)
	}
}
