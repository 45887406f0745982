package secgroup_test

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
)

// megaflows lists what the datapath has cached for packets that came out of the connection tracker.
func (c *cloud) megaflows() []string {
	c.t.Helper()
	var out []string
	for line := range strings.Lines(c.sw.Appctl("dpctl/dump-flows")) {
		if !strings.HasPrefix(line, "recirc_id(0)") && strings.Contains(line, "recirc_id") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// strangers makes the client a port that sends from any address.
func strangers(t *testing.T, n int, e model.EtherType) *cloud {
	c := newCloud(t, []string{"web"}, group("web"),
		rule("http", "web", model.Ingress, e, proto(6), ports(80, 80)),
		rule("ssh", "web", model.Ingress, e, proto(6), ports(22, 22), remote("friends")),
		rule("db", "web", model.Ingress, e, proto(6), ports(5432, 5432), prefix([]string{"172.16.0.0/12", "2001:db8:d::/48"}[n])))
	client := *c.client
	client.PortSecurityEnabled = false
	many := memberOf("friends", c.client)
	for i := range 500 {
		a := netip.AddrFrom4([4]byte{10, 0, byte(1 + i>>8), byte(i)})
		if n == 1 {
			a = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(1 + i>>8), 15: byte(i)})
		}
		many.Addresses = append(many.Addresses, netip.PrefixFrom(a, a.BitLen()))
	}
	c.set(&client, many)
	c.sw.GrowTrees()
	return c
}

func TestMegaflowsStayWide(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		c := strangers(t, n, e)
		p := pathOf(c.client, c.server, n)
		for i := range byte(12) {
			p.src = netip.AddrFrom4([4]byte{192, 0, 2 + i, i})
			if n == 1 {
				p.src = netip.AddrFrom16([16]byte{0x2a, i, 15: i})
			}
			c.open(p, 40000+uint16(i), 80)
			c.passes(p, "established", p.tcp(40000+uint16(i), 80, ack, 102, 502))
			c.stops(p, "ssh from a stranger", p.tcp(40000, 22, syn, 1, 0))
		}
		flows := c.megaflows()
		// Nothing in a megaflow may come from the addresses or ports of strangers, so there are a few.
		if len(flows) > 6 {
			t.Errorf("12 clients make %d megaflows behind the connection tracker, want at most 6:\n%s", len(flows), strings.Join(flows, "\n"))
		}
		exact := regexp.MustCompile(`ipv[46]\((src|dst)=[0-9a-f.:]+[,)]|tcp\(src=`)
		for _, f := range flows {
			if m := exact.FindString(f); m != "" {
				t.Errorf("a megaflow is as narrow as %q:\n%s", m, f)
			}
			if strings.Contains(f, "ct_state(+est") && strings.Contains(f, "tcp(") {
				t.Errorf("an established connection is looked at by port:\n%s", f)
			}
		}
	})
}
