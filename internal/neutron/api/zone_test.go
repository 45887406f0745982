package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

var zonedNetwork = &resource.Network{Segments: []model.Segment{{NetworkType: model.Flat, PhysicalNetwork: "phys"}}}

// zoned reads chassis: "a1:a" is in zone a, "c:a,b" in two, "d!" is dead and in none.
func zoned(words string) []place {
	var out []place
	for _, w := range strings.Fields(words) {
		w, dead := strings.CutSuffix(w, "!")
		name, zones, _ := strings.Cut(w, ":")
		p := place{name: name, gateway: true, alive: !dead, physical: []string{"phys"}}
		if zones != "" {
			p.zones = strings.Split(zones, ",")
		}
		out = append(out, p)
	}
	return out
}

func former(names ...string) []model.GatewayChassis {
	var out []model.GatewayChassis
	for i, name := range names {
		out = append(out, model.GatewayChassis{Name: name, Priority: len(names) - i})
	}
	return out
}

func TestGatewaysInZones(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ chassis, hints, old, want string }{
		{"a1:a b1:b c1", "a", "", "a1"},
		{"a1:a b1:b", "c", "", ""},
		{"a1:a b1:b", "a", "b1 a1", "a1"},                         // a hint that came, or a chassis that went elsewhere
		{"a1:a! b1:b", "a", "a1", "a1"},                           // dead, and nobody else is there
		{"a1:a a2:a a3:a b1:b", "", "a1 a2 a3", "a1 a2 b1"},       // one that waits makes room for another zone
		{"a1:a! a2:a! a3:a b1:b", "", "a1 a2 a3", "a1 a3 b1"},     // not the one that is the gateway
		{"a1:a a2:a a3:a b1:b!", "", "a1 a2 a3", "a1 a2 a3"},      // not for one that is dead
		{"a1:a a2:a b1:b b2:b", "", "a1 a2 b1", "a1 a2 b1"},       // two zones are enough
		{"a1:a a2:a a3:a b1:a,b", "", "a1 a2 a3", "a1 a2 a3"},     // it would fail with them
		{"n1 n2 n3 b1:b", "", "n1 n2 n3", "n1 n2 n3"},             // nobody knows
		{"a1:a a2:a b1:b", "a,b", "a1", "a1 b1 a2"},               // elsewhere first
		{"a1:a a2:a a3:a b1:b", "a", "a1 a2 a3", "a1 a2 a3"},      // the hint says no
		{"a1:a! a2:a! a3:a! b1:b", "", "a1 a2 a3", "a1 a2 a3 b1"}, // one that lives
		{"c3:a,b c0:a,b! c2:a c4:b", "", "c3 c0 c2", "c3 c2 c4"},  // in the place of c2 it would fail with b
		{"c3:a,b c0:a,b! c2:a c4:b", "", "c3 c0 c4", "c3 c4 c2"},  // likewise
		{"a1:a! a2:a! a3:a! b1:b", "a", "a1 a2 a3", "a1 a2 a3"},   // but not outside
	} {
		var hints []string
		if c.hints != "" {
			hints = strings.Split(c.hints, ",")
		}
		var got []string
		for _, g := range choose(zoned(c.chassis), wish{"router", hints}, zonedNetwork, former(strings.Fields(c.old)...)) {
			got = append(got, g.Name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s, hints %q, before %q: %v, want %q", c.chassis, c.hints, c.old, got, c.want)
		}
	}
}

// However chassis and hints change: no gateway is outside of the hinted zones, a choice is stable, who is the gateway
// stays it as long as it may, and not all are in one zone if another one lives.
func TestGatewaysInZonesProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zones := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 2, rapid.ID[string])
		var old []model.GatewayChassis
		for range 4 {
			var places []place
			for i := range rapid.IntRange(0, 7).Draw(t, "chassis") {
				places = append(places, place{name: fmt.Sprint("c", i), gateway: true, alive: rapid.Bool().Draw(t, "alive"), physical: []string{"phys"},
					zones: zones.Draw(t, "zones")})
			}
			w := wish{"router", zones.Draw(t, "hints")}
			by := func(g model.GatewayChassis) place {
				return places[slices.IndexFunc(places, func(p place) bool { return p.name == g.Name })]
			}
			got := choose(places, w, zonedNetwork, old)
			for _, g := range got {
				if !by(g).within(w.hints) {
					t.Fatalf("%s is outside of %v", g.Name, w.hints)
				}
			}
			if again := choose(places, w, zonedNetwork, got); !slices.Equal(again, got) {
				t.Fatalf("chosen %v, and then %v", got, again)
			}
			may := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return !p.within(w.hints) })
			acting := slices.IndexFunc(old, func(g model.GatewayChassis) bool {
				i := slices.IndexFunc(may, func(p place) bool { return p.name == g.Name })
				return i >= 0 && may[i].alive
			})
			if now := slices.IndexFunc(got, func(g model.GatewayChassis) bool { return by(g).alive }); acting >= 0 && (now < 0 || got[now].Name != old[acting].Name) {
				t.Fatalf("%s was the gateway and could be, now %v", old[acting].Name, got)
			}
			var chosen []place
			for _, g := range got {
				chosen = append(chosen, by(g))
			}
			for _, p := range may {
				if p.alive && !has(chosen, p) && inOneZone(chosen) && !inOneZone(append(slices.Clone(chosen), p)) {
					t.Fatalf("all of %v are in one zone, %v lives", chosen, p)
				}
			}
			old = got
		}
	})
}
