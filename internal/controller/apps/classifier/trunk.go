package classifier

import (
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// way is how the packets of a bound port come and go.
type way struct {
	ofport uint32
	// vlan is zero for a port with an interface of its own.
	vlan uint16
	// binding is of the port with the interface: the port itself, or its parent.
	binding *model.Binding
	// port is the parent; nil if the port has an interface of its own.
	port *model.Port
}

// all matches what comes by it; for a port with sub-ports, also what is for these.
func (w way) all() []flow.Constraint {
	match := []flow.Constraint{flow.InPort.Is(uint64(w.ofport))}
	if w.vlan != 0 {
		match = append(match, flow.Tagged(w.vlan))
	}
	return match
}

// wayOf finds the interface of a bound port: its own, or, for a sub-port, that of its parent, with which it comes,
// moves and is down.
func wayOf(r *view.Reader, b *model.Binding, out *app.Output) (w way, found bool) {
	w.binding = b
	if b.IsSubPort() {
		if own, _ := view.Find(r, view.InterfacesByPort, b.ID); len(own) > 0 {
			out.Problem(fmt.Sprintf("interface %s carries external_ids:iface-id=%s, which is a sub-port and comes through the interface "+
				"of port %s: remove the interface, or the port from its trunk", own[0].Name, b.ID, b.ParentPortID))
		}
		parent, bound := view.Get(r, view.Bindings, b.ParentPortID)
		if bound != view.Present || parent.IsSubPort() {
			return w, false
		}
		p, portFound := view.Get(r, view.Ports, view.Within(parent.NetworkID, parent.ID))
		net, netFound := view.Get(r, view.Networks, parent.NetworkID)
		if portFound != view.Present || netFound != view.Present || !p.AdminStateUp || !net.AdminStateUp {
			return w, false
		}
		w.binding, w.port, w.vlan = parent, p, b.SegmentationID
	}
	ifaces, _ := view.Find(r, view.InterfacesByPort, w.binding.ID)
	if len(ifaces) > 1 && !b.IsSubPort() {
		out.Problem(fmt.Sprintf("interfaces %s and %s both carry external_ids:iface-id=%s; the first is served, remove it from the other",
			ifaces[0].Name, ifaces[1].Name, b.ID))
	}
	if len(ifaces) == 0 || ifaces[0].OFPort == 0 {
		return w, false
	}
	w.ofport = ifaces[0].OFPort
	return w, true
}

// subPort takes in what the parent's guest sends in the sub-port's VLAN, and gives it what is for the sub-port there.
// No other stage sees the tag.
func subPort(r *view.Reader, p view.LocalPort, next pipeline.Stage, out *app.Output) {
	out.Flow(pipeline.Classify, pipeline.Normal+1, flow.NewMatch(flow.InPort.Is(uint64(p.OFPort)), flow.Tagged(p.VLAN)),
		flow.Do(append([]flow.Action{flow.PopVLAN()}, from(p)...)...).Goto(next.Table()),
		"the sub-port sends through its parent's interface, in its VLAN")
	// The packet may have come in by the same interface, and copies of it may go elsewhere afterwards.
	leave := flow.Clone(flow.PushVLAN(), flow.SetVLAN(p.VLAN), flow.Load(flow.InPort.All(), 0), flow.Output(p.OFPort))
	deliver(r, p, []flow.Action{leave}, "the sub-port receives through its parent's interface, in its VLAN", out)
}

// nested keeps from guests what has a tag within the one that a physical network has it in: a guest with sub-ports
// would take it for what one of these gets.
func nested(_ *view.Reader, _ view.Chassis, out *app.Output) {
	for _, tagged := range []flow.Constraint{flow.AnyTag(), flow.EthType.Is(flow.EthTypeVLAN), flow.EthType.Is(flow.EthTypeServiceVLAN)} {
		out.Flow(pipeline.Deliver, pipeline.Override, flow.NewMatch(tagged), flow.Drop(), "a VLAN tag within another")
	}
}
