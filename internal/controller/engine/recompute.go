package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// Recompute evaluates everything anew from what came from outside, given the same numbers, and reports
// how the result differs from the incremental one: never, or there is a bug. Output that an owner keeps
// because it waits for a scope or failed is history, and left out on both sides.
func (e *Engine) Recompute() error {
	r := e.BeginRecomputation()
	for !r.Continue(e.FlowCount() + 1) {
	}
	list, err := r.Differences()
	if err != nil || len(list) == 0 {
		return err
	}
	diffs := make([]string, len(list))
	for i, d := range list {
		diffs[i] = d.String()
	}
	return fmt.Errorf("incremental differs from recompute in %d places:\n%s", len(diffs), strings.Join(diffs[:min(len(diffs), 20)], "\n"))
}

// Recomputation is the evaluation of everything anew, apart from the engine, which is asked only for what
// it has, in pieces.
type Recomputation struct {
	*Copy
	apps    []*app.App
	options Options
	outside *view.Outside
	numbers *number.Allocator
	skip    map[flow.Key]bool
	// kept says that rows kept from before feed other owners; then there is nothing to compare with.
	kept bool
}

// BeginRecomputation takes the inputs of a recomputation and begins to copy what it is to be compared
// with. It must be ended.
func (e *Engine) BeginRecomputation() *Recomputation {
	r := &Recomputation{
		Copy: e.BeginCopy(), apps: e.apps(), options: Options{Strict: e.strict},
		outside: e.db.Outside(), numbers: e.numbers.Clone(), skip: map[flow.Key]bool{},
	}
	r.leaveOut(e)
	return r
}

// leaveOut notes what owners keep from before.
func (r *Recomputation) leaveOut(e *Engine) {
	for ev := range e.evals() {
		if ev.rare == e.nothing || len(ev.unknown) == 0 && ev.problem == "" {
			continue
		}
		r.kept = r.kept || ev.rows != nil
		for _, f := range ev.flows {
			r.skip[f.key] = true
		}
	}
}

// Difference is an entry that is not what everything evaluated anew makes it.
type Difference struct {
	// Owner is who wants it or, of one that nobody would want, has the cookie.
	Owner Owner
	Have  *flow.Flow
	Want  *flow.Flow
	// Text says what differs where it is not a flow.
	Text string
}

// String shows both sides.
func (d Difference) String() string {
	switch {
	case d.Text != "":
		return d.Text
	case d.Have == nil:
		return "+ " + show(d.Want)
	}
	return fmt.Sprintf("- %s\n+ %s", show(d.Have), show(d.Want))
}

// Differences evaluates everything anew and compares. It may be called anywhere, once the copy is done.
// Of entries that nobody would want it cannot name the owner; [Engine.OwnerOf] can.
func (r *Recomputation) Differences() ([]Difference, error) {
	db := view.NewDB(nil)
	r.outside.Into(db)
	fresh, err := New(db, r.numbers, r.apps, r.options)
	if err != nil {
		return nil, err
	}
	fresh.Step()
	r.leaveOut(fresh)
	if r.kept {
		return nil, nil
	}
	diffs := r.flowDifferences(fresh)
	have := map[uint32]flow.GroupEntry{}
	for _, g := range r.groups {
		have[g.ID] = g
	}
	for g := range fresh.Groups() {
		if have[g.ID] != g {
			diffs = append(diffs, Difference{Text: fmt.Sprintf("group %d differs", g.ID), Owner: fresh.state.groups[g.ID].first.by.owner()})
		}
	}
	if len(r.meters) != len(fresh.state.meters) || len(r.groups) != len(fresh.state.groups) {
		diffs = append(diffs, Difference{Text: "the number of groups or meters differs"})
	}
	slices.SortFunc(diffs, func(a, b Difference) int { return strings.Compare(a.String(), b.String()) })
	return diffs, nil
}

func (r *Recomputation) flowDifferences(fresh *Engine) []Difference {
	var diffs []Difference
	seen := make(map[flow.Key]struct{}, fresh.FlowCount())
	for have := range r.Flows() {
		k := have.Key()
		seen[k] = struct{}{}
		if r.skip[k] {
			continue
		}
		if want := fresh.state.flow(k); want == nil || *want != have {
			d := Difference{Have: &have, Want: want}
			if want != nil {
				d.Owner = fresh.ownerOf(k)
			}
			diffs = append(diffs, d)
		}
	}
	for want := range fresh.Flows() {
		if _, there := seen[want.Key()]; !there && !r.skip[want.Key()] {
			diffs = append(diffs, Difference{Want: &want, Owner: fresh.ownerOf(want.Key())})
		}
	}
	return diffs
}

func (e *Engine) ownerOf(k flow.Key) Owner { return e.state.flows[k].first.by.owner() }

// Redo evaluates an owner again at the next step, whatever it read; one whose object is gone goes.
func (e *Engine) Redo(o Owner) {
	for _, r := range e.rules {
		if r.Name == o.Rule && r.Kind() == o.Kind {
			if s := e.db.SubjectOf(r.Table, r.Index, o.Key); s != nil {
				r.dirty[s] = struct{}{}
			}
		}
	}
}

// RedoFailed evaluates the owners that failed again at the next step: what they failed for may be there now.
func (e *Engine) RedoFailed() {
	for ev := range e.evals() {
		if ev.rare != e.nothing && ev.problem != "" {
			ev.rule.dirty[ev.subject] = struct{}{}
		}
	}
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
