package operate

import (
	"cmp"
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

// Counted is a flow of the switch with what it counted.
type Counted struct {
	Flow           flow.Flow
	Packets, Bytes uint64
}

// Drop is a reason for which packets of an object were dropped.
type Drop struct {
	Stage  string `json:"stage"`
	Reason string `json:"reason"`
	// Object is whose packets they were: a kind and a Neutron name, such as "port web1"; or
	// "everybody" where one flow counts for the whole chassis.
	Object  string `json:"object"`
	ID      string `json:"id,omitempty"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// DropList is the answer to what was dropped.
type DropList []Drop

// Metered is what a meter of the switch has dropped.
type Metered struct {
	ID      uint32
	Dropped uint64
}

// Drops lists what the flows and the meters of the switch dropped since they were added, most packets first. With all,
// those that nothing met are listed, too. Of meters the switch counts no bytes.
func Drops(w World, dump Dump, all bool) DropList {
	found := map[Drop]*Drop{}
	list := w.floods(dump, all)
	for _, c := range dump.Flows {
		if forwards(c.Flow.Instructions) || c.Packets == 0 && !all || !isOurs(c.Flow) {
			continue
		}
		d := Drop{Stage: pipeline.StageName(c.Flow.Table), Reason: "the flow is stale: nothing wants it"}
		if x, ok := w.Engine.Explain(c.Flow.Key()); ok {
			d.Reason = x.Reason
			d.Object, d.ID = w.object(x.Owners[0])
		}
		if found[d] == nil {
			found[d] = &Drop{Stage: d.Stage, Reason: d.Reason, Object: d.Object, ID: d.ID}
		}
		found[d].Packets += c.Packets
		found[d].Bytes += c.Bytes
	}
	for _, d := range found {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b Drop) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.Object, b.Object), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// floods lists what meters dropped: whose it was, and on the way to which app of the controller.
func (w World) floods(dump Dump, all bool) DropList {
	stages, copies := map[uint32]string{}, map[uint32]bool{}
	for _, c := range dump.Flows {
		if p, ok := punt(c.Flow.Instructions); ok && p.Meter != 0 {
			copies[p.Meter] = pipeline.IsLogged(p)
			stages[p.Meter] = pipeline.StageName(c.Flow.Table)
		}
		for s := range c.Flow.Instructions.Steps() {
			if s.Meter != 0 {
				stages[s.Meter] = pipeline.StageName(c.Flow.Table)
			}
		}
	}
	list := DropList{}
	for _, m := range dump.Metered {
		entry, owner, wanted := w.Engine.ExplainMeter(m.ID)
		if !wanted || copies[m.ID] || m.Dropped == 0 && !all {
			continue
		}
		d := Drop{
			Stage: stages[m.ID], Packets: m.Dropped,
			Reason: fmt.Sprintf("flood: more than %d packets a second for the controller", entry.Rate),
		}
		if stage, _ := pipeline.ParseStage(d.Stage); stage.App() == qos {
			d.Reason = "QoS policy: more than " + rate(entry)
		}
		d.Object, d.ID = w.object(owner)
		list = append(list, d)
	}
	return list
}

// punt is what sends a flow's packets to the controller.
func punt(do flow.Instructions) (flow.Punt, bool) {
	for a := range do.Actions() {
		if p, ok := a.Decode().(flow.Punt); ok {
			return p, true
		}
	}
	return flow.Punt{}, false
}

// Write writes a table for people.
func (l DropList) Write(w io.Writer) error {
	t := newTable(w, "PACKETS", "BYTES", "OBJECT", "STAGE", "REASON")
	for _, d := range l {
		t.row(fmt.Sprint(d.Packets), fmt.Sprint(d.Bytes), d.Object, d.Stage, d.Reason)
	}
	return t.end("nothing was dropped")
}

func isOurs(f flow.Flow) bool {
	app, ours := pipeline.CookieApp(f.Cookie)
	return ours && app != pipeline.MarkerApp
}

// forwards reports whether a packet, or a copy of it, goes anywhere from a flow.
func forwards(do flow.Instructions) bool {
	if next, on := do.Next(); on {
		return pipeline.Stage(next) != pipeline.RouterRefuse // where only its sender is told
	}
	return slices.ContainsFunc(slices.Collect(do.Actions()), forwardsBy)
}

func forwardsBy(a flow.Action) bool {
	switch d := a.Decode().(type) {
	case flow.Punt:
		return !pipeline.IsLogged(d)
	case flow.OutputAction, flow.ResubmitAction, flow.GroupAction, flow.RawAction:
		return true
	case flow.CloneAction:
		return slices.ContainsFunc(d.Actions, forwardsBy)
	case flow.ConnTrack:
		return d.HasTable
	}
	return false
}

// everybody is whose a flow is that counts for the whole chassis.
const everybody = "everybody"

// object names what an owner is evaluated for, in Neutron's words.
func (w World) object(o engine.Owner) (name, id string) {
	id = o.Key[strings.LastIndex(o.Key, "/")+1:]
	switch o.Kind {
	case view.Self.Name():
		return everybody, ""
	case view.LocalPorts.Name(), view.Bindings.Name():
		return "port " + w.portNameOf(id), id
	case view.Ports.Name():
		return "port " + w.portNameOf(id), id
	case view.Networks.Name():
		return "network " + named(w.network(&model.Port{NetworkID: id}).Name, id), id
	case view.Routers.Name(), view.RouterInterfaces.Name():
		router, _, _ := strings.Cut(o.Key, "/")
		return "router " + w.routerNameOf(router), id
	case view.SecurityGroups.Name():
		return "security group " + w.groupName(id), id
	case view.Interfaces.Name():
		return "interface " + o.Key, ""
	}
	return w.derived(o)
}

func (w World) routerNameOf(id string) string {
	if row, ok := w.View.Row(view.Routers, id); ok {
		return named(row.(*model.Router).Name, id)
	}
	return id
}

// derived names what a derived row is about: its key begins with the id of a router or network.
func (w World) derived(o engine.Owner) (name, id string) {
	id, rest, more := strings.Cut(o.Key, "/")
	switch {
	case o.Rule == secgroup+".profile": // a set of groups
		return "security groups " + w.groupNames(strings.Split(o.Key, ",")), ""
	case w.View.Has(view.Routers, id):
		name = "router " + w.routerNameOf(id)
	case w.View.Has(view.Networks, id):
		name = "network " + named(w.network(&model.Port{NetworkID: id}).Name, id)
	default:
		return o.Kind + " " + o.Key, ""
	}
	if more {
		name += ", " + rest
	}
	return name, id
}

func (w World) portNameOf(id string) string {
	if row, ok := w.View.Row(view.LocalPorts, id); ok {
		return portName(row.(view.LocalPort).Port)
	}
	if p, err := w.port(id); err == nil {
		return portName(p)
	}
	return id
}
