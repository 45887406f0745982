package classifier_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func apps() []*app.App { return []*app.App{misses.New(), classifier.New()} }

func TestABoundAndPluggedPortIsServed(t *testing.T) {
	w := apptest.New(t, apps()...)
	a := apptest.Port("a", "n", 1, "10.0.0.1", "2001:db8::1")
	w.Set(apptest.Net("n"), a, apptest.Bind(a))
	w.MustStep()
	if w.DB.Len(view.LocalPorts) != 0 {
		t.Error("a port is served without an interface")
	}
	w.Set(apptest.Plug(a, 0))
	w.MustStep()
	if w.DB.Len(view.LocalPorts) != 0 {
		t.Error("a port is served before the switch gave its interface a number")
	}
	w.Set(apptest.Plug(a, 1))
	w.MustStep()
	w.Golden("port")
}

func TestABoundPortBringsTheScopesOfItsNetwork(t *testing.T) {
	w := apptest.New(t, apps()...)
	a := apptest.Port("a", "n", 1)
	w.SetUnsynced(apptest.Bind(a))
	w.Step()
	for _, s := range []string{"network/n", "network/n/ports"} {
		if !w.DB.Has(view.Interests, s) {
			t.Errorf("no interest in %s", s)
		}
	}
	w.Remove(apptest.Bind(a))
	w.Step()
	if n := w.DB.Len(view.Interests); n != 0 {
		t.Errorf("%d interests are left without a port", n)
	}
}

func TestAdministrativelyDownMeansNoTraffic(t *testing.T) {
	for name, down := range map[string]func(*model.Port, *model.Network){
		"port":    func(p *model.Port, _ *model.Network) { p.AdminStateUp = false },
		"network": func(_ *model.Port, n *model.Network) { n.AdminStateUp = false },
	} {
		w := apptest.New(t, apps()...)
		p, n := apptest.Port("a", "n", 1), apptest.Net("n")
		down(p, n)
		w.Set(n, p, apptest.Bind(p), apptest.Plug(p, 1))
		w.MustStep()
		if w.DB.Len(view.LocalPorts) != 0 || !strings.Contains(w.Flows(), "administratively down") {
			t.Errorf("%s: %s", name, w.Flows())
		}
	}
}

func TestAStrangerGetsNoServiceAndIsNamed(t *testing.T) {
	w := apptest.New(t, apps()...)
	w.Set(view.Interface{Name: "tap9", PortID: "nobody", OFPort: 9})
	w.Step()
	ps := w.Engine.Problems()
	if len(ps) != 1 || !strings.Contains(ps[0].Text, "tap9") || !strings.Contains(ps[0].Text, "binding:host_id") {
		t.Errorf("problems = %v", ps)
	}
}

func TestTwoInterfacesOfOnePortAreNamed(t *testing.T) {
	w := apptest.New(t, apps()...)
	p := apptest.Port("a", "n", 1)
	second := apptest.Plug(p, 2)
	second.Name = "zweitens"
	w.Set(apptest.Net("n"), p, apptest.Bind(p), apptest.Plug(p, 1), second)
	w.Step()
	ps := w.Engine.Problems()
	if len(ps) != 1 || !strings.Contains(ps[0].Text, "zweitens") || w.DB.Len(view.LocalPorts) != 1 {
		t.Errorf("problems = %v", ps)
	}
}

// TestThePortTellsWhereItIs: all chassis go by the same object, so that they agree at every moment.
func TestThePortTellsWhereItIs(t *testing.T) {
	for name, c := range map[string]struct {
		host     string
		status   model.BindingStatus
		arrived  bool
		prepared bool
	}{
		"here":                            {apptest.Host, model.BindingActive, false, false},
		"here, told by the port first":    {apptest.Host, model.BindingInactive, false, false},
		"there":                           {"c2", model.BindingInactive, false, true},
		"there, told by the port first":   {"c2", model.BindingActive, false, true},
		"there, but the guest was heard":  {"c2", model.BindingInactive, true, false},
		"of an older version":             {"", model.BindingActive, false, false},
		"of an older version, not active": {"", model.BindingInactive, false, true},
	} {
		w := apptest.New(t, apps()...)
		p := apptest.At(c.host, apptest.Port("a", "n", 1))
		b := apptest.Bind(p)
		b.Status = c.status
		w.Set(apptest.Net("n"), p, b, apptest.Plug(p, 1))
		if c.arrived {
			w.Set(view.Arrival{PortID: "a", From: "c2", Revision: 1})
		}
		w.MustStep()
		if row, ok := w.DB.Row(view.LocalPorts, "a"); !ok || row.(view.LocalPort).Prepared != c.prepared {
			t.Errorf("%s: %+v", name, row)
		}
	}
}

func TestHistoryDoesNotMatter(t *testing.T) {
	a, b, c := apptest.Port("a", "n", 1), apptest.Port("b", "m", 2), apptest.Port("c", "n", 3)
	b.AdminStateUp = false
	apptest.Histories(t, apps, []any{
		apptest.Net("n"), apptest.Net("m"), a, b, apptest.Bind(a), apptest.Bind(b), apptest.Plug(a, 1), apptest.Plug(b, 2),
	}, []any{c, apptest.Bind(c), apptest.Plug(c, 3)})
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	w := apptest.New(t, append(apps(), apptest.Open())...)
	a, b := apptest.Port("a", "n", 1), apptest.Port("b", "n", 2)
	w.Set(apptest.Net("n"), a, b, apptest.Bind(a), apptest.Bind(b))
	s := w.Switch(a, b)
	w.MustStep()
	s.Install()
	apptest.Readme(t, "dump", s.Dump(func(owner string) bool { return strings.HasPrefix(owner, "classifier.") }))
}
