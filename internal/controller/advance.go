package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/vswitch/reconcile"
)

// advance gives the switch its next job, if it can take one.
func (c *Controller) advance(ctx context.Context) {
	switch c.phase {
	case waiting:
		if mode, ready := c.ready(); ready {
			c.start(ctx, c.syncJob(mode))
		}
	case idle:
		switch {
		case !c.full && c.complete():
			c.start(ctx, c.syncJob(reconcile.Full))
		case !c.pend.empty(): // before an audit, which would take it for a difference
			c.start(ctx, c.changeJob())
		case c.auditDue && c.full:
			j := c.syncJob(reconcile.Full)
			j.audit = true
			c.start(ctx, j)
		default:
			c.confirm(c.ports.take())
			if c.full {
				c.progress.realise(c.derived(), time.Now())
			}
		}
	}
}

// ready reports whether the switch may be touched, and how far. As long as the view may still become
// complete the loop waits. After that it works with what it has, if the snapshot is at least as new as
// the switch: fully, or, when scopes are missing, by adding what the switch knows nothing of. To a switch
// that is newer the snapshot's numbers may mean something else, and a flow added with them could bring
// one tenant's packets to another: it is left alone until the view is complete.
func (c *Controller) ready() (reconcile.Mode, bool) {
	if c.complete() {
		return reconcile.Full, true
	}
	missing, _, all := c.lacking()
	if !c.waited || !c.db.Synced(view.ScopeOVSDB) || missing == all {
		return reconcile.AddOnly, false
	}
	if c.journal.behind() {
		return reconcile.AddOnly, false
	}
	if missing == 0 {
		return reconcile.Full, true
	}
	return reconcile.AddOnly, true
}

// complete reports whether everything that the view needs is in it and confirmed by its source.
func (c *Controller) complete() bool {
	missing, remembered, _ := c.lacking()
	return missing == 0 && remembered == 0 && c.db.Synced(view.ScopeOVSDB) && !c.engine.Pending()
}

// syncJob makes the switch equal to all that is desired.
func (c *Controller) syncJob(mode reconcile.Mode) *job {
	state := &reconcile.State{
		Flows:  slices.AppendSeq(make([]flow.Flow, 0, c.engine.FlowCount()), c.engine.Flows()),
		Groups: slices.Collect(c.engine.Groups()), Meters: slices.Collect(c.engine.Meters()),
	}
	c.auditDue = false
	state.Marker = marker(c.journal.seq)
	return c.finishing(&job{sync: state, mode: mode, complete: c.complete()})
}

// changeJob carries out what is pending.
func (c *Controller) changeJob() *job {
	change := c.pend.change()
	change.Marker = marker(c.journal.seq)
	return c.finishing(&job{change: change, complete: c.full})
}

// finishing adds to a job what every job has: zones to flush first, and what counts as done with it. What is pending is part of the job.
func (c *Controller) finishing(j *job) *job {
	j.flush, c.journal.zones = c.journal.zones, nil
	c.pend = newPending()
	due, read := c.ports.take(), c.derived()
	var rested []number.Entry
	if j.complete { // else a number may still be claimed by what has not come yet
		rested = c.numbers.Resting()
	}
	j.done = func(c *Controller, ok bool) {
		if !ok {
			c.ports.putBack(due)
			c.journal.zones = append(c.journal.zones, j.flush...)
			return
		}
		c.numbers.Settle(rested)
		if len(rested) > 0 {
			c.engine.RedoFailed() // some may have failed for want of a number
		}
		c.confirm(due)
		if j.complete {
			c.progress.realise(read, time.Now())
		}
	}
	return j
}

func (c *Controller) start(ctx context.Context, j *job) {
	j.announce, c.untold = c.untold, nil
	c.phase, c.current = busy, j
	c.jobs++
	select {
	case c.link.jobs <- j:
	case <-ctx.Done():
	}
}

// takeLink hears from the switch.
func (c *Controller) takeLink(ctx context.Context, e linkEvent) {
	switch {
	case e.connected:
		c.phase, c.synced, c.full = waiting, false, false
		c.presumeAlive(sessionPatience)
		c.journal.log.Advance(e.marker)
		c.journal.seq = c.journal.log.Seq()
		c.pend = newPending() // the sync will have it
		c.trouble("switch", nil)
		c.log.Info("switch connected", "bridge", c.o.Bridge)
	case e.lost:
		c.phase, c.synced, c.full = down, false, false
		c.watches.lost = true
		c.presumeAlive(untilItReturns)
		if c.current != nil { // it never came to the switch
			c.untold = append(c.current.announce, c.untold...)
			c.current.done(c, false)
			c.current = nil
		}
		c.trouble("switch", fmt.Errorf("no OpenFlow connection to %s: %w", c.link.path, e.err))
	default:
		c.takeOutcome(ctx, e)
	}
}

func (c *Controller) takeOutcome(ctx context.Context, e linkEvent) {
	c.o.Metrics.applied(e.outcome)
	c.current = nil
	if e.err != nil {
		// What the switch has is not known any more: compare again, after a pause.
		c.trouble("switch", fmt.Errorf("program the switch: %w", e.err))
		c.full = false
		c.untold = append(e.job.announce, c.untold...)
		e.job.done(c, false)
		c.retry(ctx)
		return
	}
	c.trouble("switch", nil)
	c.phase, c.synced = idle, true
	c.announce()
	if e.job.sync != nil {
		c.full = e.job.complete || e.job.audit // an audit leaves out only what never came
		clear(c.refused)
		c.ports.forgive()
		if c.full {
			c.mend()
			c.ports.review(c, c.reporter.reported())
			c.tellClaims(c.claims.reported())
		}
	}
	if n := e.outcome.FlowMods + e.outcome.EntryMods; e.job.audit && n > 0 {
		if e.outcome.FlowMods > 0 {
			n-- // the marker goes with flows
		}
		c.drifted(LayerSwitch, n)
		c.log.Warn("the switch differed from what is desired and was repaired", "flow_mods", e.outcome.FlowMods)
	}
	for _, r := range e.outcome.Refused {
		c.refused[r.String()] = r.Err.Error()
		c.ports.lacks(c, r)
	}
	e.job.done(c, true)
	c.tell(e.job.announce)
}

// announce tells those who wait for the first sync.
func (c *Controller) announce() {
	select {
	case <-c.first:
	default:
		close(c.first)
	}
}

const retryPause = time.Second

// retry makes the loop ready for another sync, unless the connection goes meanwhile.
func (c *Controller) retry(ctx context.Context) {
	n := c.jobs
	c.background.Go(func() {
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return
		}
		c.post(ctx, func(c *Controller) {
			if c.phase == busy && c.jobs == n {
				c.phase = waiting
			}
		})
	})
}

// trouble notes, or with nil ends, what is wrong with a topic; it logs when that changes.
func (c *Controller) trouble(topic string, err error) {
	old := c.troubles[topic]
	switch {
	case err == nil && old != "":
		delete(c.troubles, topic)
		c.log.Info("trouble is over", "topic", topic)
	case err != nil && old != err.Error():
		c.troubles[topic] = err.Error()
		c.log.Warn("trouble", "topic", topic, "err", err)
	}
}
