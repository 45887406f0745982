package apps_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// remote is a dual-stack port of a routed network on another chassis.
func remote(i int) *model.Port {
	p := apptest.Port(fmt.Sprint("remote", i), "n2", 0)
	p.MACAddress = model.MAC{0xfa, 0x16, 0x3e, 1, byte(i >> 8), byte(i)}
	p.Host = "c2"
	p.FixedIPs = []model.FixedIP{
		{SubnetID: "s4-n2", IPAddress: netip.AddrFrom4([4]byte{10, 2, 1 + byte(i>>8), byte(i)})},
		{SubnetID: "s6-n2", IPAddress: netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 7: 2, 14: 1 + byte(i>>8), 15: byte(i)})},
	}
	return p
}

// routedCloud is a port here, behind a router a network with so many ports elsewhere.
func routedCloud(t testing.TB, ports int) *apptest.World {
	w := apptest.New(t, apps.All()...)
	a := apptest.Port("a", "n1", 10, "10.1.0.10", "2001:db8:0:1::10")
	w.Set(a, apptest.Bind(a), apptest.Plug(a, 1), view.TunnelPort{Type: model.Geneve, OFPort: 2}, apptest.Peer("c2", "192.0.2.2"),
		&model.Router{Meta: model.Meta{ID: "r"}, AdminStateUp: true})
	for k := range byte(2) {
		id := fmt.Sprint("n", k+1)
		net := apptest.Net(id)
		net.Segments = []model.Segment{{NetworkType: model.Geneve, SegmentationID: uint32(k) + 1}}
		at := apptest.Port("r-"+id, id, 200+k, fmt.Sprintf("10.%d.0.1", k+1), fmt.Sprintf("2001:db8:0:%d::1", k+1))
		at.FixedIPs[0].SubnetID, at.FixedIPs[1].SubnetID = "s4-"+id, "s6-"+id
		at.DeviceOwner, at.DeviceID = model.RouterInterfaceOwner, "r"
		w.Set(net, at, apptest.Subnet("s4-"+id, id, fmt.Sprintf("10.%d.0.0/16", k+1)), apptest.Subnet("s6-"+id, id, fmt.Sprintf("2001:db8:0:%d::/64", k+1)),
			&model.RouterInterface{Meta: model.Meta{ID: at.ID}, RouterID: "r", NetworkID: id, MACAddress: at.MACAddress, FixedIPs: at.FixedIPs, AdminStateUp: true})
	}
	for i := range ports {
		w.Set(remote(i))
	}
	w.Engine.Step()
	return w
}

// TestARemotePortCostsAtMostEightFlows holds all apps together to the budget, whatever the network's size.
func TestARemotePortCostsAtMostEightFlows(t *testing.T) {
	for _, ports := range []int{1, 300} {
		w := routedCloud(t, ports)
		for _, p := range w.Engine.Problems() {
			t.Errorf("%s: %s %v", p.Owner, p.Text, p.Waiting)
		}
		w.Set(remote(ports))
		if d := w.Step(); len(d.Flows) == 0 || len(d.Flows) > 8 {
			t.Errorf("beside %d ports another one costs %d flow-mods, want at most 8", ports, len(d.Flows))
		}
	}
}

// BenchmarkRemotePortChange changes one port of a large routed network elsewhere.
func BenchmarkRemotePortChange(b *testing.B) {
	for _, ports := range []int{100, 10000} {
		b.Run(fmt.Sprint(ports), func(b *testing.B) {
			w := routedCloud(b, ports)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p := remote(7)
				p.MACAddress[3] = byte(i)
				w.Set(p)
				w.Engine.Step()
			}
		})
	}
}
