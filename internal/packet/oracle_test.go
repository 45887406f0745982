package packet

import (
	"bytes"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// The oracle of these tests is gopacket: what we build it must read, and what it builds we must read.

func addr4(r *rand.Rand) netip.Addr { return netip.AddrFrom4([4]byte(randomBytes(r, 4))) }

func addr6(r *rand.Rand) netip.Addr {
	b := randomBytes(r, 16)
	b[0] = 0x20 // unicast
	return netip.AddrFrom16([16]byte(b))
}

func mac(r *rand.Rand) MAC { return MAC(randomBytes(r, 6)) }

// decode reads a frame with gopacket, which must understand all of it.
func decode(t *testing.T, frame []byte) gopacket.Packet {
	t.Helper()
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		t.Fatalf("gopacket refuses %x: %v", frame, e.Error())
	}
	return p
}

func serialize(t *testing.T, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, ls...); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestEthernetVLANAndARPAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		e := Ethernet{Dst: mac(r), Src: mac(r), EtherType: EtherTypeVLAN}
		v := VLAN{Priority: uint8(r.IntN(8)), DropEligible: r.IntN(2) == 0, ID: uint16(r.IntN(4096)), EtherType: EtherTypeARP}
		a := ARP{Operation: uint16(1 + r.IntN(2)), SenderMAC: mac(r), TargetMAC: mac(r), SenderIP: addr4(r), TargetIP: addr4(r)}
		frame := a.Append(v.Append(e.Append(nil)))

		want := serialize(t,
			&layers.Ethernet{DstMAC: e.Dst[:], SrcMAC: e.Src[:], EthernetType: layers.EthernetTypeDot1Q},
			&layers.Dot1Q{Priority: v.Priority, DropEligible: v.DropEligible, VLANIdentifier: v.ID, Type: layers.EthernetTypeARP},
			&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
				Operation: a.Operation, SourceHwAddress: a.SenderMAC[:], SourceProtAddress: a.SenderIP.AsSlice(),
				DstHwAddress: a.TargetMAC[:], DstProtAddress: a.TargetIP.AsSlice()})
		if !bytes.HasPrefix(want, frame) { // gopacket pads to 60 bytes
			t.Fatalf("built  %x\noracle %x", frame, want)
		}
		gotE, err := ParseEthernet(want)
		check(t, err)
		gotV, err := ParseVLAN(gotE.Payload)
		check(t, err)
		gotA, err := ParseARP(gotV.Payload)
		check(t, err)
		gotE.Payload, gotV.Payload = nil, nil
		if gotE.Dst != e.Dst || gotE.Src != e.Src || gotV.ID != v.ID || gotV.Priority != v.Priority ||
			gotV.DropEligible != v.DropEligible || gotA != a {
			t.Fatalf("read %+v %+v %+v, want %+v %+v %+v", gotE, gotV, gotA, e, v, a)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestUDPv4AgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		ip := IPv4{TOS: uint8(r.Uint32()), ID: uint16(r.Uint32()), DontFragment: r.IntN(2) == 0,
			TTL: uint8(r.Uint32()), Protocol: ProtocolUDP, Src: addr4(r), Dst: addr4(r)}
		u := UDP{SrcPort: uint16(1 + r.IntN(65535)), DstPort: uint16(1 + r.IntN(65535)), Payload: randomBytes(r, r.IntN(400))}
		b := ip.Append(nil, UDPHeaderLength+len(u.Payload))
		b = u.Append(b, ip.Src, ip.Dst)

		oip := &layers.IPv4{Version: 4, TOS: ip.TOS, Id: ip.ID, TTL: ip.TTL, Protocol: layers.IPProtocolUDP, SrcIP: ip.Src.AsSlice(), DstIP: ip.Dst.AsSlice()}
		if ip.DontFragment {
			oip.Flags = layers.IPv4DontFragment
		}
		oudp := &layers.UDP{SrcPort: layers.UDPPort(u.SrcPort), DstPort: layers.UDPPort(u.DstPort)}
		check(t, oudp.SetNetworkLayerForChecksum(oip))
		if want := serialize(t, oip, oudp, gopacket.Payload(u.Payload)); !bytes.Equal(b, want) {
			t.Fatalf("built  %x\noracle %x", b, want)
		}
		got, err := ParseIPv4(append(b, 0, 0, 0)) // a frame's padding
		check(t, err)
		gotU, err := ParseUDP(got.Src, got.Dst, got.Payload)
		check(t, err)
		if got.TOS != ip.TOS || got.ID != ip.ID || got.DontFragment != ip.DontFragment || got.TTL != ip.TTL || got.IsFragment() || len(got.Payload) != 8+len(u.Payload) ||
			got.Src != ip.Src || got.Dst != ip.Dst || gotU.SrcPort != u.SrcPort || gotU.DstPort != u.DstPort || !bytes.Equal(gotU.Payload, u.Payload) {
			t.Fatalf("read %+v %+v", got, gotU)
		}
	}
}

