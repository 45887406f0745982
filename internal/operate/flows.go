package operate

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Flow is a flow that the chassis wants, and what the switch counted.
type Flow struct {
	Stage    string   `json:"stage"`
	Table    uint8    `json:"table"`
	Priority uint16   `json:"priority"`
	Match    string   `json:"match"`
	Actions  string   `json:"actions"`
	Owners   []string `json:"owners"`
	Reason   string   `json:"reason"`
	// Source is the place in the code that asked for it.
	Source string `json:"source"`
	Cookie string `json:"cookie"`
	// OnSwitch says that the switch has it, exactly so.
	OnSwitch bool   `json:"on_switch"`
	Packets  uint64 `json:"packets"`
	Bytes    uint64 `json:"bytes"`
}

// FlowList is the answer to which flows there are.
type FlowList []Flow

// Flows lists the desired flows in the order of the pipeline. With a port's id or name it lists those
// that the port owns and those that mention its interface or its key in registers.
func Flows(w World, counted []Counted, port string) (FlowList, error) {
	concerns := func(flow.Flow, engine.Explanation) bool { return true }
	if port != "" {
		p, err := w.port(port)
		if err != nil {
			return nil, err
		}
		concerns = w.concerning(p)
	}
	have := make(map[flow.Key]Counted, len(counted))
	for _, c := range counted {
		have[c.Flow.Key()] = c
	}
	var wanted []engine.Explanation
	for f := range w.Engine.Flows() {
		if x, ok := w.Engine.Explain(f.Key()); ok && concerns(f, x) {
			wanted = append(wanted, x)
		}
	}
	slices.SortFunc(wanted, func(a, b engine.Explanation) int { return a.Flow.Key().Compare(b.Flow.Key()) })
	list := make(FlowList, len(wanted))
	for i, x := range wanted {
		list[i] = shown(x, have[x.Flow.Key()])
	}
	return list, nil
}

func shown(x engine.Explanation, c Counted) Flow {
	names := pipeline.Text()
	f := Flow{
		Stage: pipeline.StageName(x.Flow.Table), Table: x.Flow.Table, Priority: x.Flow.Priority,
		Match: names.Match(x.Flow.Match), Actions: names.Instructions(x.Flow.Instructions),
		Reason: x.Reason, Source: x.Source, Cookie: fmt.Sprintf("%#x", x.Flow.Cookie),
		OnSwitch: c.Flow == x.Flow, Packets: c.Packets, Bytes: c.Bytes,
	}
	for _, o := range x.Owners {
		f.Owners = append(f.Owners, o.String())
	}
	return f
}

// concerning returns whether a flow has to do with a port.
func (w World) concerning(p *model.Port) func(flow.Flow, engine.Explanation) bool {
	local, served := w.local(p)
	return func(f flow.Flow, x engine.Explanation) bool {
		owned := slices.ContainsFunc(x.Owners, func(o engine.Owner) bool { return owns(o, p) })
		return owned || served && mentions(f, local)
	}
}

// owns reports whether an owner is evaluated for the port.
func owns(o engine.Owner, p *model.Port) bool {
	return o.Key == p.ID || strings.HasSuffix(o.Key, "/"+p.ID)
}

// mentions reports whether a flow matches or leads to a port.
func mentions(f flow.Flow, p view.LocalPort) bool {
	for c := range f.Match.Fields() {
		switch c {
		case flow.InPort.Is(uint64(p.OFPort)):
			return p.VLAN == 0 || slices.Contains(slices.Collect(f.Match.Fields()), flow.Tagged(p.VLAN))
		case pipeline.SourcePort.Is(uint64(p.Key)), pipeline.DestPort.Is(uint64(p.Key)):
			return true
		}
	}
	return slices.ContainsFunc(slices.Collect(f.Instructions.Actions()), func(a flow.Action) bool { return leadsTo(a, p) })
}

func leadsTo(a flow.Action, p view.LocalPort) bool {
	switch d := a.Decode().(type) {
	case flow.OutputAction:
		return d.Port == p.OFPort && p.VLAN == 0
	case flow.LoadAction:
		return d.Value == uint64(p.Key) && (d.Dst == pipeline.DestPort || d.Dst == pipeline.SourcePort)
	case flow.CloneAction:
		return slices.ContainsFunc(d.Actions, func(a flow.Action) bool { return leadsTo(a, p) })
	}
	return false
}

// Write writes the flows by stage for people, each with its reason.
func (l FlowList) Write(w io.Writer) error {
	var b strings.Builder
	stage := ""
	for _, f := range l {
		if f.Stage != stage {
			stage = f.Stage
			fmt.Fprintf(&b, "%s (table %d)\n", f.Stage, f.Table)
		}
		note := ""
		if !f.OnSwitch {
			note = "  NOT ON THE SWITCH"
		}
		fmt.Fprintf(&b, "  %d %s -> %s%s\n      %s: %s\n      %d packets, %d bytes; %s\n", f.Priority, orAll(f.Match), f.Actions, note,
			strings.Join(f.Owners, ", "), f.Reason, f.Packets, f.Bytes, f.Source)
	}
	if len(l) == 0 {
		b.WriteString("no flows\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func orAll(match string) string {
	if match == "" {
		return "everything else"
	}
	return match
}
