package secgroup_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// What is promised for a connection whose beginner is silent: what the other side sends goes on until
// the beginner sends again, or until the entry times out.
func TestRepliesAloneGoOnUntilTheBeginnerSends(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		dns := rule("stream", "web", model.Ingress, e, proto(17), ports(5000, 5000))
		c := newCloud(t, []string{"web"}, group("web"), dns)
		p := pathOf(c.client, c.server, n)
		c.passes(p, "request", p.udp(40000, 5000))
		c.passes(p.back(), "stream", p.back().udp(5000, 40000), p.back().udp(5000, 40000))
		c.remove(dns)
		c.passes(p.back(), "stream after the rule went", p.back().udp(5000, 40000))
		c.stops(p, "request after the rule went", p.udp(40000, 5000))
		c.stops(p.back(), "stream after the next request", p.back().udp(5000, 40000))
	})
}

// A request that was never answered is no established connection to conntrack; it is cut all the same.
func TestAnUnansweredRequestIsCut(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		dns := rule("dns", "web", model.Ingress, e, proto(17), ports(53, 53))
		c := newCloud(t, []string{"web"}, group("web"), dns)
		p := pathOf(c.client, c.server, n)
		c.passes(p, "request", p.udp(40000, 53))
		c.remove(dns)
		c.stops(p, "request after the rule went", p.udp(40000, 53))
		c.stops(p.back(), "late answer", p.back().udp(53, 40000))
	})
}

func TestICMPErrorsBelongToTheirConnection(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		dns := rule("dns", "web", model.Ingress, e, proto(17), ports(53, 53))
		c := newCloud(t, []string{"web"}, group("web"), dns)
		p := pathOf(c.client, c.server, n)
		request, answer := p.udp(40000, 53), p.back().udp(53, 40000)
		c.stops(p.back(), "an error about nothing", p.back().unreachable(request))
		c.passes(p, "request", request)
		c.passes(p.back(), "error about the request", p.back().unreachable(request))
		c.passes(p.back(), "answer", answer)
		c.passes(p, "error about the answer", p.unreachable(answer))
		c.remove(dns)
		c.stops(p, "request", request)
		c.stops(p.back(), "error about the cut request", p.back().unreachable(request))
		c.stops(p, "error about the cut answer", p.unreachable(answer))
	})
}

// The connection tracker puts fragments together to look at them, and lets go the fragments.
func TestFragmentsFollowTheirFirst(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		c := newCloud(t, []string{"web"}, group("web"), rule("dns", "web", model.Ingress, e, proto(17), ports(53, 53)),
			rule("tftp", "web", model.Ingress, e, proto(17), ports(69, 69), remote("friends")))
		c.set(memberOf("friends", c.client))
		p := pathOf(c.client, c.server, n)
		for _, port := range []uint16{53, 69} {
			c.arrive(p, "a datagram in two fragments", 2, p.fragments(p.large(40000, port), 1400))
			c.arrive(p, "another of the same connection", 2, p.fragments(p.large(40000, port), 1400))
		}
		c.arrive(p, "a datagram to a closed port", 0, p.fragments(p.large(40000, 54), 1400))
	})
}

// Port security knows no ports of fragments; the connection does.
func TestAGuestServesNoDHCPInFragments(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		server, client := uint16([]int{67, 547}[n]), uint16([]int{68, 546}[n])
		for _, to := range []struct {
			port uint16
			asks bool
			want int
		}{{client, false, 0}, {client, true, 0}, {5000, false, 2}} {
			c := newCloud(t, []string{"web"}, group("web"), rule("out", "web", model.Egress, e), rule("in", "web", model.Ingress, e),
				rule("into", "all", model.Ingress, e, proto(17)))
			p := pathOf(c.server, c.client, n)
			if to.asks {
				c.passes(p.back(), "a request that begins the connection", p.back().udp(client, server))
			}
			c.arrive(p, fmt.Sprintf("what a DHCP server sends to port %d, asked: %v", to.port, to.asks), to.want, p.fragments(p.large(server, to.port), 1400))
		}
	})
}

// The switch shows the ports and ICMP types of fragments as 0. No rule about 0 may take them for its own.
func TestFragmentsAreNotTakenForPortZero(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		c := newCloud(t, []string{"web"}, group("web"), rule("low", "web", model.Ingress, e, proto(17), ports(0, 1023)),
			rule("type 0", "web", model.Ingress, e, proto([]int{1, 58}[n]), icmpType(0)))
		p := pathOf(c.client, c.server, n)
		c.arrive(p, "a datagram in two fragments to a high port", 0, p.fragments(p.large(40000, 5000), 1400))
		c.arrive(p, "an echo request in two fragments", 0, p.fragments(p.echo(false, make([]byte, 1800)), 1400))
		c.arrive(p, "a datagram in two fragments to a low port", 2, p.fragments(p.large(40000, 500), 1400))
	})
}

