package l3_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l3"
	product "github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// told is what a guest is told about its packet: type and code of an ICMP error of its family.
type told struct{ typ4, code4, typ6, code6 uint8 }

// message returns the ICMP error in a frame, and what it quotes.
func message(t *testing.T, frame []byte) (typ, code uint8, argument uint32, quoted []byte) {
	t.Helper()
	e, err := product.ParseEthernet(frame)
	if err != nil {
		t.Fatal(err)
	}
	if e.EtherType == product.EtherTypeIPv4 {
		p, err := product.ParseIPv4(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		m, err := product.ParseICMP(p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		return m.Type, m.Code, binary.BigEndian.Uint32(m.Rest[:]), m.Payload
	}
	p, err := product.ParseIPv6(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	m, err := product.ParseICMPv6(p.Src, p.Dst, p.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return m.Type, m.Code, binary.BigEndian.Uint32(m.Body), m.Body[4:]
}

func TestTheSenderIsToldWhyItsPacketIsRefused(t *testing.T) {
	t.Parallel()
	small := apptest.Net("n2")
	small.MTU = 1400
	s, _, a, _ := routed(t, small)
	c := s.Controller()
	outside := map[int]string{v4: "192.0.2.1", v6: "2001:db8:ffff::1"}
	big, some := make([]byte, 1400), packet.Payload("a frame that needs no padding")
	room := map[int]int{v4: 576 - 28, v6: 1280 - 48}
	for name, x := range map[string]struct {
		to    func(f int) netip.Addr
		rest  []packet.Layer
		want  told
		event string
		mtu   uint32
		// from is who tells it; the router's address on n1 if it is nil.
		from func(f int) netip.Addr
	}{
		"end of life": {host(2, 10), []packet.Layer{packet.TTL(1), packet.UDP(1, 2), some}, told{11, 0, 3, 0}, "time-exceeded", 0, nil},
		"no route":    {func(f int) netip.Addr { return netip.MustParseAddr(outside[f]) }, []packet.Layer{packet.UDP(1, 2), some}, told{3, 0, 1, 0}, "no-route", 0, nil},
		"nobody":      {host(2, 77), []packet.Layer{packet.UDP(1, 2), some}, told{3, 1, 1, 3}, "host-unreachable", 0, nil},
		"too big":     {host(2, 10), []packet.Layer{packet.UDP(1, 2), packet.Payload(big)}, told{3, 4, 2, 0}, "too-big", 1400, nil},
		"no service":  {host(2, 1), []packet.Layer{packet.UDP(1, 2), some}, told{3, 3, 1, 4}, "port-unreachable", 0, host(2, 1)},
		"no protocol": {host(1, 1), []packet.Layer{packet.Protocol(200), some}, told{3, 2, 4, 1}, "protocol-unreachable", 0, host(1, 1)},
	} {
		for _, f := range []int{v4, v6} {
			frame := packet.Build(append([]packet.Layer{packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP(address(f, 1, 10), x.to(f))}, x.rest...)...)
			got := c.Ask(l3.New(), a, frame)
			if got.Err != nil || got.Reply.Event != x.event {
				t.Errorf("%s, IPv%d: %+v", name, f, got)
				continue
			}
			from := address(f, 1, 1)
			if x.from != nil {
				from = x.from(f)
			}
			packet.Check(t, got.Frame, packet.EthSrc(mac(1, 1)), packet.EthDst(mac(1, 10)), packet.IP(from, address(f, 1, 10)), packet.TTL(64))
			typ, code, argument, quoted := message(t, got.Frame)
			want, pointer := [2]uint8{x.want.typ4, x.want.code4}, x.mtu
			if f == v6 {
				want = [2]uint8{x.want.typ6, x.want.code6}
				if x.event == "protocol-unreachable" {
					pointer = 6
				}
			}
			if [2]uint8{typ, code} != want || argument != pointer {
				t.Errorf("%s, IPv%d: type %d code %d %d, want %v %d", name, f, typ, code, argument, want, pointer)
			}
			if original := frame[14:]; string(quoted) != string(original[:min(len(original), room[f])]) {
				t.Errorf("%s, IPv%d: quoted %x\nof %x", name, f, quoted, original)
			}
		}
	}
}

func host(k, h byte) func(f int) netip.Addr {
	return func(f int) netip.Addr { return address(f, k, h) }
}

func TestConnectionsToARouterAreReset(t *testing.T) {
	t.Parallel()
	s, _, a, _ := routed(t)
	c := s.Controller()
	for _, f := range []int{v4, v6} {
		got := c.Ask(l3.New(), a, packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP(address(f, 1, 10), address(f, 2, 1)), packet.TCP(1000, 22, "S")))
		if got.Err != nil || got.Reply.Event != "reset" {
			t.Fatalf("%+v", got)
		}
		packet.Check(t, got.Frame, packet.EthDst(mac(1, 10)), packet.IP(address(f, 2, 1), address(f, 1, 10)), packet.TCP(22, 1000, "RA"))
	}
}

func TestWhatMustNotBeRoutedIsDropped(t *testing.T) {
	t.Parallel()
	s, w, a, _ := routed(t)
	open := *a
	open.PortSecurityEnabled = false
	w.Set(&open)
	w.MustStep()
	s.Install()
	c := s.Controller()
	for name, ip := range map[string]packet.Layer{
		"multicast":      packet.IP("10.0.1.10", "224.0.0.9"),
		"broadcast":      packet.IP("10.0.1.10", "255.255.255.255"),
		"loopback":       packet.IP("10.0.1.10", "127.0.0.1"),
		"link-local":     packet.IP("10.0.1.10", "169.254.7.7"),
		"multicast, v6":  packet.IP("2001:db8:0:1::a", "ff0e::1"),
		"link-local, v6": packet.IP("2001:db8:0:1::a", "fe80::99"),
		"both local, v6": packet.IP("fe80::1", "fe80::99"),
	} {
		frame := packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), ip, packet.UDP(1, 2))
		if !c.Quiet(a, frame) {
			t.Errorf("%s: came to the controller", name)
		}
		if got := s.Send(a, frame); len(got) != 0 {
			t.Errorf("%s: forwarded to %v", name, got)
		}
	}
	got := c.Ask(l3.New(), a, packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP("fe80::1", address(v6, 2, 10)), packet.UDP(1, 2)))
	if got.Reply.Event != "beyond-scope" {
		t.Errorf("a link-local source: %+v", got)
	}
	for name, ip := range map[string]packet.Layer{
		"loopback":       packet.IP("127.0.0.1", address(v4, 2, 10)),
		"link-local":     packet.IP("169.254.7.7", address(v4, 2, 10)),
		"multicast":      packet.IP("224.0.0.9", address(v4, 2, 10)),
		"broadcast":      packet.IP("255.255.255.255", address(v4, 2, 10)),
		"no address":     packet.IP("0.0.0.0", address(v4, 2, 10)),
		"loopback, v6":   packet.IP("::1", address(v6, 2, 10)),
		"multicast, v6":  packet.IP("ff02::1", address(v6, 2, 10)),
		"no address, v6": packet.IP("::", address(v6, 2, 10)),
	} {
		frame := packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), ip, packet.UDP(1, 2))
		if quiet, got := c.Quiet(a, frame), s.Send(a, frame); !quiet || len(got) != 0 {
			t.Errorf("source %s: forwarded to %v, quiet %v", name, got, quiet)
		}
	}
}

