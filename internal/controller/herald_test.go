package controller_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// progress returns what the chassis has reported of itself, nil if nothing.
func (c *chassis) progress() *model.ChassisStatus {
	s, _, err := northbound.Get[model.ChassisStatus](c.t.Context(), c.store, model.ScopeChassis(apptest.Host), apptest.Host)
	if err != nil {
		return nil
	}
	return s
}

// reports counts how often the chassis has reported since the call.
func (c *chassis) reports() func() int {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	events, err := c.conn.Watch(ctx, db.Scope(model.ScopeChassis(apptest.Host)))
	if err != nil {
		c.t.Fatal(err)
	}
	counted := make(chan int)
	go func() {
		n, live := 0, false
		for batch := range events {
			for _, ev := range batch {
				live = live || ev.Type == db.InSync
				if live && ev.Type == db.Changed && ev.Item.Key.Kind == string(model.KindChassisStatus) {
					n++
				}
			}
		}
		counted <- n
	}()
	return func() int { cancel(); return <-counted }
}

func TestAChassisSaysHowFarItIs(t *testing.T) {
	c := newChassis(t)
	c.stop()
	c.change = func(o *controller.Options) { o.ProgressEvery = 20 * time.Millisecond }
	c.start()
	c.put(apptest.Net("n"))
	c.plug("a", 1)
	c.eventually("the port is up", func() bool { return c.up("a") })
	_, rev, err := northbound.Get[model.Port](t.Context(), c.store, model.ScopeNetworkPorts("n"), "a")
	if err != nil {
		t.Fatal(err)
	}
	c.eventually("the port's revision is realised", func() bool {
		s := c.progress()
		return s != nil && s.Realised >= int64(rev) && s.Received == s.Realised && s.BehindSince == "" && s.Started != "" && s.Reported != ""
	})
	c.sw.KillVswitchd()
	c.eventually("the controller notices", func() bool { return !c.status().Synced })
	p := apptest.Port("late", "n", 9, "10.0.0.9")
	c.put(p)
	c.eventually("the chassis is behind", func() bool {
		s := c.progress()
		return s.BehindSince != "" && s.Realised < s.Received && s.Realised >= int64(rev)
	})
	c.sw.StartVswitchd()
	c.eventually("the chassis has caught up", func() bool { s := c.progress(); return s.BehindSince == "" && s.Realised == s.Received })
}

func TestAChassisReportsRarely(t *testing.T) {
	c := newChassis(t) // about every 5 s
	c.put(apptest.Net("n"))
	c.plug("a", 1)
	c.eventually("the first report", func() bool { return c.up("a") && c.progress() != nil })
	count := c.reports()
	for i := range 200 {
		c.put(apptest.Port(fmt.Sprint("p", i), "n", byte(i+2), fmt.Sprintf("10.0.0.%d", i+2)))
	}
	c.eventually("all is there", func() bool { return c.status().Phase == "idle" })
	if n := count(); n > 4 {
		t.Errorf("%d reports of 200 changes", n)
	}
}

func TestAChassisDoesNotReportItsOwnReports(t *testing.T) {
	c := newChassis(t)
	c.stop()
	c.change = func(o *controller.Options) { o.ProgressEvery = time.Millisecond }
	c.start()
	c.put(apptest.Net("n"))
	c.plug("a", 1)
	c.eventually("all is told", func() bool {
		s := c.progress()
		return c.up("a") && c.status().Complete && s != nil && s.Received == s.Realised
	})
	count := c.reports()
	for i := range 20 { // changes that do not concern the chassis, for as long as it would take
		c.put(apptest.Net(fmt.Sprint("elsewhere", i)))
		<-time.After(5 * time.Millisecond)
	}
	if n := count(); n > 2 {
		t.Errorf("%d reports without anything new", n)
	}
}
