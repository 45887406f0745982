package engine

import (
	"iter"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// claims holds who wants what under one key. Almost always that is one owner; with several, the
// smallest by rule order and key decides, whatever the order of history.
type claims[V any] struct {
	first claim[V]    // by is nil if nobody wants anything
	more  *[]claim[V] // nil if nobody else does
}

type claim[V any] struct {
	by    *eval
	value V
}

// winner returns the claim that decides.
func (c *claims[V]) winner() (claim[V], bool) { return c.first, c.first.by != nil }

// all yields the claims, the one that decides first.
func (c *claims[V]) all() iter.Seq[claim[V]] {
	return func(yield func(claim[V]) bool) {
		if c.first.by == nil || !yield(c.first) {
			return
		}
		for _, x := range c.others() {
			if !yield(x) {
				return
			}
		}
	}
}

func (c *claims[V]) put(by *eval, v V) {
	x := claim[V]{by, v}
	if c.first.by == nil || c.first.by == by {
		c.first = x
		return
	}
	if compareOwners(by, c.first.by) < 0 {
		c.first, x = x, c.first
	}
	more := c.others()
	at, found := find(more, x.by)
	if found {
		more[at] = x
		return
	}
	more = slices.Insert(more, at, x)
	c.more = &more
}

func (c *claims[V]) remove(by *eval) {
	more := c.others()
	if c.first.by == by {
		if len(more) == 0 {
			c.first = claim[V]{}
			return
		}
		by, c.first = more[0].by, more[0]
	}
	at, found := find(more, by)
	if !found {
		return
	}
	if more = slices.Delete(more, at, at+1); len(more) == 0 {
		c.more = nil
		return
	}
	c.more = &more
}

// others returns the claims behind the first.
func (c *claims[V]) others() []claim[V] {
	if c.more == nil {
		return nil
	}
	return *c.more
}

// find returns the place of an owner in a list.
func find[V any](list []claim[V], by *eval) (int, bool) {
	return slices.BinarySearchFunc(list, by, func(x claim[V], y *eval) int { return compareOwners(x.by, y) })
}

func compareOwners(a, b *eval) int {
	if a.rule.order != b.rule.order {
		return a.rule.order - b.rule.order
	}
	return strings.Compare(a.key(), b.key())
}

// desired is a flow that owners want.
type desired struct {
	key flow.Key
	claims[wanted]
}

// wanted is the value of a flow claim.
type wanted struct {
	do flow.Instructions
	at *site
}

// site is a place in the code that asks for flows, for one reason.
type site struct {
	pc     uintptr
	reason string
	last   flow.Instructions
}

type siteKey struct {
	pc     uintptr
	reason string
}

func (e *Engine) siteOf(f *app.OwnedFlow) *site {
	k := siteKey{f.PC, f.Reason}
	s := e.sites[k]
	if s == nil {
		s = &site{pc: f.PC, reason: f.Reason}
		e.sites[k] = s
	}
	return s
}

// want returns what a flow's owner wants. Flows that one place asks for often do the same: then they share it.
func (s *site) want(do flow.Instructions) wanted {
	if s.last != do {
		s.last = do
	}
	return wanted{s.last, s}
}

// keys is what one owner claims, in order: a list, with a set beside it only where it is long.
type keys[K comparable] struct {
	list []K
	set  map[K]struct{}
}

// longKeys is how many keys are found faster by a map than one after the other.
const longKeys = 16

func newKeys[K comparable](room int) *keys[K] {
	k := &keys[K]{}
	if room > 0 {
		k.list = make([]K, 0, room)
	}
	if room > longKeys {
		k.set = make(map[K]struct{}, room)
	}
	return k
}

// keysOf is the keys of a list, which has each once.
func keysOf[K comparable](list []K) keys[K] {
	k := keys[K]{list: list}
	if len(list) > longKeys {
		k.set = make(map[K]struct{}, len(list))
		for _, x := range list {
			k.set[x] = struct{}{}
		}
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
	if len(want) > 0 && ev.cookie == 0 {
		ev.cookie = cookieOf(ev)
	}
	old := ev.flows
	kept := newKeys[*desired](len(want))
	for i := range want {
		f := e.state.desiredAt(want[i].Key)
		if !kept.add(f) {
			continue // the first of an owner's own claims stands
		}
		e.state.touch(f)
		f.put(ev, e.siteOf(&want[i]).want(want[i].Do))
	}
	ev.flows = kept.list
	for _, f := range old {
		if !kept.has(f) {
			e.state.touch(f)
			f.remove(ev)
		}
	}
}

func (e *Engine) replaceRows(ev *eval, want []app.OwnedRow) {
	old := ev.derived()
	kept := newKeys[*view.Row](len(want))
	for _, w := range want {
		if r := e.db.PlaceOf(w.Table, w.Key); kept.add(r) {
			e.claimRow(r, ev, w.Row)
		}
	}
	ev.rows = nil
	if rows := kept.list; len(rows) > 0 {
		ev.rows = &rows
	}
	for _, r := range old {
		if !kept.has(r) {
			e.releaseRow(r, ev)
		}
	}
}

// claimRow makes the view show the row of who decides; an unchanged one changes nothing, which is the early
// cut-off. Who derives a row alone is all that is kept with it; of several, each keeps what it wants.
func (e *Engine) claimRow(r *view.Row, ev *eval, want any) {
	have, there := r.Value()
	if there && e.db.Same(r, want) {
		want = have // the same thing, once
	}
	switch c := r.Claims.(type) {
	case *claims[any]:
		c.put(ev, want)
		want = c.first.value
	case *eval:
		if c == ev {
			break
		}
		both := &claims[any]{first: claim[any]{c, have}}
		both.put(ev, want)
		r.Claims = both
		want = both.first.value
	default:
		r.Claims = ev
	}
	e.db.Put(r, want)
}

func (e *Engine) releaseRow(r *view.Row, ev *eval) {
	c, several := r.Claims.(*claims[any])
	if !several {
		r.Claims = nil
		e.db.Drop(r)
		return
	}
	c.remove(ev)
	if c.more == nil {
		r.Claims = c.first.by
	}
	e.db.Put(r, c.first.value)
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
