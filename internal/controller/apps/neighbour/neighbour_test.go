package neighbour_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/neighbour"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// apps are those that a guest's question passes.
func apps() []*app.App {
	return []*app.App{misses.New(), classifier.New(), portsecurity.New(), apptest.Open(), l2.New(), neighbour.New()}
}

// ours is what the neighbour app emits.
func ours(w *apptest.World) string {
	var b strings.Builder
	keep := false
	for block := range strings.SplitSeq(w.Flows(), "\n  priority=") {
		stage := strings.LastIndex(block, "\n[")
		if keep = strings.Contains(block, "# neighbour."); keep {
			text, _, _ := strings.Cut(block, "\n[")
			b.WriteString("priority=" + strings.TrimRight(text, "\n") + "\n")
		}
		if stage >= 0 {
			b.WriteString(block[stage+1:] + "\n")
		}
	}
	return b.String()
}

// plain is a port without pairs on both families.
func plain(id string, n byte) *model.Port {
	return apptest.Port(id, "n", n, netip.AddrFrom4([4]byte{10, 0, 0, n}).String(), "2001:db8::"+string('0'+rune(n)))
}

func golden(t *testing.T, name string, rows ...any) {
	t.Helper()
	w := apptest.New(t, misses.New(), classifier.New(), neighbour.New())
	w.Set(rows...)
	w.MustStep()
	apptest.Golden(t, name, ours(w))
}

func TestFlows(t *testing.T) {
	a4, b4 := apptest.Port("a", "n", 1, "10.0.0.1"), apptest.Port("b", "n", 2, "10.0.0.2")
	a6, b6 := apptest.Port("a", "n", 1, "2001:db8::1"), apptest.Port("b", "n", 2, "2001:db8::2")
	golden(t, "v4", apptest.Net("n"), a4, b4, apptest.Bind(a4), apptest.Plug(a4, 1))
	golden(t, "v6", apptest.Net("n"), a6, b6, apptest.Bind(a6), apptest.Plug(a6, 1))
	golden(t, "router", apptest.Net("n"), a4, routerPort(), apptest.Bind(a4), apptest.Plug(a4, 1))
	golden(t, "nobody-here", apptest.Net("n"), a4, b6)
	bare := apptest.Subnet("s", "n", "10.0.0.0/24")
	bare.GatewayIP = netip.Addr{}
	golden(t, "server", apptest.Net("n"), bare, a4, apptest.Bind(a4), apptest.Plug(a4, 1))
}

func TestSharedAddressesAreNotAnswered(t *testing.T) {
	for _, family := range []struct{ name, vip, wide string }{{"v4", "10.0.0.9", "10.0.0.0/28"}, {"v6", "2001:db8::9", "2001:db8::/124"}} {
		vip := apptest.Port("vip", "n", 9, family.vip)
		a := apptest.Port("a", "n", 1, "10.0.1.1")
		w := apptest.New(t, misses.New(), classifier.New(), neighbour.New())
		w.Set(apptest.Net("n"), vip, a, apptest.Bind(a), apptest.Plug(a, 1))
		w.MustStep()
		answered := func() bool { return strings.Contains(ours(w), "neighbour.address Address/n/"+family.vip+":") }
		if !answered() {
			t.Errorf("%s: an address of one port is not answered", family.name)
		}
		host, _ := netip.ParseAddr(family.vip)
		for _, p := range []netip.Prefix{netip.PrefixFrom(host, host.BitLen()), netip.MustParsePrefix(family.wide)} {
			shared := *a
			shared.AllowedAddressPairs = []model.AddressPair{{IPAddress: p, MACAddress: a.MACAddress}}
			w.Set(&shared)
			w.MustStep()
			if answered() {
				t.Errorf("%s: an address that another port may use by pair %s is answered", family.name, p)
			}
		}
		borrower := *a
		borrower.AllowedAddressPairs = []model.AddressPair{{IPAddress: netip.PrefixFrom(host, host.BitLen()), MACAddress: vip.MACAddress}}
		w.Set(&borrower)
		w.MustStep()
		if answered() {
			t.Errorf("%s: an address that another port may use with the owner's MAC address is answered", family.name)
		}
		w.Set(a)
		w.MustStep()
		if !answered() {
			t.Errorf("%s: the address stays unanswered when the pair has gone", family.name)
		}
		own := *vip
		own.AllowedAddressPairs = []model.AddressPair{{IPAddress: netip.PrefixFrom(host, host.BitLen()), MACAddress: model.MAC{0, 0, 0x5e, 0, 1, 7}}}
		w.Set(&own)
		w.MustStep()
		if answered() {
			t.Errorf("%s: an address that its port may use with two MAC addresses is answered", family.name)
		}
		own.AdminStateUp, own.AllowedAddressPairs = false, nil
		down := own
		w.Set(&down)
		w.MustStep()
		if answered() {
			t.Errorf("%s: the address of a port that is down is answered", family.name)
		}
	}
}

