package tunnel_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/neighbour"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/tunnel"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func apps() []*app.App {
	return []*app.App{misses.New(), classifier.New(), portsecurity.New(), tunnel.New(), l2.New(), apptest.Open()}
}

// world is chassis c1 with tunnels, and two others.
func world(t testing.TB) *apptest.World {
	w := apptest.New(t, append(apps(), neighbour.New())...)
	w.Set(view.TunnelPort{Type: model.Geneve, OFPort: 101}, view.TunnelPort{Type: model.VXLAN, OFPort: 102},
		apptest.Peer("c1", "172.16.0.1"), apptest.Peer("c2", "172.16.0.2"), apptest.Peer("c3", "172.16.0.3"))
	return w
}

// here is what makes a port one of chassis c1.
func here(p *model.Port, ofport uint32) []any {
	p.Host = apptest.Host
	return []any{p, apptest.Bind(p), apptest.Plug(p, ofport)}
}

// remote is a port elsewhere with addresses of both families.
func remote(host string, n int) *model.Port {
	p := apptest.Port(fmt.Sprint("r", n), "n", 0, fmt.Sprintf("10.0.%d.%d", n/250, n%250+1), fmt.Sprintf("2001:db8::%x", n+1))
	p.MACAddress = model.MAC{0xfa, 0x16, 0x3e, 1, byte(n >> 8), byte(n)}
	return apptest.At(host, p)
}

func TestGolden(t *testing.T) {
	for name, c := range map[string]struct {
		typ    model.NetworkType
		c2, c3 string
	}{
		"geneve-v4": {model.Geneve, "172.16.0.2", "172.16.0.3"}, "geneve-v6": {model.Geneve, "fd00::2", "fd00::3"},
		"vxlan-v4": {model.VXLAN, "172.16.0.2", "172.16.0.3"}, "vxlan-v6": {model.VXLAN, "fd00::2", "fd00::3"},
	} {
		w := world(t)
		open := apptest.At("c3", apptest.Port("d", "n", 4, "10.0.0.4"))
		open.PortSecurityEnabled = false
		w.Set(here(apptest.Port("a", "n", 1, "10.0.0.1"), 1)...)
		w.Set(apptest.Overlay("n", c.typ, 5001), apptest.Peer("c2", c.c2), apptest.Peer("c3", c.c3), apptest.At("c2", apptest.Port("c", "n", 3, "10.0.0.3")), open)
		w.MustStep()
		apptest.Golden(t, name, w.Engine.Text(func(o engine.Owner) bool {
			return o.App == "tunnel" || o.Rule == "l2.address" || o.Rule == "l2.network" || o.Rule == "classifier.tunnel"
		}))
	}
}

func TestAChassisWithoutAPortOfTheNetworkTakesNothingIn(t *testing.T) {
	w := world(t)
	w.Set(apptest.Overlay("n", model.Geneve, 5001), remote("c2", 1))
	w.MustStep()
	text := w.Flows()
	for _, stage := range []string{"[tunnel-input]", "[tunnel-flood]", "[l2-flood]"} {
		if strings.Contains(text, stage) {
			t.Errorf("a network that is only routed to has flows in %s:\n%s", stage, text)
		}
	}
	if !strings.Contains(text, "dl_dst=fa:16:3e:01:00:01") {
		t.Errorf("a router of this chassis cannot send to the port elsewhere:\n%s", text)
	}
}

func TestARemotePortCostsFewFlows(t *testing.T) {
	w := world(t)
	w.Set(apptest.Overlay("n", model.Geneve, 5001))
	w.Set(here(apptest.Port("a", "n", 1, "10.0.0.1"), 1)...)
	for i := range 100 {
		w.Set(remote("c2", i))
	}
	w.MustStep()
	w.Set(remote("c2", 200))
	if d := w.MustStep(); len(d.Flows) != 4 { // MAC address, ARP, ND and its duplicate address detection
		t.Errorf("a port more on a chassis that has others costs %d flow-mods, want 4", len(d.Flows))
	}
	w.Set(apptest.At("c3", remote("c2", 200)))
	if d := w.MustStep(); len(d.Flows) != 1+2 { // the first port on c3: a way there, and copies of broadcast
		t.Errorf("a port that moves costs %d flow-mods, want 3", len(d.Flows))
	}
	w.Set(apptest.Peer("c2", "172.16.0.22"))
	if d := w.MustStep(); len(d.Flows) != 1 {
		t.Errorf("a chassis that changes its address costs %d flow-mods, want 1", len(d.Flows))
	}
}

