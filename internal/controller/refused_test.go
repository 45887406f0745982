package controller_test

import (
	"strings"
	"testing"

	snapshots "github.com/dragonflow/dragonflow/internal/controller/snapshot"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestAnObjectThatThisVersionRefusesTakesNoFlowsAway starts a controller without the database from the snapshot of one whose
// Validate was not as strict.
func TestAnObjectThatThisVersionRefusesTakesNoFlowsAway(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	p := c.plug("a", 1)
	c.eventually("complete", func() bool { return c.up("a") && c.status().Complete })
	want := c.dump()
	c.stop()
	c.link.Cut()
	log, _, err := snapshots.Open(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	key := northbound.KeyOf(p)
	refused := []byte(`{"id":"a","revision":1,"schema":1,"network_id":"n","mac_address":"01:00:00:00:00:01"}`)
	if _, err := log.Append(snapshots.Put{Scope: p.Scope(), Kind: key.Kind, ID: key.ID, Value: refused, Revision: 1}); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.eventually("the switch is synced", func() bool { return c.status().Synced })
	if got := c.dump(); got != want {
		t.Errorf("flows differ\nbefore:\n%s\nafter:\n%s", want, got)
	}
	if s := c.status(); !strings.Contains(s.Invalid[key.String()], "mac_address") {
		t.Errorf("not in the status: %v", s.Invalid)
	}
	c.link.Restore()
	c.eventually("complete with the database", func() bool { s := c.status(); return s.Complete && len(s.Invalid) == 0 && s.Ports == 1 })
}

// TestAChassisThatSomebodyDeletesIsBackAtOnce has an operator take the rows of a living chassis out of the database.
func TestAChassisThatSomebodyDeletesIsBackAtOnce(t *testing.T) {
	c := newChassis(t)
	c.eventually("complete", func() bool { return c.status().Complete })
	for _, o := range []model.Object{&model.Chassis{Meta: model.Meta{ID: apptest.Host}}, &model.Heartbeat{Meta: model.Meta{ID: apptest.Host}}} {
		key := northbound.KeyOf(o)
		there := func() bool { _, err := c.conn.Get(t.Context(), key); return err == nil }
		c.eventually("it is there", there)
		if _, err := c.conn.Apply(t.Context(), []db.Op{{Verb: db.Delete, Key: key, If: db.AnyRevision}}); err != nil {
			t.Fatal(err)
		}
		c.eventually("it is back", there)
	}
}
