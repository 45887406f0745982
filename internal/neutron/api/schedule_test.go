package api

import (
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// Words name chassis: "a" lives, "a!" is dead.
func TestChoiceOfGateways(t *testing.T) {
	t.Parallel()
	n := &resource.Network{Segments: []model.Segment{{NetworkType: model.Flat, PhysicalNetwork: "phys"}}}
	run := func(chassis string, old ...string) []string {
		var places []place
		for _, w := range strings.Fields(chassis) {
			name, dead := strings.CutSuffix(w, "!")
			places = append(places, place{name: name, gateway: true, alive: !dead, physical: []string{"phys"}})
		}
		var chosen []model.GatewayChassis
		for i, name := range old {
			chosen = append(chosen, model.GatewayChassis{Name: name, Priority: 10 - i})
		}
		var out []string
		for i, c := range choose(places, wish{router: "router"}, n, chosen) {
			out = append(out, c.Name)
			if want := len(choose(places, wish{router: "router"}, n, chosen)) - i; c.Priority != want {
				t.Errorf("%s has priority %d, want %d", c.Name, c.Priority, want)
			}
		}
		return out
	}
	for _, c := range []struct {
		chassis string
		old     []string
		want    string // sorted, if nothing is to stay
	}{
		{"", nil, ""},
		{"a b c d", []string{"d", "b", "a"}, "d b a"},
		{"a! b! c! d", []string{"c", "b", "a"}, "c b a d"}, // one that lives, beside the dead
		{"a! b c d", []string{"a", "b", "c"}, "a b c"},     // the dead stay where they are
		{"b c", []string{"a", "b"}, "b c"},                 // one that is gone
	} {
		if got := strings.Join(run(c.chassis, c.old...), " "); got != c.want {
			t.Errorf("%q of %v: %q, want %q", c.chassis, c.old, got, c.want)
		}
	}
	if got := run("a! b! c d"); slices.Contains(got, "a") || slices.Contains(got, "b") || len(got) != 2 {
		t.Errorf("dead ones are chosen while others live: %v", got)
	}
	if got := run("a! b!"); len(got) != 2 {
		t.Errorf("where none lives, all are chosen: %v", got)
	}
	if got := run("a b c d e f"); len(got) != maxGatewayChassis {
		t.Errorf("%v", got)
	}
	places := []place{{name: "no", alive: true, physical: []string{"phys"}}, {name: "far", gateway: true, alive: true, physical: []string{"x"}}, {name: "t", gateway: true, tunnels: []model.NetworkType{model.VXLAN, model.Geneve}}}
	if got := choose(places, wish{router: "router"}, n, nil); got != nil {
		t.Errorf("%v", got)
	}
	tunnelled := &resource.Network{Segments: []model.Segment{{NetworkType: model.Geneve}}}
	if got := choose(places, wish{router: "router"}, tunnelled, nil); len(got) != 1 || got[0].Name != "t" {
		t.Errorf("by tunnels alone %v are chosen, want t", got)
	}
	tunnelled.Segments = append(tunnelled.Segments, model.Segment{NetworkType: model.Flat, PhysicalNetwork: "y"})
	if got := choose(places, wish{router: "router"}, tunnelled, nil); got != nil {
		t.Errorf("outside is the physical network, to which nobody is connected: %v", got)
	}
}