func TestTheDHCPServersAddressIsNotAnsweredIfAPortHasIt(t *testing.T) {
	bare := apptest.Subnet("s", "n", "10.0.0.0/24")
	bare.GatewayIP = netip.Addr{}
	a, thief := apptest.Port("a", "n", 1, "10.0.0.1"), apptest.Port("thief", "n", 2, "169.254.169.254")
	w := apptest.New(t, misses.New(), classifier.New(), neighbour.New())
	w.Set(apptest.Net("n"), bare, a, apptest.Bind(a), apptest.Plug(a, 1))
	for _, s := range []struct {
		what   string
		change func()
		want   string
	}{
		{"the server alone", func() {}, "neighbour.server Subnet/n/s"},
		{"both", func() { w.Set(thief) }, ""},
		{"the port alone", func() { w.Remove(bare) }, "neighbour.address Address/n/169.254.169.254"},
	} {
		s.change()
		w.MustStep()
		text := ours(w)
		if s.want == "" && strings.Contains(text, "arp_tpa=169.254.169.254,") || !strings.Contains(text, s.want) {
			t.Errorf("%s: want the answer of %q:\n%s", s.what, s.want, text)
		}
	}
}

func TestHistoryDoesNotMatter(t *testing.T) {
	a, b, c := plain("a", 1), plain("b", 2), plain("c", 3)
	b.AllowedAddressPairs = []model.AddressPair{{IPAddress: apptest.Prefix("10.0.0.3/32"), MACAddress: b.MACAddress}}
	rows := []any{apptest.Net("n"), apptest.Net("m"), a, apptest.Bind(a), apptest.Plug(a, 1), b, c}
	noise := plain("d", 4)
	noise.AllowedAddressPairs = []model.AddressPair{{IPAddress: apptest.Prefix("2001:db8::/64"), MACAddress: noise.MACAddress}}
	apptest.Histories(t, apps, rows, []any{routerPort(), noise, apptest.Bind(noise), apptest.Plug(noise, 2)})
}

func TestARemotePortCostsFewFlows(t *testing.T) {
	w := apptest.New(t, misses.New(), classifier.New(), neighbour.New())
	a := plain("a", 1)
	w.Set(apptest.Net("n"), a, apptest.Bind(a), apptest.Plug(a, 1))
	w.MustStep()
	w.Set(plain("b", 2))
	if d := w.MustStep(); len(d.Flows) != 3 {
		t.Errorf("a port elsewhere costs %d flow-mods, want 1 for IPv4 and 2 for IPv6", len(d.Flows))
	}
}

func mac(n byte) packet.MAC { return packet.MAC{0xfa, 0x16, 0x3e, 0, 0, n} }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// arp is a request of port a.
func arp(spa, tpa string, to packet.MAC) []byte {
	b := packet.Ethernet{Dst: to, Src: mac(1), EtherType: packet.EtherTypeARP}.Append(nil)
	return packet.ARP{Operation: packet.ARPRequest, SenderMAC: mac(1), SenderIP: addr(spa), TargetIP: addr(tpa)}.Append(b)
}

