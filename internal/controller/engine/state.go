package engine

import (
	"iter"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// State is everything that owners want.
type State struct {
	flows  map[flow.Key]*desired
	groups map[uint32]*claims[flow.GroupEntry]
	meters map[uint32]*claims[flow.MeterEntry]

	// What the winners were before the first change of the current step.
	touched       map[*desired]*flow.Flow
	touchedGroups map[uint32]*flow.GroupEntry
	touchedMeters map[uint32]*flow.MeterEntry
}

// Delta is what must change on the switch. Nil New means delete; nil Old means that it did not exist.
type Delta struct {
	Flows  []FlowChange
	Groups []GroupChange
	Meters []MeterChange
	// Rows lists the rows that appeared, changed or went in the tables that the engine tracks.
	Rows []RowChanges
}

// RowChanges lists the keys of changed rows of a table, in order.
type RowChanges struct {
	Table view.AnyTable
	Keys  []string
}

// Changed returns the keys of changed rows of a tracked table.
func (d *Delta) Changed(t view.AnyTable) []string {
	for _, r := range d.Rows {
		if r.Table == t {
			return r.Keys
		}
	}
	return nil
}

// Empty reports whether nothing changes on the switch.
func (d *Delta) Empty() bool {
	return len(d.Flows) == 0 && len(d.Groups) == 0 && len(d.Meters) == 0
}

// FlowChange is the change of one flow.
type FlowChange struct{ Old, New *flow.Flow }

// GroupChange is the change of one group.
type GroupChange struct{ Old, New *flow.GroupEntry }

// MeterChange is the change of one meter.
type MeterChange struct{ Old, New *flow.MeterEntry }

func newState() *State {
	s := &State{
		flows: map[flow.Key]*desired{}, groups: map[uint32]*claims[flow.GroupEntry]{}, meters: map[uint32]*claims[flow.MeterEntry]{},
	}
	s.resetTouched()
	return s
}

func (s *State) resetTouched() {
	s.touched = map[*desired]*flow.Flow{}
	s.touchedGroups = map[uint32]*flow.GroupEntry{}
	s.touchedMeters = map[uint32]*flow.MeterEntry{}
}

// flow returns the winning flow of a key, nil if nobody wants one.
func (s *State) flow(k flow.Key) *flow.Flow {
	if d := s.flows[k]; d != nil {
		return d.won()
	}
	return nil
}

// desiredAt returns what is wanted under a key, and makes room for it if nothing is.
func (s *State) desiredAt(k flow.Key) *desired {
	d := s.flows[k]
	if d == nil {
		d = &desired{key: k}
		s.flows[k] = d
	}
	return d
}

// touch remembers what the switch has under a key before the first change of a step.
func (s *State) touch(d *desired) {
	if _, seen := s.touched[d]; !seen {
		s.touched[d] = d.won()
	}
}

// won returns the flow of who decides, nil if nobody wants one.
func (d *desired) won() *flow.Flow {
	if d.first.by == nil {
		return nil
	}
	f := d.flow()
	return &f
}

// flow is won for what somebody wants.
func (d *desired) flow() flow.Flow {
	return flow.Flow{
		Table: d.key.Table, Priority: d.key.Priority, Match: d.key.Match, Instructions: d.first.value.do, Cookie: d.first.by.cookie,
	}
}

// finish turns what was touched in a step into the difference it made.
func (s *State) finish(d *Delta) {
	for f, old := range s.touched {
		now := f.won()
		if now == nil {
			delete(s.flows, f.key)
		}
		if old == nil && now == nil || old != nil && now != nil && *old == *now {
			continue
		}
		d.Flows = append(d.Flows, FlowChange{old, now})
	}
	changes(s.touchedGroups, s.groups, func(o, n *flow.GroupEntry) { d.Groups = append(d.Groups, GroupChange{o, n}) })
	changes(s.touchedMeters, s.meters, func(o, n *flow.MeterEntry) { d.Meters = append(d.Meters, MeterChange{o, n}) })
	s.resetTouched()
	d.sort()
}

func changes[K, V comparable](touched map[K]*V, table map[K]*claims[V], report func(old, now *V)) {
	for k, old := range touched {
		var now *V
		if c := table[k]; c != nil {
			if w, ok := c.winner(); ok {
				now = &w.value
			} else {
				delete(table, k)
			}
		}
		if old == nil && now == nil || old != nil && now != nil && *old == *now {
			continue
		}
		report(old, now)
	}
}

// Flows yields every desired flow, in no order.
func (e *Engine) Flows() iter.Seq[flow.Flow] {
	return func(yield func(flow.Flow) bool) {
		for _, d := range e.state.flows {
			if d.first.by != nil && !yield(d.flow()) {
				return
			}
		}
	}
}

// FlowCount returns the number of desired flows.
func (e *Engine) FlowCount() int { return len(e.state.flows) }

// Flow returns the desired flow of a key.
func (e *Engine) Flow(k flow.Key) (flow.Flow, bool) {
	if f := e.state.flow(k); f != nil {
		return *f, true
	}
	return flow.Flow{}, false
}

// Groups yields every desired group.
func (e *Engine) Groups() iter.Seq[flow.GroupEntry] { return winners(e.state.groups) }

// Meters yields every desired meter.
func (e *Engine) Meters() iter.Seq[flow.MeterEntry] { return winners(e.state.meters) }

func winners[K, V comparable](table map[K]*claims[V]) iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, c := range table {
			if w, ok := c.winner(); ok && !yield(w.value) {
				return
			}
		}
	}
}
