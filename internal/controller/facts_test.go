package controller

import (
	"fmt"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
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
