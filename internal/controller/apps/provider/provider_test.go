package provider_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/provider"
	"github.com/dragonflow/dragonflow/internal/controller/apps/tunnel"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func apps() []*app.App {
	return []*app.App{misses.New(), classifier.New(), portsecurity.New(), provider.New(), tunnel.New(), l2.New(), apptest.Open()}
}

// the physical network of the tests, at OpenFlow port 50.
var physical = view.ProviderPort{PhysicalNetwork: "physnet1", OFPort: 50}

// router is a router's interface on a network.
func router(id, network string, n byte) *model.RouterInterface {
	return &model.RouterInterface{
		Meta: model.Meta{ID: id, Revision: 1}, RouterID: "r", NetworkID: network, MACAddress: model.MAC{0xfa, 0x16, 0x3e, 1, 0, n}, AdminStateUp: true,
	}
}

// rows are two guests here and one elsewhere on network n in a VLAN, and one on network f without.
func rows() []any {
	elsewhere := apptest.At("c2", apptest.Port("c", "n", 3, "10.0.0.3", "2001:db8::3"))
	open := apptest.Port("b", "n", 2, "10.0.0.2", "2001:db8::2")
	open.PortSecurityEnabled = false
	out := []any{physical, apptest.Provider("n", "physnet1", 7), apptest.Provider("f", "physnet1", 0), elsewhere, router("i", "n", 1),
		&model.Chassis{Meta: model.Meta{ID: "c1", Revision: 1}, PhysicalNetworks: []string{"physnet1"}}}
	for i, p := range []*model.Port{apptest.Port("a", "n", 1, "10.0.0.1", "2001:db8::1"), open, apptest.Port("d", "f", 4, "10.1.0.4", "2001:db8:1::4")} {
		p.Host = apptest.Host
		out = append(out, p, apptest.Bind(p), apptest.Plug(p, uint32(i+1)))
	}
	return out
}

func mine(o engine.Owner) bool {
	return o.App == "provider" || o.Rule == "l2.address" || o.Rule == "l2.wire" || o.Rule == "classifier.provider"
}

func TestGolden(t *testing.T) {
	w := apptest.New(t, apps()...)
	w.Set(rows()...)
	w.MustStep()
	apptest.Golden(t, "vlan-and-flat", w.Engine.Text(mine))
}

func TestHistories(t *testing.T) {
	noise := apptest.At("c3", apptest.Port("x", "n", 9, "10.0.0.9"))
	apptest.Histories(t, apps, rows(), []any{noise, router("j", "n", 2), view.ProviderPort{PhysicalNetwork: "physnet2", OFPort: 51}})
}

// problems are what an operator is told.
func problems(w *apptest.World) string {
	var list []string
	for _, p := range w.Engine.Problems() {
		list = append(list, p.Text)
	}
	return strings.Join(list, "\n")
}

// TestTheSegmentOfThisChassisIsUsed: of several segments, that whose physical network is here; none is told.
func TestTheSegmentOfThisChassisIsUsed(t *testing.T) {
	n := apptest.Net("n")
	n.Segments = []model.Segment{
		{ID: "s1", NetworkType: model.VLAN, PhysicalNetwork: "physnet1", SegmentationID: 101},
		{ID: "s2", NetworkType: model.VLAN, PhysicalNetwork: "physnet2", SegmentationID: 102},
	}
	p := apptest.Port("a", "n", 1, "10.0.0.1", "2001:db8::1")
	p.Host = apptest.Host
	w := apptest.New(t, apps()...)
	w.Set(n, p, apptest.Bind(p), apptest.Plug(p, 1), apptest.At("c2", apptest.Port("b", "n", 2, "10.0.0.2")))
	w.Step()
	if got := problems(w); !strings.Contains(got, "is carried by physical network physnet1 or physical network physnet2, to which this chassis is not connected") {
		t.Errorf("a network without a segment here is not told:\n%s", got)
	}
	w.Set(view.ProviderPort{PhysicalNetwork: "physnet2", OFPort: 51})
	w.MustStep()
	if got := w.Flows(); !strings.Contains(got, "dl_vlan=102") || strings.Contains(got, "dl_vlan=101") {
		t.Errorf("not the segment of physnet2 alone:\n%s", got)
	}
	w.Set(physical)
	w.Step()
	if got := problems(w); !strings.Contains(got, "this chassis is connected to both") {
		t.Errorf("two segments on one chassis are not told:\n%s", got)
	}
	w.Remove(physical, view.ProviderPort{PhysicalNetwork: "physnet2"})
	w.Step()
	if got := w.Flows(); strings.Contains(got, "[provider-input]") {
		t.Errorf("flows are left:\n%s", got)
	}
}

// TestAPhysicalNetworkIsPreferredToATunnel: a network with both kinds of segments.
func TestAPhysicalNetworkIsPreferredToATunnel(t *testing.T) {
	n := apptest.Provider("n", "physnet1", 7)
	n.Segments = append(n.Segments, model.Segment{NetworkType: model.Geneve, SegmentationID: 5001})
	w := apptest.New(t, apps()...)
	p := apptest.Port("a", "n", 1, "10.0.0.1", "2001:db8::1")
	p.Host = apptest.Host
	tunnelPort := view.TunnelPort{Type: model.Geneve, OFPort: 101}
	w.Set(tunnelPort, n, p, apptest.Bind(p), apptest.Plug(p, 1), apptest.Peer("c2", "172.16.0.2"), apptest.At("c2", apptest.Port("b", "n", 2, "10.0.0.2")))
	w.MustStep()
	if got := w.Flows(); !strings.Contains(got, "output:101") || strings.Contains(got, "[provider-output] 200") {
		t.Errorf("without the physical network it is not the tunnel:\n%s", got)
	}
	w.Set(physical)
	w.MustStep()
	if got := w.Flows(); strings.Contains(got, "tun_id=") || strings.Contains(got, "set_field:172.16.0.2") {
		t.Errorf("packets of the network still go through tunnels:\n%s", got)
	}
}

func TestChassisOfTheSameAddressAreTold(t *testing.T) {
	names := map[uint64]string{}
	var one, other string
	for i := 0; other == ""; i++ { // about 2^14 until two of 2^28 are alike
		name := "host-" + string(rune('a'+i%26)) + strings.Repeat("x", i/26%40) + string(rune('A'+i/1040%26)) + strings.Repeat("y", i/27040)
		if had, ok := names[view.WireMACOf(name)]; ok && had != name {
			one, other = had, name
		}
		names[view.WireMACOf(name)] = name
	}
	w := apptest.New(t, apps()...)
	for _, name := range []string{one, other} {
		w.Set(&model.Chassis{Meta: model.Meta{ID: name, Revision: 1}, PhysicalNetworks: []string{"physnet1"}})
	}
	w.Step()
	if got := problems(w); !strings.Contains(got, "rename one") {
		t.Errorf("chassis %s and %s are not told: %q", one, other, got)
	}
}
