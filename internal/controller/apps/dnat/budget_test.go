package dnat_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// nth is a port of n here with its floating IP.
func nth(i int) []any {
	p := apptest.At(apptest.Host, apptest.Port(fmt.Sprint("p", i), "n", 0, fmt.Sprintf("10.0.%d.%d", 4+i>>8, i&0xff)))
	p.MACAddress = model.MAC{0xfa, 0x16, 0x3e, 1, byte(i >> 8), byte(i)}
	f := fip(0, "r", p)
	f.FloatingIPAddress, f.MACAddress = netip.AddrFrom4([4]byte{203, 0, byte(4 + i>>8), byte(i)}), model.MAC{0xfa, 0x16, 0x3e, 2, byte(i >> 8), byte(i)}
	return append(here(p, uint32(i+1)), f)
}

// TestAFloatingIPCostsTheSameHoweverManyThereAre, to all apps.
func TestAFloatingIPCostsTheSameHoweverManyThereAre(t *testing.T) {
	const most = 14
	for _, many := range []int{1, 300} {
		w := apptest.New(t, apps()...)
		w.Set(topology()...)
		for i := range many {
			w.Set(nth(i)...)
		}
		w.Engine.Step()
		rows := nth(many)
		w.Set(rows[:len(rows)-1]...)
		w.Engine.Step()
		before := w.DB.Len(view.Resolves)
		w.Set(rows[len(rows)-1])
		if d := w.Step(); len(d.Flows) == 0 || len(d.Flows) > most {
			t.Errorf("beside %d floating IPs another one costs %d flow-mods, want at most %d", many, len(d.Flows), most)
		}
		if now := w.DB.Len(view.Resolves); now != before {
			t.Errorf("beside %d floating IPs another one has the chassis ask for %d next hops more", many, now-before)
		}
		if left := w.Engine.Text(func(o engine.Owner) bool { return o.App == "dnat" }); left == "" {
			t.Error("nothing is translated")
		}
	}
}
