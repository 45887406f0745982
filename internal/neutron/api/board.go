package api

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// board is what there is of chassis, and what they report. It is watched, not stored: a port's status is
// what its own chassis said last.
type board struct {
	conn *db.Connection
	log  *slog.Logger
	now  func() time.Time
	note func(...db.Key) // told of every report and chassis that comes, changes or goes; nil if nobody asked

	mu      sync.RWMutex
	chassis map[string]*model.Chassis
	inSync  bool               // the list of chassis has been read
	reports map[string]*report // by name of the chassis
	lost    map[string]time.Time
	arrived map[string]*model.PortStatus   // ports whose guest was heard where their binding is inactive
	claims  map[db.Key]*model.AddressClaim // of addresses that several ports may have, not yet looked at
	pokes   int                            // how often something else was changed that follows from the chassis
	wake    chan struct{}                  // closed at the next change; nil if nobody waits
}

// report is what one chassis says of itself and its ports.
type report struct {
	up     map[string]bool
	beat   *model.Heartbeat
	status *model.ChassisStatus
	inSync bool // has been read
}

func newBoard(conn *db.Connection, log *slog.Logger, now func() time.Time) *board {
	return &board{conn: conn, log: log, now: now, chassis: map[string]*model.Chassis{},
		reports: map[string]*report{}, lost: map[string]time.Time{},
		arrived: map[string]*model.PortStatus{}, claims: map[db.Key]*model.AddressClaim{}}
}

// up reports whether a chassis said that a port is up.
func (b *board) up(port, host string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	r := b.reports[host]
	return r != nil && r.up[port]
}

// state is up, and whether the chassis has said anything about the port.
func (b *board) state(port, host string) (up, reported bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if r := b.reports[host]; r != nil {
		up, reported = r.up[port]
	}
	return up, reported
}

// find returns a chassis, nil if there is none. Known is false as long as the board has not read which
// there are.
func (b *board) find(name string) (c *model.Chassis, known bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.chassis[name], b.inSync
}

// follow keeps one scope on the board until ctx ends.
func (b *board) follow(ctx context.Context, scope string, take func(db.Event)) error {
	events, err := b.conn.Watch(ctx, db.Scope(scope))
	if err != nil {
		return err
	}
	for batch := range events {
		b.mu.Lock()
		for _, ev := range batch {
			take(ev)
			b.tell(ev.Item.Key, scope)
		}
		b.wakeAll()
		b.mu.Unlock()
	}
	return nil
}

// tell notes an event of a scope.
func (b *board) tell(key db.Key, scope string) {
	if b.note != nil {
		key.Scope = db.Scope(scope) // marks of a listing have no key
		b.note(key)
	}
}

// wakeAll is for who has the lock.
func (b *board) wakeAll() {
	if b.wake != nil {
		close(b.wake)
		b.wake = nil
	}
}

// poke has what follows from the chassis looked at again.
func (b *board) poke() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pokes++
	b.wakeAll()
}

// listing tells, while a scope is sent again, what it does not hold any more.
type listing struct{ fresh map[db.Key]bool }

// note takes an event and returns, at the end of a listing, what it held; done says that it has ended.
func (l *listing) note(ev db.Event) (held map[db.Key]bool, done bool) {
	switch ev.Type {
	case db.Restart:
		l.fresh = map[db.Key]bool{}
	case db.Changed:
		if l.fresh != nil {
			l.fresh[ev.Item.Key] = true
		}
	case db.InSync:
		held, done = l.fresh, l.fresh != nil
		l.fresh = nil
	}
	return held, done
}

// object reads what was written; one that cannot be read is as if it were not there.
func (b *board) object(ev db.Event) model.Object {
	o, err := northbound.Decode(ev.Item.Key, ev.Item.Value)
	if err != nil {
		b.log.Warn("unreadable report", "object", ev.Item.Key.String(), "err", err)
		return nil
	}
	return o
}

// takeGlobal notes one event of the scope that holds the chassis.
func (b *board) takeGlobal(l *listing) func(db.Event) {
	return func(ev db.Event) {
		held, done := l.note(ev)
		isChassis := model.Kind(ev.Item.Key.Kind) == model.KindChassis
		switch {
		case done:
			for name, c := range b.chassis {
				if !held[northbound.KeyOf(c)] {
					delete(b.chassis, name)
				}
			}
			b.inSync = true
		case ev.Type == db.Changed && isChassis:
			if c, ok := b.object(ev).(*model.Chassis); ok {
				b.chassis[c.ID] = c
			}
		case ev.Type == db.Removed && isChassis:
			delete(b.chassis, ev.Item.Key.ID)
		}
	}
}

// takeReport notes one event of a chassis' own scope.
func (b *board) takeReport(name string, l *listing) func(db.Event) {
	r := &report{up: map[string]bool{}}
	b.mu.Lock()
	b.reports[name] = r
	b.mu.Unlock()
	return func(ev db.Event) {
		held, done := l.note(ev)
		switch {
		case done:
			for id := range r.up {
				if !held[northbound.KeyOf(&model.PortStatus{Meta: model.Meta{ID: id}, Host: name})] {
					delete(r.up, id)
				}
			}
			if r.beat != nil && !held[northbound.KeyOf(r.beat)] {
				r.beat, b.lost[name] = nil, b.now()
			}
			if r.status != nil && !held[northbound.KeyOf(r.status)] {
				r.status = nil
			}
			r.inSync = true
		case ev.Type == db.Changed:
			o := b.object(ev)
			r.changed(o)
			if s, ok := o.(*model.PortStatus); ok && s.Activated {
				b.arrived[s.ID] = s
			}
			if c, ok := o.(*model.AddressClaim); ok && c.Host == name {
				b.claims[ev.Item.Key] = c
			}
		case ev.Type == db.Removed:
			if r.removed(ev.Item.Key) {
				b.lost[name] = b.now()
			}
		}
	}
}

func (r *report) changed(o model.Object) {
	switch o := o.(type) {
	case *model.PortStatus:
		r.up[o.ID] = o.Up
	case *model.Heartbeat:
		r.beat = o
	case *model.ChassisStatus:
		r.status = o
	}
}

// removed reports whether the chassis has ceased to live.
func (r *report) removed(key db.Key) (died bool) {
	switch model.Kind(key.Kind) {
	case model.KindPortStatus:
		delete(r.up, key.ID)
	case model.KindHeartbeat:
		r.beat, died = nil, true
	case model.KindChassisStatus:
		r.status = nil
	}
	return died
}

// forget drops the reports of a chassis that is gone and to which nothing is bound any more.
func (b *board) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.reports, name)
	delete(b.lost, name)
}

// names lists the chassis.
func (b *board) names() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sorted()
}

// sorted is names for who has the lock.
func (b *board) sorted() []string { return slices.Sorted(maps.Keys(b.chassis)) }

// wait returns when cond holds; cond is called with the lock held.
func (b *board) wait(ctx context.Context, cond func() bool) error {
	for {
		b.mu.Lock()
		if cond() {
			b.mu.Unlock()
			return nil
		}
		if b.wake == nil {
			b.wake = make(chan struct{})
		}
		wake := b.wake
		b.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
