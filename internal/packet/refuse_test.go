package packet

import (
	"net/netip"
	"testing"
)

func TestIPv6SkipsExtensionHeaders(t *testing.T) {
	src, dst := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	fragment := func(v uint16) []byte { return append16([]byte{ProtocolUDP, 0}, v) }
	tests := []struct {
		name string
		next uint8
		ext  []byte
		want IPv6
		err  error
	}{
		{name: "hop by hop and destination", next: ProtocolHopByHop,
			ext: append([]byte{ProtocolDstOpts, 0, 1, 4, 0, 0, 0, 0}, ProtocolUDP, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), want: IPv6{Protocol: ProtocolUDP}},
		{name: "atomic fragment", next: ProtocolFragment, ext: append(fragment(0), 0, 0, 0, 1), want: IPv6{Protocol: ProtocolUDP, Fragmented: true}},
		{name: "first fragment", next: ProtocolFragment, ext: append(fragment(1), 0, 0, 0, 1), want: IPv6{Protocol: ProtocolUDP, Fragmented: true, MoreFragments: true}},
		{name: "last fragment of a packet with extensions", next: ProtocolFragment,
			ext: append(append16([]byte{ProtocolDstOpts, 0}, 1448), 0, 0, 0, 1), want: IPv6{Protocol: ProtocolDstOpts, Fragmented: true, FragmentOffset: 1448}},
		{name: "authentication", next: ProtocolAH, ext: []byte{ProtocolUDP, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2}, want: IPv6{Protocol: ProtocolUDP}},
		{name: "length beyond the end", next: ProtocolHopByHop, ext: []byte{ProtocolUDP, 200, 0, 0, 0, 0, 0, 0}, err: ErrIPv6Truncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := UDP{SrcPort: 1, DstPort: 2}
			b := IPv6{NextHeader: tt.next, HopLimit: 1, Src: src, Dst: dst, Extensions: tt.ext}.Append(nil, UDPHeaderLength)
			p, err := ParseIPv6(u.Append(b, src, dst))
			if err != tt.err {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			if p.Protocol != tt.want.Protocol || p.Fragmented != tt.want.Fragmented || p.MoreFragments != tt.want.MoreFragments || p.FragmentOffset != tt.want.FragmentOffset {
				t.Errorf("read %+v, want %+v", p, tt.want)
			}
			if len(p.Extensions) != len(tt.ext) || len(p.Payload) != UDPHeaderLength {
				t.Errorf("%d bytes of extensions and %d of payload, want %d and %d", len(p.Extensions), len(p.Payload), len(tt.ext), UDPHeaderLength)
			}
		})
	}
}

func TestNeighborDiscoveryValidation(t *testing.T) {
	target := netip.MustParseAddr("2001:db8::5")
	group, any6 := SolicitedNode(target), netip.IPv6Unspecified()
	source := NDOptions(nil).AppendLinkAddr(NDOptionSourceLinkAddr, MAC{2})
	ns := func(src, dst, target netip.Addr, hopLimit uint8, o NDOptions) IPv6 {
		return IPv6{Src: src, Dst: dst, HopLimit: hopLimit, Protocol: ProtocolICMPv6,
			Payload: NeighborSolicitation{Target: target, Options: o}.Append(nil, src, dst)}
	}
	host := netip.MustParseAddr("fe80::2")
	tests := []struct {
		name string
		p    IPv6
		err  error
	}{
		{"address detection", ns(any6, group, target, 255, nil), nil},
		{"address detection by unicast", ns(any6, target, target, 255, nil), ErrNDFormat},
		{"address detection with a source MAC", ns(any6, group, target, 255, source), ErrNDFormat},
		{"unreachability detection without options", ns(host, target, target, 255, nil), nil},
		{"from beyond a router", ns(host, group, target, 254, source), ErrNDHopLimit},
		{"for a group", ns(host, group, group, 255, source), ErrNDFormat},
		{"option of length 0", ns(host, group, target, 255, NDOptions{1, 0, 0, 0, 0, 0, 0, 0}), ErrNDOption},
		{"option longer than the message", ns(host, group, target, 255, NDOptions{1, 2, 0, 0, 0, 0, 0, 0}), ErrNDOption},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseNeighborSolicitation(tt.p); err != tt.err {
				t.Errorf("error %v, want %v", err, tt.err)
			}
		})
	}
}

func TestUDPWithoutChecksum(t *testing.T) {
	b := []byte{0, 68, 0, 67, 0, 8, 0, 0}
	a4, a6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fe80::1")
	if _, err := ParseUDP(a4, a4, b); err != nil {
		t.Errorf("over IPv4: %v", err)
	}
	if _, err := ParseUDP(a6, a6, b); err != ErrUDPChecksum {
		t.Errorf("over IPv6: %v, want %v", err, ErrUDPChecksum)
	}
}

func TestQuotedIPv4MayBeCut(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.1")
	b := append(IPv4{TTL: 1, Protocol: ProtocolUDP, Src: a, Dst: a}.Append(nil, 100), 1, 2, 3, 4, 5, 6, 7, 8)
	if _, err := ParseIPv4(b); err != ErrIPv4Truncated {
		t.Errorf("as a packet: %v", err)
	}
	if p, err := ParseIPv4Quoted(b); err != nil || len(p.Payload) != 8 {
		t.Errorf("as a quote: %+v, %v", p, err)
	}
}

func TestMulticastAndLinkLocal(t *testing.T) {
	if got, want := MulticastMAC(netip.MustParseAddr("224.129.2.3")), (MAC{1, 0, 0x5e, 1, 2, 3}); got != want {
		t.Errorf("IPv4 group: %x, want %x", got, want)
	}
	if got, want := MulticastMAC(netip.MustParseAddr("ff02::1:ff01:203")), (MAC{0x33, 0x33, 0xff, 1, 2, 3}); got != want {
		t.Errorf("IPv6 group: %x, want %x", got, want)
	}
	if got := LinkLocal(MAC{0xfa, 0x16, 0x3e, 1, 2, 3}); got != netip.MustParseAddr("fe80::f816:3eff:fe01:203") {
		t.Errorf("link local: %s", got)
	}
}
