package packet_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"

	ours "github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

const (
	a, b     = "02:00:00:00:00:01", "02:00:00:00:00:02"
	a4, b4   = "10.0.0.1", "10.0.0.2"
	a6, b6   = "fd00::1", "fd00::2"
	aLL, bLL = "fe80::1", "fe80::2"
)

// kinds are frames by what Summary says about them.
func kinds() map[string][]packet.Layer {
	eth := packet.Ethernet(a, b)
	return map[string][]packet.Layer{
		"02:00:00:00:00:01 > 02:00:00:00:00:02, 10.0.0.1 > 10.0.0.2 ttl 64, TCP 1000 > 80 [SA] seq 1 ack 1, 0 bytes of data": {
			eth, packet.IP(a4, b4), packet.TCP(1000, 80, "AS")},
		"fd00::1 > fd00::2 hops 9, TCP 1000 > 80 [PA] seq 5 ack 6, 2 bytes of data": {
			eth, packet.IP(a6, b6), packet.TTL(9), packet.TCP(1000, 80, "PA"), packet.Seq(5, 6), packet.Payload("hi")},
		"VLAN 7, 10.0.0.1 > 10.0.0.2 ttl 64, UDP 53 > 54, 2 bytes of data": {
			eth, packet.VLAN(7), packet.IP(a4, b4), packet.UDP(53, 54), packet.Payload("hi")},
		"fd00::1 > fd00::2 hops 64, UDP 53 > 54, 2 bytes of data":       {eth, packet.IP(a6, b6), packet.UDP(53, 54), packet.Payload([]byte("hi"))},
		"10.0.0.1 > 10.0.0.2 ttl 64, ICMP EchoRequest":                  {eth, packet.IP(a4, b4), packet.EchoRequest(7, 8), packet.Payload("data")},
		"10.0.0.1 > 10.0.0.2 ttl 64, ICMP EchoReply":                    {eth, packet.IP(a4, b4), packet.EchoReply(7, 8)},
		"fd00::1 > fd00::2 hops 64, ICMPv6 EchoRequest":                 {eth, packet.IP(a6, b6), packet.EchoRequest(7, 8), packet.Payload("data")},
		"fd00::1 > fd00::2 hops 64, ICMPv6 EchoReply":                   {eth, packet.IP(a6, b6), packet.EchoReply(7, 8)},
		"10.0.0.1 > 10.0.0.2 ttl 64, ICMP DestinationUnreachable(Port)": {eth, packet.IP(a4, b4), packet.ICMP(3, 3), packet.Payload(make([]byte, 28))},
		"fd00::1 > fd00::2 hops 64, ICMPv6 PacketTooBig":                {eth, packet.IP(a6, b6), packet.ICMPv6(2, 0), packet.Payload(make([]byte, 52))},
		"10.0.0.1 > 10.0.0.2 ttl 64 (":                                  {eth, packet.IP(a4, b4), packet.Protocol(253), packet.Payload("experimental")},
		"ARP who has 10.0.0.2, tell 10.0.0.1 at 02:00:00:00:00:01":      {packet.Ethernet(a, packet.Broadcast), packet.ARPRequest(a, a4, b4)},
		"ARP 10.0.0.1 is at 02:00:00:00:00:01, to 10.0.0.2":             {eth, packet.ARPReply(a, a4, b, b4)},
		"fe80::1 > ff02::1:ff00:2 hops 255, ICMPv6 NeighborSolicitation, who has fe80::2": {
			eth, packet.IP(aLL, "ff02::1:ff00:2"), packet.NeighborSolicitation(bLL, a)},
		"ICMPv6 NeighborAdvertisement, fe80::1 is at 02:00:00:00:00:01 flags 0x60": {
			eth, packet.IP(aLL, bLL), packet.NeighborAdvertisement(aLL, a, packet.Solicited|packet.Override)},
		"ICMPv6 RouterSolicitation": {eth, packet.IP(aLL, "ff02::2"), packet.RouterSolicitation(a)},
	}
}

