package controller

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// whenTrue waits for something that the loop shows.
func whenTrue(t *testing.T, c *Controller, what string, condition func() bool) {
	t.Helper()
	const patience = time.Minute // an audit that was slow, as on a busy machine, rests a hundred times as long
	for deadline := time.Now().Add(patience); ; {
		holds := false
		if err := c.Inspect(t.Context(), func(Inside) { holds = condition() }); err != nil {
			t.Fatal(err)
		}
		switch {
		case holds:
			return
		case time.Now().After(deadline):
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func neighbour(name string, revision int64) *model.Chassis {
	return &model.Chassis{Meta: model.Meta{ID: name, Revision: revision}, Version: "1"}
}

// TestDriftOfTheView breaks the view in each way, and sees it found and repaired.
func TestDriftOfTheView(t *testing.T) {
	t.Parallel()
	c := running(t, alone(t))
	for _, name := range []string{"missed", "older", "altered", "good"} {
		if _, err := c.store.Txn().Put(neighbour(name, 5)).Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	complete := func() bool {
		return c.db.Has(view.ChassisAll, "good") && c.db.Has(view.ChassisAll, "altered") && c.db.Has(view.ChassisAll, "c1")
	}
	whenTrue(t, c, "the view has the chassis", complete)
	if list, err := c.CompareView(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("nothing is broken yet: %+v, %v", list, err)
	}
	altered := neighbour("altered", 5)
	altered.Version = "2"
	err := c.Inspect(t.Context(), func(Inside) {
		st := c.scopes[model.ScopeGlobal]
		c.displace(st, model.KindChassis, model.ScopeGlobal, "missed")
		c.place(st, neighbour("older", 4), 1)
		c.place(st, altered, 1)
		c.place(st, neighbour("extra", 5), 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.CompareView(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, d := range list {
		found = append(found, d.ID+" "+d.What)
	}
	slices.Sort(found)
	want := "altered of the same revision, with another content; extra in the view, and not in the database; " +
		"missed in the database, and not in the view; older older in the view than in the database"
	if strings.Join(found, "; ") != want {
		t.Errorf("found %q", found)
	}
	if err := c.Repair(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	whenTrue(t, c, "the extra row is gone", func() bool { return !c.db.Has(view.ChassisAll, "extra") })
	if list, err := c.CompareView(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("after the repair: %+v, %v", list, err)
	}
	// The scope is followed anew.
	if _, err := c.store.Txn().Put(neighbour("later", 1)).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	whenTrue(t, c, "a later change comes", func() bool { return c.db.Has(view.ChassisAll, "later") })
}

// TestDriftOfTheDerivation has a rule that depends on something it did not read.
func TestDriftOfTheDerivation(t *testing.T) {
	t.Parallel()
	var secret atomic.Int64
	secret.Store(1)
	impure := &app.App{Name: "misses", ID: 9, Rules: []app.Rule{app.For("test.chassis", view.ChassisAll, func(_ *view.Reader, n *model.Chassis, out *app.Output) {
		if n.ID == "gone" && secret.Load() > 1 {
			return
		}
		out.Flow(pipeline.Classify, pipeline.Normal, flow.NewMatch(flow.InPort.Is(uint64(len(n.ID)))),
			flow.Do(flow.Load(pipeline.Network, uint64(secret.Load()))).Goto(pipeline.EgressPortSecurity.Table()), "for the test")
	})}}
	c := running(t, alone(t, impure))
	for _, name := range []string{"gone", "other1"} {
		if _, err := c.store.Txn().Put(neighbour(name, 5)).Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	whenTrue(t, c, "three flows", func() bool { return c.engine.FlowCount() == 3 })
	if list, err := c.CompareDerivation(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("nothing is broken yet: %+v, %v", list, err)
	}
	secret.Store(2)
	list, err := c.CompareDerivation(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, d := range list {
		if d.Owner.Rule != "test.chassis" || d.Have == "" || d.Want == "" && d.Owner.Key != "gone" {
			t.Errorf("%+v", d)
		}
	}
	if err := c.Repair(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if list, err := c.CompareDerivation(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("after the repair: %+v, %v", list, err)
	}
}

// TestAuditsFindDriftByThemselves: nobody asks, and each layer is repaired and counted.
func TestAuditsFindDriftByThemselves(t *testing.T) {
	t.Parallel()
	var secret atomic.Int64
	impure := &app.App{Name: "misses", ID: 9, Rules: []app.Rule{app.For("test.self", view.Self, func(_ *view.Reader, _ view.Chassis, out *app.Output) {
		out.Flow(pipeline.Classify, pipeline.Normal, flow.NewMatch(flow.InPort.Is(7)),
			flow.Do(flow.Load(pipeline.Network, uint64(secret.Load()))).Goto(pipeline.EgressPortSecurity.Table()), "for the test")
	})}}
	c := alone(t, impure)
	c.o.AuditEvery = 100 * time.Millisecond
	running(t, c)
	if _, err := c.store.Txn().Put(neighbour("lost", 5)).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	whenTrue(t, c, "the view has the chassis", func() bool { return c.db.Has(view.ChassisAll, "lost") })
	secret.Store(1)
	err := c.Inspect(t.Context(), func(Inside) {
		c.displace(c.scopes[model.ScopeGlobal], model.KindChassis, model.ScopeGlobal, "lost")
	})
	if err != nil {
		t.Fatal(err)
	}
	whenTrue(t, c, "both layers are repaired", func() bool {
		return c.db.Has(view.ChassisAll, "lost") && c.drift[LayerView] > 0 && c.drift[LayerDerivation] > 0 && c.drift[LayerSwitch] == 0
	})
}
