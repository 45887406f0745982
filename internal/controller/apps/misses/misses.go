// Package misses is the app of the pipeline itself: what happens in each stage to a packet that no flow
// matches. Every drop is a flow of its own, so that it is counted and has a reason.
package misses

import (
	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "misses", ID: 1,
		Rules: []app.Rule{app.For("misses.stage", view.Self, stage)},
	}
}

func stage(_ *view.Reader, _ view.Chassis, out *app.Output) {
	for _, s := range pipeline.Stages() {
		next, reason := s.Miss()
		if reason != "" {
			out.Flow(s, pipeline.Miss, flow.Match{}, flow.Drop(), reason)
			continue
		}
		out.Flow(s, pipeline.Miss, flow.Match{}, flow.Goto(next.Table()), "nothing for this stage to do")
	}
}
