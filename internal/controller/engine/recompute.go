package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// Recompute evaluates everything anew from what came from outside, given the same numbers, and reports
// how the result differs from the incremental one: never, or there is a bug. Output that an owner keeps
// because it waits for a scope or failed is history, and left out on both sides.
func (e *Engine) Recompute() error {
	db := view.NewDB(nil)
	e.db.CopyOutside(db)
	fresh, err := New(db, e.numbers.Clone(), e.apps(), Options{Strict: e.strict})
	if err != nil {
		return err
	}
	fresh.Step()
	skip := map[flow.Key]bool{}
	kept := false
	for _, x := range []*Engine{e, fresh} {
		for _, r := range x.rules {
			for _, ev := range r.evals {
				if len(ev.unknown) == 0 && ev.problem == "" {
					continue
				}
				kept = kept || len(ev.rows) > 0
				for _, k := range ev.flows {
					skip[k] = true
				}
			}
		}
	}
	if kept {
		return nil // rows kept from before feed other owners; there is nothing to compare with
	}
	return compare(e, fresh, skip)
}

func compare(e, fresh *Engine, skip map[flow.Key]bool) error {
	var diffs []string
	for k := range e.state.flows {
		have, want := e.state.flow(k), fresh.state.flow(k)
		if !skip[k] && have != nil && (want == nil || *have != *want) {
			diffs = append(diffs, fmt.Sprintf("- %s\n+ %s", show(have), show(want)))
		}
	}
	for k := range fresh.state.flows {
		if want := fresh.state.flow(k); !skip[k] && want != nil && e.state.flow(k) == nil {
			diffs = append(diffs, "+ "+show(want))
		}
	}
	for g := range fresh.Groups() {
		if c := e.state.groups[g.ID]; c == nil || c.list[0].value != g {
			diffs = append(diffs, fmt.Sprintf("group %d differs", g.ID))
		}
	}
	if len(e.state.meters) != len(fresh.state.meters) || len(e.state.groups) != len(fresh.state.groups) {
		diffs = append(diffs, "the number of groups or meters differs")
	}
	if len(diffs) == 0 {
		return nil
	}
	slices.Sort(diffs)
	return fmt.Errorf("incremental differs from recompute in %d places:\n%s", len(diffs), strings.Join(diffs[:min(len(diffs), 20)], "\n"))
}

func show(f *flow.Flow) string {
	if f == nil {
		return "(nothing)"
	}
	return fmt.Sprintf("table=%d,priority=%d,%s actions=%s cookie=%#x", f.Table, f.Priority, f.Match, f.Instructions, f.Cookie)
}

func (e *Engine) apps() []*app.App {
	var out []*app.App
	for _, r := range e.rules {
		if len(out) == 0 || out[len(out)-1] != r.app {
			out = append(out, r.app)
		}
	}
	return out
}
