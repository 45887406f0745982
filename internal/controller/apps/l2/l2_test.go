package l2_test

import (
	"fmt"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
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
