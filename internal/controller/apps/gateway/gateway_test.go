package gateway_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/gateway"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l3"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/tunnel"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func apps() []*app.App {
	return []*app.App{
		misses.New(), classifier.New(), portsecurity.New(), apptest.Open(), gateway.New(), tunnel.New(), l2.New(), l3.New(),
	}
}

const transitVNI = 0xff0001

var (
	gatewayMAC = model.MAC{0xfa, 0x16, 0x3e, 0xff, 0, 1}
	insideMAC  = model.MAC{0xfa, 0x16, 0x3e, 0xee, 0, 1}
)

// topology is router r between network n, which is tunnelled, and external network x. Its gateway may be c2,
// or else c3.
func topology() []any {
	n, x := apptest.Overlay("n", model.Geneve, 5001), apptest.Net("x")
	x.External = true
	meta := func(id string) model.Meta { return model.Meta{ID: id, Revision: 1} }
	fixed := func(network string, addresses ...string) (list []model.FixedIP) {
		for i, a := range addresses {
			list = append(list, model.FixedIP{SubnetID: network + strconv.Itoa(i), IPAddress: netip.MustParseAddr(a)})
		}
		return list
	}
	inside := apptest.Port("r-n", "n", 0)
	inside.MACAddress, inside.DeviceOwner, inside.DeviceID = insideMAC, model.RouterInterfaceOwner, "r"
	inside.FixedIPs = fixed("n", "10.0.0.1", "2001:db8:1::1")
	return []any{
		n, x, inside,
		apptest.Subnet("n0", "n", "10.0.0.0/24"), apptest.Subnet("n1", "n", "2001:db8:1::/64"),
		apptest.Subnet("x0", "x", "203.0.113.0/24"), apptest.Subnet("x1", "x", "2001:db8:ff::/64"),
		&model.Router{Meta: meta("r"), Name: "r", AdminStateUp: true},
		&model.RouterInterface{Meta: meta("r-n"), RouterID: "r", NetworkID: "n", MACAddress: insideMAC, FixedIPs: inside.FixedIPs, AdminStateUp: true},
		&model.RouterGateway{
			Meta: meta("r-x"), RouterID: "r", NetworkID: "x", MACAddress: gatewayMAC, FixedIPs: fixed("x", "203.0.113.5", "2001:db8:ff::5"),
			TransitVNI: transitVNI, Chassis: []model.GatewayChassis{{Name: "c3", Priority: 1}, {Name: "c2", Priority: 2}},
		},
	}
}

func duty(host string) *model.GatewayDuty {
	return &model.GatewayDuty{Meta: model.Meta{ID: "r", Revision: 1}, Host: host}
}

// guest is a port of n on chassis c1.
func guest() *model.Port {
	return apptest.At("c1", apptest.Port("a", "n", 1, "10.0.0.10", "2001:db8:1::10"))
}

// on is what a chassis of that name knows.
func on(t testing.TB, name string) *apptest.World {
	w := apptest.New(t, apps()...)
	view.Set(w.DB, view.Self, view.Chassis{Name: name})
	w.Sync(model.ScopeChassis(name))
	w.Set(view.TunnelPort{Type: model.Geneve, OFPort: 101, Local: netip.MustParseAddr("172.16.0." + name[1:])},
		apptest.Peer("c1", "172.16.0.1"), apptest.Peer("c2", "172.16.0.2"), apptest.Peer("c3", "172.16.0.3"))
	w.Set(topology()...)
	w.Set(guest())
	if name == "c1" {
		b := apptest.Bind(guest())
		b.Host = "c1"
		w.Set(b, apptest.Plug(guest(), 1))
	} else {
		w.Set(duty(name))
	}
	return w
}

func ours(w *apptest.World) string {
	return w.Engine.Text(func(o engine.Owner) bool {
		return o.App == "gateway" || o.Rule == "tunnel.transit" || o.Rule == "tunnel.peer" || o.Rule == "l3.route"
	})
}

func watch(chassis string, ofport uint32, alive bool) view.WatchPort {
	return view.WatchPort{Chassis: chassis, OFPort: ofport, Alive: alive}
}

func TestGolden(t *testing.T) {
	for name, c := range map[string]struct {
		chassis string
		watches []any
	}{
		"guests-chassis":            {"c1", []any{watch("c2", 12, true), watch("c3", 13, true)}},
		"guests-chassis-at-start":   {"c1", nil},
		"first-gateway":             {"c2", []any{watch("c3", 13, true)}},
		"second-gateway":            {"c3", []any{watch("c2", 12, true)}},
		"second-gateway-takes-over": {"c3", []any{watch("c2", 12, false)}},
	} {
		w := on(t, c.chassis)
		w.Set(c.watches...)
		w.MustStep()
		apptest.Golden(t, name, ours(w))
	}
}

