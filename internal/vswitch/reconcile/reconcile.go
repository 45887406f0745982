// Package reconcile makes a switch have what is desired. It is the only writer: whoever wants a flow, a
// group or a meter says so in the desired state.
//
// It never flushes and refills. A sync dumps the switch, compares by value and applies the smallest
// difference: what is missing or different first, what is stale last, so that a restart with nothing
// changed changes nothing. What does not carry our mark belongs to somebody else and is left alone.
//
// The package imports flow. A Writer belongs to one goroutine.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// MaxBundle is the most flow-mods in one bundle once traffic flows: a larger one would stall the switch's
// forwarding for more than 50 ms.
const MaxBundle = 2000

// Switch is a connection to a switch. openflow.Conn is the real one.
type Switch interface {
	// DumpFlows calls f for every flow of the switch.
	DumpFlows(ctx context.Context, f func(flow.Flow)) error
	// DumpMeters and DumpGroups return all of them.
	DumpMeters(ctx context.Context) ([]flow.MeterEntry, error)
	DumpGroups(ctx context.Context) ([]flow.GroupEntry, error)
	// ModFlows carries out all mods or none and waits until the switch has. A *RefusedError says which
	// of them the switch refused.
	ModFlows(ctx context.Context, mods []FlowMod) error
	// ModEntries changes meters and groups in order and waits until the switch has. A *RefusedError says
	// which of them the switch refused; the others were changed.
	ModEntries(ctx context.Context, mods []EntryMod) error
}

// FlowMod adds a flow, or replaces what is under its key; with Delete it removes exactly that key.
type FlowMod struct {
	Flow   flow.Flow
	Delete bool
}

// Verb is what to do with a group or meter.
type Verb uint8

// The verbs of an EntryMod.
const (
	Add Verb = iota
	Modify
	Delete
)

// EntryMod changes one meter or group; one of the two is set.
type EntryMod struct {
	Verb  Verb
	Meter *flow.MeterEntry
	Group *flow.GroupEntry
}

func (m EntryMod) name() string {
	if m.Group != nil {
		return fmt.Sprintf("group %d", m.Group.ID)
	}
	return fmt.Sprintf("meter %d", m.Meter.ID)
}

// RefusedError lists the mods of a bundle that the switch refused; none of the bundle was applied.
type RefusedError struct {
	// Refused gives the switch's reason by index into the mods.
	Refused map[int]error
}

// Error names the reasons.
func (e *RefusedError) Error() string {
	for _, i := range slices.Sorted(maps.Keys(e.Refused)) {
		return fmt.Sprintf("the switch refused %d flows, the first because %v", len(e.Refused), e.Refused[i])
	}
	return "the switch refused the bundle"
}

// State is what a switch shall have.
type State struct {
	Flows  []flow.Flow
	Groups []flow.GroupEntry
	Meters []flow.MeterEntry
	// Marker, if set, records in the switch itself what it has: it is written in the last bundle of what
	// changes other flows, and never by itself.
	Marker *flow.Flow
}

// Change is a difference of two states. New nil means gone.
type Change struct {
	Flows  []FlowChange
	Groups []GroupChange
	Meters []MeterChange
	// Marker is as in State.
	Marker *flow.Flow
}

// FlowChange, GroupChange and MeterChange are the changes of one entry each.
type (
	FlowChange  struct{ Old, New *flow.Flow }
	GroupChange struct{ Old, New *flow.GroupEntry }
	MeterChange struct{ Old, New *flow.MeterEntry }
)

// Outcome says what a call did.
type Outcome struct {
	// FlowMods, EntryMods and Bundles count what was sent.
	FlowMods, EntryMods, Bundles int
	// Refused lists desired flows that the switch does not have, with its reason or because somebody
	// else's flow holds the key.
	Refused []Refusal
}

// Refusal is a desired flow that could not be had, or with What a change of a group or meter.
type Refusal struct {
	Flow flow.Flow
	// What names a group or meter, as in "group 7"; empty for a flow.
	What string
	Err  error
}

// String names what was refused.
func (r Refusal) String() string {
	if r.What != "" {
		return r.What
	}
	return r.Flow.String()
}

// ErrForeign says that somebody else's flow is under the key.
var ErrForeign = errors.New("a flow that is not Dragonflow's has the same table, priority and match; remove it")

// Options adjust a Writer.
type Options struct {
	// Mark and Mask tell our cookies.
	Mark, Mask uint64
	// MaxMeter and MaxGroup bound the numbers that are ours: a meter or group up to it that is not
	// desired is stale.
	MaxMeter, MaxGroup uint32
}

// Writer programs one switch.
type Writer struct {
	sw      Switch
	o       Options
	foreign map[flow.Key]struct{}
}

// New returns a Writer for a switch. The first call must be Sync.
func New(sw Switch, o Options) *Writer {
	return &Writer{sw: sw, o: o, foreign: map[flow.Key]struct{}{}}
}

func (w *Writer) ours(cookie uint64) bool { return cookie&w.o.Mask == w.o.Mark }