// solicit is a solicitation of port a.
func solicit(src, dst, target string, hopLimit uint8, o packet.NDOptions) []byte {
	to := mac(2)
	if addr(dst).IsMulticast() {
		to = packet.MulticastMAC(addr(dst))
	}
	m := packet.NeighborSolicitation{Target: addr(target), Options: o}.Append(nil, addr(src), addr(dst))
	b := packet.Ethernet{Dst: to, Src: mac(1), EtherType: packet.EtherTypeIPv6}.Append(nil)
	return append(packet.IPv6{NextHeader: packet.ProtocolICMPv6, HopLimit: hopLimit, Src: addr(src), Dst: addr(dst)}.Append(b, len(m)), m...)
}

// world is a network with ports a and b here, and c elsewhere.
func world(t *testing.T) (s *apptest.Switch, a *model.Port) {
	t.Helper()
	w := apptest.New(t, apps()...)
	a, b := plain("a", 1), plain("b", 2)
	a.PortSecurityEnabled = false // so that it may ask for what it likes
	s = w.Switch(a, b)
	w.Set(apptest.Net("n"), a, b, plain("c", 3), apptest.Bind(a), apptest.Bind(b))
	w.MustStep()
	s.Install()
	return s, a
}

func TestARPOverARealSwitch(t *testing.T) {
	t.Parallel()
	s, a := world(t)
	for target, owner := range map[string]byte{"10.0.0.2": 2, "10.0.0.3": 3} {
		for _, ask := range []struct {
			spa string
			to  packet.MAC
		}{{"10.0.0.1", packet.Broadcast()}, {"10.0.0.1", mac(owner)}, {"0.0.0.0", packet.Broadcast()}} {
			got := s.Send(a, arp(ask.spa, target, ask.to))
			if len(got["a"]) != 1 || len(got["b"]) != 0 {
				t.Fatalf("for %s from %s: %v", target, ask.spa, got)
			}
			e, err := packet.ParseEthernet(got["a"][0])
			if err != nil {
				t.Fatal(err)
			}
			reply, err := packet.ParseARP(e.Payload)
			want := packet.ARP{Operation: packet.ARPReply, SenderMAC: mac(owner), SenderIP: addr(target), TargetMAC: mac(1), TargetIP: addr(ask.spa)}
			if err != nil || reply != want || e.Dst != mac(1) || e.Src != mac(owner) {
				t.Errorf("%x to %x: %+v, %v; want %+v", e.Src, e.Dst, reply, err, want)
			}
		}
	}
	for name, frame := range map[string][]byte{
		"probe for its own address": arp("0.0.0.0", "10.0.0.1", packet.Broadcast()),
		"announcement":              arp("10.0.0.1", "10.0.0.1", packet.Broadcast()),
		"an address nobody has":     arp("10.0.0.1", "10.0.0.77", packet.Broadcast()),
	} {
		if got := s.Send(a, frame); len(got["a"]) != 0 || len(got["b"]) != 1 {
			t.Errorf("%s: answered by %d frames, heard by %d", name, len(got["a"]), len(got["b"]))
		}
	}
}

