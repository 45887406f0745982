package controller

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

func TestProgress(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 1, 1, 0, 0, s, 0, time.UTC) }
	var p progress
	read := func(rev db.Revision, kind model.Kind, s int) {
		p.read(northbound.ScopeEvent{Type: northbound.Changed, Key: db.Key{Kind: string(kind)}, Revision: rev}, at(s))
	}
	check := func(received, realised int64, behind string) {
		t.Helper()
		want := model.ChassisStatus{Received: received, Realised: realised, BehindSince: behind}
		if diff := cmp.Diff(want, p.status()); diff != "" {
			t.Error(diff)
		}
	}
	check(0, 0, "")
	read(5, model.KindPort, 1)
	read(7, model.KindPort, 2)
	read(6, model.KindPort, 3) // of another scope
	check(7, 0, "2026-01-01T00:00:01Z")
	p.realise(5, at(4)) // a job that was made before the rest came
	check(7, 5, "2026-01-01T00:00:04Z")
	p.realise(7, at(5))
	check(7, 7, "")
	for _, own := range []model.Kind{model.KindPortStatus, model.KindChassisStatus, model.KindHeartbeat} {
		read(9, own, 6)
	}
	check(7, 7, "")
	read(10, model.KindBinding, 7)
	p.realise(7, at(8)) // nothing new
	check(10, 7, "2026-01-01T00:00:07Z")
}

// TestWhatWaitsForAnotherScopeIsNotRealised has a new port's binding come before its network.
func TestWhatWaitsForAnotherScopeIsNotRealised(t *testing.T) {
	c := quiet(t)
	c.phase, c.full = idle, true
	c.db.SetSynced(view.ScopeOVSDB, true)
	inSync := func(scope string) { c.scopes[scope].live = true; c.db.SetSynced(scope, true) }
	c.follow(model.ScopeGlobal)
	inSync(model.ScopeGlobal)
	c.progress.read(northbound.ScopeEvent{Type: northbound.Changed, Key: db.Key{Kind: string(model.KindBinding)}, Revision: 7}, time.Now())
	own := model.ScopeChassis(c.o.Chassis)
	c.follow(own) // as needed as the network is
	c.engine.Step()
	j := c.changeJob() // of other ports
	j.done(c, true)
	c.advance(t.Context())
	if got := c.progress.realised; got != 0 {
		t.Errorf("realised %d although the port's flows wait for a scope", got)
	}
	inSync(own)
	c.advance(t.Context())
	if got := c.progress.realised; got != 7 {
		t.Errorf("realised %d, want 7: everything is there", got)
	}
}
