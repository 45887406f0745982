package operate

import (
	"io"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
)

// DifferenceKind says how the switch differs from what is wanted.
type DifferenceKind string

// The kinds of difference.
const (
	Missing   DifferenceKind = "missing"   // wanted, and not on the switch
	Different DifferenceKind = "different" // on the switch with other instructions or another owner
	Stale     DifferenceKind = "stale"     // on the switch with our mark, and not wanted
)

// Difference is a flow in which the switch differs from what the chassis wants.
type Difference struct {
	Kind   DifferenceKind `json:"kind"`
	Stage  string         `json:"stage"`
	Want   string         `json:"want,omitempty"`
	Have   string         `json:"have,omitempty"`
	Object string         `json:"object,omitempty"`
	Reason string         `json:"reason,omitempty"`
}

// DifferenceList is the answer to how the switch differs.
type DifferenceList []Difference

// Diff compares what the chassis wants with what its switch has, in the order of the pipeline. While the
// controller is changing the switch, what is on its way shows as difference.
func Diff(w World, counted []Counted) DifferenceList {
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
		f.Stage = pipeline.StageName(f.key.Table)
		list[i] = f.Difference
	}
	return list
}

// Write writes a table for people.
func (l DifferenceList) Write(w io.Writer) error {
	t := newTable(w, "DIFFERENCE", "STAGE", "OBJECT", "WANT", "HAVE", "REASON")
	for _, d := range l {
		t.row(string(d.Kind), d.Stage, orDash(d.Object), orDash(d.Want), orDash(d.Have), orDash(d.Reason))
	}
	return t.end("the switch has exactly what is wanted")
}
