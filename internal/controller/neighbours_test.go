package controller_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// TestNeighboursOutsideOutliveARestart: else each restart would take the flows to them away.
func TestNeighboursOutsideOutliveARestart(t *testing.T) {
	c := newChassis(t)
	c.eventually("complete", func() bool { return c.status().Complete })
	c.stop()
	file := filepath.Join(c.dir, "neighbours.json")
	text := `[{"NetworkID":"n","Address":"192.0.2.1","MAC":"52:54:00:00:00:01"},{"NetworkID":"n","Address":"2001:db8::1","MAC":"52:54:00:00:00:01"}]`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start()
	known := 0
	_ = c.ctl.Inspect(t.Context(), func(in controller.Inside) {
		for _, a := range []string{"192.0.2.1", "2001:db8::1"} {
			if in.View.Has(view.Neighbours, view.NeighbourKey("n", netip.MustParseAddr(a))) {
				known++
			}
		}
	})
	if known != 2 {
		t.Errorf("%d of 2 neighbours were taken over", known)
	}
	c.stop()
	if err := os.WriteFile(file, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.eventually("a damaged file does no harm", func() bool { return c.status().Complete && !strings.Contains(c.status().Phase, "down") })
}
