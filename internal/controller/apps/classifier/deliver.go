package classifier

import (
	"math"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// everySize is more than any packet has.
const everySize = math.MaxUint16

// deliver has a packet leave by its port's interface, behind the port's limits if it has some. Ports without cost
// no look-up more, of which Open vSwitch allows a broadcast only so many.
//
// Of a packet for several ports the datapath does one list of actions, and a meter that drops ends it: others would
// not get their copies. A clone alone does not help, as Open vSwitch makes one in the datapath only of what it could
// not undo by itself. A check of the size is that, and its branches are lists of their own.
func deliver(r *view.Reader, p view.LocalPort, leave []flow.Action, reason string, out *app.Output) {
	to := flow.NewMatch(pipeline.DestPort.Is(uint64(p.Key)))
	policy := view.QoSPolicyOf(r, p.Port)
	if policy.Bandwidth(model.Ingress).Max == 0 && policy.PacketRate(model.Ingress).Max == 0 {
		out.Flow(pipeline.Deliver, pipeline.Normal, to, flow.Do(leave...), reason)
		return
	}
	out.Flow(pipeline.Deliver, pipeline.Normal, to,
		flow.Do(flow.Clone(flow.CheckPktLarger(everySize, pipeline.Apart), flow.Resubmit(pipeline.IngressBandwidth.Table()))),
		"the port's QoS policy limits what it receives, and only that")
	out.Flow(pipeline.DeliverLimited, pipeline.Normal, to, flow.Do(leave...), reason)
}
