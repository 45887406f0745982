package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// Owner names who wants a flow: a rule evaluated for an object.
type Owner struct {
	App, Rule, Kind, Key string
}

// String renders an owner as "l2.port Port/…".
func (o Owner) String() string { return fmt.Sprintf("%s %s/%s", o.Rule, o.Kind, o.Key) }

// Explanation says why a flow exists.
type Explanation struct {
	Flow   flow.Flow
	Owners []Owner
	Reason string
	Source string
	// Losers are owners that want other instructions under the same key.
	Losers []Owner
}

// Problem is something about an owner that an operator should see.
type Problem struct {
	Owner Owner
	// Waiting lists the scopes that are not in sync yet; then Text is empty.
	Waiting []string
	Text    string
}

// Explain says why the flow of a key exists.
func (e *Engine) Explain(k flow.Key) (Explanation, bool) {
	c := e.state.flows[k]
	f := e.state.flow(k)
	if f == nil {
		return Explanation{}, false
	}
	w, _ := c.winner()
	x := Explanation{Flow: *f, Reason: w.value.at.reason, Source: app.Source(w.value.at.pc)}
	for cl := range c.all() {
		if cl.value.do == w.value.do {
			x.Owners = append(x.Owners, cl.by.owner())
		} else {
			x.Losers = append(x.Losers, cl.by.owner())
		}
	}
	return x, true
}

// ExplainMeter returns a desired meter and who wants it.
func (e *Engine) ExplainMeter(id uint32) (flow.MeterEntry, Owner, bool) {
	c := e.state.meters[id]
	if c == nil {
		return flow.MeterEntry{}, Owner{}, false
	}
	w, ok := c.winner()
	if !ok {
		return flow.MeterEntry{}, Owner{}, false
	}
	return w.value, w.by.owner(), true
}

// OwnerOf resolves a cookie.
func (e *Engine) OwnerOf(cookie uint64) (Owner, bool) {
	if e.cookies == nil {
		e.cookies, _ = e.nameCookies()
	}
	if ev := e.cookies[cookie]; ev != nil {
		return ev.owner(), true
	}
	return Owner{}, false
}

// nameCookies finds the owner of each cookie. Of owners that share one, the smallest is named, and the others are
// returned: a collision costs only the names in displays.
func (e *Engine) nameCookies() (named map[uint64]*eval, others []*eval) {
	named = map[uint64]*eval{}
	for ev := range e.evals() {
		other := named[ev.cookie]
		switch {
		case ev.cookie == 0:
			continue
		case other == nil:
			named[ev.cookie] = ev
		case compareOwners(ev, other) < 0:
			named[ev.cookie] = ev
			others = append(others, other)
		default:
			others = append(others, ev)
		}
	}
	return named, others
}

// Settled reports whether no owner evaluated for a row waits for a scope or failed.
func (e *Engine) Settled(t view.AnyTable, key string) bool {
	s := e.db.SubjectOf(t, nil, key)
	if s == nil {
		return true
	}
	for ev := range owners(s) {
		if len(ev.unknown) > 0 || ev.problem != "" {
			return false
		}
	}
	return true
}

// Problems lists owners that wait, failed, complain or lose a contested flow, in order.
func (e *Engine) Problems() []Problem {
	out := e.Concerns(func(Owner) bool { return true })
	for k, c := range e.state.flows {
		for _, l := range c.others() {
			if l.value.do != c.first.value.do {
				out = append(out, Problem{Owner: l.by.owner(), Text: fmt.Sprintf(
					"its flow %s priority %d %s is held by %s", pipeline.StageName(k.Table), k.Priority, k.Match, c.first.by.owner())})
			}
		}
	}
	named, others := e.nameCookies()
	for _, ev := range others {
		out = append(out, Problem{Owner: ev.owner(), Text: fmt.Sprintf("shares its cookie %#x with %s", ev.cookie, named[ev.cookie].owner())})
	}
	sortProblems(out)
	return out
}

// Concerns is Problems for the owners that keep accepts, without contested flows and shared cookies, which
// only a look at everything finds.
func (e *Engine) Concerns(keep func(Owner) bool) []Problem {
	var out []Problem
	for ev := range e.evals() {
		if ev.rare == e.nothing || !keep(ev.owner()) {
			continue
		}
		if len(ev.unknown) > 0 {
			out = append(out, Problem{Owner: ev.owner(), Waiting: ev.unknown})
		}
		for _, text := range append(slices.Clone(ev.notes), ev.problem) {
			if text != "" {
				out = append(out, Problem{Owner: ev.owner(), Text: text})
			}
		}
	}
	sortProblems(out)
	return out
}

func sortProblems(list []Problem) {
	slices.SortFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Owner.String(), b.Owner.String()), cmp.Compare(a.Text, b.Text))
	})
}

func (ev *eval) owner() Owner {
	return Owner{App: ev.rule.app.Name, Rule: ev.rule.Name, Kind: ev.rule.Kind(), Key: ev.key()}
}

// cookieOf hashes (rule, kind, key) into the owner part of a cookie.
func cookieOf(ev *eval) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, ev.rule.Name+"\x00"+ev.rule.Kind()+"\x00"+ev.key())
	return pipeline.Cookie(ev.rule.app.ID, h.Sum64())
}

func (d *Delta) sort() {
	slices.SortFunc(d.Flows, func(a, b FlowChange) int { return compareFlows(either(a.New, a.Old), either(b.New, b.Old)) })
	slices.SortFunc(d.Groups, func(a, b GroupChange) int {
		return cmp.Compare(either(a.New, a.Old).ID, either(b.New, b.Old).ID)
	})
	slices.SortFunc(d.Meters, func(a, b MeterChange) int {
		return cmp.Compare(either(a.New, a.Old).ID, either(b.New, b.Old).ID)
	})
}

func either[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// compareFlows orders by table, priority (highest first) and match: the canonical order of output.
func compareFlows(a, b *flow.Flow) int {
	return a.Key().Compare(b.Key())
}

// Digest is a hash of all desired state that does not depend on its history.
func (e *Engine) Digest() uint64 {
	var sum uint64
	var b bytes.Buffer
	for f := range e.Flows() {
		b.Reset()
		b.WriteString(f.Match.Wire())
		b.WriteString(f.Instructions.Wire())
		_ = binary.Write(&b, binary.BigEndian, []uint64{uint64(f.Table), uint64(f.Priority), f.Cookie})
		h := fnv.New64a()
		_, _ = h.Write(b.Bytes())
		sum += h.Sum64()
	}
	return sum
}
