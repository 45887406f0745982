package snat_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// translating is a chassis that is the gateway of r1, with guests 10 and 11.
func translating(t *testing.T) *wired {
	return newWired(t, slices.Concat(outside(), behind(1), here(guest(1, 10), 1), here(guest(1, 11), 2))...)
}

// TestTheSenderGetsTheGatewaysAddress, and what is answered comes back to him.
func TestTheSenderGetsTheGatewaysAddress(t *testing.T) {
	t.Parallel()
	s := translating(t)
	a, b := guest(1, 10), guest(1, 11)
	fromGateway := []packet.Checker{packet.EthSrc(gatewayMAC(1)), packet.EthDst(hostMAC), packet.VLAN(9)}
	back := []packet.Checker{packet.EthSrc(insideMAC(1)), packet.EthDst(a.MACAddress)}

	got := s.out(a, packet.IP(guestIP, farIP), packet.UDP(1000, 53))
	s.leaves("UDP", got, append(fromGateway, packet.IP(outIP, farIP), packet.UDP(1000, 53), packet.TTL(63))...)
	s.comes("its answer", s.in(gatewayMAC(1), packet.IP(farIP, outIP), packet.UDP(53, 1000)), a,
		append(back, packet.IP(farIP, guestIP), packet.UDP(53, 1000), packet.TTL(63))...)

	got = s.out(b, packet.IP("10.0.0.11", farIP), packet.UDP(1000, 53))
	s.leaves("the same ports of another guest", got, append(fromGateway, packet.IP(outIP, farIP), packet.UDP(1001, 53))...)
	s.comes("its answer", s.in(gatewayMAC(1), packet.IP(farIP, outIP), packet.UDP(53, 1001)), b, packet.IP(farIP, "10.0.0.11"), packet.UDP(53, 1000))

	got = s.out(a, packet.IP(guestIP, farIP), packet.TCP(2000, 80, "S"))
	s.leaves("TCP", got, append(fromGateway, packet.IP(outIP, farIP), packet.TCP(2000, 80, "S"))...)
	s.comes("its answer", s.in(gatewayMAC(1), packet.IP(farIP, outIP), packet.TCP(80, 2000, "SA")), a, append(back, packet.TCP(80, 2000, "SA"))...)

	got = s.out(a, packet.IP(guestIP, farIP), packet.EchoRequest(7, 1))
	s.leaves("an echo", got, append(fromGateway, packet.IP(outIP, farIP), packet.EchoRequest(7, 1))...)
	s.comes("its answer", s.in(gatewayMAC(1), packet.IP(farIP, outIP), packet.EchoReply(7, 1)), a, append(back, packet.EchoReply(7, 1))...)
}

// TestWhatNobodyAskedForIsNotLetIn: neither an unknown connection nor one of another host outside.
func TestWhatNobodyAskedForIsNotLetIn(t *testing.T) {
	t.Parallel()
	s := translating(t)
	s.out(guest(1, 10), packet.IP(guestIP, farIP), packet.UDP(1000, 53))
	for what, layers := range map[string][]packet.Layer{
		"another port":     {packet.IP(farIP, outIP), packet.UDP(53, 1001)},
		"another host":     {packet.IP("198.51.100.10", outIP), packet.UDP(53, 1000)},
		"another protocol": {packet.IP(farIP, outIP), packet.TCP(53, 1000, "SA")},
		"another type":     {packet.IP(farIP, outIP), packet.EchoReply(7, 1)},
	} {
		if got := s.in(gatewayMAC(1), layers...); len(got) > 0 {
			t.Errorf("%s reaches %v", what, got)
		}
	}
}

// TestNobodySendsWithAnAddressOutside: a guest without port security is translated, whatever it calls itself, but for its
// own router's address, which is what all get.
func TestNobodySendsWithAnAddressOutside(t *testing.T) {
	t.Parallel()
	free := guest(1, 10)
	free.PortSecurityEnabled = false
	for name, c := range map[string]struct {
		rows []any
		want string
	}{"gateway": {behind(1), outIP}, "distributed": {append(distributed(1), own()), ownIP}} {
		s := newWired(t, slices.Concat(outside(), c.rows, here(free, 1))...)
		for i, as := range []string{"203.0.113.70", hostIP, ownIP} {
			port := uint16(1000 + i)
			s.leaves(name+", as "+as, s.out(free, packet.IP(as, farIP), packet.UDP(port, 53)), packet.IP(c.want, farIP), packet.UDP(port, 53))
		}
	}
}

// TestIPv6IsNotTranslated, whatever the router does with IPv4.
func TestIPv6IsNotTranslated(t *testing.T) {
	t.Parallel()
	s := translating(t)
	a := guest(1, 10)
	got := s.out(a, packet.IP("2001:db8:1::10", "2001:db8:9::9"), packet.UDP(1000, 53))
	s.leaves("UDP", got, packet.EthSrc(gatewayMAC(1)), packet.IP("2001:db8:1::10", "2001:db8:9::9"), packet.UDP(1000, 53))
	s.comes("its answer", s.in(gatewayMAC(1), packet.IP("2001:db8:9::9", "2001:db8:1::10"), packet.UDP(53, 1000)), a, packet.UDP(53, 1000))
}

func TestGolden(t *testing.T) {
	t.Run("gateway", func(t *testing.T) {
		w := apptest.New(t, apps()...)
		w.Set(slices.Concat(outside(), behind(1), here(guest(1, 10), 1))...)
		w.MustStep()
		apptest.Golden(t, "gateway", ours(w))
	})
	t.Run("not-enabled", func(t *testing.T) {
		w := apptest.New(t, apps()...)
		w.Set(slices.Concat(outside(), behind(1), here(guest(1, 10), 1))...)
		g := gatewayOf(1)
		g.EnableSNAT = false
		w.Set(g)
		w.MustStep()
		if text := ours(w); strings.Contains(text, "nat(") {
			t.Errorf("addresses are translated although the router is told not to:\n%s", text)
		}
	})
}
