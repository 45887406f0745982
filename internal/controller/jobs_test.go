package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/snapshot"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

// quiet is a controller that does not run.
func quiet(t *testing.T, apps ...*app.App) *Controller {
	t.Helper()
	c := alone(t, apps...)
	t.Cleanup(func() { c.feed.Close(); c.background.Wait(); _ = c.journal.log.Close() })
	return c
}

func TestAJobFlushesNewZonesAndFreesNumbersOnlyWhenItIsDone(t *testing.T) {
	c := quiet(t)
	zone, err := c.numbers.Lookup(pipeline.Zones, "port")
	if err != nil {
		t.Fatal(err)
	}
	c.remember()
	c.full = true
	c.ports.due["p"] = portState{network: "n"}
	for _, ok := range []bool{false, true} {
		j := c.changeJob()
		if len(j.flush) != 1 || j.flush[0] != uint16(zone) {
			t.Fatalf("the job flushes %v, want zone %d: it may hold connections of its last user", j.flush, zone)
		}
		j.done(c, ok)
		if _, due := c.ports.due["p"]; due == ok {
			t.Errorf("after success %v the port is due: %v", ok, due)
		}
		if freed := len(c.numbers.Entries()) == 0; freed != ok {
			t.Errorf("after success %v the unclaimed number is freed: %v", ok, freed)
		}
	}
}

func TestAFailedJobIsTriedAgain(t *testing.T) {
	c := quiet(t)
	c.start(t.Context(), c.changeJob())
	c.takeOutcome(t.Context(), linkEvent{job: c.current, err: errors.New("no room")})
	select {
	case f := <-c.posts:
		if f(c); c.phase != waiting {
			t.Errorf("phase %v, want waiting for another sync", c.phase)
		}
	case <-time.After(5 * time.Second):
		t.Error("nothing tries again")
	}
}

func TestAPortIsDueOnlyWhenItsRulesHaveSettled(t *testing.T) {
	waits := &app.App{Name: "waits", ID: 9, Rules: []app.Rule{
		app.For("waits.served", view.Bindings, func(_ *view.Reader, b *model.Binding, out *app.Output) {
			app.Emit(out, view.LocalPorts, view.LocalPort{Port: &model.Port{Meta: model.Meta{ID: b.ID}}})
		}),
		app.For("waits.port", view.LocalPorts, func(r *view.Reader, _ view.LocalPort, _ *app.Output) { r.InSync("secgroup/g") }),
	}}
	c := quiet(t, waits)
	view.Set(c.db, view.Bindings, &model.Binding{Meta: model.Meta{ID: "p"}})
	c.step(t.Context())
	if len(c.ports.due) != 0 {
		t.Errorf("due before its rules are in sync: %v", c.ports.due)
	}
	c.db.SetSynced("secgroup/g", true)
	if c.step(t.Context()); len(c.ports.due) != 1 {
		t.Errorf("due: %v, want the port", c.ports.due)
	}
}

func TestAForgottenScopeIsForgottenOnDiskAndByTheSubscriber(t *testing.T) {
	c := quiet(t)
	const scope = "network/n"
	c.follow(scope)
	event := northbound.ScopeEvent{Type: northbound.InSync, Scope: scope, Revision: 3}
	c.held.state.Scopes[scope] = &snapshot.Scope{Synced: true, Revision: 1}
	c.takeScope(c.scopes[scope], event)
	if _, rev := c.held.of(scope); rev != 0 {
		t.Error("the subscriber would compare the database with a view from before")
	}
	c.remember()
	c.forget(scope)
	c.remember()
	if s, err := snapshot.Load(c.o.StateDir); err != nil || s.Scopes[scope] != nil {
		t.Errorf("the next process finds %+v (%v)", s.Scopes[scope], err)
	}
}

func TestPendingKeepsWhatTheSwitchHas(t *testing.T) {
	of := func(table uint8) *flow.Flow { return &flow.Flow{Priority: 7, Instructions: flow.Goto(table)} }
	a, b, d := of(1), of(2), of(3)
	p := newPending()
	p.add(&engine.Delta{Flows: []engine.FlowChange{{Old: a, New: b}}})
	p.add(&engine.Delta{Flows: []engine.FlowChange{{Old: b, New: d}}})
	if got := p.change().Flows; len(got) != 1 || got[0].Old != a || got[0].New != d {
		t.Errorf("%+v", got)
	}
	p.add(&engine.Delta{Flows: []engine.FlowChange{{Old: d, New: of(1)}}})
	if !p.empty() {
		t.Errorf("a change that was undone is still pending: %+v", p.change())
	}
}
