package operate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// qos is the name of the app whose flows limit and mark packets.
const qos = "qos"

// slowed adds to an answer which QoS policies the packet met on its way, and what they do with it.
func (q *inquiry) slowed(ctx context.Context, ans *Answer) error {
	var all []string
	for _, leg := range ans.Journey.Legs {
		err := q.at(ctx, leg, func(w World) {
			for _, s := range leg.Steps {
				all = append(all, w.limits(s)...)
			}
		})
		if err != nil {
			return err
		}
	}
	for i, text := range all {
		if !slices.Contains(all[:i], text) {
			ans.Sentence += "; " + text
		}
	}
	return nil
}

// limits says what a step of the app qos does with a packet.
func (w World) limits(s Step) []string {
	stage, _ := pipeline.ParseStage(s.Stage)
	if stage.App() != qos {
		return nil
	}
	x, ok := w.Engine.Explain(s.key)
	if !ok {
		return nil
	}
	var out []string
	for step := range x.Flow.Instructions.Steps() {
		if m, _, metered := w.Engine.ExplainMeter(step.Meter); metered {
			out = append(out, fmt.Sprintf("%s lets it %s at most %s", w.policyOf(x.Owners[0]), verb(stage), rate(m)))
		}
		if step.Action == (flow.Action{}) {
			continue
		}
		if d, ok := step.Action.Decode().(flow.SetFieldAction); ok {
			out = append(out, fmt.Sprintf("%s marks the packet with DSCP %d", w.policyOf(x.Owners[0]), d.Value.Lo))
		}
	}
	return out
}

// verb is what a port does whose packets come to a stage.
func verb(stage pipeline.Stage) string {
	if strings.HasPrefix(stage.String(), string(model.Egress)) {
		return "send"
	}
	return "receive"
}

// rate is the rate of a meter in words.
func rate(m flow.MeterEntry) string {
	if m.Unit == flow.PacketsPerSecond {
		return fmt.Sprintf("%d packets a second", m.Rate)
	}
	return fmt.Sprintf("%d kbit a second", m.Rate)
}

// policyOf names the port that owns a flow, and its policy.
func (w World) policyOf(o engine.Owner) string {
	row, ok := w.View.Row(view.LocalPorts, o.Key)
	if !ok {
		return "a QoS policy"
	}
	p := row.(view.LocalPort).Port
	q := view.QoSPolicyOf(view.NewReader(w.View, w.Numbers, nil), p)
	return fmt.Sprintf("QoS policy %s of %s", cmp.Or(q.Name, q.ID), portName(p))
}