// Mode says how far a Sync may go.
type Mode uint8

// The modes of a Sync.
const (
	// Full makes the switch equal to the desired state.
	Full Mode = iota
	// AddOnly leaves what the switch has, and adds flows only for owners, that is cookies, of which it
	// has none: for a view that may be older than the switch.
	AddOnly
)

// Sync dumps the switch and makes it equal to want, as far as mode allows. Keys must be unique in want.
func (w *Writer) Sync(ctx context.Context, want State, mode Mode) (Outcome, error) {
	var out Outcome
	have, err := w.dump(ctx)
	if err != nil {
		return out, err
	}
	if want.Marker != nil {
		delete(have.flows, want.Marker.Key())
	}
	add, del := w.compare(have, want, mode, &out)
	limit := MaxBundle
	if len(have.flows) == 0 {
		limit = len(add) + len(del) // nothing forwards yet: one bundle, and everything is there at once
	}
	before, after := entryDiff(have, want, mode, w.o)
	if err := w.entries(ctx, before, &out); err != nil {
		return out, fmt.Errorf("sync meters and groups: %w", err)
	}
	if mode == AddOnly {
		want.Marker = nil // the switch may have more than we know
	}
	if err := w.flows(ctx, append(add, del...), want.Marker, limit+1, &out); err != nil {
		return out, fmt.Errorf("sync flows: %w", err)
	}
	if err := w.entries(ctx, after, &out); err != nil {
		return out, fmt.Errorf("remove stale meters and groups: %w", err)
	}
	return out, nil
}

// Apply carries out a change of the desired state, given that the switch had the old one.
func (w *Writer) Apply(ctx context.Context, c Change) (Outcome, error) {
	var out Outcome
	before, after := entryChanges(c)
	if err := w.entries(ctx, before, &out); err != nil {
		return out, fmt.Errorf("change meters and groups: %w", err)
	}
	var add, del []FlowMod
	for _, f := range c.Flows {
		switch {
		case f.New == nil:
			if _, held := w.foreign[f.Old.Key()]; !held {
				del = append(del, FlowMod{Flow: *f.Old, Delete: true})
			}
		case w.held(*f.New, &out):
		default:
			add = append(add, FlowMod{Flow: *f.New})
		}
	}
	inOrder(add, del)
	if err := w.flows(ctx, append(add, del...), c.Marker, MaxBundle, &out); err != nil {
		return out, fmt.Errorf("change flows: %w", err)
	}
	if err := w.entries(ctx, after, &out); err != nil {
		return out, fmt.Errorf("remove meters and groups: %w", err)
	}
	return out, nil
}

func (w *Writer) held(f flow.Flow, out *Outcome) bool {
	if _, held := w.foreign[f.Key()]; !held {
		return false
	}
	out.Refused = append(out.Refused, Refusal{Flow: f, Err: ErrForeign})
	return true
}

// flows sends mods in bundles of at most limit, the marker with the last of them. What the switch refuses
// is left out and reported, and the rest of its bundle is sent again; a marker of which nothing is left
// to mark is not sent.
func (w *Writer) flows(ctx context.Context, mods []FlowMod, marker *flow.Flow, limit int, out *Outcome) error {
	if len(mods) > 0 && marker != nil {
		mods = append(mods, FlowMod{Flow: *marker})
	}
	for len(mods) > 0 {
		n := min(limit, len(mods))
		batch := mods[:n]
		mods = mods[n:]
		for len(batch) > 0 {
			if marker != nil && out.FlowMods == 0 && len(batch) == 1 && batch[0].Flow == *marker {
				return nil
			}
			err := w.sw.ModFlows(ctx, batch)
			var refused *RefusedError
			if err != nil && (!errors.As(err, &refused) || len(refused.Refused) == 0) {
				return err
			}
			if err == nil {
				out.FlowMods += len(batch)
				out.Bundles++
				break
			}
			batch = without(batch, refused, out)
		}
	}
	return nil
}

func without(batch []FlowMod, refused *RefusedError, out *Outcome) []FlowMod {
	var rest []FlowMod
	for i, m := range batch {
		if err := refused.Refused[i]; err != nil {
			out.Refused = append(out.Refused, Refusal{Flow: m.Flow, Err: err})
		} else {
			rest = append(rest, m)
		}
	}
	return rest
}

func (w *Writer) entries(ctx context.Context, mods []EntryMod, out *Outcome) error {
	if len(mods) == 0 {
		return nil
	}
	err := w.sw.ModEntries(ctx, mods)
	var refused *RefusedError
	if err != nil && (!errors.As(err, &refused) || len(refused.Refused) == 0) {
		return err
	}
	out.EntryMods += len(mods)
	if refused == nil {
		return nil
	}
	// One that cannot be had takes the flows that use it with it, and nothing else.
	for _, i := range slices.Sorted(maps.Keys(refused.Refused)) {
		out.EntryMods--
		out.Refused = append(out.Refused, Refusal{What: mods[i].name(), Err: refused.Refused[i]})
	}
	return nil
}