// advertised reads the advertisement that port a got.
func advertised(t *testing.T, frame []byte) (packet.Ethernet, packet.IPv6, packet.NeighborAdvertisement) {
	t.Helper()
	e, err := packet.ParseEthernet(frame)
	if err != nil {
		t.Fatal(err)
	}
	p, err := packet.ParseIPv6(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	na, err := packet.ParseNeighborAdvertisement(p)
	if err != nil {
		t.Fatalf("%v: %x", err, frame)
	}
	return e, p, na
}

func TestNDOverARealSwitch(t *testing.T) {
	t.Parallel()
	s, a := world(t)
	tells := packet.NDOptions(nil).AppendLinkAddr(packet.NDOptionSourceLinkAddr, mac(1))
	for target, owner := range map[string]byte{"2001:db8::2": 2, "2001:db8::3": 3} {
		group := packet.SolicitedNode(addr(target)).String()
		for _, ask := range []struct {
			src, dst string
			o        packet.NDOptions
		}{{"2001:db8::1", group, tells}, {"fe80::f816:3eff:fe00:1", group, tells}, {"2001:db8::1", target, tells}, {"2001:db8::1", target, nil}} {
			got := s.Send(a, solicit(ask.src, ask.dst, target, 255, ask.o))
			if len(got["a"]) != 1 || len(got["b"]) != 0 {
				t.Fatalf("for %s from %s: %v", target, ask.src, got)
			}
			e, p, na := advertised(t, got["a"][0])
			if e.Src != mac(owner) || e.Dst != mac(1) || p.Src != addr(target) || p.Dst != addr(ask.src) || p.HopLimit != 255 {
				t.Errorf("%s: from %x %s to %x %s, hop limit %d", target, e.Src, p.Src, e.Dst, p.Dst, p.HopLimit)
			}
			tll, has := na.Options.LinkAddr(packet.NDOptionTargetLinkAddr)
			if !na.Solicited || !na.Override || na.Router || na.Target != addr(target) || has != (ask.o != nil) || has && tll != mac(owner) {
				t.Errorf("%s: %+v", target, na)
			}
		}
	}
	for name, frame := range map[string][]byte{
		"duplicate address detection": solicit("::", "ff02::1:ff00:1", "2001:db8::1", 255, nil),
		"its own address":             solicit("fe80::f816:3eff:fe00:1", "ff02::1:ff00:1", "2001:db8::1", 255, tells),
		"an address nobody has":       solicit("2001:db8::1", "ff02::1:ff00:77", "2001:db8::77", 255, tells),
		"from beyond a router":        solicit("2001:db8::1", "ff02::1:ff00:2", "2001:db8::2", 254, tells),
	} {
		if got := s.Send(a, frame); len(got["a"]) != 0 || len(got["b"]) != 1 {
			t.Errorf("%s: answered by %d frames, heard by %d", name, len(got["a"]), len(got["b"]))
		}
	}
}

// routerPort is host 1 of the network, a router's interface.
func routerPort() *model.Port {
	p := plain("r", 4)
	p.DeviceOwner, p.DeviceID = model.RouterInterfaceOwner, "router"
	return p
}

func TestRoutersAreAnsweredFor(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apps()...)
	a := plain("a", 1)
	a.PortSecurityEnabled = false
	a.AllowedAddressPairs = []model.AddressPair{{IPAddress: apptest.Prefix("0.0.0.0/0"), MACAddress: a.MACAddress}, {IPAddress: apptest.Prefix("::/0"), MACAddress: a.MACAddress}}
	s := w.Switch(a)
	w.Set(apptest.Net("n"), a, routerPort(), apptest.Bind(a))
	w.MustStep()
	s.Install()
	got := s.Send(a, arp("10.0.0.1", "10.0.0.4", packet.Broadcast()))
	if len(got["a"]) != 1 {
		t.Fatalf("ARP for a router's address: %v", got)
	}
	tells := packet.NDOptions(nil).AppendLinkAddr(packet.NDOptionSourceLinkAddr, mac(1))
	for _, target := range []string{"2001:db8::4", "fe80::f816:3eff:fe00:4"} {
		got := s.Send(a, solicit("2001:db8::1", packet.SolicitedNode(addr(target)).String(), target, 255, tells))
		if len(got["a"]) != 1 {
			t.Fatalf("solicitation for %s: %v", target, got)
		}
		e, _, na := advertised(t, got["a"][0])
		tll, has := na.Options.LinkAddr(packet.NDOptionTargetLinkAddr)
		if !na.Router || !na.Solicited || !na.Override || na.Target != addr(target) || !has || tll != mac(4) || e.Src != mac(4) {
			t.Errorf("%s: %+v", target, na)
		}
		c := s.Controller()
		asked := c.Ask(neighbour.New(), a, solicit("::", packet.SolicitedNode(addr(target)).String(), target, 255, nil))
		if _, _, na := advertised(t, asked.Frame); !na.Router {
			t.Errorf("%s: duplicate address detection is answered by %+v", target, na)
		}
	}
	if got := s.Send(a, solicit("2001:db8::1", "ff02::1:ff00:1", "fe80::f816:3eff:fe00:1", 255, tells)); len(got["a"]) != 0 {
		t.Error("a guest's own link-local address is answered for")
	}
}

