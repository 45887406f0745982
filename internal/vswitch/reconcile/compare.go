package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// actual is what a switch has.
type actual struct {
	flows  map[flow.Key]flow.Flow
	groups map[uint32]flow.GroupEntry
	meters map[uint32]flow.MeterEntry
}

func (w *Writer) dump(ctx context.Context) (*actual, error) {
	a := &actual{flows: map[flow.Key]flow.Flow{}, groups: map[uint32]flow.GroupEntry{}, meters: map[uint32]flow.MeterEntry{}}
	clear(w.foreign)
	err := w.sw.DumpFlows(ctx, func(f flow.Flow) {
		if w.ours(f.Cookie) {
			a.flows[f.Key()] = f
		} else {
			w.foreign[f.Key()] = struct{}{}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("dump flows: %w", err)
	}
	groups, err := w.sw.DumpGroups(ctx)
	if err != nil {
		return nil, fmt.Errorf("dump groups: %w", err)
	}
	for _, g := range groups {
		a.groups[g.ID] = g
	}
	meters, err := w.sw.DumpMeters(ctx)
	if err != nil {
		return nil, fmt.Errorf("dump meters: %w", err)
	}
	for _, m := range meters {
		a.meters[m.ID] = m
	}
	return a, nil
}

// compare returns what to add or replace, and what to remove, in canonical order.
func (w *Writer) compare(have *actual, want State, mode Mode, out *Outcome) (add, del []FlowMod) {
	owners := map[uint64]bool{}
	for _, f := range have.flows {
		owners[f.Cookie] = true
	}
	wanted := make(map[flow.Key]struct{}, len(want.Flows))
	for _, f := range want.Flows {
		k := f.Key()
		wanted[k] = struct{}{}
		old, there := have.flows[k]
		switch {
		case there && old == f:
		case w.held(f, out):
		case mode == AddOnly && (there || owners[f.Cookie]):
		default:
			add = append(add, FlowMod{Flow: f})
		}
	}
	if mode == Full {
		for k, f := range have.flows {
			if _, keep := wanted[k]; !keep {
				del = append(del, FlowMod{Flow: f, Delete: true})
			}
		}
	}
	inOrder(add, del)
	return add, del
}

// inOrder sorts changes so that also between two bundles a packet finds where it is sent: what is added
// comes from the last table backwards, what is removed goes from the first table forwards.
func inOrder(add, del []FlowMod) {
	slices.SortFunc(add, func(a, b FlowMod) int {
		return cmp.Or(cmp.Compare(b.Flow.Table, a.Flow.Table), a.Flow.Key().Compare(b.Flow.Key()))
	})
	slices.SortFunc(del, func(a, b FlowMod) int { return a.Flow.Key().Compare(b.Flow.Key()) })
}

// entryDiff returns the changes of meters and groups that must come before the flows that use them, and
// the removals that must come after.
func entryDiff(have *actual, want State, mode Mode, o Options) (before, after []EntryMod) {
	var c Change
	meters, groups := map[uint32]bool{}, map[uint32]bool{}
	for _, m := range want.Meters {
		meters[m.ID] = true
		if old, there := have.meters[m.ID]; !there {
			c.Meters = append(c.Meters, MeterChange{nil, &m})
		} else if old != m && mode == Full {
			c.Meters = append(c.Meters, MeterChange{&old, &m})
		}
	}
	for _, g := range want.Groups {
		groups[g.ID] = true
		if old, there := have.groups[g.ID]; !there {
			c.Groups = append(c.Groups, GroupChange{nil, &g})
		} else if old != g && mode == Full {
			c.Groups = append(c.Groups, GroupChange{&old, &g})
		}
	}
	if mode == Full {
		for id, m := range have.meters {
			if !meters[id] && id <= o.MaxMeter {
				c.Meters = append(c.Meters, MeterChange{&m, nil})
			}
		}
		for id, g := range have.groups {
			if !groups[id] && id <= o.MaxGroup {
				c.Groups = append(c.Groups, GroupChange{&g, nil})
			}
		}
	}
	return entryChanges(c)
}

func entryChanges(c Change) (before, after []EntryMod) {
	put := func(old bool, m EntryMod, gone bool) {
		switch {
		case gone:
			m.Verb = Delete
			after = append(after, m)
		case old:
			m.Verb = Modify
			before = append(before, m)
		default:
			before = append(before, m)
		}
	}
	for _, m := range c.Meters {
		put(m.Old != nil, EntryMod{Meter: cmp.Or(m.New, m.Old)}, m.New == nil)
	}
	for _, g := range c.Groups {
		put(g.Old != nil, EntryMod{Group: cmp.Or(g.New, g.Old)}, g.New == nil)
	}
	return before, after
}
