package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/snapshot"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

func departure(port, owner string) app.Fact {
	return app.Fact{Table: view.Departures, Row: view.Departure{PortID: port}, Owner: owner, Age: time.Minute}
}

func TestFactsGoWhenTheirTimeHasCome(t *testing.T) {
	db, f, now := view.NewDB(nil), newFacts(), time.Now()
	f.learn(db, departure("a", "a"), now)
	f.learn(db, departure("b", "b"), now)
	f.learn(db, departure("b", "b"), now.Add(30*time.Second)) // learned again
	f.expire(db, now.Add(time.Minute+time.Second))
	if db.Has(view.Departures, "a") || !db.Has(view.Departures, "b") {
		t.Error("after a minute a is to be forgotten, b not")
	}
	f.forget(db, view.Departures, "b")
	f.forget(db, view.Departures, "never")
	if db.Len(view.Departures) != 0 || len(f.owners) != 0 || len(f.ends) != 0 {
		t.Errorf("%d facts, %d owners and %d ends are left", db.Len(view.Departures), len(f.owners), len(f.ends))
	}
}

func TestNobodyTellsMoreFactsThanOneMay(t *testing.T) {
	db, f, now := view.NewDB(nil), newFacts(), time.Now()
	for i := range factsOfOwner {
		if !f.learn(db, departure(fmt.Sprint(i), "guest"), now) {
			t.Fatalf("fact %d is refused", i)
		}
	}
	if f.learn(db, departure("one more", "guest"), now) {
		t.Error("one owner may fill the memory")
	}
	if !f.learn(db, departure("0", "guest"), now) || !f.learn(db, departure("x", "another"), now) {
		t.Error("a fact learned again, or that of another owner, is refused")
	}
	if !f.learn(db, departure("0", "another"), now) || !f.learn(db, departure("y", "guest"), now) {
		t.Error("a fact that changed its owner still counts for the old one")
	}
	for i := range factsInAll {
		f.learn(db, departure(fmt.Sprint("many", i), fmt.Sprint(i)), now)
	}
	if n := db.Len(view.Departures); n != factsInAll {
		t.Errorf("%d facts are kept, want at most %d", n, factsInAll)
	}
}

// TestAGuestThatArrivedStaysWhileItsInterfaceIsAway has Open vSwitch start again before the API has moved the port.
func TestAGuestThatArrivedStaysWhileItsInterfaceIsAway(t *testing.T) {
	c := quiet(t)
	p := &model.Port{Meta: model.Meta{ID: "p"}, NetworkID: "n", Host: "c2"}
	view.Set(c.db, view.Ports, p)
	view.Set(c.db, view.Bindings, &model.Binding{Meta: p.Meta, NetworkID: "n", Host: "c1", Status: model.BindingInactive})
	c.facts.learn(c.db, app.Fact{Table: view.Arrivals, Row: view.Arrival{PortID: "p", From: "c2"}, Owner: "p", Age: time.Minute}, time.Now())
	view.Set(c.db, view.LocalPorts, view.LocalPort{Port: p})
	c.notePresence([]string{"p"})
	view.Delete(c.db, view.LocalPorts, "p")
	c.notePresence([]string{"p"})
	if !c.db.Has(view.Arrivals, "p") || c.db.Has(view.Departures, "p") {
		t.Error("the guest counts as gone: when its interface is back it is not heard")
	}
	view.Set(c.db, view.LocalPorts, view.LocalPort{Port: p})
	c.notePresence([]string{"p"})
	view.Delete(c.db, view.Bindings, "p")
	view.Delete(c.db, view.LocalPorts, "p")
	c.notePresence([]string{"p"})
	if c.db.Has(view.Arrivals, "p") || !c.db.Has(view.Departures, "p") {
		t.Error("a port that is not bound here any more has not left")
	}
}

