// Package engine derives the desired state of the switch from the view. It evaluates the rules of the
// apps, notes what each evaluation read, evaluates again exactly what a change concerns, and reports the
// difference.
//
// The law is desired = F(view, numbers): incremental must equal recompute, see [Engine.Recompute]. An
// evaluation that read a scope not in sync keeps its previous output; one that panics or is invalid
// keeps it too, and harms nobody else. No app is known by name here.
//
// An Engine belongs to one goroutine. The package imports app, flow, number, pipeline and view.
package engine

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// Engine evaluates rules.
type Engine struct {
	db      *view.DB
	numbers *number.Allocator
	rules   []*rule
	byTable map[view.AnyTable][]*rule // without those for keys of an index
	byIndex map[view.AnyIndex][]*rule
	writers map[view.AnyTable]int
	reads   map[view.AnyTable]int
	state   *State
	cookies map[uint64]*eval // filled when it is asked for, until something changes
	checked map[uintptr]bool
	strict  bool
	tracked map[view.AnyTable]map[string]struct{}
	nothing *rare
	scratch []*view.Node
	sites   map[siteKey]*site
	copies  []*Copy
}

type rule struct {
	app.Rule
	app   *app.App
	order int
	dirty map[*view.Subject]struct{}
	// last is what the last owner with something rare has: others often have the same.
	last *rare
}

// Options adjust an engine.
type Options struct {
	// Strict checks every flow against the pipeline's declaration, as tests want, instead of one for
	// each place in the code that makes flows.
	Strict bool
	// Track names tables whose changed rows a Delta shall list.
	Track []view.AnyTable
}

// New returns an engine over a view. It becomes the view's watcher, and takes what is already there as
// changed. Two rules or apps of one name or number are refused.
func New(db *view.DB, numbers *number.Allocator, apps []*app.App, o Options) (*Engine, error) {
	e := &Engine{
		db: db, numbers: numbers, strict: o.Strict,
		byTable: map[view.AnyTable][]*rule{}, byIndex: map[view.AnyIndex][]*rule{}, sites: map[siteKey]*site{},
		writers: map[view.AnyTable]int{}, reads: map[view.AnyTable]int{},
		checked: map[uintptr]bool{}, state: newState(),
		tracked: map[view.AnyTable]map[string]struct{}{}, nothing: &rare{},
	}
	for _, t := range o.Track {
		e.tracked[t] = map[string]struct{}{}
	}
	ids, names := map[uint8]string{}, map[string]bool{}
	for _, a := range apps {
		if other, dup := ids[a.ID]; dup || a.ID == 0 {
			return nil, fmt.Errorf("app %q: number %d is taken by %q or zero", a.Name, a.ID, other)
		}
		ids[a.ID] = a.Name
		for _, r := range a.Rules {
			if names[r.Name] {
				return nil, fmt.Errorf("app %q: two rules are called %q", a.Name, r.Name)
			}
			names[r.Name] = true
			ru := &rule{Rule: r, app: a, order: len(e.rules), dirty: map[*view.Subject]struct{}{}}
			e.rules = append(e.rules, ru)
			if r.Index != nil {
				e.byIndex[r.Index] = append(e.byIndex[r.Index], ru)
			} else {
				e.byTable[r.Table] = append(e.byTable[r.Table], ru)
			}
		}
	}
	db.Watch(e)
	for _, r := range e.rules {
		db.EachSubject(r.Table, r.Index, func(s *view.Subject) { r.dirty[s] = struct{}{} })
	}
	return e, nil
}

// KeyChanged implements view.Watcher.
func (e *Engine) KeyChanged(ix view.AnyIndex, s *view.Subject) {
	for _, r := range e.byIndex[ix] {
		r.dirty[s] = struct{}{}
	}
}

// Touched implements view.Watcher.
func (e *Engine) Touched(n *view.Node) {
	for ev := range readers(n) {
		ev.rule.dirty[ev.subject] = struct{}{}
	}
}

// RowChanged implements view.Watcher.
func (e *Engine) RowChanged(t view.AnyTable, s *view.Subject) {
	for _, r := range e.byTable[t] {
		r.dirty[s] = struct{}{}
	}
	if keys := e.tracked[t]; keys != nil {
		keys[s.Key()] = struct{}{}
	}
}

// Step evaluates everything that changes since the last Step concern, and returns what the switch must
// change. Rules run in order; since a rule reads only what earlier rules derive, one pass is the
// fixpoint.
func (e *Engine) Step() Delta {
	e.cookies = nil
	for _, r := range e.rules {
		if len(r.dirty) == 0 {
			continue
		}
		batch := make([]*view.Subject, 0, len(r.dirty))
		for s := range r.dirty {
			batch = append(batch, s)
		}
		slices.SortFunc(batch, func(a, b *view.Subject) int { return strings.Compare(a.Key(), b.Key()) })
		r.dirty = map[*view.Subject]struct{}{} // a cleared one would keep the room of the largest batch
		for _, s := range batch {
			e.run(r, s)
		}
	}
	var d Delta
	e.state.finish(&d)
	if len(e.copies) > 0 {
		e.noteCopies(&d)
	}
	for t, keys := range e.tracked {
		if len(keys) > 0 {
			d.Rows = append(d.Rows, RowChanges{t, slices.Sorted(maps.Keys(keys))})
			clear(keys)
		}
	}
	return d
}

