package packet

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func TestTCPAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for range 200 {
		src, dst := addr4(r), addr4(r)
		flags := uint8(r.IntN(32))
		want := TCP{SrcPort: uint16(r.Uint32()), DstPort: uint16(r.Uint32()), Seq: r.Uint32(), Ack: r.Uint32(), Flags: flags, Payload: randomBytes(r, r.IntN(50))}
		ip := layers.IPv4{Version: 4, TTL: 1, Protocol: layers.IPProtocolTCP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(want.SrcPort), DstPort: layers.TCPPort(want.DstPort), Seq: want.Seq, Ack: want.Ack,
			FIN: flags&TCPFin != 0, SYN: flags&TCPSyn != 0, RST: flags&TCPRst != 0, PSH: flags&TCPPsh != 0, ACK: flags&TCPAck != 0,
		}
		check(t, tcp.SetNetworkLayerForChecksum(&ip))
		oracle := serialize(t, &ip, tcp, gopacket.Payload(want.Payload))
		if built := want.Append(nil, src, dst); !bytes.Equal(built, oracle[IPv4HeaderLength:]) {
			t.Fatalf("built  %x\noracle %x", built, oracle[IPv4HeaderLength:])
		}
		got, err := ParseTCP(oracle[IPv4HeaderLength:])
		check(t, err)
		if !bytes.Equal(got.Payload, want.Payload) {
			t.Fatalf("payload %x, want %x", got.Payload, want.Payload)
		}
		got.Payload, want.Payload = nil, nil
		if got.SrcPort != want.SrcPort || got.DstPort != want.DstPort || got.Seq != want.Seq || got.Ack != want.Ack || got.Flags != want.Flags {
			t.Fatalf("read %+v, want %+v", got, want)
		}
	}
}

func TestReset(t *testing.T) {
	for name, c := range map[string]struct {
		in, want TCP
		ok       bool
	}{
		"SYN":            {TCP{SrcPort: 1, DstPort: 2, Seq: 7, Flags: TCPSyn}, TCP{SrcPort: 2, DstPort: 1, Ack: 8, Flags: TCPRst | TCPAck}, true},
		"data and FIN":   {TCP{Seq: 7, Flags: TCPFin, Payload: []byte("ab")}, TCP{Ack: 10, Flags: TCPRst | TCPAck}, true},
		"acknowledgment": {TCP{Seq: 7, Ack: 9, Flags: TCPAck}, TCP{Seq: 9, Flags: TCPRst}, true},
		"reset":          {TCP{Seq: 7, Flags: TCPRst}, TCP{}, false},
	} {
		got, ok := c.in.Reset()
		if ok != c.ok || got.SrcPort != c.want.SrcPort || got.DstPort != c.want.DstPort || got.Seq != c.want.Seq || got.Ack != c.want.Ack || got.Flags != c.want.Flags {
			t.Errorf("%s: %+v %v, want %+v %v", name, got, ok, c.want, c.ok)
		}
	}
}

