package snat_test

import (
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/dnat"
	"github.com/dragonflow/dragonflow/internal/controller/apps/gateway"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l3"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/neighbour"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/provider"
	"github.com/dragonflow/dragonflow/internal/controller/apps/snat"
	"github.com/dragonflow/dragonflow/internal/controller/apps/tunnel"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// apps are those that a packet for outside passes.
func apps() []*app.App {
	return []*app.App{
		misses.New(), classifier.New(), portsecurity.New(), apptest.Open(), provider.New(), gateway.New(), tunnel.New(), l2.New(), l3.New(),
		dnat.New(), snat.New(), neighbour.New(),
	}
}

// ours is what the world has because of translated sources.
func ours(w *apptest.World) string {
	return w.Engine.Text(func(o engine.Owner) bool { return o.App == "snat" || o.App == "gateway" })
}

const (
	hostMAC = "52:54:00:00:00:01" // the router outside
	hostIP  = "203.0.113.1"
	farIP   = "198.51.100.9"
	outIP   = "203.0.113.201" // of the gateway of router r1
	ownIP   = "203.0.113.77"  // of this chassis
	guestIP = "10.0.0.10"
)

var (
	chassisMAC = model.MAC{0xfa, 0x16, 0x3e, 0xfc, 0, 1}
	physical   = view.ProviderPort{PhysicalNetwork: "physnet1", OFPort: 50}
)

func gatewayMAC(k byte) model.MAC { return model.MAC{0xfa, 0x16, 0x3e, 0xff, 0, k} }
func insideMAC(k byte) model.MAC  { return model.MAC{0xfa, 0x16, 0x3e, 0xee, 0, k} }

func meta(id string) model.Meta { return model.Meta{ID: id, Revision: 1} }

// outside is the external network x, in VLAN 9, with a router that is known.
func outside() []any {
	x := apptest.Provider("x", "physnet1", 9)
	x.External = true
	mac, _ := model.ParseMAC(hostMAC)
	return []any{
		x, apptest.Subnet("s-x", "x", "203.0.113.0/24"), apptest.Subnet("s6-x", "x", "2001:db8:ff::/64"), physical,
		view.Neighbour{NetworkID: "x", Address: netip.MustParseAddr(hostIP), MAC: mac},
		view.Neighbour{NetworkID: "x", Address: netip.MustParseAddr("2001:db8:ff::1"), MAC: mac},
		apptest.Peer("c1", "172.16.0.1"), apptest.Peer("c9", "172.16.0.9"), view.TunnelPort{Type: model.Geneve, OFPort: 101},
	}
}

// behind is router r<k> between network n<k> and x. Its gateway, which translates, is this chassis.
func behind(k byte) []any {
	id := strconv.Itoa(int(k))
	s, s6 := apptest.Subnet("s-n"+id, "n"+id, "10.0.0.0/24"), apptest.Subnet("s6-n"+id, "n"+id, "2001:db8:1::/64")
	inside := apptest.Port("r"+id+"-n"+id, "n"+id, 0)
	inside.MACAddress, inside.DeviceOwner, inside.DeviceID = insideMAC(k), model.RouterInterfaceOwner, "r"+id
	inside.FixedIPs = []model.FixedIP{
		{SubnetID: s.ID, IPAddress: netip.MustParseAddr("10.0.0.1")}, {SubnetID: s6.ID, IPAddress: netip.MustParseAddr("2001:db8:1::1")},
	}
	return []any{
		apptest.Overlay("n"+id, model.Geneve, 5000+uint32(k)), s, s6, inside, duty(k),
		&model.Router{Meta: meta("r" + id), Name: "router-" + id, AdminStateUp: true},
		&model.RouterInterface{
			Meta: meta(inside.ID), RouterID: "r" + id, NetworkID: "n" + id, MACAddress: inside.MACAddress, FixedIPs: inside.FixedIPs, AdminStateUp: true,
		},
		gatewayOf(k),
	}
}

func duty(k byte) *model.GatewayDuty {
	return &model.GatewayDuty{Meta: meta("r" + strconv.Itoa(int(k))), Host: apptest.Host}
}

func gatewayOf(k byte) *model.RouterGateway {
	id := strconv.Itoa(int(k))
	return &model.RouterGateway{
		Meta: meta("r" + id + "-x"), RouterID: "r" + id, NetworkID: "x", MACAddress: gatewayMAC(k), TransitVNI: 0xff0000 + uint32(k), EnableSNAT: true,
		FixedIPs: []model.FixedIP{
			{SubnetID: "s-x", IPAddress: netip.AddrFrom4([4]byte{203, 0, 113, 200 + k})},
			{SubnetID: "s6-x", IPAddress: netip.MustParseAddr("2001:db8:ff::c" + id)},
		},
		Chassis: []model.GatewayChassis{{Name: apptest.Host, Priority: 2}},
	}
}

// distributed is behind, with a gateway elsewhere, of a router whose guests' addresses this chassis translates.
func distributed(k byte) []any {
	list := behind(k)
	g := list[len(list)-1].(*model.RouterGateway)
	g.Distributed, g.Chassis = true, []model.GatewayChassis{{Name: "c9", Priority: 1}}
	return slices.DeleteFunc(list, func(r any) bool { _, is := r.(*model.GatewayDuty); return is })
}

// own is this chassis' address on x.
func own() *model.ChassisAddress {
	return &model.ChassisAddress{
		Meta: meta("own"), Host: apptest.Host, NetworkID: "x", MACAddress: chassisMAC,
		FixedIPs: []model.FixedIP{{SubnetID: "s-x", IPAddress: netip.MustParseAddr(ownIP)}},
	}
}

// guest is the n-th port of n<k> on this chassis: 10.0.0.<n>.
func guest(k, n byte) *model.Port {
	id, host := strconv.Itoa(int(k)), strconv.Itoa(int(n))
	return apptest.At(apptest.Host, apptest.Port("g"+id+"-"+host, "n"+id, n, "10.0.0."+host, "2001:db8:1::"+host))
}

func here(p *model.Port, ofport uint32) []any {
	return []any{p, apptest.Bind(p), apptest.Plug(p, ofport)}
}

// wired is the switch of a chassis with a physical network.
type wired struct {
	*apptest.Wired
	t *testing.T
}

const wire = apptest.Wire

func newWired(t *testing.T, rows ...any) *wired {
	t.Helper()
	return &wired{apptest.NewWired(t, apps(), rows...), t}
}

// out sends what a guest sends to his router, and returns what came out into the physical network.
func (s *wired) out(from *model.Port, layers ...packet.Layer) [][]byte {
	s.t.Helper()
	s.Forget(wire)
	k := from.NetworkID[1] - '0'
	s.Send(from, packet.Build(append([]packet.Layer{packet.Ethernet(from.MACAddress, insideMAC(k))}, layers...)...))
	return s.Sent(wire)
}

// in sends a frame from the physical network to a MAC address, and returns what each guest received.
func (s *wired) in(to model.MAC, layers ...packet.Layer) map[string][][]byte {
	s.t.Helper()
	return s.fromWire(packet.Build(append([]packet.Layer{packet.Ethernet(hostMAC, to), packet.VLAN(9)}, layers...)...))
}

func (s *wired) fromWire(frame []byte) map[string][][]byte {
	s.t.Helper()
	for _, p := range s.Ports {
		s.Forget(apptest.Plug(p, 0).Name)
	}
	s.Inject(wire, frame)
	s.Settle()
	got := map[string][][]byte{}
	for _, p := range s.Ports {
		if list := s.Sent(apptest.Plug(p, 0).Name); len(list) > 0 {
			got[p.ID] = list
		}
	}
	return got
}

// leaves checks that one frame came out, and that it is this.
func (s *wired) leaves(what string, got [][]byte, want ...packet.Checker) {
	s.t.Helper()
	if len(got) != 1 {
		s.t.Errorf("%s: %d frames leave, want 1", what, len(got))
		return
	}
	if err := packet.Match(got[0], want...); err != nil {
		s.t.Errorf("%s: %s\n%v", what, packet.Summary(got[0]), err)
	}
}

// comes checks that one guest alone got one frame, and that it is this.
func (s *wired) comes(what string, got map[string][][]byte, to *model.Port, want ...packet.Checker) {
	s.t.Helper()
	if len(got) != 1 || len(got[to.ID]) != 1 {
		s.t.Errorf("%s: reaches %v, want %s once", what, got, to.ID)
		return
	}
	if err := packet.Match(got[to.ID][0], want...); err != nil {
		s.t.Errorf("%s: %s\n%v", what, packet.Summary(got[to.ID][0]), err)
	}
}
