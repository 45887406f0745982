package dhcp_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/dhcp"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// apps are those that a guest's request passes.
func apps() []*app.App {
	return []*app.App{misses.New(), classifier.New(), portsecurity.New(), apptest.Open(), l2.New(), dhcp.New()}
}

func alone() []*app.App { return []*app.App{misses.New(), classifier.New(), dhcp.New()} }

// guest is the n-th port, with an address on each of the subnets.
func guest(id string, n byte, subnets ...*model.Subnet) *model.Port {
	p := apptest.Port(id, subnets[0].NetworkID, n)
	for _, s := range subnets {
		a := s.CIDR.Addr().AsSlice()
		a[len(a)-1] += 4 + n
		ip, _ := netip.AddrFromSlice(a)
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: s.ID, IPAddress: ip})
	}
	return p
}

func v4() *model.Subnet { return apptest.Subnet("v4", "n", "10.0.0.0/24") }

func v6(mode model.IPv6Mode) *model.Subnet {
	s := apptest.Subnet("v6", "n", "2001:db8::/64")
	s.IPv6AddressMode, s.IPv6RAMode = mode, mode
	return s
}

func flowsOf(t *testing.T, name string, subnet *model.Subnet) {
	t.Helper()
	w := apptest.New(t, alone()...)
	p := guest("a", 1, subnet)
	w.Set(apptest.Net("n"), subnet, p, apptest.Bind(p), apptest.Plug(p, 1))
	w.MustStep()
	apptest.Golden(t, name, dhcpFlows(w))
}

// dhcpFlows leaves out what is the classifier's.
func dhcpFlows(w *apptest.World) string {
	_, flows, _ := strings.Cut(w.Flows(), "[dhcp]")
	flows, _, _ = strings.Cut(flows, "[deliver]")
	return flows
}