// Pending reports whether a Step would evaluate anything.
func (e *Engine) Pending() bool {
	return slices.ContainsFunc(e.rules, func(r *rule) bool { return len(r.dirty) > 0 })
}

func (e *Engine) run(r *rule, s *view.Subject) {
	row, present := e.db.Content(s)
	ev := evaluationOf(r, s)
	if !present {
		if ev != nil {
			e.drop(ev)
		}
		return
	}
	if ev == nil {
		ev = &eval{rule: r, subject: s, rare: e.nothing}
		ev.next, _ = s.Owners.(*eval)
		s.Owners = ev
	}
	nodes := e.scratch[:0]
	rd := view.NewReader(e.db, e.numbers, func(n *view.Node) {
		e.checkRead(r, n)
		if !slices.Contains(nodes, n) || len(nodes) > maxDistinct {
			nodes = append(nodes, n)
		}
	})
	out := &app.Output{}
	err := e.evaluate(ev, rd, row, out)
	e.setNodes(ev, distinct(nodes))
	e.scratch = nodes[:0]
	known := *ev.rare
	known.problem, known.unknown = "", slices.Compact(slices.Sorted(slices.Values(rd.Unknown())))
	if err != nil {
		known.problem = err.Error()
	}
	e.setRare(ev, known)
	if err == nil && len(known.unknown) == 0 {
		e.commit(ev, out, rd.Claims())
	}
}

// evaluate runs the rule and contains its failures: whatever goes wrong concerns this owner only.
func (e *Engine) evaluate(ev *eval, rd *view.Reader, row any, out *app.Output) (err error) {
	r := ev.rule
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("rule %s failed: %v%s", r.Name, p, panicSite())
		}
	}()
	r.Eval(rd, ev.key(), row, out)
	return e.checkOutput(r, out)
}

func (e *Engine) checkOutput(r *rule, out *app.Output) error {
	for i := range out.Flows {
		f := &out.Flows[i]
		if !pipeline.Owned(f.Key.Table, r.app.Name) {
			return fmt.Errorf("%s: stage %s is not the app's own", app.Source(f.PC), pipeline.StageName(f.Key.Table))
		}
		if !e.strict && e.checked[f.PC] {
			continue
		}
		if err := pipeline.Check(f.Key, f.Do); err != nil {
			return fmt.Errorf("%s: %w", app.Source(f.PC), err)
		}
		e.checked[f.PC] = true
	}
	for _, row := range out.Rows {
		if !row.Table.Derived() {
			return fmt.Errorf("rule %s derives rows of %s, which come from outside", r.Name, row.Table.Name())
		}
		if at, ok := e.reads[row.Table]; ok && at <= r.order {
			return fmt.Errorf("rule %s derives %s, which an earlier rule reads", r.Name, row.Table.Name())
		}
		for _, user := range e.rules[:r.order+1] {
			if user.Table == row.Table {
				return fmt.Errorf("rule %s derives %s, for which the earlier rule %s is evaluated", r.Name, row.Table.Name(), user.Name)
			}
		}
		e.writers[row.Table] = max(e.writers[row.Table], r.order+1)
	}
	return nil
}

// checkRead holds rules to reading only what earlier rules derive, so that one pass is enough.
func (e *Engine) checkRead(r *rule, n *view.Node) {
	t, derived := n.Derived()
	if !derived {
		return
	}
	if e.writers[t] > r.order {
		panic(fmt.Sprintf("reads %s, which this or a later rule derives", t.Name()))
	}
	if at, ok := e.reads[t]; !ok || r.order < at {
		e.reads[t] = r.order
	}
}

func (e *Engine) commit(ev *eval, out *app.Output, claims []view.Claim) {
	for _, c := range claims {
		e.numbers.Claim(c.Space, c.Content)
	}
	for _, c := range ev.claims {
		e.numbers.Release(c.Space, c.Content)
	}
	e.replaceFlows(ev, out.Flows)
	e.setRare(ev, rare{
		claims: claims, notes: out.Problems, unknown: ev.unknown, problem: ev.problem,
		groups: e.replaceGroups(ev, out.Groups), meters: e.replaceMeters(ev, out.Meters),
	})
	e.replaceRows(ev, out.Rows)
}

func (e *Engine) drop(ev *eval) {
	e.commit(ev, &app.Output{}, nil)
	e.setNodes(ev, nil)
	unlink(ev)
	if ev.subject.Owners == nil {
		e.db.Forget(&ev.subject.Node)
	}
}

// panicSite names the app's line that panicked.
func panicSite() string {
	for line := range strings.Lines(string(debug.Stack())) {
		if at := strings.Index(line, "/apps/"); at >= 0 && strings.Contains(line, ".go:") {
			return " at " + strings.TrimSpace(strings.SplitN(line[at+1:], " +", 2)[0])
		}
	}
	return ""
}
