package operate

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/model"
)

// DifferenceKind says how two sides differ.
type DifferenceKind string

// The kinds of difference.
const (
	Missing   DifferenceKind = "missing"   // wanted, and not there
	Different DifferenceKind = "different" // there with another content or another owner
	Stale     DifferenceKind = "stale"     // there with our mark, and not wanted
)

// Difference is something in which two layers of a chassis differ.
type Difference struct {
	// Layer is which: "view" between database and view, "derivation" between view and what is wanted of
	// the switch, "switch" between that and what the switch has.
	Layer controller.Layer `json:"layer"`
	Kind  DifferenceKind   `json:"kind"`
	// Object is whose it is, in Neutron's words.
	Object string `json:"object,omitempty"`
	// Where is the scope of the database, or the stage or kind of entry of the switch.
	Where  string `json:"where,omitempty"`
	Want   string `json:"want,omitempty"`
	Have   string `json:"have,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Repaired says that it was repaired.
	Repaired bool `json:"repaired,omitempty"`
}

// DifferenceList is the answer to where the layers of a chassis differ, in the order of the layers.
type DifferenceList []Difference

// Dump is what a switch has.
type Dump struct {
	Flows  []Counted
	Groups []flow.GroupEntry
	Meters []flow.MeterEntry
	// Metered is what meters have dropped.
	Metered []Metered
}

// Drifted shows differences that the controller found between its first two layers.
func Drifted(w World, list []controller.Drift) DifferenceList {
	out := make(DifferenceList, len(list))
	for i, d := range list {
		out[i] = Difference{Layer: d.Layer, Kind: Different, Want: d.Want, Have: d.Have, Reason: d.What}
		switch {
		case d.Have == "" && d.Want != "":
			out[i].Kind = Missing
		case d.Want == "" && d.Have != "":
			out[i].Kind = Stale
		}
		if d.Layer == controller.LayerSettings {
			out[i].Object, out[i].Where = d.ID, d.Scope
			continue
		}
		if d.Layer == controller.LayerView {
			out[i].Object, out[i].Where = w.stored(d.Kind, d.ID), d.Scope
			continue
		}
		out[i].Object, _ = w.object(d.Owner)
		out[i].Where = d.Owner.Rule
	}
	return out
}

// stored names an object of the database.
func (w World) stored(kind model.Kind, id string) string {
	switch kind {
	case model.KindPort, model.KindBinding:
		return fmt.Sprintf("%s %s", kind, w.portNameOf(id))
	case model.KindNetwork:
		return "Network " + named(w.network(&model.Port{NetworkID: id}).Name, id)
	case model.KindSecurityGroup:
		return "SecurityGroup " + w.groupName(id)
	}
	return fmt.Sprintf("%s %s", kind, id)
}

// Diff compares what the chassis wants with what its switch has, in the order of the pipeline, then groups
// and meters. While the controller is changing the switch, what is on its way shows as difference.
func Diff(w World, dump Dump) DifferenceList {
	list := w.flowDifferences(dump.Flows)
	list = append(list, entryDifferences("group", slices.Collect(w.Engine.Groups()), dump.Groups, pipeline.GroupNumbers.Max,
		func(g flow.GroupEntry) uint32 { return g.ID })...)
	return append(list, entryDifferences("meter", slices.Collect(w.Engine.Meters()), dump.Meters, pipeline.MeterNumbers.Max,
		func(m flow.MeterEntry) uint32 { return m.ID })...)
}

func (w World) flowDifferences(counted []Counted) DifferenceList {
	type keyed struct {
		key flow.Key
		Difference
	}
	var found []keyed
	have := make(map[flow.Key]flow.Flow, len(counted))
	for _, c := range counted {
		have[c.Flow.Key()] = c.Flow
		if _, wanted := w.Engine.Flow(c.Flow.Key()); !wanted && isOurs(c.Flow) {
			found = append(found, keyed{c.Flow.Key(), Difference{Kind: Stale, Have: text(c.Flow)}})
		}
	}
	for f := range w.Engine.Flows() {
		h, there := have[f.Key()]
		if there && h == f {
			continue
		}
		d := Difference{Kind: Missing, Want: text(f)}
		if there {
			d.Kind, d.Have = Different, text(h)
		}
		if x, ok := w.Engine.Explain(f.Key()); ok {
			d.Reason = x.Reason
			d.Object, _ = w.object(x.Owners[0])
		}
		found = append(found, keyed{f.Key(), d})
	}
	slices.SortFunc(found, func(a, b keyed) int { return a.key.Compare(b.key) })
	list := make(DifferenceList, len(found))
	for i, f := range found {
		f.Layer, f.Where = controller.LayerSwitch, pipeline.StageName(f.key.Table)
		list[i] = f.Difference
	}
	return list
}

// entryDifferences compares groups or meters; numbers above most are not ours.
func entryDifferences[E comparable](what string, want, have []E, most uint32, id func(E) uint32) DifferenceList {
	var list DifferenceList
	there := map[uint32]E{}
	for _, e := range have {
		there[id(e)] = e
	}
	slices.SortFunc(want, func(a, b E) int { return cmp.Compare(id(a), id(b)) })
	wanted := map[uint32]bool{}
	for _, e := range want {
		wanted[id(e)] = true
		d := Difference{Layer: controller.LayerSwitch, Kind: Missing, Where: what, Want: fmt.Sprintf("%s %d", what, id(e))}
		h, has := there[id(e)]
		if has && h == e {
			continue
		}
		if has {
			d.Kind, d.Want, d.Have = Different, fmt.Sprintf("%+v", e), fmt.Sprintf("%+v", h)
		}
		list = append(list, d)
	}
	for _, e := range have {
		if !wanted[id(e)] && id(e) <= most {
			list = append(list, Difference{Layer: controller.LayerSwitch, Kind: Stale, Where: what, Have: fmt.Sprintf("%s %d", what, id(e))})
		}
	}
	return list
}

// Mark notes which of the differences are gone after a repair, and returns those that are new or still
// there as well: the list tells everything that happened.
func (l DifferenceList) Mark(after DifferenceList) DifferenceList {
	out := slices.Clone(l)
	for i := range out {
		out[i].Repaired = !slices.Contains(after, l[i])
	}
	for _, d := range after {
		if !slices.Contains(l, d) {
			out = append(out, d)
		}
	}
	return out
}

// Write writes a table for people.
func (l DifferenceList) Write(w io.Writer) error {
	t := newTable(w, "LAYER", "DIFFERENCE", "OBJECT", "WHERE", "WANT", "HAVE", "REASON")
	for _, d := range l {
		kind := string(d.Kind)
		if d.Repaired {
			kind += ", repaired"
		}
		t.row(string(d.Layer), kind, orDash(d.Object), orDash(d.Where), orDash(d.Want), orDash(d.Have), orDash(d.Reason))
	}
	return t.end("database, view, desired flows and switch agree")
}