func TestBuiltFramesAreWhatTheySay(t *testing.T) {
	t.Parallel()
	for want, built := range kinds() {
		frame := packet.Build(built...)
		var checks []packet.Checker
		for _, l := range built {
			checks = append(checks, l)
		}
		packet.Check(t, frame, checks...)
		if got := packet.Summary(frame); !strings.Contains(got, want) {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		parsedByTheProduct(t, frame)
	}
}

// parsedByTheProduct holds the frame against the other implementation.
func parsedByTheProduct(t *testing.T, frame []byte) {
	t.Helper()
	var wrong []error
	eth, err := ours.ParseEthernet(frame)
	wrong = append(wrong, err)
	kind, rest := eth.EtherType, eth.Payload
	if kind == ours.EtherTypeVLAN {
		v, err := ours.ParseVLAN(rest)
		wrong = append(wrong, err)
		kind, rest = v.EtherType, v.Payload
	}
	switch kind {
	case ours.EtherTypeARP:
		_, err = ours.ParseARP(rest)
	case ours.EtherTypeIPv4:
		var p ours.IPv4
		if p, err = ours.ParseIPv4(rest); err == nil && p.Protocol == ours.ProtocolUDP {
			_, err = ours.ParseUDP(p.Src, p.Dst, p.Payload)
		} else if err == nil && p.Protocol == ours.ProtocolICMP {
			_, err = ours.ParseICMP(p.Payload)
		}
	case ours.EtherTypeIPv6:
		var p ours.IPv6
		if p, err = ours.ParseIPv6(rest); err == nil && p.NextHeader == ours.ProtocolUDP {
			_, err = ours.ParseUDP(p.Src, p.Dst, p.Payload)
		} else if err == nil && p.NextHeader == ours.ProtocolICMPv6 {
			_, err = ours.ParseICMPv6(p.Src, p.Dst, p.Payload)
		}
	default:
		err = errors.New("no protocol")
	}
	if err := errors.Join(append(wrong, err)...); err != nil {
		t.Errorf("%s: %v", packet.Summary(frame), err)
	}
}

func TestWhatIsNotSoIsNamed(t *testing.T) {
	t.Parallel()
	frames := map[string][]byte{}
	for name, built := range kinds() {
		frames[name] = packet.Build(built...)
	}
	find := func(part string) []byte {
		for name, f := range frames {
			if strings.Contains(name, part) {
				return f
			}
		}
		t.Fatal(part)
		return nil
	}
	tcp, vlan, arp, na := find("[SA]"), find("VLAN"), find("who has 10"), find("flags 0x60")
	for _, c := range []struct {
		frame []byte
		check packet.Checker
		want  string
	}{
		{tcp, packet.EthDst(a), "Ethernet destination is 02:00:00:00:00:02, not 02:00:00:00:00:01"},
		{tcp, packet.EthSrc(b), "Ethernet source"}, {tcp, packet.VLAN(7), "has no Dot1Q"}, {vlan, packet.VLAN(8), "VLAN is 7, not 8"},
		{vlan, packet.Untagged(), "has the VLAN 7"}, {tcp, packet.IP("", "10.0.0.3"), "IP destination is 10.0.0.2"},
		{tcp, packet.IP(a6, nil), "IP source is 10.0.0.1"}, {arp, packet.IP("", ""), "has no IP"}, {tcp, packet.TTL(63), "TTL is 64, not 63"},
		{tcp, packet.TCP(0, 81, ""), "TCP destination port is 80"}, {tcp, packet.TCP(0, 0, "S"), "TCP flags is SA, not S"},
		{tcp, packet.UDP(0, 0), "has no UDP"}, {tcp, packet.Seq(2, 1), "TCP sequence"}, {vlan, packet.Payload("ho"), `payload is "hi"`},
		{tcp, packet.EchoRequest(0, 0), "has no ICMPv6"}, {arp, packet.ARPReply("", "", "", ""), "ARP operation is 1, not 2"},
		{arp, packet.ARPRequest("", "", a4), "ARP target IP is 10.0.0.2"}, {na, packet.NeighborAdvertisement(aLL, a, packet.Override), "ND flags"},
		{na, packet.NeighborAdvertisement(aLL, b, 0x60), "ND target link-layer"}, {na, packet.NeighborSolicitation(aLL, nil), "has no ICMPv6NeighborSolicitation"},
		{find("PacketTooBig"), packet.ICMPv6(1, 0), "ICMP type 2 code 0, not 1/0"}, {tcp, packet.Protocol(17), "protocol is 6, not 17"},
	} {
		if err := packet.Match(c.frame, c.check); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestDamageIsSeen(t *testing.T) {
	t.Parallel()
	for name, built := range kinds() {
		frame := packet.Build(built...)
		if strings.Contains(name, "ARP") || strings.Contains(name, "ttl 64 (") {
			continue // nothing protects these
		}
		at := 14 + 20 // the first byte after the IP header
		if bytes.Contains(frame[:18], []byte{0x81, 0x00}) {
			at += 4
		}
		if bytes.Contains(frame[:18], []byte{0x86, 0xdd}) {
			at += 20
		}
		damaged := bytes.Clone(frame)
		damaged[at] ^= 1
		if err := packet.Match(damaged); err == nil || !strings.Contains(packet.Summary(damaged), "BAD") {
			t.Errorf("%s with another byte is fine: %s", name, packet.Summary(damaged))
		}
	}
	if got := packet.Summary([]byte{1, 2, 3}); !strings.Contains(got, "malformed") {
		t.Errorf("three bytes are %s", got)
	}
}

func TestArgumentsOfAllKinds(t *testing.T) {
	t.Parallel()
	hw, err := net.ParseMAC(a)
	if err != nil {
		t.Fatal(err)
	}
	want := packet.Build(packet.Ethernet(a, b), packet.IP(a4, b4), packet.UDP(1, 2))
	packet.Equal(t, packet.Build(packet.Ethernet(hw, [6]byte{2, 0, 0, 0, 0, 2}), packet.IP(netip.MustParseAddr(a4), net.ParseIP(b4)), packet.UDP(1, 2)), want)
	for name, f := range map[string]func(){
		"mac": func() { packet.Build(packet.Ethernet("x", b)) }, "families": func() { packet.Build(packet.IP(a4, b6)) },
		"no IP": func() { packet.Build(packet.Ethernet(a, b), packet.TTL(1)) }, "flags": func() { packet.Build(packet.IP(a4, b4), packet.TCP(1, 2, "X")) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestDHCP(t *testing.T) {
	t.Parallel()
	discover := packet.DHCPv4Client(a)
	packet.Check(t, discover, packet.EthSrc(a), packet.IP("0.0.0.0", "255.255.255.255"), packet.DHCPv4(dhcpv4.MessageTypeDiscover))
	if got := packet.Summary(discover); !strings.Contains(got, "DHCP DISCOVER") {
		t.Error(got)
	}
	request := packet.DHCPv4Client(a, dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(a4))))
	asked := func(m *dhcpv4.DHCPv4) error {
		if !m.RequestedIPAddress().Equal(net.ParseIP(a4)) {
			return errors.New("wrong address")
		}
		return nil
	}
	packet.Check(t, request, packet.DHCPv4(dhcpv4.MessageTypeRequest, asked))
	if err := packet.Match(request, packet.DHCPv4(dhcpv4.MessageTypeAck)); err == nil || !strings.Contains(err.Error(), "REQUEST, not ACK") {
		t.Error(err)
	}
	if err := packet.Match(discover, packet.DHCPv4(dhcpv4.MessageTypeDiscover, asked)); err == nil || !strings.Contains(err.Error(), "wrong address") {
		t.Error(err)
	}
	m, err := dhcpv6.NewSolicit(net.HardwareAddr{2, 0, 0, 0, 0, 1})
	if err != nil {
		t.Fatal(err)
	}
	solicit := packet.DHCPv6Client(a, aLL, m)
	packet.Check(t, solicit, packet.IP(aLL, "ff02::1:2"), packet.DHCPv6(dhcpv6.MessageTypeSolicit))
	if got, err := packet.ParseDHCPv6(solicit); err != nil || got.TransactionID != m.TransactionID {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := packet.ParseDHCPv4(solicit); err == nil {
		t.Error("DHCPv6 is DHCPv4")
	}
}

// TestOpenVswitchAgrees sends each frame through a switch that understands it.
func TestOpenVswitchAgrees(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.AddBridge("br")
	s.AddPort("br", "p1")
	s.AddPort("br", "p2")
	for match, frame := range map[string][]byte{
		"tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_dst=80,tcp_flags=+syn-ack":         packet.Build(packet.Ethernet(a, b), packet.IP(a4, b4), packet.TCP(1, 80, "S")),
		"udp6,ipv6_dst=fd00::2,tp_src=53,nw_ttl=7":                                 packet.Build(packet.Ethernet(a, b), packet.IP(a6, b6), packet.TTL(7), packet.UDP(53, 1)),
		"icmp6,icmp_type=135,nd_target=fe80::2,nd_sll=02:00:00:00:00:01":           packet.Build(packet.Ethernet(a, b), packet.IP(aLL, bLL), packet.NeighborSolicitation(bLL, a)),
		"arp,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=02:00:00:00:00:01": packet.Build(packet.Ethernet(a, b), packet.ARPRequest(a, a4, b4)),
		"dl_vlan=7,icmp,icmp_type=8":                                               packet.Build(packet.Ethernet(a, b), packet.VLAN(7), packet.IP(a4, b4), packet.EchoRequest(1, 1)),
	} {
		s.Ofctl("del-flows", "br")
		s.Ofctl("add-flow", "br", match+",actions=output:p2")
		s.Inject("p1", frame)
		packet.Equal(t, s.WaitSent("p2", packet.Is(packet.EthSrc(a))), frame)
	}
}

func FuzzSummary(f *testing.F) {
	for _, built := range kinds() {
		f.Add(packet.Build(built...))
	}
	f.Add(packet.DHCPv4Client(a))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if packet.Summary(frame) == "" {
			t.Error("nothing to say")
		}
		_ = packet.Match(frame, packet.Untagged(), packet.IP(a4, b4), packet.TCP(1, 2, "S"), packet.EchoReply(1, 2),
			packet.NeighborAdvertisement(aLL, a, 0), packet.ARPReply(a, a4, b, b4), packet.Payload(""), packet.DHCPv4(dhcpv4.MessageTypeAck))
	})
}

// recorder is a testing.TB that keeps what fails.
type recorder struct {
	testing.TB
	said strings.Builder
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.said.WriteString(format)
	for _, a := range args {
		if err, ok := a.(error); ok {
			r.said.WriteString(err.Error())
		} else if s, ok := a.(string); ok {
			r.said.WriteString(s)
		}
	}
}

func TestCheckFailsTheTest(t *testing.T) {
	t.Parallel()
	frame := packet.Build(packet.Ethernet(a, b), packet.IP(a4, b4), packet.UDP(1, 2))
	r := &recorder{TB: t}
	packet.Check(r, frame, packet.UDP(1, 3))
	packet.Equal(r, frame, frame[:20])
	if said := r.said.String(); !strings.Contains(said, "UDP destination port is 2, not 3") || !strings.Contains(said, "10.0.0.1 > 10.0.0.2") ||
		!strings.Contains(said, "malformed") {
		t.Errorf("said: %s", said)
	}
	if packet.Summaries(nil) != "no frame" || strings.Count(packet.Summaries([][]byte{frame, frame}), "\n") != 1 {
		t.Error("Summaries")
	}
}
