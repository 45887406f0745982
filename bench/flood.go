package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/flood"
)

const (
	// floodRate is what the hostile guest offers, frames a second.
	floodRate = 100_000
	// floodController is the share of a core that the controller may use meanwhile, and floodWorse how many times as long
	// as beside a flooded plain switch the p99 of other guests may be.
	floodController = 0.25
	floodWorse      = 1.5
)

// floods has one guest send all that is answered, of each kind and all at once, on a chassis of ours and on a plain
// switch by turns, while other guests ping each other.
func floods(ctx context.Context, r *run) error {
	rounds, each := 3, 2*time.Second
	if r.full {
		rounds, each = 9, 5*time.Second
	}
	ours, err := flood.NewDragonflow(ctx, r.binary)
	if err != nil {
		return err
	}
	r.atEnd(func() { _ = ours.Close() }) // it goes with the process
	plain, err := flood.NewPlain(ctx)
	if err != nil {
		return err
	}
	r.atEnd(func() { _ = plain.Close() }) // likewise
	t := newTable(fmt.Sprintf("%d frames a second offered for %v; medians of %d interleaved rounds", floodRate, each, rounds), "offered/s", "taken/s",
		"controller", "vswitchd", "vswitchd a packet", "same chassis p50", "p99", "other chassis p50", "p99", "p99 to plain's", "budget")
	kinds := append([]flood.Kind{{Name: "nobody floods"}}, ours.Sender.Kinds()...)
	for i, k := range kinds {
		frames := func(s flood.Sender) [][]byte {
			if i == 0 {
				return nil
			}
			return s.Kinds()[i-1].Frames
		}
		var c flood.Comparison
		for range rounds {
			if err := c.Round(ctx, ours, plain, each, floodRate, frames); err != nil {
				return fmt.Errorf("%s: %w", k.Name, err)
			}
		}
		floodRows(t, k.Name, &c)
	}
	r.print(t)
	return nil
}

// floodRows shows both planes of one kind of flood.
func floodRows(t *table, kind string, c *flood.Comparison) {
	near, far, _ := c.Ratios()
	for _, p := range []struct {
		name  string
		list  []flood.Sample
		ours  bool
		times string
	}{{"dragonflow", c.Ours, true, fmt.Sprintf("%s, %s ×", showFloat(near), showFloat(far))}, {"plain switch", c.Plain, false, ""}} {
		m := flood.Median(p.list)
		var v verdict
		if p.ours && m.Offered > 0 {
			v = v.atMost("controller", 100*m.Controller, 100*floodController, "%").atMost("p99 on the chassis", near, floodWorse, "×").
				atMost("p99 across", far, floodWorse, "×")
		}
		t.row(kind+": "+p.name, m.Offered, m.Taken, showFloat(100*m.Controller)+" %", showFloat(100*m.Switch)+" %", m.Packet,
			m.Near.P50, m.Near.P99, m.Far.P50, m.Far.P99, p.times, v)
	}
}
