package intake

import (
	"errors"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// parseQoSPolicy reads a policy with its rules. Those of types that chassis do not carry out are left out: no port and no
// network has a policy with one.
func parseQoSPolicy(f *fields) resource.Row {
	rules := list(f, "rules", nested(parseQoSRule))
	rules = slices.DeleteFunc(rules, func(r *resource.QoSRule) bool { return r.Type == "" })
	for i, r := range rules {
		if slices.ContainsFunc(rules[:i], func(o *resource.QoSRule) bool { return o.Type == r.Type && o.Direction == r.Direction }) {
			f.fail("rules", errors.New("several are for the same"))
		}
	}
	return &resource.QoSPolicy{Rules: rules}
}

// parseQoSRule reads a rule; its type is empty if chassis do not carry it out.
func parseQoSRule(f *fields) *resource.QoSRule {
	limit := func(unit string) *resource.QoSRule {
		return &resource.QoSRule{Direction: required(f, "direction", resource.OneOf(model.Ingress, model.Egress)),
			Max: required(f, "max_"+unit, resource.IntIn(0)), MaxBurst: read(f, "max_burst_"+unit, resource.IntIn(0))}
	}
	typ := f.text("type")
	r := &resource.QoSRule{}
	switch typ {
	case resource.BandwidthLimit:
		r = limit("kbps")
	case resource.PacketRateLimit:
		r = limit("kpps")
	case resource.MinimumBandwidth:
		r = &resource.QoSRule{Direction: required(f, "direction", resource.OneOf(model.Ingress, model.Egress)), Min: required(f, "min_kbps", resource.IntIn(0))}
	case resource.DSCPMarking:
		r.DSCPMark = required(f, "dscp_mark", resource.IntIn(0))
	default:
		return r
	}
	r.Type = typ
	return r
}
