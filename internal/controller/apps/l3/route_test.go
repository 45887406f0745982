package l3_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// outside is a host beyond guests that act as routers.
func outside(f int, h byte) netip.Addr {
	if f == v4 {
		return netip.AddrFrom4([4]byte{192, 0, 2, h})
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 15: h})
}

// send has port a send a datagram by the router and returns the port that got it.
func send(t *testing.T, s *apptest.Switch, a *model.Port, from, to netip.Addr, source uint16) string {
	t.Helper()
	got := s.Send(a, packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP(from, to), packet.UDP(source, 53)))
	if len(got) > 1 {
		t.Fatalf("several ports got it: %v", got)
	}
	for id, frames := range got {
		if len(frames) == 1 {
			return id
		}
		t.Fatalf("%s got it %d times", id, len(frames))
	}
	return ""
}

// guests is a switch with port a on n1 and, on n2, guests b, c and d that forward what they are sent.
func guests(t *testing.T, routes ...string) (*apptest.Switch, *apptest.World, *model.Port) {
	t.Helper()
	w := apptest.New(t, apps()...)
	a := port("a", 1, 10, v4, v6)
	list := []*model.Port{a}
	all := rows(two(v4, v6), []any{router("r", routes...)})
	for i, id := range []string{"b", "c", "d"} {
		p := port(id, 2, byte(10+i), v4, v6)
		p.PortSecurityEnabled = false
		list = append(list, p)
	}
	s := w.Switch(list...)
	for _, p := range list {
		all = append(all, p, apptest.Bind(p))
	}
	w.Set(all...)
	w.MustStep()
	s.Install()
	return s, w, a
}

func TestTheLongestPrefixWins(t *testing.T) {
	t.Parallel()
	s, _, a := guests(t,
		"192.0.2.0/24 via 10.0.2.10", "192.0.2.64/26 via 10.0.2.11", "192.0.2.99/32 via 10.0.2.12", "10.0.2.0/25 via 10.0.2.12", "10.0.2.0/24 via 10.0.2.12",
		"2001:db8:ffff::/48 via 2001:db8:0:2::a", "2001:db8:ffff::40/122 via 2001:db8:0:2::b", "2001:db8:ffff::63/128 via 2001:db8:0:2::c", "::/0 via 2001:db8:0:2::b")
	for _, f := range []int{v4, v6} {
		for h, want := range map[byte]string{1: "b", 70: "c", 99: "d", 200: "b"} {
			if got := send(t, s, a, address(f, 1, 10), outside(f, h), 1); got != want {
				t.Errorf("%s went to %q, want %q", outside(f, h), got, want)
			}
		}
	}
	// A more specific extra route wins over the connected subnet, an equal one does not.
	for h, want := range map[byte]string{11: "d", 77: "d", 200: ""} {
		if got := send(t, s, a, address(v4, 1, 10), address(v4, 2, h), 1); got != want {
			t.Errorf("%s went to %q, want %q", address(v4, 2, h), got, want)
		}
	}
	if got := send(t, s, a, address(v6, 1, 10), netip.MustParseAddr("2001:db8:7::1"), 1); got != "c" {
		t.Errorf("by the default route it went to %q", got)
	}
}

// TestAGuestMayRoute sends to a host behind a guest, and has the guest forward the answer.
func TestAGuestMayRoute(t *testing.T) {
	t.Parallel()
	s, w, a := guests(t, "192.0.2.0/24 via 10.0.2.10", "2001:db8:ffff::/48 via 2001:db8:0:2::a")
	b := port("b", 2, 10, v4, v6)
	for _, f := range []int{v4, v6} {
		if got := send(t, s, a, address(f, 1, 10), outside(f, 1), 1); got != "b" {
			t.Errorf("IPv%d: went to %q", f, got)
		}
		answer := packet.Build(packet.Ethernet(mac(2, 10), mac(2, 1)), packet.IP(outside(f, 1), address(f, 1, 10)), packet.UDP(53, 1))
		packet.Check(t, one(t, s.Send(b, answer), "a"), packet.EthSrc(mac(1, 1)), packet.EthDst(mac(1, 10)), packet.TTL(63))
	}
	// With port security it needs to be allowed to send for others.
	w.Set(b)
	w.MustStep()
	s.Install()
	for _, f := range []int{v4, v6} {
		answer := packet.Build(packet.Ethernet(mac(2, 10), mac(2, 1)), packet.IP(outside(f, 1), address(f, 1, 10)), packet.UDP(53, 1))
		if got := s.Send(b, answer); len(got) != 0 {
			t.Errorf("IPv%d: a guest with port security forwards: %v", f, got)
		}
	}
}

