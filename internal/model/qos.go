package model

// KindQoSPolicy is the kind of QoS policies.
const KindQoSPolicy Kind = "QoSPolicy"

// MaxDSCP is the largest codepoint (RFC 2474).
const MaxDSCP = 63

// QoSPolicy says how fast what has it may send and receive, and how what it sends is marked (Neutron API "QoS
// policy" with its rules).
type QoSPolicy struct {
	Meta
	Name string `json:"name,omitzero"`
	// BandwidthLimits are in kilobits a second, of 1,000 bits, and kilobits; at most one for each direction.
	BandwidthLimits []QoSLimit `json:"bandwidth_limits,omitzero"`
	// PacketRateLimits are in thousands of packets a second, and thousands of packets; at most one for each direction.
	PacketRateLimits []QoSLimit `json:"packet_rate_limits,omitzero"`
	// MinimumBandwidths are guaranteed on the way to a physical network; at most one for each direction.
	MinimumBandwidths []QoSMinimum `json:"minimum_bandwidths,omitzero"`
	// DSCPMark is the codepoint of what is sent; nil leaves it as it is.
	DSCPMark *int `json:"dscp_mark,omitzero"`
}

// QoSLimit is a rate that is not exceeded for longer than a burst takes.
type QoSLimit struct {
	// Direction is seen from the guest.
	Direction Direction `json:"direction"`
	// Max is the rate; zero is no limit.
	Max int `json:"max"`
	// MaxBurst is what may pass at once; zero leaves it to the chassis.
	MaxBurst int `json:"max_burst,omitzero"`
}

// QoSMinimum is a rate that others leave.
type QoSMinimum struct {
	// Direction is seen from the guest.
	Direction Direction `json:"direction"`
	// Min is the rate in kilobits a second, of 1,000 bits; more than zero.
	Min int `json:"min"`
}

// Kind returns KindQoSPolicy.
func (q *QoSPolicy) Kind() Kind { return KindQoSPolicy }

// Scope is the policy's own.
func (q *QoSPolicy) Scope() string { return ScopeQoSPolicy(q.ID) }

// Validate checks directions, rates and the codepoint.
func (q *QoSPolicy) Validate() error {
	var p problems
	p.meta(&q.Meta)
	for field, limits := range map[string][]QoSLimit{"bandwidth_limits": q.BandwidthLimits, "packet_rate_limits": q.PacketRateLimits} {
		for _, l := range limits {
			p.check(l.Direction == Ingress || l.Direction == Egress, field, "direction %q is unknown", l.Direction)
			p.check(l.Max >= 0 && l.MaxBurst >= 0, field, "rate and burst must not be negative, are %d and %d", l.Max, l.MaxBurst)
		}
	}
	for _, m := range q.MinimumBandwidths {
		p.check(m.Direction == Ingress || m.Direction == Egress, "minimum_bandwidths", "direction %q is unknown", m.Direction)
		p.check(m.Min > 0, "minimum_bandwidths", "the rate must be more than zero, is %d", m.Min)
	}
	p.check(q.DSCPMark == nil || *q.DSCPMark >= 0 && *q.DSCPMark <= MaxDSCP, "dscp_mark", "must lie in 0..%d", MaxDSCP)
	return p.result(q)
}

// Bandwidth returns the limit for a direction; its Max is zero if there is none.
func (q *QoSPolicy) Bandwidth(d Direction) QoSLimit { return limitOf(q.BandwidthLimits, d) }

// PacketRate returns the limit for a direction; its Max is zero if there is none.
func (q *QoSPolicy) PacketRate(d Direction) QoSLimit { return limitOf(q.PacketRateLimits, d) }

// MinimumBandwidth returns what is guaranteed in a direction, in kilobits a second; zero if nothing is.
func (q *QoSPolicy) MinimumBandwidth(d Direction) int {
	for _, m := range q.MinimumBandwidths {
		if m.Direction == d {
			return m.Min
		}
	}
	return 0
}

func limitOf(limits []QoSLimit, d Direction) QoSLimit {
	for _, l := range limits {
		if l.Direction == d {
			return l
		}
	}
	return QoSLimit{Direction: d}
}
