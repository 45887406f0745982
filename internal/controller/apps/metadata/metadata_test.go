package metadata_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/metadata"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func alone() []*app.App { return []*app.App{misses.New(), classifier.New(), metadata.New()} }

// instance is a port of a server of Nova's.
func instance(id, network string, n byte, addrs ...string) *model.Port {
	p := apptest.Port(id, network, n, addrs...)
	p.DeviceID, p.ProjectID = "instance-"+id, "project-"+network
	return p
}

func golden(t *testing.T, name string, rows ...any) {
	t.Helper()
	w := apptest.New(t, apps.All()...)
	w.Set(rows...)
	w.Set(view.MetadataPort{OFPort: 99})
	w.MustStep()
	apptest.Golden(t, name, w.Engine.Text(func(o engine.Owner) bool {
		return o.App == "metadata" || strings.HasSuffix(o.Rule, ".metadata")
	}))
}

func TestFlows(t *testing.T) {
	a4, a6 := instance("a", "n", 1, "10.0.0.1", "10.0.1.1"), instance("a", "n", 1, "2001:db8::1")
	golden(t, "v4", apptest.Net("n"), a4, apptest.Bind(a4), apptest.Plug(a4, 1))
	golden(t, "v6", apptest.Net("n"), a6, apptest.Bind(a6), apptest.Plug(a6, 1))
}

func TestWithoutAServiceNothingIsTaken(t *testing.T) {
	w := apptest.New(t, apps.All()...)
	a := instance("a", "n", 1, "10.0.0.1", "2001:db8::1")
	w.Set(apptest.Net("n"), a, apptest.Bind(a), apptest.Plug(a, 1))
	w.MustStep()
	before := w.Flows()
	if strings.Contains(before, "169.254.169.254") || strings.Contains(before, "a9fe:a9fe") {
		t.Errorf("flows for a service that there is not:\n%s", before)
	}
	w.Set(view.MetadataPort{OFPort: 99})
	w.MustStep()
	w.Remove(view.MetadataPort{})
	w.MustStep()
	if w.Flows() != before {
		t.Errorf("something of the service stays when it goes:\n%s", w.Flows())
	}
}

func TestHistoryDoesNotMatter(t *testing.T) {
	a, b := instance("a", "n", 1, "10.0.0.1", "2001:db8::1"), instance("b", "m", 1, "10.0.0.1")
	gone := instance("c", "m", 2, "10.0.0.2")
	rows := []any{apptest.Net("n"), apptest.Net("m"), view.MetadataPort{OFPort: 99},
		a, apptest.Bind(a), apptest.Plug(a, 1), b, apptest.Bind(b), apptest.Plug(b, 2)}
	apptest.Histories(t, alone, rows, []any{gone, apptest.Bind(gone), apptest.Plug(gone, 3)})
}

// clients are those that the service hears of.
func clients(w *apptest.World) []view.MetadataClient {
	var out []view.MetadataClient
	w.DB.Each(view.MetadataClients, func(_ string, row any) { out = append(out, row.(view.MetadataClient)) })
	return out
}

func TestEachAddressOfEachPortIsAClientOfItsOwn(t *testing.T) {
	w := apptest.New(t, alone()...)
	w.Set(view.MetadataPort{OFPort: 99}, apptest.Net("n"), apptest.Net("m"))
	for i, p := range []*model.Port{
		instance("a", "n", 1, "10.0.0.1", "10.0.1.1", "2001:db8::1"), instance("b", "m", 1, "10.0.0.1", "2001:db8::1"),
	} {
		w.Set(p, apptest.Bind(p), apptest.Plug(p, uint32(i)+1))
	}
	w.MustStep()
	seen := map[netip.Prefix]bool{}
	count := map[string]int{}
	for _, c := range clients(w) {
		if seen[c.Source] {
			t.Errorf("%s stands for two", c.Source)
		}
		seen[c.Source] = true
		count[c.PortID]++
		if c.DeviceID != "instance-"+c.PortID || c.ProjectID == "" || c.Source.Addr().Is4() != c.Address.Is4() {
			t.Errorf("wrong client: %+v", c)
		}
	}
	if count["a"] != 3 || count["b"] != 2 {
		t.Errorf("clients by port: %v, want 3 of a and 2 of b", count)
	}
}

// TestAPortCostsLittle holds the app to its part of what a port of this chassis may cost.
func TestAPortCostsLittle(t *testing.T) {
	w := apptest.New(t, alone()...)
	w.Set(view.MetadataPort{OFPort: 99}, apptest.Net("n"))
	a := instance("a", "n", 1, "10.0.0.1", "2001:db8::1")
	w.Set(a, apptest.Bind(a), apptest.Plug(a, 1))
	w.MustStep()
	n := 0
	for f := range w.Engine.Flows() {
		if x, _ := w.Engine.Explain(f.Key()); x.Owners[0].Rule == "metadata.port" {
			n++
		}
	}
	if n != 4 {
		t.Errorf("a dual-stack port costs %d flows, want 4", n)
	}
}
