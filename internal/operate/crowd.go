package operate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// What one copy of a broadcast costs of the look-ups that Open vSwitch grants a packet: the copy goes through the
// stages of its receiver, all of them where the groups are stateless. Those of stateful groups end at the connection
// tracker, behind which the switch counts anew.
const (
	copyCost          = 4
	statelessCopyCost = 9
	// sendingCost is what a packet costs before it is copied, with room for the sets of members.
	sendingCost = 64
)

// crowded lists the networks of which so many ports are here that a broadcast does not reach all: Open vSwitch gives
// up in the middle, and says so in its own log only.
func (w World) crowded() []Concern {
	type crowd struct {
		network     *model.Port
		ports, cost int
	}
	crowds := map[string]*crowd{}
	w.View.Each(view.LocalPorts, func(_ string, row any) {
		p := row.(view.LocalPort)
		if p.Prepared {
			return
		}
		c := crowds[p.Port.NetworkID]
		if c == nil {
			c = &crowd{network: p.Port}
			crowds[p.Port.NetworkID] = c
		}
		c.ports++
		c.cost += copyCost
		if w.isStateless(p.Port) {
			c.cost += statelessCopyCost - copyCost
		}
	})
	var out []Concern
	for _, id := range slices.Sorted(maps.Keys(crowds)) {
		c := crowds[id]
		if c.cost <= maxLookups-sendingCost {
			continue
		}
		reached := c.ports * (maxLookups - sendingCost) / c.cost
		out = append(out, Concern{Object: "network " + named(w.network(c.network).Name, id), Text: fmt.Sprintf(
			"%d of its ports are on this chassis, and a broadcast reaches about %d of them, as Open vSwitch gives up after %d look-ups: "+
				"bind some to other chassis", c.ports, reached, maxLookups)})
	}
	return out
}

// isStateless reports whether the groups of a port do not look at connections.
func (w World) isStateless(p *model.Port) bool {
	if !p.PortSecurityEnabled || len(p.SecurityGroups) == 0 {
		return false
	}
	for _, id := range p.SecurityGroups {
		row, ok := w.View.Row(view.SecurityGroups, id)
		if !ok || row.(*model.SecurityGroup).Stateful {
			return false
		}
	}
	return true
}
