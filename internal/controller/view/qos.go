package view

import (
	"github.com/dragonflow/dragonflow/internal/model"
)

// QoSPolicyOf returns the id of the QoS policy that a port has: its own, else its network's; empty for none.
func QoSPolicyOf(r *Reader, p *model.Port) string {
	if p.QoSPolicyID != "" {
		return p.QoSPolicyID
	}
	n, found := Get(r, Networks, p.NetworkID)
	if found != Present {
		return ""
	}
	return n.QoSPolicyID
}
