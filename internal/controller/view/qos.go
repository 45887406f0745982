package view

import (
	"github.com/dragonflow/dragonflow/internal/model"
)

// QoSPolicyID returns the id of the QoS policy that a port has: its own, else its network's; empty for none.
func QoSPolicyID(r *Reader, p *model.Port) string {
	if p.QoSPolicyID != "" {
		return p.QoSPolicyID
	}
	n, found := Get(r, Networks, p.NetworkID)
	if found != Present {
		return ""
	}
	return n.QoSPolicyID
}

// QoSPolicyOf returns the policy that a port has; one that does nothing if it has none.
func QoSPolicyOf(r *Reader, p *model.Port) *model.QoSPolicy {
	id := QoSPolicyID(r, p)
	if id == "" {
		return &model.QoSPolicy{}
	}
	q, found := Get(r, QoSPolicies, id)
	if found != Present {
		return &model.QoSPolicy{}
	}
	return q
}

// Guarantee is the bandwidth that a port of this chassis has on the way to its physical network however much others send.
type Guarantee struct {
	PortID, PhysicalNetwork string
	// Queue is the number of the queue in which its packets wait.
	Queue uint32
	// Kbps is in kilobits a second, of 1,000 bits.
	Kbps int
}

// Guarantees holds them, by port. The app provider derives it.
var Guarantees = NewDerived("Guarantee", func(g Guarantee) string { return g.PortID })
