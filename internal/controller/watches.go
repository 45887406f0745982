package controller

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

const (
	// watchOwner marks the ports on which other chassis are watched, in external_ids.
	watchOwner = "watch"
	// watchedKey names the watched chassis there.
	watchedKey = "dragonflow-watched"
)

// BFD's intervals in milliseconds, and how many of them may pass without a sign of life. With [secondThought] a gateway is
// replaced after at most 1.65 s, of the 2 s for which its failure may be felt. In this time a host without a free processor
// must manage to send once, and to receive what was sent: with the priority that ovs-ctl gives it, it does so in half of it.
const (
	watchInterval = "200"
	watchMissed   = "7"
)

// secondThought is for how long who falls silent is still taken for alive: longer than an interval, so that by then all are
// silent that are so for the same reason.
const secondThought = 250 * time.Millisecond

// cpathDown is the key by which an end of a BFD session says that it lives but forwards nothing (RFC 5880
// section 4.1, "concatenated path down").
const cpathDown = "cpath_down"

// watches is what the loop knows about its own ability to forward, and whether ports for watching are to be
// looked at again.
type watches struct {
	due bool
	// told is what was last told to those who watch this chassis.
	told bool
	// lost says that the switch went away while this program ran: whatever it had then it has no more.
	lost bool
	// presumed are the chassis taken for alive although nothing is heard of them yet, or for the moment.
	presumed map[string]*presumption
	// heard are the chassis that were heard at last, and whether they forward.
	heard map[string]bool
	// silent are those about whom there is to be a second thought, when they are judged. Wake says that it is time.
	silent []string
	judged time.Time
	wake   <-chan time.Time
	// several says that the first of them was not the only one that was heard.
	several bool
}

// presumption is that a chassis lives: until a time, or until it is heard.
type presumption struct {
	until time.Time
	// stale says that what the switch's database tells may be of the time before.
	stale bool
}

// sessionPatience is for a session to come up: an end of it that hears nothing yet sends once in a second (RFC 5880
// section 6.8.3). Who took over before would do so from a gateway that lives.
const sessionPatience = 4 * time.Second

// untilItReturns is longer than any switch is away.
const untilItReturns = 1000 * time.Hour

func (w *watches) presume(chassis string, d time.Duration, stale bool) {
	if w.presumed == nil {
		w.presumed = map[string]*presumption{}
	}
	w.presumed[chassis] = &presumption{time.Now().Add(d), stale}
}

// hear takes note of who is heard at a time. About who falls silent there is a second thought. If nobody is left then of
// several, it is this chassis that does not hear, as its switch stood still or is cut off: it believes that they live until
// the sessions had time to come up again.
func (w *watches) hear(heard map[string]bool, at time.Time) {
	for chassis, forwards := range w.heard {
		if _, still := heard[chassis]; still || !forwards || w.presumed[chassis] != nil {
			continue
		}
		if len(w.silent) == 0 {
			w.several, w.judged, w.wake = len(w.heard) > 1, at.Add(secondThought), time.After(secondThought)
		}
		w.silent = append(w.silent, chassis)
		w.presume(chassis, sessionPatience, false) // until it is judged
	}
	w.heard = heard
	if len(w.silent) == 0 || at.Before(w.judged) {
		return
	}
	for _, chassis := range w.silent {
		if p := w.presumed[chassis]; p != nil && (!w.several || len(heard) > 0) {
			p.until = time.Time{}
		}
	}
	w.silent, w.wake = nil, nil
}

// lives reports whether a chassis is heard or, if not, presumed to live.
func (w *watches) lives(chassis string, heard bool) bool {
	p := w.presumed[chassis]
	switch {
	case p == nil:
		return heard
	case heard && !p.stale, !heard && time.Now().After(p.until):
		delete(w.presumed, chassis)
		return heard
	}
	p.stale = p.stale && heard
	return true
}

// presumeAlive takes those for alive for so long that were when the switch was heard last: it has lost its sessions.
func (c *Controller) presumeAlive(d time.Duration) {
	c.db.Each(view.WatchPorts, func(chassis string, row any) {
		if row.(view.WatchPort).Alive {
			c.watches.presume(chassis, d, true)
		}
	})
}

// rewatch looks at the ports for watching when what they should be has changed.
func (c *Controller) rewatch(ctx context.Context) {
	if !c.watches.due && c.watches.told == c.synced || c.rows.Bridge(c.o.Bridge) == nil {
		return
	}
	c.watches.due, c.watches.told = false, c.synced
	c.ensureBridge(ctx)
}

