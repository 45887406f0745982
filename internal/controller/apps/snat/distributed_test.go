package snat_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// sharing is a chassis with an address of its own and a guest of each of two routers, whose addresses are the same.
func sharing(t *testing.T) *wired {
	return newWired(t, slices.Concat(outside(), distributed(1), distributed(2), []any{own()}, here(guest(1, 10), 1), here(guest(2, 10), 2))...)
}

// TestTwoTenantsWithTheSameAddressShareTheChassis: the same inner protocol, addresses and ports are two connections.
func TestTwoTenantsWithTheSameAddressShareTheChassis(t *testing.T) {
	t.Parallel()
	s := sharing(t)
	one, two := guest(1, 10), guest(2, 10)
	fromChassis := []packet.Checker{packet.EthSrc(chassisMAC), packet.EthDst(hostMAC), packet.VLAN(9), packet.TTL(63)}
	s.leaves("of the first", s.out(one, packet.IP(guestIP, farIP), packet.UDP(1000, 53)), append(fromChassis, packet.IP(ownIP, farIP), packet.UDP(1000, 53))...)
	s.leaves("of the second", s.out(two, packet.IP(guestIP, farIP), packet.UDP(1000, 53)), append(fromChassis, packet.IP(ownIP, farIP), packet.UDP(1001, 53))...)
	s.comes("for the first", s.in(chassisMAC, packet.IP(farIP, ownIP), packet.UDP(53, 1000)), one,
		packet.EthSrc(insideMAC(1)), packet.EthDst(one.MACAddress), packet.IP(farIP, guestIP), packet.UDP(53, 1000))
	s.comes("for the second", s.in(chassisMAC, packet.IP(farIP, ownIP), packet.UDP(53, 1001)), two,
		packet.EthSrc(insideMAC(2)), packet.EthDst(two.MACAddress), packet.IP(farIP, guestIP), packet.UDP(53, 1000))

	s.leaves("TCP of the first", s.out(one, packet.IP(guestIP, farIP), packet.TCP(2000, 80, "S")), packet.IP(ownIP, farIP), packet.TCP(2000, 80, "S"))
	s.leaves("TCP of the second", s.out(two, packet.IP(guestIP, farIP), packet.TCP(2000, 80, "S")), packet.IP(ownIP, farIP), packet.TCP(2001, 80, "S"))
	s.comes("for the second", s.in(chassisMAC, packet.IP(farIP, ownIP), packet.TCP(80, 2001, "SA")), two, packet.TCP(80, 2000, "SA"))
	s.comes("for the first", s.in(chassisMAC, packet.IP(farIP, ownIP), packet.TCP(80, 2000, "SA")), one, packet.TCP(80, 2000, "SA"))

	s.leaves("an echo", s.out(one, packet.IP(guestIP, farIP), packet.EchoRequest(7, 1)), packet.IP(ownIP, farIP), packet.EchoRequest(7, 1))
	s.comes("its answer", s.in(chassisMAC, packet.IP(farIP, ownIP), packet.EchoReply(7, 1)), one, packet.EchoReply(7, 1))
	if got := s.in(chassisMAC, packet.IP(farIP, ownIP), packet.UDP(53, 999)); len(got) > 0 {
		t.Errorf("what nobody asked for reaches %v", got)
	}
	apptest.Readme(t, "distributed", s.Dump(snatOrGateway))
}

func snatOrGateway(owner string) bool {
	return strings.HasPrefix(owner, "snat.") || strings.HasPrefix(owner, "gateway.")
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	s := translating(t)
	s.out(guest(1, 10), packet.IP(guestIP, farIP), packet.EchoRequest(7, 1))
	s.in(gatewayMAC(1), packet.IP(farIP, outIP), packet.EchoReply(7, 1))
	apptest.Readme(t, "dump", s.Dump(snatOrGateway))
}

// TestHistories: what is translated does not depend on what came first.
func TestHistories(t *testing.T) {
	rows := slices.Concat(outside(), behind(1), distributed(2), []any{own()}, here(guest(1, 10), 1), here(guest(2, 10), 2))
	apptest.Histories(t, apps, rows, slices.Concat(behind(3), here(guest(3, 10), 3)))
}