// TestAnswersComeFromTheView changes what the port is told between two questions.
func TestAnswersComeFromTheView(t *testing.T) {
	w := apptest.New(t, alone()...)
	p := guest("a", 1, v4(), v6(model.SLAAC))
	n := apptest.Net("n")
	w.Set(n, v4(), v6(model.SLAAC), p, apptest.Bind(p), apptest.Plug(p, 9),
		view.Chassis{Name: apptest.Host, DHCPLeaseTime: 600, DNSServers: "192.0.2.53, 2001:db8::53", DNSDomain: "cloud.example"})
	w.MustStep()
	offer := func() *dhcpv4.DHCPv4 {
		t.Helper()
		r := view.NewReader(w.DB, w.Numbers, nil)
		got, err := dhcp.New().PacketIn(r, app.PacketIn{Userdata: []byte("4a"), Data: discover(p)})
		if err != nil || len(got.Packets) != 1 || got.Packets[0].OFPort != 9 || got.Event != "offer" {
			t.Fatalf("%+v, %v", got, err)
		}
		m, err := dhcpv4.FromBytes(got.Packets[0].Data[14+20+8:])
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := offer()
	if m.HostName() != "host-10-0-0-5" || m.DomainName() != "cloud.example" || m.IPAddressLeaseTime(0).Seconds() != 600 ||
		len(m.DNS()) != 1 || m.DNS()[0].String() != "192.0.2.53" || m.YourIPAddr.String() != "10.0.0.5" {
		t.Errorf("with the chassis' defaults: %s", m.Summary())
	}
	named, subnet, quiet := *n, *v4(), *p
	named.DNSDomain, named.MTU, quiet.DNSName = "net.example.", 1400, "web"
	subnet.DNSNameservers = []netip.Addr{netip.MustParseAddr("0.0.0.0")}
	w.Set(&named, &subnet, &quiet)
	w.MustStep()
	m = offer()
	if m.HostName() != "web" || m.DomainName() != "net.example" || len(m.DNS()) != 0 || m.Options[26][1] != 0x78 {
		t.Errorf("with the network's own: %s", m.Summary())
	}
	ras := dhcp.New().Tickers[0].Send(view.NewReader(w.DB, w.Numbers, nil))
	if len(ras) != 1 || ras[0].OFPort != 9 || ras[0].Data[14+40] != packet.ICMPv6RouterAdv {
		t.Errorf("unasked advertisements: %+v", ras)
	}
	w.Remove(apptest.Bind(p))
	w.Step()
	r := view.NewReader(w.DB, w.Numbers, nil)
	if got, err := dhcp.New().PacketIn(r, app.PacketIn{Userdata: []byte("4a"), Data: discover(p)}); err == nil {
		t.Errorf("a port that went was answered: %+v", got)
	}
}

func TestFlows(t *testing.T) {
	flowsOf(t, "v4", v4())
	noGateway := v4()
	noGateway.GatewayIP = netip.Addr{}
	flowsOf(t, "v4-no-gateway", noGateway)
	flowsOf(t, "v6-stateful", v6(model.DHCPv6Stateful))
	flowsOf(t, "v6-stateless", v6(model.DHCPv6Stateless))
	flowsOf(t, "v6-slaac", v6(model.SLAAC))
	off := v4()
	off.EnableDHCP = false
	flowsOf(t, "v4-off", off)
	flowsOf(t, "v6-off", v6(""))
}

func TestUnknownOptionIsAProblemOfThePort(t *testing.T) {
	w := apptest.New(t, alone()...)
	p := guest("a", 1, v4())
	p.ExtraDHCPOpts = []model.DHCPOption{{Name: "no-such-option", Value: "1", IPVersion: 4}, {Name: "mtu", Value: "1400", IPVersion: 4}}
	w.Set(apptest.Net("n"), v4(), p, apptest.Bind(p), apptest.Plug(p, 1))
	w.Step()
	problems := w.Engine.Problems()
	if len(problems) != 1 || problems[0].Owner.String() != "dhcp.port LocalPort/a" || !strings.Contains(problems[0].Text, "no-such-option") {
		t.Errorf("problems: %+v", problems)
	}
	if !strings.Contains(w.Flows(), "the port has an address by DHCPv4") {
		t.Error("a bad option keeps the port from being served")
	}
}

func TestHistoryDoesNotMatter(t *testing.T) {
	a, b := guest("a", 1, v4(), v6(model.DHCPv6Stateful)), guest("b", 2, v4())
	rows := []any{apptest.Net("n"), v4(), v6(model.DHCPv6Stateful), a, apptest.Bind(a), apptest.Plug(a, 1)}
	noise := []any{b, apptest.Bind(b), apptest.Plug(b, 2)}
	apptest.Histories(t, apps, rows, noise)
}

// world is a network with both families and two ports, on a real switch.
func world(t *testing.T, mode model.IPv6Mode) (s *apptest.Switch, a, b *model.Port) {
	t.Helper()
	w := apptest.New(t, apps()...)
	net := apptest.Net("n")
	net.DNSDomain = "example.org."
	a, b = guest("a", 1, v4(), v6(mode)), guest("b", 2, v4(), v6(mode))
	s = w.Switch(a, b)
	w.Set(net, v4(), v6(mode), a, b, apptest.Bind(a), apptest.Bind(b))
	w.MustStep()
	s.Install()
	return s, a, b
}

func discover(p *model.Port) []byte {
	m := &dhcpv4.DHCPv4{OpCode: dhcpv4.OpcodeBootRequest, HWType: iana.HWTypeEthernet, TransactionID: dhcpv4.TransactionID{1, 2, 3, 4},
		ClientHWAddr: p.MACAddress[:], Options: dhcpv4.Options{53: {byte(dhcpv4.MessageTypeDiscover)}}}
	return udp(p, packet.Broadcast(), "0.0.0.0:68", "255.255.255.255:67", m.ToBytes())
}

func renew(p *model.Port, from, to string) []byte {
	m := &dhcpv4.DHCPv4{OpCode: dhcpv4.OpcodeBootRequest, HWType: iana.HWTypeEthernet, TransactionID: dhcpv4.TransactionID{1, 2, 3, 4},
		ClientHWAddr: p.MACAddress[:], ClientIPAddr: net.ParseIP(from), Options: dhcpv4.Options{53: {byte(dhcpv4.MessageTypeRequest)}}}
	return udp(p, packet.MAC{2}, from+":68", to+":67", m.ToBytes())
}

func solicit6(p *model.Port) []byte {
	m := &dhcpv6.Message{MessageType: dhcpv6.MessageTypeSolicit, TransactionID: dhcpv6.TransactionID{7, 8, 9}}
	m.AddOption(dhcpv6.OptClientID(&dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: p.MACAddress[:]}))
	m.AddOption(&dhcpv6.OptIANA{IaId: [4]byte{1}})
	from := "[" + packet.LinkLocal(p.MACAddress).String() + "]:546"
	return udp(p, packet.MAC{0x33, 0x33, 0, 1, 0, 2}, from, "[ff02::1:2]:547", m.ToBytes())
}

func solicitRouter(p *model.Port) []byte {
	src, dst := packet.LinkLocal(p.MACAddress), netip.MustParseAddr("ff02::2")
	m := packet.RouterSolicitation{}.Append(nil, src, dst)
	b := packet.Ethernet{Dst: packet.MulticastMAC(dst), Src: p.MACAddress, EtherType: packet.EtherTypeIPv6}.Append(nil)
	return append(packet.IPv6{HopLimit: 255, NextHeader: packet.ProtocolICMPv6, Src: src, Dst: dst}.Append(b, len(m)), m...)
}

