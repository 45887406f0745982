package controller

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/snapshot"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/vswitch/reconcile"
)

// remembering is a controller without the database whose snapshot, of 5 batches, is of all it follows.
func remembering(t *testing.T) *Controller {
	t.Helper()
	c := alone(t)
	t.Cleanup(func() { c.feed.Close(); _ = c.journal.log.Close() })
	for range 5 {
		remember(c)
	}
	c.follow(model.ScopeGlobal)
	c.db.SetSynced(model.ScopeGlobal, true)
	c.db.SetSynced(view.ScopeOVSDB, true)
	c.waited = true
	c.engine.Step()
	return c
}

func remember(c *Controller) {
	c.journal.forget("network/old")
	c.remember()
}

func TestWhatThisProcessTaughtTheSwitchIsNotNewerThanItsView(t *testing.T) {
	c := remembering(t)
	c.takeLink(t.Context(), linkEvent{connected: true, marker: 5})
	remember(c)
	c.takeLink(t.Context(), linkEvent{connected: true, marker: 6}) // the connection was lost, and is back
	if mode, ready := c.ready(); !ready || mode != reconcile.Full {
		t.Errorf("mode %v, ready %v; want all reconciled", mode, ready)
	}
}

func TestASnapshotThatIsBehindStaysBehindUntilTheViewIsComplete(t *testing.T) {
	c := remembering(t)
	c.takeLink(t.Context(), linkEvent{connected: true, marker: 9})
	if mode, ready := c.ready(); ready {
		t.Errorf("mode %v; want the switch left alone: its numbers may be others", mode)
	}
	for range 9 {
		remember(c)
	}
	c.mend()
	if s, err := snapshot.Load(c.o.StateDir); err != nil || s.Seq >= 9 {
		t.Errorf("a next process would take batch %d for as new as the switch's 9, and delete what it does not know (%v)", s.Seq, err)
	}
	c.full = true // as after a sync with a complete view
	c.mend()
	if s, err := snapshot.Load(c.o.StateDir); err != nil || s.Seq < c.journal.seq || c.journal.seq < 9 {
		t.Errorf("the snapshot is at batch %d, the view at %d (%v)", s.Seq, c.journal.seq, err)
	}
}
