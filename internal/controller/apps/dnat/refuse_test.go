package dnat_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/apps/dnat"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l3"
	"github.com/dragonflow/dragonflow/internal/model"
	product "github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// quoted returns the ICMP error in a frame without a tag, and what it quotes.
func quoted(t *testing.T, frame []byte) (product.ICMP, product.IPv4) {
	t.Helper()
	at := bytes.Index(frame, []byte{8, 0, 0x45})
	p, err := product.ParseIPv4(frame[at+2:])
	if err != nil {
		t.Fatal(err)
	}
	m, err := product.ParseICMP(p.Payload)
	if err != nil {
		t.Fatal(err)
	}
	about, err := product.ParseIPv4Quoted(m.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return m, about
}

// TestThoseOutsideAreToldOfTheirPackets: the router that has no way for a packet to a floating IP says so, about the
// address that was asked for, and shows its own.
func TestThoseOutsideAreToldOfTheirPackets(t *testing.T) {
	t.Parallel()
	rows := append(append(topology(), here(guest(), 1)...), floating(apptest.Host))
	for _, r := range rows {
		if n, is := r.(*model.Network); is && n.ID == "n" {
			n.MTU = 1400
		}
	}
	s := newWired(t, rows...)
	c := s.Controller()
	tag := packet.VLAN(9)
	for event, layers := range map[string][]packet.Layer{
		"time-exceeded": {packet.TTL(1), packet.UDP(1000, 33434)},
		"too-big":       {packet.TTL(60), packet.UDP(1000, 2000), packet.Payload(string(make([]byte, 1420)))},
	} {
		s.Forget(wire)
		got := c.Hand(l3.New(), wire, packet.Build(append([]packet.Layer{packet.Ethernet(hostMAC, floatingMAC), tag, packet.IP(farIP, floatingIP)}, layers...)...))
		if got.Err != nil || got.Reply.Event != event {
			t.Fatalf("%s: %v, %v", event, got.Reply.Event, got.Err)
		}
		f := s.WaitSent(wire, packet.Is(packet.EthSrc(floatingMAC), packet.EthDst(hostMAC), tag, packet.IP("203.0.113.201", farIP)))
		m, about := quoted(t, f)
		if about.Dst != netip.MustParseAddr(floatingIP) || about.Src != netip.MustParseAddr(farIP) || !product.Sum(0).Add(m.Payload[:20]).Valid() {
			t.Errorf("%s quotes a packet from %s to %s: %x", event, about.Src, about.Dst, m.Payload[:20])
		}
		if mtu := int(m.Rest[2])<<8 | int(m.Rest[3]); event == "too-big" && mtu != 1400 {
			t.Errorf("the MTU is said to be %d", mtu)
		}
	}
	silent := c.Hand(dnat.New(), wire, packet.Build(packet.Ethernet(hostMAC, floatingMAC), tag, packet.IP(farIP, floatingIP), packet.TTL(1), packet.ICMP(3, 1)))
	if silent.Err == nil {
		t.Error("an error that quotes nothing goes on, or is answered")
	}
}

// TestATraceFromOneFloatingIPToAnother hears of both routers, with the addresses that the tracer knows.
func TestATraceFromOneFloatingIPToAnother(t *testing.T) {
	t.Parallel()
	s, a, _, _, _, _ := crowded(t)
	c := s.Controller()
	probe := packet.Build(packet.Ethernet(a.MACAddress, insideMAC), packet.IP(fixedIP, "203.0.113.73"), packet.TTL(2), packet.UDP(1000, 33434))
	s.Forget("tap-a")
	first := c.Hand(l3.New(), "tap-a", probe)
	if first.Err != nil || first.Reply.Event != "time-exceeded" {
		t.Fatalf("the second router says %q, %v", first.Reply.Event, first.Err)
	}
	second := c.Hear(dnat.New(), "tap-a")
	if second.Err != nil || second.Reply.Event != "error-translated" {
		t.Fatalf("what it says is not translated: %q, %v", second.Reply.Event, second.Err)
	}
	f := s.WaitSent("tap-a", packet.Is(packet.EthDst(a.MACAddress), packet.IP("203.0.113.202", fixedIP)))
	if _, about := quoted(t, f); about.Src != a.FixedIPs[0].IPAddress || about.Dst != netip.MustParseAddr("203.0.113.73") {
		t.Errorf("it quotes a packet from %s to %s", about.Src, about.Dst)
	}

}