// TestWhoIsWatched: gateways watch each other and those who send to them; who sends watches the gateways.
func TestWhoIsWatched(t *testing.T) {
	for chassis, want := range map[string]string{"c1": "c2 c3", "c2": "c1 c3", "c3": "c1 c2"} {
		w := on(t, chassis)
		w.MustStep()
		var got []string
		for _, other := range []string{"c1", "c2", "c3"} {
			if row, ok := w.DB.Row(view.WatchTargets, other); ok {
				got = append(got, other)
				if at := row.(view.WatchTarget); at.Address.String() != "172.16.0."+other[1:] || at.Type != model.Geneve {
					t.Errorf("%s watches %s at %v", chassis, other, at)
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s watches %v, want %s", chassis, got, want)
		}
	}
	w := on(t, "c1")
	only := topology()
	g := only[len(only)-1].(*model.RouterGateway)
	g.Chassis = g.Chassis[:1]
	w.Set(g)
	w.MustStep()
	if w.DB.Len(view.WatchTargets) > 0 {
		t.Error("a gateway in whose place there is nobody is watched")
	}
}

func TestProblemsAreNamed(t *testing.T) {
	w := on(t, "c1")
	all := topology()
	g := all[len(all)-1].(*model.RouterGateway)
	for remedy, change := range map[string]func(g *model.RouterGateway){
		"set gateway on chassis": func(g *model.RouterGateway) { g.Chassis = nil },
		"run the server":         func(g *model.RouterGateway) { g.TransitVNI = 0 },
		"is not reached by a tunnel": func(g *model.RouterGateway) {
			g.Chassis = []model.GatewayChassis{{Name: "c2"}, {Name: "nowhere", Priority: 9}}
		},
	} {
		c := *g
		change(&c)
		w.Set(&c)
		w.Step()
		found := false
		for _, p := range w.Engine.Problems() {
			found = found || strings.Contains(p.Text, remedy)
		}
		if !found {
			t.Errorf("no problem says %q: %v", remedy, w.Engine.Problems())
		}
	}
}

func TestHistories(t *testing.T) {
	rows := append(topology(), guest(), duty(apptest.Host), watch("c2", 12, true), watch("c3", 13, true),
		view.TunnelPort{Type: model.Geneve, OFPort: 101}, apptest.Peer("c2", "172.16.0.2"), apptest.Peer("c3", "172.16.0.3"))
	apptest.Histories(t, apps, rows, []any{watch("c4", 14, false), apptest.Peer("c4", "172.16.0.4"), apptest.At("c4", apptest.Port("b", "n", 2, "10.0.0.11"))})
}

// TestAGuestsPacketLeavesByTheGatewayThatLives: it comes to the gateway as it was sent, is routed there, and the
// switch of the guest's chassis changes to the other gateway by itself.
func TestAGuestsPacketLeavesByTheGatewayThatLives(t *testing.T) {
	t.Parallel()
	c := apptest.NewCloud(t, apps, 3, "172.16.0.1")
	c.Set(topology()...)
	a := guest()
	c.Boot(a)
	outside := map[string]*model.Port{}
	for _, name := range []string{"c2", "c3"} {
		p := apptest.At(name, apptest.Port("out-"+name, "x", 200, "203.0.113.1", "2001:db8:ff::1"))
		p.PortSecurityEnabled = false
		outside[name] = p
		b := apptest.Bind(p)
		b.Host = name
		h := c.At(name)
		h.World.Set(p, b, duty(name))
		h.Join(p)
	}
	for i, name := range []string{"c2", "c3"} {
		number := c.At("c1").AddPort(apptest.Bridge, "watch-"+name)
		n, _ := strconv.ParseUint(number, 10, 32)
		c.At("c1").World.Set(watch(name, uint32(n), true))
		c.At([]string{"c3", "c2"}[i]).World.Set(watch(name, 99, true))
	}
	c.Install()
	for _, f := range [][]byte{udp4(a, "198.51.100.9"), udp6(a, "2001:db8:9::9")} {
		if got := c.Send(a, f); got != "out-c2" {
			t.Errorf("the packet reaches %q, want the gateway c2", got)
		}
	}
	if got := tracedTo(c.At("c1"), udp4(a, "198.51.100.9")); got != "172.16.0.2" {
		t.Errorf("the trace leads to %s, want c2", got)
	}
	apptest.Readme(t, "dump", c.At("c1").Dump(func(owner string) bool {
		return strings.HasPrefix(owner, "gateway.") || strings.HasPrefix(owner, "tunnel.peer") || strings.Contains(owner, "RouterDestination/r/0")
	}))
	frame := c.At("c2").Sent(apptest.Plug(outside["c2"], 0).Name)
	if len(frame) != 1 || model.MAC(frame[0][6:12]) != gatewayMAC {
		t.Errorf("frames %x do not come from the router's gateway", frame)
	}
	c.At("c1").Appctl("netdev-dummy/set-admin-state", "watch-c2", "down")
	c.At("c3").World.Set(watch("c2", 99, false))
	port, _ := strconv.ParseUint(strings.TrimSpace(c.At("c1").Vsctl("get", "interface", "watch-c2", "ofport")), 10, 32)
	c.At("c1").World.Set(watch("c2", uint32(port), false))
	c.Install()
	if got := tracedTo(c.At("c1"), udp4(a, "198.51.100.9")); got != "172.16.0.3" {
		t.Errorf("with c2 away the trace leads to %s, want c3", got)
	}
	c.At("c1").ForgetDecisions()
	if got := c.Send(a, udp4(a, "198.51.100.9")); got != "out-c3" {
		t.Errorf("with c2 away the packet reaches %q, want c3", got)
	}
}

func udp4(from *model.Port, to string) []byte {
	src, dst := from.FixedIPs[0].IPAddress, netip.MustParseAddr(to)
	u := packet.UDP{SrcPort: 1000, DstPort: 2000, Payload: []byte("out")}.Append(nil, src, dst)
	e := packet.Ethernet{Dst: packet.MAC(insideMAC), Src: packet.MAC(from.MACAddress), EtherType: packet.EtherTypeIPv4}
	return append(packet.IPv4{TTL: 64, Protocol: packet.ProtocolUDP, Src: src, Dst: dst}.Append(e.Append(nil), len(u)), u...)
}

func udp6(from *model.Port, to string) []byte {
	src, dst := from.FixedIPs[1].IPAddress, netip.MustParseAddr(to)
	u := packet.UDP{SrcPort: 1000, DstPort: 2000, Payload: []byte("out")}.Append(nil, src, dst)
	e := packet.Ethernet{Dst: packet.MAC(insideMAC), Src: packet.MAC(from.MACAddress), EtherType: packet.EtherTypeIPv6}
	return append(packet.IPv6{HopLimit: 64, NextHeader: packet.ProtocolUDP, Src: src, Dst: dst}.Append(e.Append(nil), len(u)), u...)
}

// tracedTo is the chassis to which operators are told that a packet goes.
func tracedTo(h *apptest.Hypervisor, frame []byte) string {
	row, _ := h.DB.Row(view.Interfaces, "tap-a")
	trace := operate.Snapshot(h.Engine, h.DB).Walk(operate.FromFrame(row.(view.Interface).OFPort, frame), operate.Assumptions{})
	_, to, _ := strings.Cut(trace.Steps[len(trace.Steps)-1].Flow, "set_field:")
	to, _, _ = strings.Cut(to, "->")
	return to
}

// TestAddressScopesAreKeptByTransit: a router that leads to several forwards what another chassis sent to its gateway
// if the source is of the external network's scope, and nothing else.
func TestAddressScopesAreKeptByTransit(t *testing.T) {
	t.Parallel()
	c := apptest.NewCloud(t, apps, 2, "172.16.0.1")
	rows := topology()
	gateway := rows[len(rows)-1].(*model.RouterGateway)
	gateway.Chassis = gateway.Chassis[1:]
	other := apptest.Port("r-m", "m", 0)
	other.MACAddress, other.DeviceOwner, other.DeviceID = model.MAC{0xfa, 0x16, 0x3e, 0xee, 0, 2}, model.RouterInterfaceOwner, "r"
	other.FixedIPs = []model.FixedIP{
		{SubnetID: "m0", IPAddress: netip.MustParseAddr("10.0.1.1")}, {SubnetID: "m1", IPAddress: netip.MustParseAddr("2001:db8:2::1")},
	}
	rows = append(rows, apptest.Overlay("m", model.Geneve, 5002), apptest.Subnet("m0", "m", "10.0.1.0/24"), apptest.Subnet("m1", "m", "2001:db8:2::/64"), other,
		&model.RouterInterface{
			Meta: model.Meta{ID: "r-m", Revision: 1}, RouterID: "r", NetworkID: "m", MACAddress: other.MACAddress, FixedIPs: other.FixedIPs, AdminStateUp: true,
		})
	for _, r := range rows {
		if s, is := r.(*model.Subnet); is {
			s.AddressScopeID = map[string]string{"n": "s", "x": "s", "m": "t"}[s.NetworkID]
		}
	}
	c.Set(rows...)
	a, b := guest(), apptest.At("c1", apptest.Port("b", "m", 2, "10.0.1.10", "2001:db8:2::10"))
	c.Boot(a, b)
	out := apptest.At("c2", apptest.Port("out", "x", 200, "203.0.113.1", "2001:db8:ff::1"))
	out.PortSecurityEnabled = false
	bound := apptest.Bind(out)
	bound.Host = "c2"
	c.At("c2").World.Set(out, bound, duty("c2"))
	c.At("c2").Join(out)
	c.Install()
	for what, f := range map[string][]byte{"v4": udp4(a, "198.51.100.9"), "v6": udp6(a, "2001:db8:9::9")} {
		if got := c.Send(a, f); got != "out" {
			t.Errorf("%s of the external network's scope reaches %q", what, got)
		}
	}
	for what, f := range map[string][]byte{"v4": udp4(b, "198.51.100.9"), "v6": udp6(b, "2001:db8:9::9")} {
		copy(f, other.MACAddress[:])
		if got := c.Send(b, f); got != "" {
			t.Errorf("%s of another scope reaches %q", what, got)
		}
	}
}