func udp(p *model.Port, to packet.MAC, src, dst string, payload []byte) []byte {
	from, dest := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	u := packet.UDP{SrcPort: from.Port(), DstPort: dest.Port(), Payload: payload}
	e := packet.Ethernet{Dst: to, Src: p.MACAddress, EtherType: packet.EtherTypeIPv4}
	if from.Addr().Is4() {
		b := packet.IPv4{TTL: 64, Protocol: packet.ProtocolUDP, Src: from.Addr(), Dst: dest.Addr()}.Append(e.Append(nil), 8+len(payload))
		return u.Append(b, from.Addr(), dest.Addr())
	}
	e.EtherType = packet.EtherTypeIPv6
	b := packet.IPv6{HopLimit: 64, NextHeader: packet.ProtocolUDP, Src: from.Addr(), Dst: dest.Addr()}.Append(e.Append(nil), 8+len(payload))
	return u.Append(b, from.Addr(), dest.Addr())
}

func TestOverARealSwitch(t *testing.T) {
	t.Parallel()
	s, a, b := world(t, model.DHCPv6Stateful)
	c, service := s.Controller(), dhcp.New()
	asks := []struct {
		name  string
		frame []byte
		event string
	}{
		{"discover", discover(a), "offer"},
		{"renewal by unicast", renew(a, "10.0.0.5", "10.0.0.1"), "ack"},
		{"DHCPv6", solicit6(a), "advertise"},
		{"router solicitation", solicitRouter(a), "ra"},
	}
	for _, tt := range asks {
		got := c.Ask(service, a, tt.frame)
		if got.Err != nil || got.Reply.Event != tt.event || got.Frame == nil {
			t.Errorf("%s: event %q, error %v, want %q", tt.name, got.Reply.Event, got.Err, tt.event)
		}
		if n := len(s.Sent(apptest.Plug(b, 0).Name)); n != 0 {
			t.Errorf("%s: the neighbour heard %d frames", tt.name, n)
		}
	}
	if !c.Quiet(a, renew(a, "10.0.0.5", "10.9.9.9")) {
		t.Error("a request by unicast to another server came to the controller")
	}
}

// TestFloodIsMetered sends what a guest could send in a moment; its neighbour has a meter of its own. All that the
// guest may ask is metered together: a burst, and what the meter refills meanwhile.
func TestFloodIsMetered(t *testing.T) {
	t.Parallel()
	s, a, b := world(t, model.DHCPv6Stateful)
	c := s.Controller()
	began, came := time.Now(), 0
	for name, frame := range map[string][]byte{"DHCPv4": discover(a), "DHCPv6": solicit6(a), "RS": solicitRouter(a)} {
		came += c.Flood(a, frame, 300)
		if most := 41 + int(20*time.Since(began).Seconds()); came == 0 || came > most {
			t.Errorf("after %s %d packets have come to the controller, want at most %d", name, came, most)
		}
	}
	if got := c.Ask(dhcp.New(), b, discover(b)); got.Reply.Event != "offer" {
		t.Errorf("the neighbour of a flooding guest: %+v", got)
	}
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	s, a, _ := world(t, model.DHCPv6Stateful)
	s.Controller().Ask(dhcp.New(), a, discover(a))
	apptest.Readme(t, "dump", s.Dump(func(owner string) bool { return owner == "dhcp.port LocalPort/a" }))
}

// BenchmarkPacketIn is a request from the packet-in to the packet-out, over a view of 1,000 ports. The budget is 25 us.
func BenchmarkPacketIn(b *testing.B) {
	w := apptest.New(b, alone()...)
	w.Set(apptest.Net("n"), v4(), v6(model.DHCPv6Stateful))
	var p *model.Port
	for i := range 1000 {
		p = guest(fmt.Sprintf("c91e6c53-9ac5-4f7e-a9b2-%012d", i), byte(i%200), v4(), v6(model.DHCPv6Stateful))
		p.ExtraDHCPOpts = []model.DHCPOption{{Name: "ntp-server", Value: "192.0.2.1", IPVersion: 4}}
		w.SetUnsynced(p, apptest.Bind(p), apptest.Plug(p, uint32(i+1)))
	}
	w.Sync(p.Scope())
	w.Engine.Step()
	service := dhcp.New()
	for name, in := range map[string]app.PacketIn{
		"v4": {Userdata: []byte("4" + p.ID), Data: discover(p)},
		"v6": {Userdata: []byte("6" + p.ID), Data: solicit6(p)},
		"ra": {Userdata: []byte("r" + p.ID), Data: solicitRouter(p)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got, err := service.PacketIn(view.NewReader(w.DB, w.Numbers, nil), in); err != nil || len(got.Packets) != 1 {
					b.Fatal(got, err)
				}
			}
		})
	}
	b.Run("ticker", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if out := service.Tickers[0].Send(view.NewReader(w.DB, w.Numbers, nil)); len(out) != 1000 {
				b.Fatal(len(out))
			}
		}
	})
}
