package controller

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// phase is how far the loop is with the switch.
type phase uint8

const (
	// down: there is no connection to the switch.
	down phase = iota
	// waiting: connected, and nothing was touched, since the view is not in sync.
	waiting
	// busy: a job is on its way to the switch.
	busy
	// idle: the switch has all that it was given.
	idle
)

func (p phase) String() string { return [...]string{"down", "waiting", "busy", "idle"}[p] }

// Guests that send without end must not keep the loop from everything else: a batch takes at most
// maxBatch messages, and after maxPreferred packets in a row one message is taken as chance has it.
const (
	maxBatch     = 1024
	maxPreferred = 32
)

// loop receives until ctx ends. Everything that is ready is one batch, after which the engine steps.
func (c *Controller) loop(ctx context.Context) error {
	view.Set(c.db, view.Self, c.o.Self)
	c.follow(model.ScopeGlobal)
	c.follow(model.ScopeChassis(c.o.Chassis))
	timers := newTimers(c.o)
	defer timers.stop()
	defer c.repeats.timer.Stop()
	c.step(ctx)
	for {
		if !c.receive(ctx, timers, true) {
			return ctx.Err()
		}
		for n := 1; n < maxBatch && ctx.Err() == nil && c.receive(ctx, timers, false); n++ {
		}
		c.step(ctx)
	}
}

// receive takes one message; if none is ready it waits or, with wait false, reports false. It also
// reports false when ctx has ended.
func (c *Controller) receive(ctx context.Context, timers *timers, wait bool) bool {
	never := make(chan struct{})
	if !wait {
		close(never)
	}
	if c.preferPacket() {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case p := <-c.link.packets:
		c.packetIn(p)
	case <-c.feed.Ready():
		c.takeFeed()
	case e, open := <-c.ovs.Events():
		if !open {
			return false
		}
		c.takeOVS(ctx, e)
	case e := <-c.link.events:
		c.takeLink(ctx, e)
	case f := <-c.posts:
		f(c)
	case q := <-c.calls:
		q.run(c)
		close(q.done)
	case <-timers.patience.C:
		c.waited = true
	case <-timers.audit.C:
		c.auditDue = true
	case <-timers.mend.C:
		c.tidy()
	case <-c.watches.wake:
		c.presumeNoMore()
	case now := <-c.repeats.timer.C:
		c.repeat(now)
	case i := <-timers.apps:
		c.tick(i)
	case <-never:
		return false
	}
	return true
}

// preferPacket takes a packet of a guest, which waits for nothing else that is ready. It reports whether there was one.
func (c *Controller) preferPacket() bool {
	if c.preferred++; c.preferred <= maxPreferred {
		select {
		case p := <-c.link.packets:
			c.packetIn(p)
			return true
		default:
		}
	}
	c.preferred = 0
	return false
}

// tidy does what is due every few seconds.
func (c *Controller) tidy() {
	c.mend()
	c.presumeNoMore()
	c.facts.expire(c.db, time.Now())
	c.keepNeighbours()
	c.announceUnbound(slices.Collect(maps.Values(c.interfaces))) // who binds them may have failed to
}

// step derives what the batch changes, until the view is quiet: an interest that ends takes rows with it.
func (c *Controller) step(ctx context.Context) {
	c.derive()
	if c.leftovers && c.informed() {
		c.forgetLeftovers()
		c.derive()
	}
	c.ports.settle(c)
	c.remember()
	c.rewatch(ctx)
	c.requeue(ctx)
	c.advance(ctx)
	if c.phase == idle { // the switch needs nothing for it
		c.tell(c.untold)
		c.untold = nil
	}
	c.tellProgress()
}

func (c *Controller) derive() {
	for c.engine.Pending() {
		started := time.Now()
		d := c.engine.Step()
		c.o.Metrics.stepped(time.Since(started))
		c.pend.add(&d)
		c.ports.changed(d.Changed(view.LocalPorts))
		c.ports.changed(d.Changed(view.Bindings))
		c.notePresence(d.Changed(view.LocalPorts))
		c.noteMoves(d.Changed(view.Bindings))
		c.followInterests(d.Changed(view.Interests))
		c.announceUnbound(d.Changed(view.Interfaces))
		c.forgetSuperseded(d.Changed(view.ActiveAddresses))
		c.tellClaims(d.Changed(view.AddressClaims))
		c.tellClients(d.Changed(view.MetadataClients))
		c.announceChanges(&d)
		c.queues.due = c.queues.due || len(d.Changed(view.Guarantees)) > 0
		c.watches.due = c.watches.due || len(d.Changed(view.WatchTargets)) > 0
	}
}

// timers are what the loop does by itself.
type timers struct {
	patience *time.Timer
	audit    *time.Ticker
	mend     *time.Ticker
	apps     chan ticking
	ends     []func()
}

// mendEvery is how often a snapshot that a full disk did not take is tried again: until it is whole, a
// restart without the database would miss changes.
const mendEvery = 3 * time.Second

func newTimers(o Options) *timers {
	t := &timers{patience: time.NewTimer(o.Patience), audit: time.NewTicker(o.AuditEvery), mend: time.NewTicker(mendEvery), apps: make(chan ticking)}
	t.ends = append(t.ends, func() { t.patience.Stop() }, t.audit.Stop, t.mend.Stop)
	for _, a := range o.Apps {
		for _, x := range a.Tickers {
			t.ends = append(t.ends, t.every(ticking{a.Name, x}))
		}
	}
	return t
}

// ticking is a ticker of an app.
type ticking struct {
	of string
	app.Ticker
}

// every has the loop hear of a ticker at its intervals, until the function that it returns is called.
func (t *timers) every(x ticking) (end func()) {
	done := make(chan struct{})
	ticker := time.NewTicker(x.Every)
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
			case <-done:
				return
			}
			select {
			case t.apps <- x:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

func (t *timers) stop() {
	for _, end := range t.ends {
		end()
	}
}