// TestNeighbourDiscoveryIsNotRouted sends messages of which none may leave its link, from a guest whose security groups
// let them through without a rule.
func TestNeighbourDiscoveryIsNotRouted(t *testing.T) {
	t.Parallel()
	s, w, a, _ := routed(t)
	open := *a
	open.PortSecurityEnabled = false
	w.Set(&open)
	w.MustStep()
	s.Install()
	c := s.Controller()
	for _, typ := range []uint8{130, 131, 132, 133, 134, 135, 136, 137, 143} {
		for hops, to := range map[uint8]netip.Addr{1: address(v6, 1, 1), 64: address(v6, 2, 10), 255: address(v6, 2, 10)} {
			m := product.ICMPv6{Type: typ, Body: make([]byte, 20)}.Append(nil, address(v6, 1, 10), to)
			e := product.Ethernet{Dst: mac(1, 1), Src: mac(1, 10), EtherType: product.EtherTypeIPv6}
			frame := append(product.IPv6{HopLimit: hops, NextHeader: product.ProtocolICMPv6, Src: address(v6, 1, 10), Dst: to}.
				Append(e.Append(nil), len(m)), m...)
			if quiet, got := c.Quiet(a, frame), s.Send(a, frame); !quiet || len(got) != 0 {
				t.Errorf("type %d with hop limit %d to %s: went to %v, quiet %v", typ, hops, to, got, quiet)
			}
		}
	}
}

