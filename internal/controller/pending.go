package controller

import (
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/vswitch/reconcile"
)

// pending merges what steps changed while the switch is busy: of each entry, what the switch has and
// what it shall have.
type pending struct {
	flows  map[flow.Key]engine.FlowChange
	groups map[uint32]engine.GroupChange
	meters map[uint32]engine.MeterChange
}

func newPending() pending {
	return pending{
		flows: map[flow.Key]engine.FlowChange{}, groups: map[uint32]engine.GroupChange{},
		meters: map[uint32]engine.MeterChange{},
	}
}

func (p *pending) empty() bool {
	return len(p.flows) == 0 && len(p.groups) == 0 && len(p.meters) == 0
}

// add merges a later delta.
func (p *pending) add(d *engine.Delta) {
	if p.flows == nil {
		*p = newPending()
	}
	for _, c := range d.Flows {
		k := either(c.New, c.Old).Key()
		if before, twice := p.flows[k]; twice {
			c.Old = before.Old
		}
		merge(p.flows, k, c, same(c.Old, c.New))
	}
	for _, c := range d.Groups {
		id := either(c.New, c.Old).ID
		if before, twice := p.groups[id]; twice {
			c.Old = before.Old
		}
		merge(p.groups, id, c, same(c.Old, c.New))
	}
	for _, c := range d.Meters {
		id := either(c.New, c.Old).ID
		if before, twice := p.meters[id]; twice {
			c.Old = before.Old
		}
		merge(p.meters, id, c, same(c.Old, c.New))
	}
}

func merge[K comparable, C any](m map[K]C, k K, c C, undone bool) {
	if undone {
		delete(m, k)
	} else {
		m[k] = c
	}
}

func same[T comparable](a, b *T) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func either[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// change renders what is pending for the switch.
func (p *pending) change() reconcile.Change {
	var c reconcile.Change
	for _, f := range p.flows {
		c.Flows = append(c.Flows, reconcile.FlowChange(f))
	}
	for _, g := range p.groups {
		c.Groups = append(c.Groups, reconcile.GroupChange(g))
	}
	for _, m := range p.meters {
		c.Meters = append(c.Meters, reconcile.MeterChange(m))
	}
	return c
}