func TestRoutesOfEqualCostShareConnections(t *testing.T) {
	t.Parallel()
	routes := map[int][]string{
		v4: {"192.0.2.0/24 via 10.0.2.10", "192.0.2.0/24 via 10.0.2.11", "192.0.2.0/24 via 10.0.2.12"},
		v6: {"2001:db8:ffff::/48 via 2001:db8:0:2::a", "2001:db8:ffff::/48 via 2001:db8:0:2::b", "2001:db8:ffff::/48 via 2001:db8:0:2::c"},
	}
	s, w, a := guests(t, append(routes[v4], routes[v6]...)...)
	for _, f := range []int{v4, v6} {
		const connections = 120
		took, count := map[uint16]string{}, map[string]int{}
		for source := range uint16(connections) {
			took[source] = send(t, s, a, address(f, 1, 10), outside(f, 1), 1000+source)
			count[took[source]]++
		}
		for _, id := range []string{"b", "c", "d"} {
			if count[id] < connections/6 {
				t.Errorf("IPv%d: shares are %v", f, count)
				break
			}
		}
		for source, id := range took {
			if got := send(t, s, a, address(f, 1, 10), outside(f, 1), 1000+source); got != id {
				t.Fatalf("IPv%d: a connection moved from %s to %s", f, id, got)
			}
		}
		// Without c, only its connections move.
		w.Set(router("r", routes[f][0], routes[f][2]))
		w.MustStep()
		s.Install()
		for source, id := range took {
			if got := send(t, s, a, address(f, 1, 10), outside(f, 1), 1000+source); got == "c" || id != "c" && got != id {
				t.Fatalf("IPv%d: a connection moved from %s to %s when c went", f, id, got)
			}
		}
		w.Set(router("r", append(routes[v4], routes[v6]...)...))
		w.MustStep()
		s.Install()
	}
}

func TestRoutersBehindOneAnother(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apps()...)
	a, b := port("a", 1, 10, v4, v6), port("b", 3, 10, v4, v6)
	s := w.Switch(a, b)
	w.Set(rows(net(1, v4, v6), net(2, v4, v6), net(3, v4, v6),
		[]any{router("r", "10.0.3.0/24 via 10.0.2.2", "2001:db8:0:3::/64 via 2001:db8:0:2::2"), router("q", "10.0.1.0/24 via 10.0.2.1", "2001:db8:0:1::/64 via 2001:db8:0:2::1")},
		attach("r", 1, 1, v4, v6), attach("r", 2, 1, v4, v6), attach("q", 2, 2, v4, v6), attach("q", 3, 1, v4, v6),
		[]any{a, b, apptest.Bind(a), apptest.Bind(b)})...)
	w.MustStep()
	s.Install()
	c := s.Controller()
	for _, f := range []int{v4, v6} {
		got := s.Send(a, packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP(address(f, 1, 10), address(f, 3, 10)), packet.TTL(64), packet.UDP(1, 2)))
		packet.Check(t, one(t, got, "b"), packet.EthSrc(mac(3, 1)), packet.EthDst(mac(3, 10)), packet.TTL(62), packet.UDP(1, 2))
		got = s.Send(b, packet.Build(packet.Ethernet(mac(3, 10), mac(3, 1)), packet.IP(address(f, 3, 10), address(f, 1, 10)), packet.TTL(64), packet.UDP(2, 1)))
		packet.Check(t, one(t, got, "a"), packet.EthSrc(mac(1, 1)), packet.EthDst(mac(1, 10)), packet.TTL(62), packet.UDP(2, 1))
		// The other router's far address answers an echo, and the end of life is told by the router where it is.
		got = s.Send(a, packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP(address(f, 1, 10), address(f, 3, 1)), packet.EchoRequest(1, 1)))
		packet.Check(t, one(t, got, "a"), packet.EthSrc(mac(1, 1)), packet.EthDst(mac(1, 10)), packet.IP(address(f, 3, 1), address(f, 1, 10)), packet.EchoReply(1, 1))
		for ttl, by := range map[uint8]netip.Addr{1: address(f, 1, 1), 2: address(f, 2, 2)} {
			asked := c.Ask(l3app(), a, packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP(address(f, 1, 10), address(f, 3, 10)), packet.TTL(ttl), packet.UDP(1, 2)))
			packet.Check(t, asked.Frame, packet.EthSrc(mac(1, 1)), packet.EthDst(mac(1, 10)), packet.IP(by, address(f, 1, 10)))
		}
	}
}
