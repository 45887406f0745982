package controller

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

// reporter writes into the database which ports are up, into this chassis' own scope, coalesced and
// with patience: what the database does not take now it gets later, in its newest form.
type reporter struct {
	store   *northbound.Store
	chassis string
	log     *slog.Logger
	wake    chan struct{}

	mu sync.Mutex
	// want is what shall be there; a nil value says that nothing shall.
	want map[string]*model.PortStatus
	// have is what the database told.
	have map[string]*model.PortStatus
	// dirty are ports whose want and have may differ.
	dirty map[string]struct{}
	// last is the highest revision that a report is known to have, or to have been withdrawn with.
	last int64
}

func newReporter(s *northbound.Store, o Options, log *slog.Logger) *reporter {
	return &reporter{
		store: s, chassis: o.Chassis, log: log, wake: make(chan struct{}, 1),
		want: map[string]*model.PortStatus{}, have: map[string]*model.PortStatus{}, dirty: map[string]struct{}{},
	}
}

// confirm reports ports whose flows the switch has confirmed, and those that are not served any more.
func (c *Controller) confirm(due map[string]portState) {
	if len(due) == 0 {
		return
	}
	r := c.reporter
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, s := range due {
		_, lacks := c.ports.lacking[id]
		switch {
		case !s.gone && lacks:
			r.want[id] = r.status(id, s.network, 0, false)
		case !s.gone:
			r.want[id] = r.status(id, s.network, s.revision, true)
			r.want[id].Activated, r.want[id].From = s.from != "", s.from
			if c.o.Confirmed != nil {
				c.o.Confirmed(id)
			}
		case s.network != "":
			r.want[id] = r.status(id, s.network, 0, false)
		default:
			r.want[id] = nil
		}
		r.dirty[id] = struct{}{}
	}
	r.poke()
}

func (r *reporter) status(id, network string, realised int64, up bool) *model.PortStatus {
	return &model.PortStatus{Meta: model.Meta{ID: id}, NetworkID: network, Host: r.chassis, Up: up, Realised: realised}
}

// observed hears what the database has.
func (r *reporter) observed(id string, s *model.PortStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s == nil {
		delete(r.have, id)
	} else {
		r.have[id] = s
		r.last = max(r.last, s.Revision)
	}
	r.dirty[id] = struct{}{}
	r.poke()
}

// has reports whether the database has a report about a port.
func (r *reporter) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.have[id] != nil
}

// reported lists the ports about which the database has a report.
func (r *reporter) reported() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.have))
}

// stamp is the revision of the next reports: the time, unless the clock went back since earlier ones,
// which the database would then hold for newer.
func (r *reporter) stamp() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = max(time.Now().UnixMicro(), r.last+1)
	return r.last
}

// learn takes the revision of which the database says that it is later than the report's, and reports
// whether that was all that was wrong.
func (r *reporter) learn(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var outdated *northbound.OutdatedError
	var deleted *northbound.DeletedError
	switch {
	case errors.As(err, &outdated) && outdated.Stored > r.last:
		r.last = outdated.Stored
	case errors.As(err, &deleted) && deleted.Deleted > r.last:
		r.last = deleted.Deleted
	default:
		return false
	}
	return true
}

func (r *reporter) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

const (
	reportBatch   = 32
	reportTimeout = 5 * time.Second
	reportPause   = time.Second
)

func (r *reporter) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		}
		for {
			batch := r.differences()
			if len(batch) == 0 {
				break
			}
			err := r.write(ctx, batch)
			if err != nil {
				r.mark(batch)
			}
			if err != nil && !r.learn(err) {
				r.log.Warn("port status not reported, will be tried again", "ports", len(batch), "err", err)
				select {
				case <-time.After(reportPause):
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// differences takes up to a batch of ports of which the database shows something else than it shall.
func (r *reporter) differences() map[string]*model.PortStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := map[string]*model.PortStatus{}
	for id := range r.dirty {
		if len(batch) == reportBatch {
			break
		}
		delete(r.dirty, id)
		want, known := r.want[id]
		have := r.have[id]
		if !known {
			continue
		}
		if want == nil && have == nil {
			delete(r.want, id)
			continue
		}
		if want != nil && have != nil && sameReport(want, have) {
			continue
		}
		batch[id] = want
	}
	return batch
}

// sameReport tells whether two reports say the same.
func sameReport(a, b *model.PortStatus) bool {
	return a.Up == b.Up && a.Realised == b.Realised && a.Activated == b.Activated && a.From == b.From && a.NetworkID == b.NetworkID
}

func (r *reporter) mark(batch map[string]*model.PortStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range batch {
		r.dirty[id] = struct{}{}
	}
}

func (r *reporter) write(ctx context.Context, batch map[string]*model.PortStatus) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	txn := r.store.Txn()
	now := r.stamp()
	for id, want := range batch {
		if want == nil {
			gone := &model.PortStatus{Meta: model.Meta{ID: id}, Host: r.chassis}
			txn.Delete(northbound.KeyOf(gone), northbound.AnyObjectRevision)
			continue
		}
		s := *want
		s.Revision = now
		txn.Put(&s)
	}
	_, err := txn.Commit(ctx)
	if err == nil {
		r.settle(batch, now)
	}
	return err
}

// settle takes what was written for what the database has, until it tells otherwise.
func (r *reporter) settle(batch map[string]*model.PortStatus, now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, want := range batch {
		if want == nil {
			delete(r.have, id)
			if r.want[id] == nil {
				delete(r.want, id)
			}
			continue
		}
		s := *want
		s.Revision = now
		r.have[id] = &s
	}
}
