package dnat_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/activeport"
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
)

// apps are those that a packet to or from a floating IP passes.
func apps() []*app.App {
	return []*app.App{
		misses.New(), classifier.New(), portsecurity.New(), apptest.Open(), provider.New(), activeport.New(), gateway.New(), tunnel.New(), l2.New(), l3.New(),
		dnat.New(), snat.New(), neighbour.New(),
	}
}

// ours is what the world has because of floating IPs.
func ours(w *apptest.World) string {
	return w.Engine.Text(func(o engine.Owner) bool { return o.App == "dnat" || o.Rule == "gateway.floating" })
}

const (
	hostMAC    = "52:54:00:00:00:01" // the router outside
	hostIP     = "203.0.113.1"
	farIP      = "198.51.100.9"
	floatingIP = "203.0.113.70"
	fixedIP    = "10.0.0.10"
)

var (
	insideMAC   = model.MAC{0xfa, 0x16, 0x3e, 0xee, 0, 1}
	gatewayMAC  = model.MAC{0xfa, 0x16, 0x3e, 0xff, 0, 1}
	floatingMAC = model.MAC{0xfa, 0x16, 0x3e, 0xfe, 0, 70}
	physical    = view.ProviderPort{PhysicalNetwork: "physnet1", OFPort: 50}
)

func meta(id string) model.Meta { return model.Meta{ID: id, Revision: 1} }

// external is the external network x, in VLAN 9 outside.
func external() *model.Network {
	x := apptest.Provider("x", "physnet1", 9)
	x.External = true
	return x
}

// behind is a router to network n, with its gateway on chassis c9.
func behind(router, n, cidr string, k byte) []any {
	s := apptest.Subnet("s-"+n, n, cidr)
	inside := apptest.Port(router+"-"+n, n, 0, s.CIDR.Addr().Next().String())
	inside.MACAddress, inside.DeviceOwner, inside.DeviceID = model.MAC{0xfa, 0x16, 0x3e, 0xee, 0, k}, model.RouterInterfaceOwner, router
	out := netip.AddrFrom4([4]byte{203, 0, 113, 200 + k})
	return []any{
		apptest.Overlay(n, model.Geneve, 5000+uint32(k)), s, inside,
		&model.Router{Meta: meta(router), Name: router, AdminStateUp: true},
		&model.RouterInterface{Meta: meta(inside.ID), RouterID: router, NetworkID: n, MACAddress: inside.MACAddress, FixedIPs: inside.FixedIPs, AdminStateUp: true},
		&model.RouterGateway{
			Meta: meta(router + "-x"), RouterID: router, NetworkID: "x", MACAddress: model.MAC{0xfa, 0x16, 0x3e, 0xff, 0, k}, TransitVNI: 0xff0000 + uint32(k),
			FixedIPs: []model.FixedIP{{SubnetID: "s-x", IPAddress: out}}, Chassis: []model.GatewayChassis{{Name: "c9", Priority: 1}},
			EnableSNAT: true,
		},
	}
}

// guest is port a of n on this chassis, with floatingIP.
func guest() *model.Port { return apptest.At(apptest.Host, apptest.Port("a", "n", 10, fixedIP)) }

func floating(host string) *model.FloatingIP {
	return &model.FloatingIP{
		Meta: meta("f"), Host: host, FloatingIPAddress: netip.MustParseAddr(floatingIP), NetworkID: "x", MACAddress: floatingMAC,
		RouterID: "r", PortID: "a", PortNetworkID: "n", FixedIPAddress: netip.MustParseAddr(fixedIP),
	}
}

func subnetOutside() *model.Subnet { return apptest.Subnet("s-x", "x", "203.0.113.0/24") }

func known() view.Neighbour {
	mac, _ := model.ParseMAC(hostMAC)
	return view.Neighbour{NetworkID: "x", Address: netip.MustParseAddr(hostIP), MAC: mac}
}

// topology is router r between n and x, seen from a chassis on which nobody is plugged.
func topology() []any {
	return append([]any{
		external(), subnetOutside(), physical, known(), apptest.Peer("c9", "172.16.0.9"), view.TunnelPort{Type: model.Geneve, OFPort: 101},
	}, behind("r", "n", "10.0.0.0/24", 1)...)
}

// here plugs a port in.
func here(p *model.Port, ofport uint32) []any {
	return []any{p, apptest.Bind(p), apptest.Plug(p, ofport)}
}

// wired is the switch of a chassis with a physical network.
type wired struct{ *apptest.Wired }

const wire = apptest.Wire

func newWired(t *testing.T, rows ...any) *wired {
	t.Helper()
	return &wired{apptest.NewWired(t, apps(), rows...)}
}

// send gives a frame to a device and returns what came out of each, by name.
func (s *wired) send(device string, frame []byte) map[string][][]byte {
	devices := []string{wire, apptest.Tunnel}
	for _, p := range s.Ports {
		devices = append(devices, apptest.Plug(p, 0).Name)
	}
	for _, d := range devices {
		s.Forget(d)
	}
	s.Inject(device, frame)
	s.Settle()
	got := map[string][][]byte{}
	for _, d := range devices {
		if f := s.Sent(d); len(f) > 0 {
			got[d] = f
		}
	}
	return got
}

// only returns the one frame that came out, and only of that device.
func only(t *testing.T, got map[string][][]byte, device string) []byte {
	t.Helper()
	if len(got) != 1 || len(got[device]) != 1 {
		t.Fatalf("one frame should have come out of %s alone: %x", device, got)
	}
	return got[device][0]
}