// watchPort is the port on which another chassis is watched by Open vSwitch itself, so that what is known
// about it depends neither on this program nor on the database. Its identifier is no network's: packets of
// guests come by the ports of [Controller.tunnelPort].
func (c *Controller) watchPort(w view.WatchTarget) ovsdb.PortSpec {
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.o.Bridge + "/" + w.Chassis)) // cannot fail
	s := ovsdb.PortSpec{
		Bridge: c.o.Bridge, Name: fmt.Sprintf("dfw-%08x", h.Sum32()), Type: string(w.Type), Owner: watchOwner, Transient: true,
		Options:     map[string]string{"remote_ip": w.Address.String(), "key": fmt.Sprint(model.LivenessVNI)},
		ExternalIDs: map[string]string{watchedKey: w.Chassis},
		BFD:         map[string]string{"enable": "true", "min_tx": watchInterval, "min_rx": watchInterval, "mult": watchMissed, cpathDown: "true"},
	}
	if c.o.DatapathType != simulated {
		s.Options["local_ip"] = c.o.TunnelIP.String()
	}
	if row := c.rows.InterfaceNamed(s.Name); row != nil && row.ExternalIDs[ovsdb.OwnerKey] == watchOwner && row.BFD[cpathDown] != "" {
		s.BFD[cpathDown] = row.BFD[cpathDown]
	}
	// A switch that has started again lives before it has its flows. One that this program finds working when it starts works.
	switch {
	case c.synced:
		s.BFD[cpathDown] = "false"
	case c.watches.lost:
		s.BFD[cpathDown] = "true"
	}
	return s
}

// presumeNoMore takes chassis for what is heard of them once the time is over in which they were presumed alive.
func (c *Controller) presumeNoMore() {
	if c.troubles["ovsdb"] == "" && c.rows.Bridge(c.o.Bridge) != nil && len(c.watches.presumed) > 0 {
		c.takeWatchPorts()
	}
}

// ensureWatches makes the bridge have one port for each chassis to watch, and none for others.
func (c *Controller) ensureWatches() (ovsdb.Txn, error) {
	var txn ovsdb.Txn
	if c.rows.Bridge(c.o.Bridge) == nil {
		return txn, nil
	}
	var errs []error
	wanted := map[string]bool{}
	c.db.Each(view.WatchTargets, func(_ string, row any) {
		w := row.(view.WatchTarget)
		s := c.watchPort(w)
		wanted[s.Name] = true
		if _, known := c.db.Row(view.WatchPorts, w.Chassis); !known && c.rows.InterfaceNamed(s.Name) == nil && c.watches.presumed[w.Chassis] == nil {
			c.watches.presume(w.Chassis, sessionPatience, false)
		}
		add, err := ovsdb.AddPort(c.rows, s)
		if err != nil {
			errs = append(errs, fmt.Errorf("chassis %s: %w", w.Chassis, err))
		}
		txn = ovsdb.Join(txn, add)
	})
	for row := range c.rows.Plugged(c.o.Bridge) {
		port := c.rows.PortOf(row.UUID)
		if row.ExternalIDs[ovsdb.OwnerKey] != watchOwner || port == nil || wanted[port.Name] {
			continue
		}
		if !c.informed() { // it may be wanted, and only not be known yet
			c.watches.due = true
			continue
		}
		gone, err := ovsdb.DeletePort(c.rows, c.o.Bridge, port.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("chassis that are not watched any more: %w", err))
		}
		txn = ovsdb.Join(txn, gone)
	}
	return txn, errors.Join(errs...)
}

// takeWatchPorts brings what the switch knows about the watched chassis into the view. A switch that is
// away knows nothing new: the last that it said stands.
func (c *Controller) takeWatchPorts() {
	now := map[string]view.WatchPort{}
	c.db.Each(view.WatchTargets, func(chassis string, _ any) { // of one whose port cannot be made nothing is heard
		now[chassis] = view.WatchPort{Chassis: chassis}
	})
	heard := map[string]bool{}
	for row := range c.rows.Plugged(c.o.Bridge) {
		chassis := row.ExternalIDs[watchedKey]
		if row.ExternalIDs[ovsdb.OwnerKey] != watchOwner || chassis == "" || row.OFPort <= 0 {
			continue
		}
		now[chassis] = view.WatchPort{Chassis: chassis, OFPort: uint32(row.OFPort), Alive: row.Forwards()}
		if row.Hears() {
			heard[chassis] = row.Forwards()
		}
	}
	c.watches.hear(heard, time.Now())
	var gone []string
	c.db.Each(view.WatchPorts, func(chassis string, _ any) {
		if _, stays := now[chassis]; !stays {
			gone = append(gone, chassis)
		}
	})
	for _, chassis := range gone {
		view.Delete(c.db, view.WatchPorts, chassis)
		delete(c.watches.presumed, chassis)
	}
	for chassis, w := range now {
		w.Alive = c.watches.lives(chassis, w.Alive)
		view.Set(c.db, view.WatchPorts, w)
	}
}