func TestUDPv6AgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		ip := IPv6{TrafficClass: uint8(r.Uint32()), FlowLabel: r.Uint32() & 0xfffff, HopLimit: uint8(r.Uint32()),
			NextHeader: ProtocolUDP, Src: addr6(r), Dst: addr6(r)}
		u := UDP{SrcPort: uint16(1 + r.IntN(65535)), DstPort: uint16(1 + r.IntN(65535)), Payload: randomBytes(r, r.IntN(400))}
		b := ip.Append(nil, UDPHeaderLength+len(u.Payload))
		b = u.Append(b, ip.Src, ip.Dst)

		oip := &layers.IPv6{Version: 6, TrafficClass: ip.TrafficClass, FlowLabel: ip.FlowLabel, HopLimit: ip.HopLimit,
			NextHeader: layers.IPProtocolUDP, SrcIP: ip.Src.AsSlice(), DstIP: ip.Dst.AsSlice()}
		oudp := &layers.UDP{SrcPort: layers.UDPPort(u.SrcPort), DstPort: layers.UDPPort(u.DstPort)}
		check(t, oudp.SetNetworkLayerForChecksum(oip))
		if want := serialize(t, oip, oudp, gopacket.Payload(u.Payload)); !bytes.Equal(b, want) {
			t.Fatalf("built  %x\noracle %x", b, want)
		}
		got, err := ParseIPv6(b)
		check(t, err)
		gotU, err := ParseUDP(got.Src, got.Dst, got.Payload)
		check(t, err)
		if got.TrafficClass != ip.TrafficClass || got.FlowLabel != ip.FlowLabel || got.HopLimit != ip.HopLimit ||
			got.Src != ip.Src || got.Dst != ip.Dst || gotU.SrcPort != u.SrcPort || !bytes.Equal(gotU.Payload, u.Payload) {
			t.Fatalf("read %+v %+v", got, gotU)
		}
	}
}

func TestICMPAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for range 100 {
		m := ICMP{Type: ICMPEchoRequest, Rest: [4]byte(randomBytes(r, 4)), Payload: randomBytes(r, r.IntN(100))}
		b := m.Append(nil)
		want := serialize(t, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(m.Type, m.Code),
			Id: be16(m.Rest[:]), Seq: be16(m.Rest[2:])}, gopacket.Payload(m.Payload))
		if !bytes.Equal(b, want) {
			t.Fatalf("built  %x\noracle %x", b, want)
		}
		got, err := ParseICMP(b)
		check(t, err)
		if got.Type != m.Type || got.Rest != m.Rest || !bytes.Equal(got.Payload, m.Payload) {
			t.Fatalf("read %+v, want %+v", got, m)
		}
		b[len(b)-1] ^= 0x5a
		if _, err := ParseICMP(b); err != ErrICMPChecksum {
			t.Fatalf("a flipped byte: %v", err)
		}
	}
}

// frame6 builds Ethernet and IPv6 around an ICMPv6 message.
func frame6(src, dst netip.Addr, message func(b []byte) []byte) []byte {
	m := message(nil)
	b := Ethernet{Dst: MulticastMAC(dst), Src: MAC{2}, EtherType: EtherTypeIPv6}.Append(nil)
	b = IPv6{NextHeader: ProtocolICMPv6, HopLimit: 255, Src: src, Dst: dst}.Append(b, len(m))
	return append(b, m...)
}

func TestNeighborDiscoveryAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 100 {
		src, target, hw := addr6(r), addr6(r), mac(r)
		ns := NeighborSolicitation{Target: target, Options: NDOptions(nil).AppendLinkAddr(NDOptionSourceLinkAddr, hw)}
		dst := SolicitedNode(target)
		frame := frame6(src, dst, func(b []byte) []byte { return ns.Append(b, src, dst) })
		ons := decode(t, frame).Layer(layers.LayerTypeICMPv6NeighborSolicitation).(*layers.ICMPv6NeighborSolicitation)
		if !ons.TargetAddress.Equal(net.IP(target.AsSlice())) || !bytes.Equal(ons.Options[0].Data, hw[:]) {
			t.Fatalf("oracle reads %+v", ons)
		}
		got, err := ParseNeighborSolicitation(ip6(t, frame))
		check(t, err)
		if m, ok := got.Options.LinkAddr(NDOptionSourceLinkAddr); !ok || m != hw || got.Target != target {
			t.Fatalf("read %+v", got)
		}

		na := NeighborAdvertisement{Router: r.IntN(2) == 0, Solicited: true, Override: r.IntN(2) == 0, Target: target,
			Options: NDOptions(nil).AppendLinkAddr(NDOptionTargetLinkAddr, hw)}
		frame = frame6(target, src, func(b []byte) []byte { return na.Append(b, target, src) })
		ona := decode(t, frame).Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
		if ona.Router() != na.Router || ona.Solicited() != na.Solicited || ona.Override() != na.Override || !bytes.Equal(ona.Options[0].Data, hw[:]) {
			t.Fatalf("oracle reads %+v", ona)
		}
		gotNA, err := ParseNeighborAdvertisement(ip6(t, frame))
		check(t, err)
		if gotNA.Router != na.Router || gotNA.Override != na.Override || gotNA.Target != target {
			t.Fatalf("read %+v", gotNA)
		}
	}
}

func ip6(t *testing.T, frame []byte) IPv6 {
	t.Helper()
	e, err := ParseEthernet(frame)
	check(t, err)
	p, err := ParseIPv6(e.Payload)
	check(t, err)
	return p
}

func TestRouterDiscoveryAgainstOracle(t *testing.T) {
	src, all := LinkLocal(MAC{0xfa, 0x16, 0x3e, 1, 2, 3}), netip.MustParseAddr("ff02::1")
	prefix := NDPrefix{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), OnLink: true, Autonomous: true, ValidLifetime: 86400, PreferredLifetime: 14400}
	opts := NDOptions(nil).AppendLinkAddr(NDOptionSourceLinkAddr, MAC{0xfa, 0x16, 0x3e, 1, 2, 3}).AppendMTU(1442).AppendPrefix(prefix).
		AppendRDNSS(600, netip.MustParseAddr("2001:db8::53")).AppendDNSSL(600, "example.org", "..bad", "b.example.")
	ra := RouterAdvertisement{CurHopLimit: 64, Managed: true, Preference: 3, RouterLifetime: 1800, ReachableTime: 30000, RetransTimer: 1000, Options: opts}
	frame := frame6(src, all, func(b []byte) []byte { return ra.Append(b, src, all) })
	o := decode(t, frame).Layer(layers.LayerTypeICMPv6RouterAdvertisement).(*layers.ICMPv6RouterAdvertisement)
	if !o.ManagedAddressConfig() || o.OtherConfig() || o.HopLimit != 64 || o.RouterLifetime != 1800 || o.ReachableTime != 30000 || o.RetransTimer != 1000 || len(o.Options) != 5 {
		t.Fatalf("oracle reads %+v", o)
	}
	wantName := "\x07example\x03org\x00\x01b\x07example\x00"
	if got := o.Options[4].Data; !bytes.HasPrefix(got[6:], []byte(wantName)) {
		t.Fatalf("search list %q", got)
	}
	got, err := ParseRouterAdvertisement(ip6(t, frame))
	check(t, err)
	if !got.Managed || got.Other || got.Preference != 3 || got.RouterLifetime != 1800 {
		t.Fatalf("read %+v", got)
	}
	body, _ := got.Options.Find(NDOptionPrefix)
	if p, err := ParseNDPrefix(body); err != nil || p != prefix {
		t.Fatalf("prefix %+v, %v", p, err)
	}

	rs := RouterSolicitation{}
	routers := netip.MustParseAddr("ff02::2")
	frame = frame6(netip.IPv6Unspecified(), routers, func(b []byte) []byte { return rs.Append(b, netip.IPv6Unspecified(), routers) })
	decode(t, frame)
	_, err = ParseRouterSolicitation(ip6(t, frame))
	check(t, err)
}
