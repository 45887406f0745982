// Package qos is the app of Neutron's QoS policies: it limits how fast a port sends and receives, in bits and in
// packets, and marks what it sends.
//
// Limits are OpenFlow meters, one for each port, direction and unit: what exceeds them is dropped. Only ports with a
// policy have flows here.
package qos

import (
	"math"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "qos", ID: 24,
		Rules: []app.Rule{
			app.For("qos.interest", view.LocalPorts, interest),
			app.For("qos.port", view.LocalPorts, port),
		},
	}
}

// interest asks for the policy of a served port.
func interest(r *view.Reader, p view.LocalPort, out *app.Output) {
	if id := view.QoSPolicyID(r, p.Port); id != "" {
		app.Emit(out, view.Interests, view.Interest{Scope: model.ScopeQoSPolicy(id)})
	}
}

// port applies its policy to a served port.
func port(r *view.Reader, p view.LocalPort, out *app.Output) {
	policy := view.QoSPolicyOf(r, p.Port)
	meters := meters{r: r, port: p.Port.ID, out: out}
	from, to := flow.NewMatch(pipeline.SourcePort.Is(uint64(p.Key))), flow.NewMatch(pipeline.DestPort.Is(uint64(p.Key)))
	if meter := meters.bandwidth(policy.Bandwidth(model.Egress)); meter != 0 {
		out.Flow(pipeline.EgressBandwidth, pipeline.Normal, from,
			flow.Goto(pipeline.EgressPacketRate.Table()).Meter(meter), "the port's QoS policy limits what it sends, in bits")
	}
	if meter := meters.packets(policy.PacketRate(model.Egress)); meter != 0 {
		out.Flow(pipeline.EgressPacketRate, pipeline.Normal, from,
			flow.Goto(pipeline.EgressDSCP.Table()).Meter(meter), "the port's QoS policy limits what it sends, in packets")
	}
	if policy.DSCPMark != nil {
		mark(pipeline.SourcePort.Is(uint64(p.Key)), *policy.DSCPMark, out)
	}
	if meter := meters.bandwidth(policy.Bandwidth(model.Ingress)); meter != 0 {
		out.Flow(pipeline.IngressBandwidth, pipeline.Normal, to,
			flow.Goto(pipeline.IngressPacketRate.Table()).Meter(meter), "the port's QoS policy limits what it receives, in bits")
	}
	if meter := meters.packets(policy.PacketRate(model.Ingress)); meter != 0 {
		out.Flow(pipeline.IngressPacketRate, pipeline.Normal, to,
			flow.Goto(pipeline.DeliverLimited.Table()).Meter(meter), "the port's QoS policy limits what it receives, in packets")
	}
}

// mark sets the codepoint of what a port sends, in IPv4's type of service and IPv6's traffic class. The bits of explicit
// congestion notification stay.
func mark(from flow.Constraint, codepoint int, out *app.Output) {
	for _, family := range []flow.Constraint{flow.IPv4(), flow.IPv6()} {
		out.Flow(pipeline.EgressDSCP, pipeline.Normal, flow.NewMatch(from, family),
			flow.Do(flow.SetField(flow.IPDSCP.Is(uint64(codepoint)))).Goto(pipeline.Services.Table()),
			"the port's QoS policy marks what it sends")
	}
}

// meters makes the meters of a port.
type meters struct {
	r    *view.Reader
	port string
	out  *app.Output
}

// largest is a bucket in kilobits that a single packet of a guest fits into whose segmentation the host does.
const largest = (1<<16*8 + 999) / 1000

// bandwidth returns the meter for a limit in kilobits, zero if there is none.
func (m meters) bandwidth(l model.QoSLimit) uint32 {
	return m.meter("bandwidth", flow.KilobitsPerSecond, l, 1, largest)
}

// packets returns the meter for a limit in thousands of packets, zero if there is none.
func (m meters) packets(l model.QoSLimit) uint32 {
	return m.meter("packets", flow.PacketsPerSecond, l, 1000, 1)
}

// meter asks for a meter. Its number does not depend on the limit, so that a change of the limit changes the meter,
// and no flow.
func (m meters) meter(what string, unit flow.MeterUnit, l model.QoSLimit, scale, least uint64) uint32 {
	if l.Max == 0 {
		return 0
	}
	burst := uint64(l.MaxBurst)
	if burst == 0 {
		burst = uint64(l.Max) * 8 / 10 // as Neutron recommends it for TCP
	}
	id := m.r.Number(pipeline.MeterNumbers, "qos/"+m.port+"/"+string(l.Direction)+"-"+what)
	m.out.Meter(flow.NewMeter(id, unit, within(uint64(l.Max)*scale), max(within(burst*scale), uint32(least))))
	return id
}

// within is the largest number of the wire at most n.
func within(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }
