package tunnel_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestChassisWithOneAddressGetOneCopy has two foreign chassis with the same tunnel address, to which broadcasts went twice.
func TestChassisWithOneAddressGetOneCopy(t *testing.T) {
	t.Parallel()
	w := world(t)
	w.Set(here(apptest.Port("a", "n", 1), 1)...)
	r2, r3 := remote("c2", 2), remote("c3", 3)
	w.Set(apptest.Overlay("n", model.Geneve, 5001), r2, r3)
	check := func(what string, copies int, problem bool) {
		t.Helper()
		w.Step()
		text := w.Engine.Text(func(o engine.Owner) bool { return o.Rule == "tunnel.set" })
		if got := strings.Count(text, "resubmit"); got != copies {
			t.Errorf("%s: %d copies, want %d:\n%s", what, got, copies, text)
		}
		list := w.Engine.Problems()
		if told := len(list) == 1 && strings.Contains(list[0].Text, "c2 and c3 both have the tunnel address 172.16.0.2"); told != problem || len(list) > 1 {
			t.Errorf("%s: problems %v", what, list)
		}
	}
	check("two addresses", 2, false)
	w.Set(apptest.Peer("c3", "172.16.0.2"))
	check("one address", 1, true)
	w.Remove(r2)
	check("only the second is a member", 1, true)
	w.Set(r2)
	check("both are again", 1, true)
	w.Set(apptest.Peer("c3", "172.16.0.3"))
	check("two addresses again", 2, false)
}
