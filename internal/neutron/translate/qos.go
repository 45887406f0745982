package translate

import (
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// qosPolicy leaves out rules of types that chassis do not carry out, which a Neutron may have.
func qosPolicy(q *resource.QoSPolicy) *model.QoSPolicy {
	out := &model.QoSPolicy{Meta: meta(q), Name: q.Name}
	for _, r := range q.Rules {
		limit := model.QoSLimit{Direction: r.Direction, Max: r.Max, MaxBurst: r.MaxBurst}
		switch r.Type {
		case resource.BandwidthLimit:
			out.BandwidthLimits = append(out.BandwidthLimits, limit)
		case resource.PacketRateLimit:
			out.PacketRateLimits = append(out.PacketRateLimits, limit)
		case resource.MinimumBandwidth:
			if r.Direction == model.Egress && r.Min > 0 {
				out.MinimumBandwidths = append(out.MinimumBandwidths, model.QoSMinimum{Direction: r.Direction, Min: r.Min})
			}
		case resource.DSCPMarking:
			mark := r.DSCPMark
			out.DSCPMark = &mark
		}
	}
	return out
}
