package packet

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// parseAll runs every parser that can apply to a frame and returns what it found of layers 3 and 4.
func parseAll(frame []byte) (l3, l4 []byte) {
	e, err := ParseEthernet(frame)
	if err != nil {
		return nil, nil
	}
	if e.EtherType == EtherTypeVLAN {
		v, err := ParseVLAN(e.Payload)
		if err != nil {
			return nil, nil
		}
		e.EtherType, e.Payload = v.EtherType, v.Payload
	}
	switch e.EtherType {
	case EtherTypeARP:
		_, _ = ParseARP(e.Payload)
	case EtherTypeIPv4:
		_, _ = ParseIPv4Quoted(e.Payload)
		if p, err := ParseIPv4(e.Payload); err == nil {
			_, _ = ParseUDP(p.Src, p.Dst, p.Payload)
			_, _ = ParseICMP(p.Payload)
			p.Refusable()
			reset(p.Payload)
			return e.Payload, p.Payload
		}
	case EtherTypeIPv6:
		if p, err := ParseIPv6(e.Payload); err == nil {
			parseUpper6(p)
			return e.Payload, p.Payload
		}
	}
	return nil, nil
}

func reset(b []byte) {
	if t, err := ParseTCP(b); err == nil {
		t.Reset()
	}
}

func parseUpper6(p IPv6) {
	_, _ = ParseUDP(p.Src, p.Dst, p.Payload)
	_, _ = ParseICMPv6(p.Src, p.Dst, p.Payload)
	p.Refusable()
	reset(p.Payload)
	if at := p.ProtocolAt(); at >= IPv6HeaderLength+len(p.Extensions) {
		panic("the protocol is named behind the headers")
	}
	_, _ = ParseNeighborSolicitation(p)
	_, _ = ParseNeighborAdvertisement(p)
	_, _ = ParseRouterSolicitation(p)
	if a, err := ParseRouterAdvertisement(p); err == nil {
		for o := a.Options; len(o) > 0; {
			_, body, rest, ok := o.Next()
			if !ok {
				panic("a validated option list is malformed")
			}
			_, _ = ParseNDPrefix(body)
			o = rest
		}
	}
}

func seeds(f *testing.F) {
	a4, b4 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	a6, b6 := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::1")
	e := Ethernet{EtherType: EtherTypeIPv4}
	u := UDP{SrcPort: 68, DstPort: 67, Payload: []byte("hello")}
	f.Add(u.Append(IPv4{TTL: 1, Protocol: ProtocolUDP, Src: a4, Dst: b4}.Append(e.Append(nil), 13), a4, b4))
	e.EtherType = EtherTypeARP
	f.Add(ARP{Operation: ARPRequest, SenderIP: a4, TargetIP: b4}.Append(e.Append(nil)))
	e.EtherType = EtherTypeIPv6
	opts := NDOptions(nil).AppendMTU(1400).AppendPrefix(NDPrefix{Prefix: netip.MustParsePrefix("2001:db8::/64")})
	m := RouterAdvertisement{Options: opts}.Append(nil, a6, b6)
	f.Add(append(IPv6{HopLimit: 255, NextHeader: ProtocolICMPv6, Src: a6, Dst: b6}.Append(e.Append(nil), len(m)), m...))
	m = NeighborSolicitation{Target: a6}.Append(nil, a6, b6)
	f.Add(append(IPv6{HopLimit: 255, NextHeader: ProtocolICMPv6, Src: a6, Dst: b6}.Append(e.Append(nil), len(m)), m...))
	ext := []byte{ProtocolUDP, 0, 1, 4, 0, 0, 0, 0}
	f.Add(u.Append(IPv6{NextHeader: ProtocolHopByHop, Src: a6, Dst: b6, Extensions: ext}.Append(e.Append(nil), 13), a6, b6))
}

// FuzzParse feeds whole frames to all parsers. What we accept, the oracle must cut in the same places.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		l3, l4 := parseAll(frame)
		if l3 == nil || l3[0]>>4 != 4 {
			return
		}
		p := gopacket.NewPacket(l3, layers.LayerTypeIPv4, gopacket.NoCopy)
		ip, ok := p.NetworkLayer().(*layers.IPv4)
		if ok && p.ErrorLayer() == nil && !bytes.Equal(ip.Payload, l4) {
			t.Errorf("IPv4 payload %x, oracle %x", l4, ip.Payload)
		}
	})
}

