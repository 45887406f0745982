package controller

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/snapshot"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
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

// TestARewrittenSnapshotHasWhatTheViewHasNoTableFor: a chassis believes its own reports about guests that arrived.
func TestARewrittenSnapshotHasWhatTheViewHasNoTableFor(t *testing.T) {
	c := remembering(t)
	scope := model.ScopeChassis(c.o.Chassis)
	c.follow(scope)
	report := &model.PortStatus{Meta: model.Meta{ID: "p", Revision: 3}, NetworkID: "n", Host: c.o.Chassis, Up: true, Activated: true}
	raw, err := northbound.Encode(report)
	if err != nil {
		t.Fatal(err)
	}
	key := northbound.KeyOf(report)
	c.takeScope(c.scopes[scope], northbound.ScopeEvent{Type: northbound.Changed, Scope: scope, Key: key, Object: report, Raw: raw, Revision: 7})
	c.remember()
	name := snapshot.Name{Kind: key.Kind, ID: key.ID}
	rewritten := func() (snapshot.Object, bool) {
		t.Helper()
		c.takeLink(t.Context(), linkEvent{connected: true, marker: c.journal.seq + 9}) // breaks the log
		c.full = true
		c.mend()
		s, err := snapshot.Load(c.o.StateDir)
		if err != nil || s.Scopes[scope] == nil {
			return snapshot.Object{}, false
		}
		o, ok := s.Scopes[scope].Objects[name]
		return o, ok
	}
	c.takeScope(c.scopes[scope], northbound.ScopeEvent{Type: northbound.InSync, Scope: scope, Revision: 8})
	if o, ok := rewritten(); !ok || o.Revision != 7 || string(o.Value) != string(raw) {
		t.Errorf("the rewritten snapshot has %+v, %v", o, ok)
	}
	c.takeScope(c.scopes[scope], northbound.ScopeEvent{Type: northbound.Removed, Scope: scope, Key: key, Revision: 9})
	if o, ok := rewritten(); ok {
		t.Errorf("the rewritten snapshot still has %+v", o)
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
