package secgroup_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// cloud is a real switch with two ports: a client, whose groups let everything out, and a server.
type cloud struct {
	t              *testing.T
	w              *apptest.World
	sw             *apptest.Switch
	client, server *model.Port
}

// newCloud starts a switch on which the server has groups.
func newCloud(t *testing.T, groups []string, rows ...any) *cloud {
	t.Helper()
	c := &cloud{t: t}
	c.client, c.server = apptest.Port("client", "n", 1, "10.0.0.1", "2001:db8::1"), apptest.Port("server", "n", 2, "10.0.0.2", "2001:db8::2")
	c.client.SecurityGroups, c.server.SecurityGroups = []string{"all"}, groups
	c.w = world(t, c.client, c.server, apptest.Bind(c.client), apptest.Bind(c.server), group("all"))
	for _, e := range []model.EtherType{model.IPv4, model.IPv6} {
		c.w.Set(rule("out "+string(e), "all", model.Egress, e))
	}
	c.w.Set(rows...)
	c.w.Sync(model.ScopeSecurityGroupMembers("friends"), model.ScopeSecurityGroupMembers("others"))
	c.sw = c.w.Switch(c.client, c.server)
	c.step()
	return c
}

// step brings what changed to the switch.
func (c *cloud) step() {
	c.t.Helper()
	c.w.MustStep()
	c.sw.Install()
}

// set and remove change the world and the switch.
func (c *cloud) set(rows ...any)    { c.t.Helper(); c.w.Set(rows...); c.step() }
func (c *cloud) remove(rows ...any) { c.t.Helper(); c.w.Remove(rows...); c.step() }

// passes and stops say whether a frame reaches the other end of the path.
func (c *cloud) passes(p path, what string, frames ...[]byte) {
	c.t.Helper()
	c.check(p, what, true, frames)
}
func (c *cloud) stops(p path, what string, frames ...[]byte) {
	c.t.Helper()
	c.check(p, what, false, frames)
}

func (c *cloud) check(p path, what string, want bool, frames [][]byte) {
	c.t.Helper()
	arrived := 0
	for _, f := range frames {
		arrived += len(c.sw.Send(p.from, f)[p.to.ID])
	}
	if want && arrived != len(frames) || !want && arrived != 0 {
		c.t.Errorf("%s: %d of %d frames arrived, want %v; drops %v\nconnections:\n%s",
			what, arrived, len(frames), want, c.sw.Dropped(), c.sw.Appctl("dpctl/dump-conntrack"))
	}
}

// inFamilies runs a test with a cloud of its own for each family.
func inFamilies(t *testing.T, test func(t *testing.T, n int, e model.EtherType)) {
	t.Parallel()
	for n, e := range []model.EtherType{model.IPv4, model.IPv6} {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			test(t, n, e)
		})
	}
}

// open is a TCP connection that has exchanged data.
func (c *cloud) open(p path, sport, dport uint16) {
	c.t.Helper()
	c.passes(p, "SYN", p.tcp(sport, dport, syn, 100, 0))
	c.passes(p.back(), "SYN ACK", p.back().tcp(dport, sport, syn|ack, 500, 101))
	c.passes(p, "data", p.tcp(sport, dport, ack, 101, 501))
	c.passes(p.back(), "answer", p.back().tcp(dport, sport, ack, 501, 102))
}

// goesOn checks that an open connection still works.
func (c *cloud) goesOn(p path, sport, dport uint16) {
	c.t.Helper()
	what := fmt.Sprint("connection to ", dport)
	c.passes(p, what, p.tcp(sport, dport, ack, 102, 502))
	c.passes(p.back(), what+" answer", p.back().tcp(dport, sport, ack, 502, 103))
}

// isCut checks that an open connection ends with the next packet of who began it.
func (c *cloud) isCut(p path, sport, dport uint16) {
	c.t.Helper()
	what := fmt.Sprint("cut connection to ", dport)
	c.stops(p, what, p.tcp(sport, dport, ack, 102, 502))
	c.stops(p.back(), what+" answer", p.back().tcp(dport, sport, ack, 502, 103))
	c.stops(p, what+" again", p.tcp(sport, dport, ack, 102, 502))
}