// The first fragment decides; what another rule says about later ones must not outlast it.
func TestFragmentsEndWithTheirRule(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		dns := rule("dns", "web", model.Ingress, e, proto(17), ports(53, 53))
		c := newCloud(t, []string{"web"}, group("web"), dns, rule("ntp", "web", model.Ingress, e, proto(17), ports(123, 123)),
			rule("tftp", "web", model.Ingress, e, proto(17), ports(69, 69), remote("friends")))
		friend := memberOf("friends", c.client)
		c.set(friend)
		p := pathOf(c.client, c.server, n)
		both := func(what string, want int, port uint16) {
			t.Helper()
			c.arrive(p, what, want, p.fragments(p.large(40000, port), 1400))
		}
		both("to a member's port", 2, 69)
		c.passes(p.back(), "answer", p.back().udp(69, 40000))
		both("to a member's port again", 2, 69)
		c.remove(friend)
		both("to a port that was a member's", 0, 69)
		c.stops(p, "a whole one to a port that was a member's", p.udp(40000, 69))
		c.stops(p.back(), "answer", p.back().udp(69, 40000))

		both("to an open port", 2, 53)
		c.passes(p, "a whole one to the open port", p.udp(40000, 53))
		both("to the open port", 2, 53)
		c.remove(dns)
		both("to a port that was open", 0, 53)
		both("to a port that was open", 0, 53)
		c.stops(p, "a whole one to a port that was open", p.udp(40000, 53))
		both("to the other port", 2, 123)
	})
}

// arrive checks how many of the frames reach the other end, which may hold some back for later ones.
func (c *cloud) arrive(p path, what string, want int, frames [][]byte) {
	c.t.Helper()
	got := 0
	for _, f := range frames {
		got += len(c.sw.Send(p.from, f)[p.to.ID])
	}
	if got != want {
		megaflows := c.sw.Appctl("dpctl/dump-flows", "-m")
		c.t.Errorf("%s: %d frames arrived, want %d; drops %v\n%s", what, got, want, c.sw.Dropped(), megaflows)
	}
}

func TestPingsOfAnySizePass(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		icmp, echo := []int{1, 58}[n], []int{8, 128}[n]
		c := newCloud(t, []string{"web"}, group("web"), rule("ping", "web", model.Ingress, e, proto(icmp), icmpType(echo)))
		p := pathOf(c.client, c.server, n)
		large := bytes.Repeat([]byte{7}, 1800)
		c.passes(p, "echo", p.echo(false, nil))
		c.passes(p.back(), "reply", p.back().echo(true, nil))
		c.arrive(p, "large echo", 2, p.fragments(p.echo(false, large), 1400))
		c.arrive(p.back(), "large reply", 2, p.back().fragments(p.back().echo(true, large), 1400))
		c.stops(p, "a reply to no echo", p.echo(true, nil))
	})
}

func TestStatelessGroupsLookAtPacketsAlone(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		web := rule("web", "s", model.Ingress, e, proto(6), ports(80, 80))
		c := newCloud(t, []string{"s"}, statelessGroup("s"), web)
		p := pathOf(c.client, c.server, n)
		c.passes(p, "request", p.tcp(40000, 80, syn, 1, 0), p.tcp(40000, 80, ack, 2, 2))
		c.stops(p.back(), "answer without a rule", p.back().tcp(80, 40000, syn|ack, 1, 2))
		c.set(rule("out", "s", model.Egress, e, remote("friends")), memberOf("friends", c.client))
		c.passes(p.back(), "answer by a rule", p.back().tcp(80, 40000, syn|ack, 1, 2))
		c.remove(web)
		c.stops(p, "request without rule", p.tcp(40000, 80, ack, 2, 2))
	})
}

// What a remote group allows is looked up for every packet, but recorded once.
func TestAMembersConnectionIsCommittedOnce(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		c := newCloud(t, []string{"web"}, group("web"), rule("http", "web", model.Ingress, e, proto(6), ports(80, 80), remote("friends")))
		c.set(memberOf("friends", c.client))
		p := pathOf(c.client, c.server, n)
		c.open(p, 40000, 80)
		c.sw.ForgetDecisions()
		c.goesOn(p, 40000, 80)
		for _, f := range c.megaflows() {
			if strings.Contains(f, "commit") {
				t.Errorf("an established connection is committed again:\n%s", f)
			}
		}
	})
}

