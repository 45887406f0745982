package operate

import (
	"context"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Fate is what became of a packet, or of a copy of it.
type Fate struct {
	Kind OutcomeKind `json:"kind"`
	// Chassis and Stage are where it ended.
	Chassis string `json:"chassis,omitempty"`
	Stage   string `json:"stage"`
	// Object is whose it was there, in Neutron's words: a port, a router with or without one of its routes,
	// or a network; "everybody" if it was nobody's.
	Object string `json:"object"`
	// Reason is why it was dropped, or what the controller does with it.
	Reason string `json:"reason,omitempty"`
}

// fates lists what became of a packet on its journey, without repetition.
func (q *inquiry) fates(ctx context.Context, j *Journey) ([]Fate, error) {
	var out []Fate
	for _, e := range j.ends() {
		f := Fate{Kind: e.Kind, Chassis: e.leg.Chassis, Stage: e.leg.Steps[e.Step].Stage, Reason: e.Reason}
		if err := q.at(ctx, e.leg, func(w World) { f.Object = w.holds(e.leg.Steps[e.Step], e.Outcome) }); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return distinct(out), nil
}

// distinct leaves out what was said before.
func distinct(list []Fate) []Fate {
	var out []Fate
	for _, f := range list {
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// holds says whose a packet was at a step: the object for which there is the flow that it met, else, where
// one flow serves everybody, what the registers say.
func (w World) holds(s Step, o *Outcome) string {
	if x, ok := w.Engine.Explain(s.key); ok && !s.missed {
		if name, _ := w.object(x.Owners[0]); name != everybody {
			return name
		}
	}
	stage, _ := pipeline.ParseStage(s.Stage)
	switch stage.App() {
	case "l3":
		id := w.Numbers.Names(pipeline.RouterNumbers.Name)[uint32(o.packet.read(pipeline.Router).Lo)]
		if id != "" {
			return "router " + w.routerNameOf(id)
		}
	case "l2", "tunnel":
		id := w.Numbers.Names(pipeline.NetworkNumbers.Name)[uint32(o.packet.read(pipeline.Network).Lo)]
		if id != "" {
			return "network " + named(w.network(&model.Port{NetworkID: id}).Name, id)
		}
	}
	if o.at != nil {
		return "port " + portName(o.at)
	}
	return w.interfaceAt(o)
}

// interfaceAt names what sent a packet that no port is known to have sent.
func (w World) interfaceAt(o *Outcome) string {
	name := everybody
	w.View.Each(view.Interfaces, func(_ string, row any) {
		if i := row.(view.Interface); i.OFPort != 0 && uint64(i.OFPort) == o.packet.inPort() {
			name = "interface " + i.Name
		}
	})
	return name
}