func TestWhatMayBeRefused(t *testing.T) {
	host4, host6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")
	udp4 := func(change func(*IPv4)) IPv4 {
		p := IPv4{Src: host4, Dst: host4, Protocol: ProtocolUDP}
		change(&p)
		return p
	}
	udp6 := func(change func(*IPv6)) IPv6 {
		p := IPv6{Src: host6, Dst: host6, Protocol: ProtocolUDP}
		change(&p)
		return p
	}
	type refusable interface{ Refusable() bool }
	for name, c := range map[string]struct {
		p    refusable
		want bool
	}{
		"a datagram":           {udp4(func(*IPv4) {}), true},
		"a first fragment":     {udp4(func(p *IPv4) { p.MoreFragments = true }), true},
		"a later fragment":     {udp4(func(p *IPv4) { p.FragmentOffset = 8 }), false},
		"from nobody":          {udp4(func(p *IPv4) { p.Src = netip.IPv4Unspecified() }), false},
		"to a group":           {udp4(func(p *IPv4) { p.Dst = netip.MustParseAddr("224.0.0.1") }), false},
		"to everybody":         {udp4(func(p *IPv4) { p.Dst = netip.MustParseAddr("255.255.255.255") }), false},
		"from this host":       {udp4(func(p *IPv4) { p.Src = netip.MustParseAddr("127.0.0.1") }), false},
		"an echo":              {udp4(func(p *IPv4) { p.Protocol, p.Payload = ProtocolICMP, []byte{ICMPEchoRequest} }), true},
		"an error":             {udp4(func(p *IPv4) { p.Protocol, p.Payload = ProtocolICMP, []byte{ICMPTimeExceeded} }), false},
		"ICMP without type":    {udp4(func(p *IPv4) { p.Protocol = ProtocolICMP }), false},
		"a datagram, v6":       {udp6(func(*IPv6) {}), true},
		"a later fragment, v6": {udp6(func(p *IPv6) { p.FragmentOffset = 8 }), false},
		"from nobody, v6":      {udp6(func(p *IPv6) { p.Src = netip.IPv6Unspecified() }), false},
		"to a group, v6":       {udp6(func(p *IPv6) { p.Dst = netip.IPv6LinkLocalAllNodes() }), false},
		"an echo, v6":          {udp6(func(p *IPv6) { p.Protocol, p.Payload = ProtocolICMPv6, []byte{ICMPv6EchoRequest} }), true},
		"an error, v6":         {udp6(func(p *IPv6) { p.Protocol, p.Payload = ProtocolICMPv6, []byte{ICMPv6PacketTooBig} }), false},
		"a redirect, v6":       {udp6(func(p *IPv6) { p.Protocol, p.Payload = ProtocolICMPv6, []byte{ICMPv6Redirect} }), false},
		"ICMPv6 without type":  {udp6(func(p *IPv6) { p.Protocol = ProtocolICMPv6 }), false},
	} {
		if got := c.p.Refusable(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestErrorsAgainstOracle(t *testing.T) {
	a4, b4 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	a6, b6 := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	for _, n := range []int{0, 28, 2000} {
		about := bytes.Repeat([]byte{0x45}, n)
		e4 := Ethernet{EtherType: EtherTypeIPv4}.Append(nil)
		m := ICMP{Type: ICMPUnreachable, Code: ICMPFragmentationNeeded, Rest: [4]byte{2: 5, 3: 120}}
		p := decode(t, m.AppendError(e4, a4, b4, 64, about))
		ip, icmp := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4), p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
		if ip.TOS != 0xc0 || ip.TTL != 64 || int(ip.Length) != min(576, 28+n) || icmp.TypeCode != 0x0304 || icmp.Seq != 1400 || len(icmp.Payload) != min(548, n) {
			t.Errorf("%d bytes: %+v %+v", n, ip, icmp)
		}
		e6 := Ethernet{EtherType: EtherTypeIPv6}.Append(nil)
		p = decode(t, AppendICMPv6Error(e6, ICMPv6PacketTooBig, 0, 1400, a6, b6, 64, about))
		ip6, icmp6 := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6), p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
		if ip6.HopLimit != 64 || int(ip6.Length) != min(1240, 8+n) || icmp6.TypeCode != 0x0200 || be32(icmp6.Payload) != 1400 {
			t.Errorf("%d bytes: %+v %+v", n, ip6, icmp6)
		}
		message := p.Data()[EthernetHeaderLength+IPv6HeaderLength:]
		if _, err := ParseICMPv6(a6, b6, message); err != nil {
			t.Error(err)
		}
	}
}

func TestWhereAPacketNamesItsProtocol(t *testing.T) {
	a := netip.MustParseAddr("2001:db8::1")
	options := []byte{ProtocolFragment, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	fragment := []byte{200, 0, 0, 1, 0, 0, 0, 9}
	for _, c := range []struct {
		next uint8
		ext  []byte
		want int
	}{{200, nil, 6}, {ProtocolDstOpts, append(options, fragment...), 40 + 16}} {
		p, err := ParseIPv6(append(IPv6{NextHeader: c.next, Src: a, Dst: a, Extensions: c.ext}.Append(nil, 4), 1, 2, 3, 4))
		if err != nil || p.Protocol != 200 || p.ProtocolAt() != c.want {
			t.Errorf("protocol %d at %d, %v; want it at %d", p.Protocol, p.ProtocolAt(), err, c.want)
		}
	}
}
