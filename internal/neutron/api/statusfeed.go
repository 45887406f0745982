package api

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// statusFeed holds what a Neutron is told: the newest state of each thing, and in which order they changed, so that
// who listens can go on where it was. It is safe for concurrent use.
type statusFeed struct {
	marks    *marks
	instance string

	mu      sync.Mutex
	ready   bool // what there is has been looked at once
	seq     int64
	floor   int64 // changes up to here are forgotten
	entries map[statusKey]statusEntry
	log     []statusChange
	wake    chan struct{} // closed at the next change; nil if nobody waits
}

type statusKey struct{ kind, id string }

// statusEntry has a nil value where a thing is gone.
type statusEntry struct {
	seq   int64
	value any
}

type statusChange struct {
	seq int64
	key statusKey
}

func newStatusFeed() *statusFeed {
	return &statusFeed{marks: newMarks(), instance: uuid.NewString(), entries: map[statusKey]statusEntry{}}
}

// set notes the state of a thing, nil if it is gone.
func (f *statusFeed) set(key statusKey, value any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.entries[key] // zero if there is none
	if reflect.DeepEqual(old.value, value) {
		return
	}
	f.seq++
	f.entries[key] = statusEntry{f.seq, value}
	f.log = append(f.log, statusChange{f.seq, key})
	f.forget()
	f.wakeAll()
}

// wakeAll is for who has the lock.
func (f *statusFeed) wakeAll() {
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// logSlack is how many changes are kept beyond twice the number of things.
const logSlack = 4096

// forget drops the older half of the changes when there are many; who is that far behind gets everything.
func (f *statusFeed) forget() {
	if len(f.log) <= 2*len(f.entries)+logSlack {
		return
	}
	half := len(f.log) / 2
	f.floor = f.log[half-1].seq
	for _, c := range f.log[:half] {
		if e := f.entries[c.key]; e.seq == c.seq && e.value == nil {
			delete(f.entries, c.key)
		}
	}
	f.log = slices.Clone(f.log[half:])
}

func (f *statusFeed) setReady() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ready = true
	f.wakeAll()
}

// StatusPage is what a listener is told at once.
type StatusPage struct {
	Instance string `json:"instance"`
	// Cursor is where to go on.
	Cursor string `json:"cursor"`
	// Complete says that this is everything, and not only what has changed.
	Complete    bool          `json:"complete"`
	Ports       []any         `json:"ports"`
	Routers     []any         `json:"routers"`
	FloatingIPs []any         `json:"floatingips"`
	Trunks      []any         `json:"trunks"`
	Agents      []any         `json:"agents"`
	Audits      []any         `json:"audits"`
	Addresses   []any         `json:"addresses"`
	Removed     []StatusThing `json:"removed"`
}

// StatusThing names something that has a state.
type StatusThing struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

func (p *StatusPage) add(key statusKey, value any) {
	to := map[string]*[]any{statusPort: &p.Ports, statusRouter: &p.Routers, statusFloatingIP: &p.FloatingIPs, statusTrunk: &p.Trunks,
		statusAgent: &p.Agents, statusAudit: &p.Audits, statusAddress: &p.Addresses}[key.kind]
	switch {
	case value != nil:
		*to = append(*to, value)
	case !p.Complete && key.kind == statusAgent:
		p.Removed = append(p.Removed, StatusThing{key.kind, agentID(key.id)})
	case !p.Complete:
		p.Removed = append(p.Removed, StatusThing{key.kind, key.id})
	}
}

// Status returns what has changed since a cursor, or everything where there is none, or one with which nothing can be
// done. It waits for a change until ctx ends, and then returns a page without any.
func (s *Server) Status(ctx context.Context, since string) StatusPage {
	f := s.status
	for {
		f.mu.Lock()
		seq, ok := f.parse(since)
		if f.ready && (!ok || seq < f.seq) || ctx.Err() != nil {
			defer f.mu.Unlock()
			return f.page(seq, !ok)
		}
		if f.wake == nil {
			f.wake = make(chan struct{})
		}
		wake := f.wake
		f.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

// StatusReady reports whether Status has something to tell.
func (s *Server) StatusReady() bool {
	s.status.mu.Lock()
	defer s.status.mu.Unlock()
	return s.status.ready
}

// parse reads a cursor; ok is false if it is of no use.
func (f *statusFeed) parse(cursor string) (seq int64, ok bool) {
	instance, n, _ := strings.Cut(cursor, ":")
	seq, err := strconv.ParseInt(n, 10, 64)
	ok = err == nil && instance == f.instance && seq >= f.floor && seq <= f.seq
	return seq, ok
}

func (f *statusFeed) page(since int64, complete bool) StatusPage {
	p := StatusPage{Instance: f.instance, Cursor: fmt.Sprintf("%s:%d", f.instance, f.seq), Complete: complete, Ports: []any{},
		Routers: []any{}, FloatingIPs: []any{}, Trunks: []any{}, Agents: []any{}, Audits: []any{}, Addresses: []any{}, Removed: []StatusThing{}}
	if complete {
		for key, e := range f.entries {
			p.add(key, e.value)
		}
		return p
	}
	at, _ := slices.BinarySearchFunc(f.log, since+1, func(c statusChange, n int64) int { return int(c.seq - n) })
	for _, c := range f.log[at:] {
		if e := f.entries[c.key]; e.seq == c.seq {
			p.add(c.key, e.value)
		}
	}
	return p
}
