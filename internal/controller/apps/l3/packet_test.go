package l3_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	product "github.com/dragonflow/dragonflow/internal/packet"
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

// TestRouterAnswersEchoesInFragments sends an echo in two parts, as a large one is.
func TestRouterAnswersEchoesInFragments(t *testing.T) {
	t.Parallel()
	s, _, a, _ := routed(t)
	from4, to4 := address(v4, 1, 10), address(v4, 1, 1)
	whole := product.ICMP{Type: product.ICMPEchoRequest, Rest: [4]byte{1, 7, 0, 9}, Payload: make([]byte, 2000)}.Append(nil)
	wanted := product.ICMP{Type: product.ICMPEchoReply, Rest: [4]byte{1, 7, 0, 9}, Payload: make([]byte, 2000)}.Append(nil)
	for offset := 0; offset < len(whole); offset += 1480 {
		end := min(len(whole), offset+1480)
		frame := product.Ethernet{Dst: mac(1, 1), Src: mac(1, 10), EtherType: product.EtherTypeIPv4}.Append(nil)
		header := product.IPv4{ID: 7, TTL: 64, Protocol: product.ProtocolICMP, Src: from4, Dst: to4, FragmentOffset: uint16(offset), MoreFragments: end < len(whole)}
		got := one(t, s.Send(a, append(header.Append(frame, end-offset), whole[offset:end]...)), "a")
		p, err := product.ParseIPv4(got[product.EthernetHeaderLength:])
		if err != nil || p.Src != to4 || p.Dst != from4 || p.FragmentOffset != uint16(offset) || !bytes.Equal(p.Payload, wanted[offset:end]) {
			t.Errorf("offset %d: %x, want %x, %v", offset, p.Payload[:8], wanted[offset:offset+8], err)
		}
	}
}