func TestProblemsNameChassisAndRemedy(t *testing.T) {
	bare, onlyGeneve := apptest.Peer("c2", "172.16.0.2"), apptest.Peer("c2", "172.16.0.2")
	bare.TunnelIP, onlyGeneve.TunnelTypes = netip.Addr{}, []model.NetworkType{model.Geneve}
	for name, c := range map[string]struct {
		set, remove []any
		network     *model.Network
		want        []string
	}{
		"no such chassis": {nil, []any{bare}, apptest.Overlay("n", model.VXLAN, 7), []string{"c2", "binding:host_id"}},
		"no address":      {[]any{bare}, nil, apptest.Overlay("n", model.VXLAN, 7), []string{"c2", "tunnel-ip"}},
		"not of the type": {[]any{onlyGeneve}, nil, apptest.Overlay("n", model.VXLAN, 7), []string{"c2", "vxlan", "tunnel-types"}},
		"another family": {[]any{apptest.Peer("c2", "fd00::2"), view.TunnelPort{Type: model.VXLAN, OFPort: 102, Local: netip.MustParseAddr("172.16.0.1")}}, nil,
			apptest.Overlay("n", model.VXLAN, 7), []string{"c2", "fd00::2", "tunnel-ip"}},
		"our own address": {[]any{view.TunnelPort{Type: model.VXLAN, OFPort: 102, Local: netip.MustParseAddr("172.16.0.2")}}, nil,
			apptest.Overlay("n", model.VXLAN, 7), []string{"c2", "172.16.0.2 of this one", "binding:host_id"}},
		"no segment":        {nil, nil, apptest.Net("n"), []string{"network n", "c2", "segment"}},
		"no tunnel here":    {nil, []any{view.TunnelPort{Type: model.VXLAN}}, apptest.Overlay("n", model.VXLAN, 7), []string{"network n", "tunnel-ip"}},
		"type of tomorrow":  {nil, nil, apptest.Overlay("n", "stt", 7), []string{"network n", "segment"}},
		"nothing is wrong":  {nil, nil, apptest.Overlay("n", model.VXLAN, 7), nil},
		"other type absent": {nil, []any{view.TunnelPort{Type: model.Geneve}}, apptest.Overlay("n", model.VXLAN, 7), nil},
	} {
		w := world(t)
		w.Set(here(apptest.Port("a", "n", 1), 1)...)
		w.Set(c.network, apptest.At("c2", apptest.Port("c", "n", 3)), apptest.At("c2", apptest.Port("d", "n", 4)))
		w.Set(c.set...)
		w.Remove(c.remove...)
		w.Step()
		ps := w.Engine.Problems()
		if len(ps) != min(len(c.want), 1) {
			t.Errorf("%s: problems %v", name, ps)
			continue
		}
		for _, word := range c.want {
			if !strings.Contains(ps[0].Text, word) {
				t.Errorf("%s: %q does not name %q", name, ps[0].Text, word)
			}
		}
	}
}

func TestHistoryDoesNotMatter(t *testing.T) {
	open := remote("c3", 3)
	open.PortSecurityEnabled = false
	pair := remote("c3", 4)
	pair.AllowedAddressPairs = []model.AddressPair{{IPAddress: apptest.Prefix("10.0.0.100/32"), MACAddress: model.MAC{0, 0, 0x5e, 0, 1, 7}}}
	a := apptest.Port("a", "n", 1)
	a.AllowedAddressPairs = pair.AllowedAddressPairs
	down := remote("c2", 5)
	down.AdminStateUp = false
	rows := append(here(a, 1), apptest.Overlay("n", model.Geneve, 5001), apptest.Overlay("m", model.VXLAN, 5001), apptest.Peer("c1", "172.16.0.1"),
		apptest.Peer("c2", "172.16.0.2"), apptest.Peer("c3", "fd00::3"), remote("c2", 1), remote("c2", 2), open, pair, down,
		view.TunnelPort{Type: model.Geneve, OFPort: 101}, view.TunnelPort{Type: model.VXLAN, OFPort: 102})
	noise := append(here(apptest.Port("b", "m", 2), 2), apptest.Peer("c4", "172.16.0.4"), remote("c4", 6), apptest.At("c2", apptest.Port("x", "m", 9)))
	apptest.Histories(t, apps, rows, noise)
}

// BenchmarkARemotePort is one port more on a chassis that has others, with 10,000 in view.
func BenchmarkARemotePort(b *testing.B) {
	w := apptest.New(b, append(apps(), neighbour.New())...)
	w.Set(view.TunnelPort{Type: model.Geneve, OFPort: 101}, apptest.Peer("c2", "172.16.0.2"), apptest.Overlay("n", model.Geneve, 5001))
	w.Set(here(apptest.Port("a", "n", 1, "10.0.0.1"), 1)...)
	for i := range 10000 {
		w.Set(remote("c2", i))
	}
	w.Engine.Step()
	p := remote("c2", 20000)
	b.ReportAllocs()
	for b.Loop() {
		w.Set(p)
		w.Engine.Step()
		w.Remove(p)
		w.Engine.Step()
	}
}
