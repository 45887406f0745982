package l3_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// routed is a router between n1 with a and n2 with b, both here; the router is host 1 of both.
func routed(t *testing.T, more ...any) (s *apptest.Switch, w *apptest.World, a, b *model.Port) {
	t.Helper()
	w = apptest.New(t, apps()...)
	a, b = port("a", 1, 10, v4, v6), port("b", 2, 10, v4, v6)
	s = w.Switch(a, b)
	w.Set(rows(two(v4, v6), []any{a, b, apptest.Bind(a), apptest.Bind(b)}, more)...)
	w.MustStep()
	s.Install()
	return s, w, a, b
}

// one returns the only frame that a port got.
func one(t *testing.T, got map[string][][]byte, port string) []byte {
	t.Helper()
	if len(got) != 1 || len(got[port]) != 1 {
		t.Fatalf("port %s alone should have received one frame: %x", port, got)
	}
	return got[port][0]
}

func TestPacketsAreRouted(t *testing.T) {
	t.Parallel()
	s, _, a, _ := routed(t)
	for _, f := range []int{v4, v6} {
		got := s.Send(a, packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)),
			packet.IP(address(f, 1, 10), address(f, 2, 10)), packet.TTL(64), packet.UDP(1000, 2000)))
		packet.Check(t, one(t, got, "b"), packet.EthSrc(mac(2, 1)), packet.EthDst(mac(2, 10)),
			packet.IP(address(f, 1, 10), address(f, 2, 10)), packet.TTL(63), packet.UDP(1000, 2000))
	}
}

func TestRouterAnswersEchoes(t *testing.T) {
	t.Parallel()
	s, _, a, _ := routed(t)
	linkLocal := netip.MustParseAddr("fe80::f816:3eff:fe00:101")
	for _, to := range []netip.Addr{address(v4, 1, 1), address(v4, 2, 1), address(v6, 1, 1), address(v6, 2, 1), linkLocal} {
		from := address(v6, 1, 10)
		if to.Is4() {
			from = address(v4, 1, 10)
		}
		got := s.Send(a, packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP(from, to), packet.TTL(1), packet.EchoRequest(7, 9)))
		packet.Check(t, one(t, got, "a"), packet.EthSrc(mac(1, 1)), packet.EthDst(mac(1, 10)),
			packet.IP(to, from), packet.TTL(64), packet.EchoReply(7, 9))
	}
}