func TestDuplicateAddressIsDefended(t *testing.T) {
	t.Parallel()
	s, a := world(t)
	c := s.Controller()
	got := c.Ask(neighbour.New(), a, solicit("::", "ff02::1:ff00:3", "2001:db8::3", 255, nil))
	if got.Err != nil || got.Reply.Event != "advertisement" {
		t.Fatalf("%+v", got)
	}
	e, p, na := advertised(t, got.Frame)
	tll, has := na.Options.LinkAddr(packet.NDOptionTargetLinkAddr)
	if na.Solicited || !na.Override || !has || tll != mac(3) || p.Dst != addr("ff02::1") || e.Dst != packet.MulticastMAC(addr("ff02::1")) {
		t.Errorf("to %x %s: %+v", e.Dst, p.Dst, na)
	}
	if !c.Quiet(a, solicit("::", "ff02::1:ff00:1", "2001:db8::1", 255, nil)) {
		t.Error("a guest's detection for its own address came to the controller")
	}
}

func TestFloodIsMetered(t *testing.T) {
	t.Parallel()
	s, a := world(t)
	began := time.Now()
	came := s.Controller().Flood(a, solicit("::", "ff02::1:ff00:3", "2001:db8::3", 255, nil), 300)
	// A burst, and what the meter refills meanwhile. Without a meter Open vSwitch itself lets 100 wait.
	if most := 21 + int(10*time.Since(began).Seconds()); came == 0 || came > most {
		t.Errorf("%d of 300 packets came to the controller, want at most %d", came, most)
	}
}

// TestAPortThatAsksWithoutEndKeepsNobodyFromBeingAnswered floods from one port and then asks from another of the network.
func TestAPortThatAsksWithoutEndKeepsNobodyFromBeingAnswered(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apps()...)
	a, b, c := plain("a", 1), plain("b", 2), plain("c", 3)
	a.PortSecurityEnabled, b.PortSecurityEnabled = false, false
	w.Set(apptest.Net("n"), a, b, c, apptest.Bind(a), apptest.Bind(b))
	s := w.Switch(a, b)
	w.MustStep()
	s.Install()
	ctl := s.Controller()
	asks := solicit("::", "ff02::1:ff00:3", "2001:db8::3", 255, nil)
	if came := ctl.Flood(a, asks, 300); came == 0 {
		t.Error("nothing of the flood came to the controller")
	}
	if got := ctl.Ask(neighbour.New(), b, asks); got.Err != nil || got.Reply.Event != "advertisement" {
		t.Errorf("%+v", got)
	}
}

func FuzzPacketIn(f *testing.F) {
	w := apptest.New(f, apps()...)
	a, c := plain("a", 1), plain("c", 3)
	w.Set(apptest.Net("n"), a, c, apptest.Bind(a), apptest.Plug(a, 1))
	w.MustStep()
	f.Add([]byte{1, 2, 3}, solicit("::", "ff02::1:ff00:3", "2001:db8::3", 255, nil))
	f.Add([]byte("Pa"), solicit("::", "ff02::1:ff00:3", "2001:db8::3", 255, nil))
	handle, r := neighbour.New().PacketIn, w.Reader()
	f.Fuzz(func(t *testing.T, userdata, frame []byte) {
		_, _ = handle(r, app.PacketIn{Userdata: userdata, InPort: 1, Data: frame})
	})
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	s, a := world(t)
	s.Send(a, arp("10.0.0.1", "10.0.0.3", packet.Broadcast()))
	tells := packet.NDOptions(nil).AppendLinkAddr(packet.NDOptionSourceLinkAddr, mac(1))
	s.Send(a, solicit("2001:db8::1", "ff02::1:ff00:3", "2001:db8::3", 255, tells))
	apptest.Readme(t, "dump", s.Dump(func(owner string) bool {
		return strings.HasPrefix(owner, "neighbour.address") && strings.HasSuffix(owner, "3") ||
			owner == "neighbour.own LocalPort/a" || strings.HasPrefix(owner, "neighbour.reply")
	}))
}