// TestAPortLeavesAfterItsInterface has the database tell of a move in each order, when the interface is gone already.
func TestAPortLeavesAfterItsInterface(t *testing.T) {
	for name, steps := range map[string][]string{
		"the port first": {"port", "binding"}, "the binding first": {"binding", "port"}, "the binding goes": {"unbind", "port"},
	} {
		t.Run(name, func(t *testing.T) {
			c := quiet(t)
			here := &model.Port{Meta: model.Meta{ID: "p"}, NetworkID: "n", Host: c.o.Chassis}
			bound := &model.Binding{Meta: here.Meta, NetworkID: "n", Host: c.o.Chassis, Status: model.BindingActive}
			view.Set(c.db, view.Ports, here)
			view.Set(c.db, view.Bindings, bound)
			view.Set(c.db, view.LocalPorts, view.LocalPort{Port: here})
			c.notePresence([]string{"p"})
			view.Delete(c.db, view.LocalPorts, "p")
			c.notePresence([]string{"p"})
			c.noteMoves([]string{"p", "another"})
			if c.db.Has(view.Departures, "p") {
				t.Fatal("a guest that is shut down counts as gone elsewhere")
			}
			for _, step := range steps {
				switch step {
				case "port":
					moved := *here
					moved.Host = "c2"
					view.Set(c.db, view.Ports, &moved)
				case "binding":
					left := *bound
					left.Status = model.BindingInactive
					view.Set(c.db, view.Bindings, &left)
					c.noteMoves([]string{"p"})
				case "unbind":
					view.Delete(c.db, view.Bindings, "p")
					c.noteMoves([]string{"p"})
				}
			}
			if !c.db.Has(view.Departures, "p") || len(c.here) != 0 {
				t.Errorf("the port has left: departures %d, ports here %v", c.db.Len(view.Departures), c.here)
			}
		})
	}
}

// TestFactsOutliveARestart has a second controller read what the first one noted.
func TestFactsOutliveARestart(t *testing.T) {
	now := time.Now()
	c := quiet(t)
	heard := view.Arrival{PortID: "p", From: "c2", Revision: 7}
	left := view.Departure{PortID: "q", NetworkID: "n"}
	c.facts.learn(c.db, app.Fact{Table: view.Arrivals, Row: heard, Owner: "p", Age: time.Hour}, now)
	c.facts.learn(c.db, app.Fact{Table: view.Departures, Row: left, Owner: "q", Age: time.Minute}, now)
	c.facts.learn(c.db, departure("over", "over"), now)
	c.facts.forget(c.db, view.Departures, "over")
	left.Gone = true
	c.facts.amend(c.db, view.Departures, left)
	c.remember()
	state, err := snapshot.Load(c.o.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]struct {
		at    time.Time
		facts int
	}{
		"at once": {now, 2}, "an hour ago, says the clock": {now.Add(-time.Hour), 2}, "two minutes later": {now.Add(2 * time.Minute), 1},
		"a day later": {now.Add(24 * time.Hour), 0},
	} {
		again := quiet(t)
		again.restoreFacts(state.Facts, m.at)
		if n := again.db.Len(view.Arrivals) + again.db.Len(view.Departures); n != m.facts {
			t.Errorf("%s: %d facts, not %d", name, n, m.facts)
		}
		if a, ok := again.db.Row(view.Arrivals, "p"); ok && a != heard {
			t.Errorf("%s: %+v", name, a)
		}
		if d, ok := again.db.Row(view.Departures, "q"); ok && d != left {
			t.Errorf("%s: %+v", name, d)
		}
		for n, end := range again.facts.ends {
			if n.table == view.Departures && end.at.After(m.at.Add(forwardFor)) {
				t.Errorf("%s: sends on until %v", name, end.at)
			}
		}
		again.remember()
		if held, err := snapshot.Load(again.o.StateDir); err != nil || len(held.Facts) != m.facts {
			t.Errorf("%s: %d facts in the next snapshot, %v", name, len(held.Facts), err)
		}
	}
}

// TestADeletedPortIsNotForwarded has the database tell of a deletion with the binding first, which looks like a
// move; what is known of the port's network would stay as long as a move is remembered.
func TestADeletedPortIsNotForwarded(t *testing.T) {
	c := quiet(t)
	p := &model.Port{Meta: model.Meta{ID: "p"}, NetworkID: "n", Host: c.o.Chassis}
	view.Set(c.db, view.Ports, p)
	view.Set(c.db, view.LocalPorts, view.LocalPort{Port: p})
	c.notePresence([]string{"p"})
	view.Delete(c.db, view.LocalPorts, "p")
	c.notePresence([]string{"p"})
	if !c.db.Has(view.Departures, "p") {
		t.Fatal("a port without its binding may have moved")
	}
	for _, scope := range []string{model.ScopeNetworkPorts("another"), model.ScopeNetworkPorts("n")} {
		if !c.db.Has(view.Departures, "p") {
			t.Error("a port of that id was deleted in another network only")
		}
		c.displace(&scopeState{keys: map[rowName]db.Revision{}}, model.KindPort, scope, "p")
	}
	if c.db.Has(view.Departures, "p") {
		t.Error("a port that was deleted counts as gone elsewhere")
	}
}