func TestRulesDecide(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		in := func(id string, o ...option) any { return rule(id, "web", model.Ingress, e, o...) }
		c := newCloud(t, []string{"web"}, group("web"), in("http", proto(6), ports(80, 80)), in("many", proto(17), ports(5000, 5999)))
		p := pathOf(c.client, c.server, n)
		c.open(p, 40000, 80)
		c.stops(p, "a closed port", p.tcp(40000, 81, syn, 1, 0))
		c.sw.Because("dropped in ingress-refuse at port server: no rule of groups [web] allows tcp/81 from", "nearest: tcp/80 from")
		for port, open := range map[uint16]bool{4999: false, 5000: true, 5555: true, 5999: true, 6000: false} {
			c.check(p, fmt.Sprint("UDP port ", port), open, [][]byte{p.udp(40000, port)})
		}
		c.passes(p.back(), "an answer", p.back().udp(5555, 40000))
		c.stops(p, "an echo request", p.echo(false, nil))
		c.sw.Because("dropped in ingress-refuse at port server: no rule of groups [web] allows icmp")
		c.stops(p.back(), "what no egress rule of the server allows", p.back().udp(1, 1))
		c.sw.Because("dropped in egress-refuse at port server: no rule of groups [web] allows udp/1 to", "they have no egress rule at all")
		drops := c.sw.Dropped()
		for _, reason := range []string{"security group: no ingress rule allows the packet", "security group: no egress rule allows the packet"} {
			if drops[reason] == 0 {
				t.Errorf("no drop was counted as %q", reason)
			}
		}
	})
}

func TestARemovedRuleCutsWhatItAloneAllowed(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		http := rule("http", "web", model.Ingress, e, proto(6), ports(80, 80))
		ssh := rule("ssh", "web", model.Ingress, e, proto(6), ports(22, 22))
		c := newCloud(t, []string{"web"}, group("web"), http, ssh)
		p := pathOf(c.client, c.server, n)
		c.open(p, 40000, 80)
		c.open(p, 40001, 22)
		c.remove(http)
		c.goesOn(p, 40001, 22)
		c.isCut(p, 40000, 80)
		c.goesOn(p, 40001, 22)
		c.set(http)
		c.goesOn(p, 40000, 80) // the rule is back, and so is the connection
		c.remove(ssh)
		c.goesOn(p, 40000, 80)
		c.isCut(p, 40001, 22)
	})
}

func TestARemovedMemberIsCut(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		c := newCloud(t, []string{"web"}, group("web"),
			rule("http", "web", model.Ingress, e, proto(6), ports(80, 80), remote("friends")),
			rule("8080", "web", model.Ingress, e, proto(6), ports(8080, 8080), remote("friends")),
			rule("all", "web", model.Ingress, e, proto(6), ports(8080, 8080), remote("others")),
			rule("ssh", "web", model.Ingress, e, proto(6), ports(22, 22)),
			rule("out", "web", model.Egress, e)) // what the server sends must not begin the connection anew
		p := pathOf(c.client, c.server, n)
		c.stops(p, "from no member", p.tcp(40000, 80, syn, 1, 0))
		friend := memberOf("friends", c.client)
		c.set(friend, memberOf("others", c.client))
		c.open(p, 40000, 80)
		c.open(p, 40001, 22)
		c.open(p, 40002, 8080)
		c.remove(friend)
		c.isCut(p, 40000, 80)
		c.goesOn(p, 40001, 22)
		c.goesOn(p, 40002, 8080) // a member of another group that may do this
		wide := *friend
		wide.Addresses = []netip.Prefix{apptest.Prefix([]string{"10.0.0.0/24", "2001:db8::/64"}[n])}
		c.set(&wide)
		c.goesOn(p, 40000, 80)
		c.remove(&wide)
		c.isCut(p, 40000, 80)
	})
}

func TestARuleThatComesKeepsConnectionsAndTheirReplies(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		c := newCloud(t, []string{"web"}, group("web"), rule("http", "web", model.Ingress, e, proto(6), ports(80, 80)))
		p := pathOf(c.client, c.server, n)
		c.open(p, 40000, 80)
		c.set(rule("ssh", "web", model.Ingress, e, proto(6), ports(22, 22)))
		c.goesOn(p, 40000, 80)
		before := c.marks()
		c.goesOn(p, 40000, 80)
		if after := c.marks(); after != before {
			t.Errorf("the mark changes without a change of rules: %s, then %s", before, after)
		}
	})
}

// marks lists the marks of all connections.
func (c *cloud) marks() string {
	var out []string
	for line := range strings.Lines(c.sw.Appctl("dpctl/dump-conntrack")) {
		if _, mark, ok := strings.Cut(strings.TrimSpace(line), "mark="); ok {
			out = append(out, mark)
		}
	}
	return strings.Join(out, " ")
}
