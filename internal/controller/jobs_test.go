package controller

import (
	"errors"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/snapshot"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/vswitch/reconcile"
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
	case <-time.After(time.Minute):
		t.Error("nothing tries again")
	}
}

// TestAnAuditIsOfWhatTheSwitchWasGiven: what is pending when an audit is due is no difference of the switch.
func TestAnAuditIsOfWhatTheSwitchWasGiven(t *testing.T) {
	c := quiet(t)
	c.phase, c.full, c.auditDue = idle, true, true
	c.pend.add(&engine.Delta{Flows: []engine.FlowChange{{New: &flow.Flow{Priority: 7, Instructions: flow.Goto(1)}}}})
	c.advance(t.Context())
	if j := c.current; j == nil || j.audit || j.sync != nil {
		t.Fatalf("%+v: an audit finds the flow that nobody has given to the switch yet", j)
	}
	c.takeOutcome(t.Context(), linkEvent{job: <-c.link.jobs})
	if c.advance(t.Context()); c.current == nil || !c.current.audit {
		t.Errorf("%+v: the audit that was due did not come", c.current)
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
	c.held.state.Scopes[scope] = &snapshot.Scope{Synced: true, Revision: 1} // from then on the follower reads it
	c.follow(scope)
	event := northbound.ScopeEvent{Type: northbound.InSync, Scope: scope, Revision: 3}
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

// TestAPortWhoseFlowIsRefusedIsNotUp: the switch took everything else.
func TestAPortWhoseFlowIsRefusedIsNotUp(t *testing.T) {
	served := &app.App{Name: "misses", ID: 9, Rules: []app.Rule{
		app.For("test.served", view.Bindings, func(_ *view.Reader, b *model.Binding, out *app.Output) {
			app.Emit(out, view.LocalPorts, view.LocalPort{Port: &model.Port{Meta: model.Meta{ID: b.ID}, NetworkID: "n"}})
		}),
		app.For("test.port", view.LocalPorts, func(_ *view.Reader, p view.LocalPort, out *app.Output) {
			out.Flow(pipeline.Classify, pipeline.Normal, flow.NewMatch(flow.InPort.Is(uint64(len(p.Port.ID)))), flow.Drop(), "for the test")
		}),
	}}
	c := quiet(t, served)
	for _, id := range []string{"p", "good"} {
		view.Set(c.db, view.Bindings, &model.Binding{Meta: model.Meta{ID: id}, NetworkID: "n"})
	}
	c.step(t.Context())
	refused, _ := c.engine.Flow(flow.Key{Table: pipeline.Classify.Table(), Priority: pipeline.Normal, Match: flow.NewMatch(flow.InPort.Is(1))})
	finish := func(refusals ...reconcile.Refusal) {
		j := c.syncJob(reconcile.Full)
		c.takeOutcome(t.Context(), linkEvent{job: j, outcome: reconcile.Outcome{Refused: refusals}})
		c.ports.settle(c)
		c.confirm(c.ports.take())
	}
	finish(reconcile.Refusal{Flow: refused, Err: errors.New("no room")}, reconcile.Refusal{What: "group 3", Err: errors.New("no room")})
	if c.reporter.want["p"].Up || !c.reporter.want["good"].Up || c.refused["group 3"] == "" {
		t.Errorf("reported: %+v, %+v; refused: %v", c.reporter.want["p"], c.reporter.want["good"], c.refused)
	}
	if finish(); !c.reporter.want["p"].Up {
		t.Errorf("still down when the switch takes the flow: %+v", c.reporter.want["p"])
	}
}

// TestAFreedNumberIsGivenToWhoWaitsForOne: an evaluation that failed for want of a number runs again.
func TestAFreedNumberIsGivenToWhoWaitsForOne(t *testing.T) {
	one := number.Space{Name: "one", Min: 1, Max: 1}
	c := quiet(t, &app.App{Name: "misses", ID: 9, Rules: []app.Rule{
		app.For("test.port", view.Bindings, func(r *view.Reader, b *model.Binding, out *app.Output) { r.Number(one, b.ID) }),
	}})
	c.full = true
	bind := func(id string) { view.Set(c.db, view.Bindings, &model.Binding{Meta: model.Meta{ID: id}}) }
	bind("first")
	c.step(t.Context())
	bind("second")
	if c.step(t.Context()); len(c.engine.Problems()) != 1 {
		t.Fatalf("problems: %v", c.engine.Problems())
	}
	view.Delete(c.db, view.Bindings, "first")
	c.step(t.Context())
	c.changeJob().done(c, true)
	if c.step(t.Context()); len(c.engine.Problems()) != 0 {
		t.Errorf("problems with a number free: %v", c.engine.Problems())
	}
}

// TestAnInterfaceWithoutABindingIsNamedAgain: who binds it may have failed the first time.
func TestAnInterfaceWithoutABindingIsNamedAgain(t *testing.T) {
	c := alone(t)
	named := make(chan string, 8)
	c.o.Unbound = func(port string) { named <- port }
	view.Set(c.db, view.Interfaces, view.Interface{Name: "tap", PortID: "p"})
	c.interfaces["row"] = "tap"
	running(t, c)
	for range 2 {
		select {
		case port := <-named:
			if port != "p" {
				t.Errorf("named %s", port)
			}
		case <-time.After(time.Minute):
			t.Fatal("named too rarely")
		}
	}
}
