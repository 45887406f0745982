package engine

import (
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// claims holds who wants what under one key. Almost always that is one owner; with several, the
// smallest by rule order and key decides, whatever the order of history.
type claims[V comparable] struct {
	list []claim[V]
}

type claim[V comparable] struct {
	by    *eval
	value V
}

func (c *claims[V]) winner() (claim[V], bool) {
	if len(c.list) == 0 {
		return claim[V]{}, false
	}
	return c.list[0], true
}

func (c *claims[V]) put(by *eval, v V) {
	at, found := c.find(by)
	if found {
		c.list[at].value = v
		return
	}
	c.list = slices.Insert(c.list, at, claim[V]{by, v})
}

func (c *claims[V]) remove(by *eval) {
	if at, found := c.find(by); found {
		c.list = slices.Delete(c.list, at, at+1)
	}
}

func (c *claims[V]) find(by *eval) (int, bool) {
	return slices.BinarySearchFunc(c.list, by, func(x claim[V], y *eval) int { return compareOwners(x.by, y) })
}

// contested reports whether owners disagree.
func (c *claims[V]) contested(same func(a, b V) bool) bool {
	for i := 1; i < len(c.list); i++ {
		if !same(c.list[0].value, c.list[i].value) {
			return true
		}
	}
	return false
}

func compareOwners(a, b *eval) int {
	if a.rule.order != b.rule.order {
		return a.rule.order - b.rule.order
	}
	switch {
	case a.key < b.key:
		return -1
	case a.key > b.key:
		return 1
	}
	return 0
}

// wanted is the value of a flow claim.
type wanted struct {
	do     flow.Instructions
	reason string
	pc     uintptr
}

type rowKey struct {
	table view.AnyTable
	key   string
}

// keys is what one owner claims, in order: a list, with a set beside it only where it is long.
type keys[K comparable] struct {
	list []K
	set  map[K]struct{}
}

// longKeys is how many keys are found faster by a map than one after the other.
const longKeys = 16

func newKeys[K comparable](room int) *keys[K] {
	k := &keys[K]{list: make([]K, 0, room)}
	if room > longKeys {
		k.set = make(map[K]struct{}, room)
	}
	return k
}

// add reports false if the key is there already.
func (s *keys[K]) add(k K) bool {
	if s.has(k) {
		return false
	}
	s.list = append(s.list, k)
	if s.set != nil {
		s.set[k] = struct{}{}
	}
	return true
}

func (s *keys[K]) has(k K) bool {
	if s.set != nil {
		_, ok := s.set[k]
		return ok
	}
	return slices.Contains(s.list, k)
}

func (e *Engine) replaceFlows(ev *eval, want []app.OwnedFlow) {
	old := ev.flows
	kept := newKeys[flow.Key](len(want))
	for _, f := range want {
		if !kept.add(f.Key) {
			continue // the first of an owner's own claims stands
		}
		e.touchFlow(f.Key)
		c := e.state.flows[f.Key]
		if c == nil {
			c = &claims[wanted]{}
			e.state.flows[f.Key] = c
		}
		c.put(ev, wanted{f.Do, f.Reason, f.PC})
	}
	ev.flows = kept.list
	for _, k := range old {
		if kept.has(k) {
			continue
		}
		e.touchFlow(k)
		if c := e.state.flows[k]; c != nil {
			c.remove(ev)
		}
	}
}

// touchFlow remembers what the switch has under a key before the first change of a step.
func (e *Engine) touchFlow(k flow.Key) {
	if _, seen := e.state.touched[k]; seen {
		return
	}
	e.state.touched[k] = e.state.flow(k)
}

func (e *Engine) replaceRows(ev *eval, want []app.OwnedRow) {
	old := ev.rows
	kept := newKeys[rowKey](len(want))
	for _, r := range want {
		k := rowKey{r.Table, r.Key}
		if !kept.add(k) {
			continue
		}
		c := e.state.rows[k]
		if c == nil {
			c = &claims[any]{}
			e.state.rows[k] = c
		}
		c.put(ev, r.Row)
		e.settleRow(k, c)
	}
	ev.rows = kept.list
	for _, k := range old {
		if kept.has(k) {
			continue
		}
		if c := e.state.rows[k]; c != nil {
			c.remove(ev)
			e.settleRow(k, c)
		}
	}
}

// settleRow makes the view show the winning claim; an unchanged one changes nothing, which is the early
// cut-off.
func (e *Engine) settleRow(k rowKey, c *claims[any]) {
	w, ok := c.winner()
	if !ok {
		delete(e.state.rows, k)
		e.db.DeleteAny(k.table, k.key)
		return
	}
	e.db.SetKeyed(k.table, k.key, w.value)
}

func (e *Engine) replaceGroups(ev *eval, want []flow.GroupEntry) []uint32 {
	return replace(ev, ev.groups, want, e.state.groups, e.state.touchedGroups, func(g flow.GroupEntry) uint32 { return g.ID })
}

func (e *Engine) replaceMeters(ev *eval, want []flow.MeterEntry) []uint32 {
	return replace(ev, ev.meters, want, e.state.meters, e.state.touchedMeters, func(m flow.MeterEntry) uint32 { return m.ID })
}

// replace exchanges an owner's claims in a table of them, remembering the winners of before.
func replace[K, V comparable](ev *eval, old []K, want []V, table map[K]*claims[V], touched map[K]*V, key func(V) K) []K {
	if len(old) == 0 && len(want) == 0 {
		return nil
	}
	touch := func(k K) {
		if _, seen := touched[k]; seen {
			return
		}
		touched[k] = nil
		if c := table[k]; c != nil {
			if w, ok := c.winner(); ok {
				touched[k] = &w.value
			}
		}
	}
	keys := make([]K, 0, len(want))
	for _, v := range want {
		k := key(v)
		if slices.Contains(keys, k) {
			continue
		}
		keys = append(keys, k)
		touch(k)
		if table[k] == nil {
			table[k] = &claims[V]{}
		}
		table[k].put(ev, v)
	}
	for _, k := range old {
		if slices.Contains(keys, k) {
			continue
		}
		touch(k)
		if c := table[k]; c != nil {
			c.remove(ev)
		}
	}
	return keys
}
