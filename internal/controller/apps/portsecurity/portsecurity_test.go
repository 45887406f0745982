package portsecurity_test

import (
	"fmt"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func apps() []*app.App {
	return []*app.App{misses.New(), classifier.New(), l2.New(), portsecurity.New()}
}

// alone makes a golden file of one app: the flows of others are in theirs.
func alone() []*app.App { return []*app.App{derive(), portsecurity.New()} }

// derive is the classifier without its flows.
func derive() *app.App {
	c := classifier.New()
	c.Rules = c.Rules[:2]
	return c
}

func virtual() model.MAC { return model.MAC{0, 0, 0x5e, 0, 1, 7} }

func pair(prefix string, mac model.MAC) model.AddressPair {
	return model.AddressPair{IPAddress: apptest.Prefix(prefix), MACAddress: mac}
}

// TestGolden shows the flows of ports, each case in IPv4 and IPv6.
func TestGolden(t *testing.T) {
	own := model.MAC{0xfa, 0x16, 0x3e, 0, 0, 1}
	for _, c := range []struct {
		name  string
		addrs []string
		pairs []model.AddressPair
		open  bool
	}{
		{name: "address-v4", addrs: []string{"10.0.0.1"}},
		{name: "address-v6", addrs: []string{"2001:db8::1"}},
		{name: "pairs-v4", addrs: []string{"10.0.0.1"}, pairs: []model.AddressPair{
			pair("10.0.0.100/32", own), pair("10.0.0.100/32", virtual()), pair("192.168.0.0/16", own), pair("10.0.0.1/32", own),
		}},
		{name: "pairs-v6", addrs: []string{"2001:db8::1"}, pairs: []model.AddressPair{
			pair("2001:db8::100/128", own), pair("2001:db8::100/128", virtual()), pair("2001:db8:1::/48", own), pair("2001:db8::1/128", own),
		}},
		{name: "any-v4", pairs: []model.AddressPair{pair("0.0.0.0/0", own)}},
		{name: "any-v6", pairs: []model.AddressPair{pair("::/0", own)}},
		{name: "without-address"},
		{name: "disabled", addrs: []string{"10.0.0.1", "2001:db8::1"}, open: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := apptest.New(t, alone()...)
			p := apptest.Port("a", "n", 1, c.addrs...)
			p.AllowedAddressPairs, p.PortSecurityEnabled = c.pairs, !c.open
			w.Set(apptest.Net("n"), p, apptest.Bind(p), apptest.Plug(p, 1))
			w.MustStep()
			apptest.Golden(t, c.name, w.Engine.Text(func(o engine.Owner) bool { return o.Rule == "portsecurity.port" }))
		})
	}
	t.Run("everybody", func(t *testing.T) {
		w := apptest.New(t, alone()...)
		w.MustStep()
		w.Golden("everybody")
	})
}

func TestHistoryDoesNotMatter(t *testing.T) {
	var rows, noise []any
	rows = append(rows, apptest.Net("n"), apptest.Net("m"))
	for i := range byte(6) {
		p := apptest.Port(fmt.Sprint("p", i), []string{"n", "m"}[i%2], i+1, fmt.Sprint("10.0.0.", i+1), fmt.Sprintf("2001:db8::%d", i+1))
		p.PortSecurityEnabled = i%3 != 0
		p.AllowedAddressPairs = []model.AddressPair{pair("10.0.0.100/32", virtual()), pair("2001:db8:1::/64", p.MACAddress)}
		row := []any{p, apptest.Bind(p), apptest.Plug(p, uint32(i)+1)}
		if i == 5 {
			noise = append(noise, row...)
		} else {
			rows = append(rows, row...)
		}
	}
	apptest.Histories(t, apps, rows, noise)
}

// TestFlowsAreLinearInPairs holds a port with many pairs, as a load balancer or a router in a guest has,
// to a few flows for each.
func TestFlowsAreLinearInPairs(t *testing.T) {
	flows := func(pairs int) int {
		w := apptest.New(t, alone()...)
		p := apptest.Port("a", "n", 1, "10.0.0.1", "2001:db8::1")
		for i := range pairs {
			mac := p.MACAddress
			if i%2 == 1 {
				mac = virtual()
			}
			p.AllowedAddressPairs = append(p.AllowedAddressPairs,
				pair(fmt.Sprintf("10.1.%d.%d/32", i/256, i%256), mac), pair(fmt.Sprintf("2001:db8:1::%x/128", i), mac))
		}
		w.Set(apptest.Net("n"), p, apptest.Bind(p), apptest.Plug(p, 1))
		before := w.Engine.FlowCount()
		w.MustStep()
		return w.Engine.FlowCount() - before
	}
	one, many := flows(100), flows(200)
	if got := many - one; got != 100*(3+4) {
		t.Errorf("100 pairs of each family more cost %d flows, want 3 for IPv4 and 4 for IPv6 each", got)
	}
	w := apptest.New(t, alone()...)
	w.MustStep()
	p := apptest.Port("a", "n", 1, "10.0.0.1", "2001:db8::1")
	w.Set(apptest.Net("n"), p, apptest.Bind(p), apptest.Plug(p, 1))
	if d := w.MustStep(); len(d.Flows) > 20 {
		t.Errorf("a port with two addresses costs %d flow-mods, want at most 20", len(d.Flows))
	}
}
