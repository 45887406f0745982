package controller

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// progress is how far the loop is: what it has read of the database, and what of that the switch has
// confirmed.
type progress struct {
	received, realised db.Revision
	// behind is since when they differ, zero if they do not.
	behind time.Time
	// told is what was given to be reported last.
	told model.ChassisStatus
}

// read takes note of what the database told. What chassis report does not count: a chassis would be
// behind by its own reports for ever.
func (p *progress) read(e northbound.ScopeEvent, now time.Time) {
	switch model.Kind(e.Key.Kind) {
	case model.KindPortStatus, model.KindAddressClaim, model.KindChassisStatus, model.KindHeartbeat:
		return
	}
	if e.Revision <= p.received {
		return
	}
	p.received = e.Revision
	if p.behind.IsZero() {
		p.behind = now
	}
}

// realise says that the switch has all that follows from what was read up to a revision. What has been
// read since is not older than now.
func (p *progress) realise(rev db.Revision, now time.Time) {
	if rev > p.realised {
		p.realised, p.behind = rev, now
	}
	if p.realised == p.received {
		p.behind = time.Time{}
	}
}

// status is what there is to report.
func (p *progress) status() model.ChassisStatus {
	s := model.ChassisStatus{Received: int64(p.received), Realised: int64(p.realised)}
	if !p.behind.IsZero() {
		s.BehindSince = p.behind.UTC().Format(time.RFC3339)
	}
	return s
}

// derived returns up to what revision all that was read has become flows. What a scope brought that needs
// another scope, which has not come yet, has not.
func (c *Controller) derived() db.Revision {
	if c.progress.behind.IsZero() || !c.complete() {
		return c.progress.realised
	}
	return c.progress.received
}

// tellProgress has it reported if it is another than before.
func (c *Controller) tellProgress() {
	s := c.progress.status()
	if s.Received != c.progress.told.Received || s.Realised != c.progress.told.Realised {
		c.progress.told = s
		c.herald.tell(s)
	}
}

// herald writes into the database how far the chassis is: at once what is first told, after that at most
// every so often, in its newest form.
type herald struct {
	store   *northbound.Store
	chassis string
	started time.Time
	every   time.Duration
	log     *slog.Logger
	wake    chan struct{}

	mu   sync.Mutex
	news *model.ChassisStatus
}

func newHerald(s *northbound.Store, o Options, started time.Time, log *slog.Logger) *herald {
	return &herald{store: s, chassis: o.Chassis, started: started, every: o.ProgressEvery, log: log, wake: make(chan struct{}, 1)}
}

func (h *herald) tell(s model.ChassisStatus) {
	h.mu.Lock()
	h.news = &s
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *herald) take() *model.ChassisStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.news
	h.news = nil
	return s
}

// putBack keeps what was not written, unless there is something newer.
func (h *herald) putBack(s *model.ChassisStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.news == nil {
		h.news = s
	}
}

func (h *herald) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		for s := h.take(); s != nil; s = h.take() {
			if err := h.write(ctx, *s); err != nil {
				h.log.Debug("progress not reported, will be tried again", "err", err)
				h.putBack(s)
			}
			// A thousand chassis that heard of the same change do not write at the same moment again.
			pause := h.every/2 + rand.N(h.every)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
	}
}

// write replaces the report, whatever is there: nobody else writes it, and its revision is only a time.
func (h *herald) write(ctx context.Context, s model.ChassisStatus) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	now := time.Now()
	s.Meta = model.Meta{ID: h.chassis, Revision: now.UnixMicro()}
	s.Started, s.Reported = h.started.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)
	_, err := h.store.Txn().PutIf(&s, db.AnyRevision).Commit(ctx)
	return err
}
