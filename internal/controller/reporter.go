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

// reporter writes into the database what this chassis tells of one kind, such as which ports are up, into its own
// scope, coalesced and with patience: what the database does not take now it gets later, in its newest form.
type reporter[O report] struct {
	store *northbound.Store
	log   *slog.Logger
	wake  chan struct{}
	kind  reported[O]

	mu sync.Mutex
	// want is what shall be there; a nil value says that nothing shall.
	want map[string]O
	// have is what the database told.
	have map[string]O
	// dirty are objects whose want and have may differ.
	dirty map[string]struct{}
	// last is the highest revision that a report is known to have, or to have been withdrawn with.
	last int64
}

// report is what a chassis writes.
type report interface {
	comparable
	model.Object
}

// reported is what is particular to a kind of reports.
type reported[O report] struct {
	// name is what logs call them.
	name string
	// of makes the report of an id, as it is named for its removal.
	of func(id string) O
	// copy makes another one.
	copy func(O) O
	// same tells whether two say the same.
	same func(a, b O) bool
	// pause is how long after one batch the next is written.
	pause time.Duration
}

func newReporter[O report](s *northbound.Store, log *slog.Logger, kind reported[O]) *reporter[O] {
	return &reporter[O]{
		store: s, log: log, kind: kind, wake: make(chan struct{}, 1),
		want: map[string]O{}, have: map[string]O{}, dirty: map[string]struct{}{},
	}
}

// statusReports are those about ports.
func statusReports(chassis string) reported[*model.PortStatus] {
	return reported[*model.PortStatus]{
		name: "port status",
		of:   func(id string) *model.PortStatus { return &model.PortStatus{Meta: model.Meta{ID: id}, Host: chassis} },
		copy: func(s *model.PortStatus) *model.PortStatus { c := *s; return &c },
		same: func(a, b *model.PortStatus) bool {
			return a.Up == b.Up && a.Realised == b.Realised && a.Activated == b.Activated && a.From == b.From && a.NetworkID == b.NetworkID
		},
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
			r.want[id] = c.statusReport(id, s.network, 0, false)
		case !s.gone:
			r.want[id] = c.statusReport(id, s.network, s.revision, true)
			r.want[id].Activated, r.want[id].From = s.from != "", s.from
			if c.o.Confirmed != nil {
				c.o.Confirmed(id)
			}
		case s.network != "":
			r.want[id] = c.statusReport(id, s.network, 0, false)
		default:
			r.want[id] = nil
		}
		r.dirty[id] = struct{}{}
	}
	r.poke()
}

func (c *Controller) statusReport(id, network string, realised int64, up bool) *model.PortStatus {
	return &model.PortStatus{Meta: model.Meta{ID: id}, NetworkID: network, Host: c.o.Chassis, Up: up, Realised: realised}
}

// wants says what shall be in the database under an id, nil for nothing.
func (r *reporter[O]) wants(id string, o O) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.want[id] = o
	r.dirty[id] = struct{}{}
	r.poke()
}

// observed hears what the database has.
func (r *reporter[O]) observed(id string, s O) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if none(s) {
		delete(r.have, id)
	} else {
		r.have[id] = s
		r.last = max(r.last, s.Metadata().Revision)
	}
	r.dirty[id] = struct{}{}
	r.poke()
}

// has reports whether the database has a report.
func (r *reporter[O]) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !none(r.have[id])
}

// reported lists the reports that the database has.
func (r *reporter[O]) reported() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.have))
}

// stamp is the revision of the next reports: the time, unless the clock went back since earlier ones,
// which the database would then hold for newer.
func (r *reporter[O]) stamp() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = max(time.Now().UnixMicro(), r.last+1)
	return r.last
}

// learn takes the revision of which the database says that it is later than the report's, and reports
// whether that was all that was wrong.
func (r *reporter[O]) learn(err error) bool {
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

// none tells whether there is no report.
func none[O report](o O) bool {
	var zero O
	return o == zero
}

// stamped is a report with a revision.
func (r *reporter[O]) stamped(o O, revision int64) O {
	o = r.kind.copy(o)
	o.Metadata().Revision = revision
	return o
}

func (r *reporter[O]) poke() {
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

func (r *reporter[O]) run(ctx context.Context) {
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
			pause := r.kind.pause
			if err != nil && !r.learn(err) {
				r.log.Warn("not reported, will be tried again", "what", r.kind.name, "objects", len(batch), "err", err)
				pause = reportPause
			}
			if pause > 0 {
				select {
				case <-time.After(pause):
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// differences takes up to a batch of objects of which the database shows something else than it shall.
func (r *reporter[O]) differences() map[string]O {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := map[string]O{}
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
		if none(want) && none(have) {
			delete(r.want, id)
			continue
		}
		if !none(want) && !none(have) && r.kind.same(want, have) {
			continue
		}
		batch[id] = want
	}
	return batch
}

func (r *reporter[O]) mark(batch map[string]O) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range batch {
		r.dirty[id] = struct{}{}
	}
}

func (r *reporter[O]) write(ctx context.Context, batch map[string]O) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	txn := r.store.Txn()
	now := r.stamp()
	for id, want := range batch {
		if none(want) {
			txn.Delete(northbound.KeyOf(r.kind.of(id)), northbound.AnyObjectRevision)
			continue
		}
		txn.Put(r.stamped(want, now))
	}
	_, err := txn.Commit(ctx)
	if err == nil {
		r.settle(batch, now)
	}
	return err
}

// settle takes what was written for what the database has, until it tells otherwise.
func (r *reporter[O]) settle(batch map[string]O, now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, want := range batch {
		if none(want) {
			delete(r.have, id)
			if none(r.want[id]) {
				delete(r.want, id)
			}
			continue
		}
		r.have[id] = r.stamped(want, now)
	}
}