// FuzzRebuild checks that a packet that was read and built again is the same.
func FuzzRebuild(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, frame []byte) {
		e, err := ParseEthernet(frame)
		if err != nil {
			return
		}
		if got := append(e.Append(nil), e.Payload...); !bytes.Equal(got, frame) {
			t.Fatalf("Ethernet %x, rebuilt %x", frame, got)
		}
		if a, err := ParseARP(e.Payload); err == nil && !bytes.HasPrefix(e.Payload, a.Append(nil)) {
			t.Fatalf("ARP %x, rebuilt %x", e.Payload, a.Append(nil))
		}
		if p, err := ParseIPv4(e.Payload); err == nil {
			e.Payload[6] &^= 0x80 // the reserved bit is not kept
			want := append([]byte(nil), e.Payload[:IPv4HeaderLength+len(p.Options)]...)
			got := p.Append(nil, len(p.Payload))
			put16(want[10:], be16(got[10:])) // 0 and 0xffff are both right for some headers
			if !bytes.Equal(got, want) {
				t.Fatalf("IPv4 %x, rebuilt %x", want, got)
			}
		}
		if p, err := ParseIPv6(e.Payload); err == nil {
			got := append(p.Append(nil, len(p.Payload)), p.Payload...)
			if !bytes.HasPrefix(e.Payload, got) {
				t.Fatalf("IPv6 %x, rebuilt %x", e.Payload, got)
			}
		}
	})
}

// FuzzNeighborDiscovery gives ICMPv6 messages a right checksum first, which a fuzzer cannot guess.
func FuzzNeighborDiscovery(f *testing.F) {
	a, all := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::1")
	prefix := NDPrefix{Prefix: netip.MustParsePrefix("2001:db8::/64")}
	opts := NDOptions(nil).AppendLinkAddr(1, MAC{2}).AppendPrefix(prefix).AppendRDNSS(1, a).AppendDNSSL(1, "a.example")
	f.Add(RouterAdvertisement{Options: opts}.Append(nil, a, all), false)
	f.Add(RouterSolicitation{Options: opts}.Append(nil, a, all), true)
	f.Add(NeighborSolicitation{Target: a, Options: opts}.Append(nil, a, all), true)
	f.Add(NeighborAdvertisement{Target: a, Options: opts}.Append(nil, a, all), false)
	f.Fuzz(func(t *testing.T, message []byte, unspecified bool) {
		if len(message) < 4 {
			return
		}
		p := IPv6{HopLimit: 255, Protocol: ProtocolICMPv6, Src: a, Dst: all, Payload: message}
		if unspecified {
			p.Src = netip.IPv6Unspecified()
		}
		message[2], message[3] = 0, 0
		sealICMPv6(message, p.Src, p.Dst)
		parseUpper6(p)
	})
}

func TestParsingAllocatesNothing(t *testing.T) {
	a6 := netip.MustParseAddr("fe80::1")
	m := NeighborSolicitation{Target: a6, Options: NDOptions(nil).AppendLinkAddr(1, MAC{2})}.Append(nil, a6, a6)
	nd := append(IPv6{HopLimit: 255, NextHeader: ProtocolICMPv6, Src: a6, Dst: a6}.Append(
		Ethernet{EtherType: EtherTypeIPv6}.Append(nil), len(m)), m...)
	bad := append([]byte(nil), nd...)
	bad[len(bad)-1]++
	a4 := netip.MustParseAddr("10.0.0.1")
	udp := UDP{Payload: make([]byte, 300)}.Append(IPv4{TTL: 1, Protocol: ProtocolUDP, Src: a4, Dst: a4}.Append(
		Ethernet{EtherType: EtherTypeIPv4}.Append(nil), 308), a4, a4)
	for name, frame := range map[string][]byte{"nd": nd, "nd with a wrong checksum": bad, "udp": udp, "cut": udp[:30]} {
		if n := testing.AllocsPerRun(100, func() { parseAll(frame) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkParseUDP(b *testing.B) {
	a4 := netip.MustParseAddr("10.0.0.1")
	frame := UDP{Payload: make([]byte, 300)}.Append(IPv4{TTL: 1, Protocol: ProtocolUDP, Src: a4, Dst: a4}.Append(
		Ethernet{EtherType: EtherTypeIPv4}.Append(nil), 308), a4, a4)
	b.ReportAllocs()
	for b.Loop() {
		e, _ := ParseEthernet(frame)
		p, _ := ParseIPv4(e.Payload)
		if _, err := ParseUDP(p.Src, p.Dst, p.Payload); err != nil {
			b.Fatal(err)
		}
	}
}