func TestNobodyIsToldAboutErrorsAndBroadcasts(t *testing.T) {
	t.Parallel()
	s, w, a, _ := routed(t)
	open := *a
	open.PortSecurityEnabled = false
	w.Set(&open)
	w.MustStep()
	s.Install()
	c := s.Controller()
	for name, layers := range map[string][]packet.Layer{
		"ICMP error":           {packet.IP(address(v4, 1, 10), address(v4, 2, 10)), packet.TTL(1), packet.ICMP(3, 1)},
		"ICMP error, v6":       {packet.IP(address(v6, 1, 10), address(v6, 2, 10)), packet.TTL(1), packet.ICMPv6(1, 1)},
		"echo reply to it":     {packet.IP(address(v4, 1, 10), address(v4, 1, 1)), packet.EchoReply(1, 1)},
		"echo reply to it, v6": {packet.IP(address(v6, 1, 10), address(v6, 1, 1)), packet.EchoReply(1, 1)},
		"directed broadcast":   {packet.IP(address(v4, 1, 10), address(v4, 2, 255)), packet.UDP(1, 2)},
		"from a broadcast":     {packet.IP(address(v4, 1, 255), address(v4, 2, 77)), packet.UDP(1, 2)},
		"reset to it":          {packet.IP(address(v4, 1, 10), address(v4, 1, 1)), packet.TCP(1, 2, "R")},
	} {
		got := c.Ask(l3.New(), a, packet.Build(append([]packet.Layer{packet.Ethernet(mac(1, 10), mac(1, 1))}, layers...)...))
		if got.Err == nil || got.Frame != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRefusalsAreMetered(t *testing.T) {
	t.Parallel()
	s, _, a, _ := routed(t)
	frame := packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP(address(v4, 1, 10), address(v4, 2, 77)), packet.UDP(1, 2))
	if came := s.Controller().Flood(a, frame, 300); came == 0 || came > 80 { // without a meter Open vSwitch itself lets 100 wait
		t.Errorf("%d of 300 packets came to the controller", came)
	}
}

func FuzzPacketIn(f *testing.F) {
	w := apptest.New(f, few()...)
	a := port("a", 1, 10, v4, v6)
	w.Set(rows(two(v4, v6), here(a, 1))...)
	w.MustStep()
	handle, r := l3.New().PacketIn, w.Reader()
	for _, family := range []int{v4, v6} {
		for _, l := range []packet.Layer{packet.UDP(1, 2), packet.TCP(1, 2, "S"), packet.EchoRequest(1, 1), packet.Protocol(200)} {
			frame := packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP(address(family, 1, 10), address(family, 2, 10)), l)
			for cause := range uint32(8) {
				f.Add(cause, frame)
			}
		}
	}
	f.Fuzz(func(t *testing.T, cause uint32, frame []byte) {
		reply, err := handle(r, app.PacketIn{Userdata: []byte("a"), InPort: 1, SourcePort: 1, Network: 1, Router: 1, CameBy: 1, Refusal: cause, Data: frame})
		if (err == nil) != (len(reply.Packets) == 1) {
			t.Fatalf("%+v, %v", reply, err)
		}
		if err == nil && len(reply.Packets[0].Data) > 14+1280 {
			t.Fatalf("an answer of %d bytes", len(reply.Packets[0].Data))
		}
		_, _ = handle(r, app.PacketIn{Userdata: frame, Data: frame})
	})
}
