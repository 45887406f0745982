package resource

import (
	"fmt"
	"math"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
)

// QoSPolicy is the stored form of a QoS policy with its rules, in the order in which they were made.
type QoSPolicy struct {
	Common
	Shared  bool `json:"shared,omitzero"`
	Default bool `json:"is_default,omitzero"`
	// Rules are replaced as a whole, never written into.
	Rules []*QoSRule `json:"rules,omitzero"`
}

// Clone returns a copy.
func (q *QoSPolicy) Clone() Row { c := *q; return &c }

// Rule returns the rule of an id, nil if the policy has none.
func (q *QoSPolicy) Rule(id string) *QoSRule {
	i := slices.IndexFunc(q.Rules, func(r *QoSRule) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return q.Rules[i]
}

// Guaranteed is the bandwidth that who has the policy can count on to send, in kilobits a second; zero if there is none.
func (q *QoSPolicy) Guaranteed() int {
	for _, r := range q.Rules {
		if r.Type == MinimumBandwidth && r.Direction == model.Egress {
			return r.Min
		}
	}
	return 0
}

// The types of rules that chassis carry out (Neutron API "QoS rule types").
const (
	BandwidthLimit   = "bandwidth_limit"
	DSCPMarking      = "dscp_marking"
	MinimumBandwidth = "minimum_bandwidth"
	PacketRateLimit  = "packet_rate_limit"
)

// QoSRule is a rule of a policy.
type QoSRule struct {
	Common
	PolicyID string `json:"qos_policy_id"`
	Type     string `json:"type"`
	// Direction is empty for rules that have none.
	Direction model.Direction `json:"direction,omitzero"`
	// Max and MaxBurst are in thousands of bits, or of packets.
	Max      int `json:"max,omitzero"`
	MaxBurst int `json:"max_burst,omitzero"`
	// Min is in thousands of bits.
	Min      int `json:"min,omitzero"`
	DSCPMark int `json:"dscp_mark,omitzero"`
}

// Clone returns a copy.
func (r *QoSRule) Clone() Row { c := *r; return &c }

// QoSPolicies is the type "policy". The rules of a policy are shown by the types of rules.
func QoSPolicies(rules []*Type) *Type {
	first, last := standard(required(nameAttr(Text(255))))
	own := []Attr{
		field("shared", Writable, Bool, func(q *QoSPolicy) *bool { return &q.Shared }),
		field("is_default", Writable, Bool, func(q *QoSPolicy) *bool { return &q.Default }),
		unlisted(shown("rules", func(q *QoSPolicy) any {
			out := make([]Object, 0, len(q.Rules))
			for _, r := range q.Rules {
				for _, t := range rules {
					if t.Singular == r.Type+"_rule" {
						out = append(out, t.Show(r, nil).With("type", r.Type).With("qos_policy_id", r.PolicyID))
					}
				}
			}
			return out
		})),
		tagsAttr(),
	}
	return &Type{
		Kind: "neutron.qos-policy", Singular: "policy", Plural: "policies", Path: "qos/policies",
		Attrs: join(first, own, last), New: func() Row { return new(QoSPolicy) },
		notFoundType: "QosPolicyNotFound", notFoundText: "QoS policy %s could not be found.",
	}
}

// QoSRules are the types of rules.
func QoSRules() []*Type {
	limit := func(typ, unit string) *Type {
		return qosRule(typ,
			required(field("max_"+unit, Writable, naturalNumber, func(r *QoSRule) *int { return &r.Max })),
			field("max_burst_"+unit, Writable, naturalNumber, func(r *QoSRule) *int { return &r.MaxBurst }),
			field("direction", Writable, OneOf(model.Ingress, model.Egress), func(r *QoSRule) *model.Direction { return &r.Direction }),
		)
	}
	return []*Type{
		limit(BandwidthLimit, "kbps"), limit(PacketRateLimit, "kpps"),
		qosRule(MinimumBandwidth,
			required(field("min_kbps", Writable, naturalNumber, func(r *QoSRule) *int { return &r.Min })),
			field("direction", Writable, OneOf(model.Egress), func(r *QoSRule) *model.Direction { return &r.Direction }),
		),
		qosRule(DSCPMarking, required(field("dscp_mark", Writable, dscpMark, func(r *QoSRule) *int { return &r.DSCPMark }))),
	}
}

func qosRule(typ string, attrs ...Attr) *Type {
	return &Type{
		Kind: "neutron.qos-rule", Singular: typ + "_rule", Plural: typ + "_rules", Path: "qos/policies/{id}/" + typ + "_rules",
		Attrs: join([]Attr{shown("id", func(r *QoSRule) any { return r.ID })}, attrs, nil),
		New: func() Row {
			r := &QoSRule{Type: typ}
			if typ != DSCPMarking {
				r.Direction = model.Egress
			}
			return r
		},
	}
}

// QoSRuleNotFound is the 404 of a rule.
func QoSRuleNotFound(policy, id string) *Error {
	return &Error{Status: 404, Type: "QosRuleNotFound", Message: fmt.Sprintf("QoS rule %s for policy %s could not be found.", id, policy)}
}

// naturalNumber accepts what fits into Neutron's columns.
func naturalNumber(v any) (int, error) {
	n, err := IntIn(0)(v)
	if err == nil && n > math.MaxInt32 {
		return 0, fmt.Errorf("'%d' is too large - must be no larger than '%d'", n, math.MaxInt32)
	}
	return n, err
}

// dscpMark accepts Neutron's codepoints: the default, class selectors, assured and expedited forwarding (RFC 2474, RFC
// 2597, RFC 3246).
func dscpMark(v any) (int, error) {
	n, err := Int(v)
	if err == nil && !slices.Contains(DSCPMarks(), n) {
		err = fmt.Errorf("'%d' is not in %v", n, DSCPMarks())
	}
	return n, err
}

// DSCPMarks are the codepoints that a rule may have.
func DSCPMarks() []int {
	return []int{0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56}
}

// DefaultQoSPolicy says which policy is the default of a project; its ID is the project's, so that there can be only
// one.
type DefaultQoSPolicy struct {
	Common
	PolicyID string `json:"qos_policy_id"`
}

// Clone returns a copy.
func (d *DefaultQoSPolicy) Clone() Row { c := *d; return &c }

// DefaultQoSPolicies is the type of these rows; the API does not show them.
func DefaultQoSPolicies() *Type {
	return &Type{
		Kind: "neutron.default-qos-policy", Singular: "default QoS policy", New: func() Row { return new(DefaultQoSPolicy) },
		notFoundType: "QosPolicyNotFound", notFoundText: "Project %s has no default QoS policy.",
	}
}

// qosPolicyAttr is the attribute of who has a policy.
func qosPolicyAttr[T Row](at func(T) *string) Attr {
	return attr("qos_policy_id", Writable, func(r T, v any) (err error) {
		*at(r), err = nullableUUID(v)
		return err
	}, func(r T) any { return textOrNil(*at(r)) })
}
