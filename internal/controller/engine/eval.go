package engine

import (
	"iter"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// eval is one rule evaluated for one row or key: an owner. There are several for each port in view, so what
// few owners have is apart.
type eval struct {
	rule    *rule
	subject *view.Subject
	next    *eval  // another rule's, for the same subject
	cookie  uint64 // zero until it wants a flow
	nodes   []*view.Node
	flows   []*desired
	rows    *[]*view.Row // nil if it derives none
	*rare
}

// derived returns the rows that an owner derives.
func (ev *eval) derived() []*view.Row {
	if ev.rows == nil {
		return nil
	}
	return *ev.rows
}

func (ev *eval) key() string { return ev.subject.Key() }

// owners yields the evaluations for a subject.
func owners(s *view.Subject) iter.Seq[*eval] {
	return func(yield func(*eval) bool) {
		for ev, _ := s.Owners.(*eval); ev != nil; ev = ev.next {
			if !yield(ev) {
				return
			}
		}
	}
}

// evals yields all evaluations, in no order.
func (e *Engine) evals() iter.Seq[*eval] {
	return func(yield func(*eval) bool) {
		for _, r := range e.rules {
			more := true
			e.db.EachSubject(r.Table, r.Index, func(s *view.Subject) {
				for ev := range owners(s) {
					more = more && (ev.rule != r || yield(ev))
				}
			})
			if !more {
				return
			}
		}
	}
}

// evaluationOf returns the evaluation of a rule for a subject, nil if there is none.
func evaluationOf(r *rule, s *view.Subject) *eval {
	for ev := range owners(s) {
		if ev.rule == r {
			return ev
		}
	}
	return nil
}

// rare is what few owners have. Those that have nothing of it share one, which nobody changes.
type rare struct {
	claims  []view.Claim
	groups  []uint32
	meters  []uint32
	unknown []string
	problem string
	notes   []string
}

// setRare replaces what is rare about an owner.
func (e *Engine) setRare(ev *eval, r rare) {
	switch last := ev.rule.last; {
	case r.same(e.nothing):
		ev.rare = e.nothing
	case last != nil && r.same(last):
		ev.rare = last
	default:
		own := r
		ev.rare, ev.rule.last = &own, &own
	}
}

func (r *rare) same(o *rare) bool {
	return slices.Equal(r.claims, o.claims) && slices.Equal(r.groups, o.groups) && slices.Equal(r.meters, o.meters) &&
		slices.Equal(r.unknown, o.unknown) && slices.Equal(r.notes, o.notes) && r.problem == o.problem
}

// unlink takes an evaluation from its subject.
func unlink(ev *eval) {
	if ev.subject.Owners == ev {
		ev.subject.Owners = nil
		if ev.next != nil {
			ev.subject.Owners = ev.next
		}
		return
	}
	for other := range owners(ev.subject) {
		if other.next == ev {
			other.next = ev.next
		}
	}
}
