package provider

import (
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// guarantee has what a port sends into its physical network wait in a queue of its own, which gets what the port's QoS
// policy guarantees however much others send. What a router sends, for the port too, is no part of it.
func guarantee(r *view.Reader, p view.LocalPort, out *app.Output) {
	kbps := view.QoSPolicyOf(r, p.Port).MinimumBandwidth(model.Egress)
	if kbps == 0 {
		return
	}
	w, found := view.Get(r, view.Wires, p.Port.NetworkID)
	if found != view.Present {
		out.Problem(fmt.Sprintf("port %s has the guaranteed bandwidth of its QoS policy only on a physical network, and its network has none on this chassis: "+
			"take the rule from the policy, or the policy from the port", p.Port.ID))
		return
	}
	at, _ := view.Get(r, view.ProviderPorts, w.PhysicalNetwork)
	if at.Kbps == 0 {
		out.Problem(fmt.Sprintf("port %s does not have the guaranteed bandwidth of its QoS policy: this chassis guarantees none on physical network %s; "+
			"see bandwidths in the configuration", p.Port.ID, w.PhysicalNetwork))
		return
	}
	queue := r.Number(pipeline.QueueNumbers, p.Port.ID)
	app.Emit(out, view.Guarantees, view.Guarantee{PortID: p.Port.ID, PhysicalNetwork: w.PhysicalNetwork, Queue: queue, Kbps: kbps})
	do := append(append([]flow.Action{flow.SetQueue(queue)}, leaving(w)...), flow.PopQueue())
	out.Flow(pipeline.ProviderOutput, pipeline.Normal+1, flow.NewMatch(pipeline.Network.Is(uint64(w.Key)), pipeline.SourcePort.Is(uint64(p.Key))),
		flow.Do(do...), "the frame goes into the physical network by the queue of its port, which has a guaranteed bandwidth")
}
