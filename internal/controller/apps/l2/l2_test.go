package l2_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func apps() []*app.App { return []*app.App{misses.New(), classifier.New(), l2.New()} }

func TestTwoPortsOnANetwork(t *testing.T) {
	w := apptest.New(t, apps()...)
	a, b := apptest.Port("a", "n", 1, "10.0.0.1", "2001:db8::1"), apptest.Port("b", "n", 2, "10.0.0.2")
	b.PortSecurityEnabled = false
	w.Set(apptest.Net("n"), a, b, apptest.Bind(a), apptest.Bind(b), apptest.Plug(a, 1), apptest.Plug(b, 2))
	w.MustStep()
	w.Golden("two-ports")
}

func TestASharedMACAddressReachesAllWhoMayUseIt(t *testing.T) {
	w := apptest.New(t, apps()...)
	a, b := apptest.Port("a", "n", 1, "10.0.0.1"), apptest.Port("b", "n", 2, "10.0.0.2")
	for _, p := range []*model.Port{a, b} {
		p.AllowedAddressPairs = []model.AddressPair{{
			IPAddress: apptest.Prefix("10.0.0.100/32"), MACAddress: model.MAC{0, 0, 0x5e, 0, 1, 7},
		}}
	}
	w.Set(apptest.Net("n"), a, b, apptest.Bind(a), apptest.Bind(b), apptest.Plug(a, 1), apptest.Plug(b, 2))
	w.MustStep()
	w.Golden("shared-mac")
}

func TestHistoryDoesNotMatter(t *testing.T) {
	var rows, noise []any
	rows = append(rows, apptest.Net("n"), apptest.Net("m"))
	for i := range byte(6) {
		p := apptest.Port(fmt.Sprint("p", i), []string{"n", "m"}[i%2], i+1)
		p.PortSecurityEnabled = i%3 != 0
		row := []any{p, apptest.Bind(p), apptest.Plug(p, uint32(i)+1)}
		if i == 5 {
			noise = append(noise, row...)
		} else {
			rows = append(rows, row...)
		}
	}
	apptest.Histories(t, apps, rows, noise)
}

func TestAPortMoreChangesOneSet(t *testing.T) {
	w := apptest.New(t, apps()...)
	w.Set(apptest.Net("n"))
	for i := range 300 {
		p := apptest.Port(fmt.Sprint("p", i), "n", 0)
		p.MACAddress = model.MAC{0xfa, 0x16, 0x3e, 0, byte(i >> 8), byte(i)}
		w.Set(p, apptest.Bind(p), apptest.Plug(p, uint32(i)+1))
	}
	w.MustStep()
	p := apptest.Port("new", "n", 0)
	p.MACAddress = model.MAC{0xfa, 0x16, 0x3e, 1, 0, 0}
	w.Set(p, apptest.Bind(p), apptest.Plug(p, 1000))
	if d := w.MustStep(); len(d.Flows) > 6 {
		t.Errorf("one port more on a network of 300 costs %d flow-mods, want at most 6", len(d.Flows))
	}
}

// onSwitch is a world of three ports of network n and one of network m on a real switch; c has no port
// security.
func onSwitch(t *testing.T) (*apptest.World, *apptest.Switch, []*model.Port) {
	t.Helper()
	w := apptest.New(t, misses.New(), classifier.New(), portsecurity.New(), l2.New(), apptest.Open())
	ports := []*model.Port{
		apptest.Port("a", "n", 1), apptest.Port("b", "n", 2), apptest.Port("c", "n", 3), apptest.Port("d", "m", 4),
	}
	ports[2].PortSecurityEnabled = false
	w.Set(apptest.Net("n"), apptest.Net("m"))
	for _, p := range ports {
		w.Set(p, apptest.Bind(p))
	}
	s := w.Switch(ports...)
	w.MustStep()
	s.Install()
	return w, s, ports
}

func frame(from *model.Port, to model.MAC) []byte {
	f := append(append(to[:], from.MACAddress[:]...), 0x88, 0xb5)
	return append(f, make([]byte, 46)...)
}

func TestFramesReachWhomTheyAreFor(t *testing.T) {
	t.Parallel()
	_, s, ports := onSwitch(t)
	a := ports[0]
	for name, c := range map[string]struct {
		to   model.MAC
		want string
	}{
		"unicast":                      {ports[1].MACAddress, "b"},
		"broadcast":                    {model.MAC{255, 255, 255, 255, 255, 255}, "bc"},
		"multicast":                    {model.MAC{1, 0, 0x5e, 0, 0, 1}, "bc"},
		"unknown unicast":              {model.MAC{2, 0, 0, 0, 0, 9}, "c"},
		"to itself":                    {a.MACAddress, ""},
		"to a port of another network": {ports[3].MACAddress, "c"},
	} {
		got := ""
		received := s.Send(a, frame(a, c.to))
		for _, p := range ports {
			got += strings.Repeat(p.ID, len(received[p.ID]))
		}
		if got != c.want {
			t.Errorf("%s reaches %q, want %q", name, got, c.want)
		}
	}
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	_, s, ports := onSwitch(t)
	s.Send(ports[0], frame(ports[0], model.MAC{255, 255, 255, 255, 255, 255}))
	s.Send(ports[0], frame(ports[0], ports[1].MACAddress))
	apptest.Readme(t, "dump", s.Dump(func(owner string) bool { return strings.HasPrefix(owner, "l2.") }))
}
