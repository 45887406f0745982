package snat_test

import (
	"slices"
	"testing"

	"github.com/dragonflow/dragonflow/internal/operate"
)

// TestWhy: what people are told of a packet whose sender's address is translated.
func TestWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rows []any
		as   string
	}{
		"gateway":     {slices.Concat(outside(), behind(1), here(guest(1, 10), 1)), outIP},
		"distributed": {slices.Concat(outside(), distributed(1), []any{own()}, here(guest(1, 10), 1)), ownIP},
	} {
		s := newWired(t, c.rows...)
		w := operate.World{View: s.World.DB, Engine: s.World.Engine, Numbers: s.World.Numbers}
		ans, err := operate.Why(w, operate.Question{Port: "g1-10", Dst: farIP, What: "udp/53"})
		if err != nil {
			t.Fatal(err)
		}
		want := "delivered to physical network physnet1 (OpenFlow port 1) by router router-1, from " + c.as + " in place of 10.0.0.10; answers come back to it"
		if ans.Sentence != want {
			t.Errorf("%s: %q, want %q", name, ans.Sentence, want)
		}
	}
}
