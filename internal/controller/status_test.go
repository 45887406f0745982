package controller_test

import (
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// reported returns what the database says about a port here, nil if nothing.
func (c *chassis) reported(id string) *model.PortStatus {
	s, _, err := northbound.Get[model.PortStatus](c.t.Context(), c.store, model.ScopeChassis(apptest.Host), id)
	if err != nil {
		return nil
	}
	return s
}

func (c *chassis) unbind(p *model.Port) {
	c.t.Helper()
	key := northbound.KeyOf(apptest.Bind(p))
	if _, err := c.store.Txn().Delete(key, northbound.AnyObjectRevision).Commit(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

func TestAPortWhoseInterfaceWentWhileTheControllerWasStoppedGoesDown(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	c.plug("a", 1)
	gone := c.plug("b", 2)
	c.eventually("both ports are up", func() bool { return c.up("a") && c.up("b") })
	c.stop()
	c.sw.Vsctl("del-port", "tap-a")
	c.unbind(gone)
	c.start()
	c.eventually("the port is reported down", func() bool { s := c.reported("a"); return s != nil && !s.Up })
	c.eventually("the report of the port that moved is withdrawn", func() bool { return c.reported("b") == nil })
}

func TestTheReportOfAPortUnboundAfterItsInterfaceWentIsWithdrawn(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	p := c.plug("a", 1)
	c.eventually("the port is up", func() bool { return c.up("a") })
	c.sw.Vsctl("del-port", "tap-a")
	c.eventually("the port is down", func() bool { s := c.reported("a"); return s != nil && !s.Up })
	c.unbind(p)
	c.eventually("the report is withdrawn", func() bool { return c.reported("a") == nil })
}

// TestAClockThatWentBackDoesNotSilenceTheReports: revisions of reports are times, and the database does
// not take a lower one.
func TestAClockThatWentBackDoesNotSilenceTheReports(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	ahead := time.Now().Add(time.Hour).UnixMicro()
	stale := &model.PortStatus{Meta: model.Meta{ID: "a", Revision: ahead}, NetworkID: "n", Host: apptest.Host}
	c.put(stale)
	grave := &model.PortStatus{Meta: model.Meta{ID: "b", Revision: ahead + 1}, NetworkID: "n", Host: apptest.Host}
	c.put(grave)
	if _, err := c.store.Txn().Delete(northbound.KeyOf(grave), ahead+2).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.plug("a", 1)
	c.plug("b", 2)
	c.plug("c", 3)
	c.eventually("all ports are up", func() bool { return c.up("a") && c.up("b") && c.up("c") })
}