func TestWhatGuestsNeedPassesWithoutARule(t *testing.T) {
	c := newCloud(t, nil, apptest.Subnet("s6", "n", "2001:db8::/64"))
	for n := range 2 {
		p := pathOf(c.server, c.client, n) // the server has no groups at all
		c.stops(p, "a datagram", p.udp(1, 1))
		c.stops(p.back(), "a datagram to it", p.back().udp(1, 1))
		client, server := []uint16{68, 546}[n], []uint16{67, 547}[n]
		const essential = "secgroup.always Self/self: what guests need to work at all passes without a rule"
		ask := p
		ask.dst = netip.MustParseAddr([]string{"255.255.255.255", "ff02::1:2"}[n])
		before := c.passed(essential)
		c.sw.Send(p.from, ask.udp(client, server))
		if c.passed(essential) != before+1 {
			t.Errorf("a DHCP request did not pass: %v", c.sw.Dropped())
		}
		before = c.passed(essential)
		for _, to := range [][]string{{"10.0.0.1", "10.0.0.255", "192.0.2.1"}, {"2001:db8::1", "2001:db8:1::1", "ff05::1:3"}}[n] {
			ask.dst = netip.MustParseAddr(to)
			c.sw.Send(p.from, ask.udp(client, server))
		}
		if n := c.passed(essential) - before; n != 0 {
			t.Errorf("%d datagrams between the ports of DHCP left without a rule to where this chassis serves none", n)
		}
		c.stops(p.back(), "a DHCP server that a secured port pretends to be", p.back().udp(server, client))
	}
	p := pathOf(c.server, c.client, 1)
	na := packet.NeighborAdvertisement{Target: p.src, Override: true}
	c.passes(p, "a neighbour advertisement", p.ip(packet.ProtocolICMPv6, na.Append(nil, p.src, p.dst), 255))
	arp := packet.ARP{Operation: packet.ARPReply, SenderMAC: packet.MAC(c.server.MACAddress), SenderIP: c.server.FixedIPs[0].IPAddress,
		TargetMAC: packet.MAC(c.client.MACAddress), TargetIP: c.client.FixedIPs[0].IPAddress}
	e := packet.Ethernet{Dst: arp.TargetMAC, Src: arp.SenderMAC, EtherType: packet.EtherTypeARP}
	c.passes(p, "an ARP reply", arp.Append(e.Append(nil)))
	e.EtherType = 0x88b5
	c.stops(p, "another ethertype", append(e.Append(nil), make([]byte, 46)...))
	if c.sw.Dropped()["security group: neither ARP nor IP"] == 0 {
		t.Error("the drop of another ethertype is not counted")
	}
}

// TestNeighbourDiscoveryLeavesWithoutARuleToTheLinkOnly has a guest whose groups forbid everything send what a host must
// be able to say to its link, there and beyond it.
func TestNeighbourDiscoveryLeavesWithoutARuleToTheLinkOnly(t *testing.T) {
	t.Parallel()
	c := newCloud(t, nil, apptest.Subnet("s6", "n", "2001:db8::/64"))
	// The client would forward whatever comes.
	open := *c.client
	open.PortSecurityEnabled = false
	c.set(&open)
	p := pathOf(c.server, c.client, 1)
	const all, local, onLink, far, wide = "ff02::1", "fe80::9", "2001:db8::9", "2001:db8:1::9", "ff0e::9"
	for _, x := range []struct {
		typ        uint8
		hops       uint8
		pass, stop []string
	}{
		{130, 1, []string{all, wide}, []string{local, onLink, far}},
		{131, 1, []string{all, wide}, []string{local, onLink, far}},
		{132, 1, []string{"ff02::2"}, []string{local, onLink, far}},
		{133, 255, []string{"ff02::2", local}, []string{onLink, far}},
		{135, 255, []string{"ff02::1:ff00:9", local, onLink}, []string{far}},
		{136, 255, []string{all, local, onLink}, []string{far}},
		{143, 1, []string{"ff02::16"}, []string{local, onLink, far}},
	} {
		send := func(list []string, send func(path, string, ...[]byte)) {
			for _, to := range list {
				p.dst = netip.MustParseAddr(to)
				var m []byte
				switch x.typ {
				case 135:
					m = packet.NeighborSolicitation{Target: netip.MustParseAddr(onLink)}.Append(nil, p.src, p.dst)
				case 136:
					m = packet.NeighborAdvertisement{Target: p.src}.Append(nil, p.src, p.dst)
				default:
					m = packet.ICMPv6{Type: x.typ, Body: make([]byte, 20)}.Append(nil, p.src, p.dst)
				}
				send(p, "type "+strconv.Itoa(int(x.typ))+" to "+to, p.ip(packet.ProtocolICMPv6, m, x.hops))
			}
		}
		send(x.pass, c.passes)
		send(x.stop, c.stops)
	}
}

// passed counts the packets that met flows of an owner with a reason.
func (c *cloud) passed(what string) (n uint64) {
	c.t.Helper()
	for _, f := range c.sw.Counters() {
		if strings.Join(f.Owners, ", ")+": "+f.Reason == what {
			n += f.Packets
		}
	}
	return n
}
