package operate_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestFleet shows who is behind, who is dead, and who was never heard of.
func TestFleet(t *testing.T) {
	t.Parallel()
	const day = "2026-03-01T10:00:"
	meta := func(id string) model.Meta { return model.Meta{ID: id, Revision: 1} }
	store := database(t, apptest.Peer("c1", "192.0.2.1"), apptest.Peer("c2", "192.0.2.2"), apptest.Peer("c3", "192.0.2.3"), apptest.Peer("c4", "192.0.2.4"),
		&model.Chassis{Meta: meta("c5")},
		&model.Binding{Meta: meta("p1"), NetworkID: "n", Host: "c1", Status: model.BindingActive},
		&model.Binding{Meta: meta("p2"), NetworkID: "n", Host: "c1", Status: model.BindingActive},
		&model.PortStatus{Meta: meta("p1"), NetworkID: "n", Host: "c1", Up: true}, &model.PortStatus{Meta: meta("p2"), NetworkID: "n", Host: "c1"},
		&model.Binding{Meta: meta("p4"), NetworkID: "n", Host: "c4", Status: model.BindingActive},
	)
	for _, s := range []model.ChassisStatus{
		{Meta: meta("c1"), Received: 900, Realised: 900, Reported: day + "00Z"},
		{Meta: meta("c2"), Received: 950, Realised: 900, Reported: day + "30Z", BehindSince: day + "18Z"},
		{Meta: meta("c3"), Received: 700, Realised: 700, Reported: day + "00Z"},
		{Meta: meta("c4"), Received: 2, Realised: 2, Reported: day + "00Z"},
	} {
		if _, err := store.Txn().Put(&s).Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, alive := range []string{"c1", "c2", "c4", "c5"} {
		if _, err := store.Txn().Put(&model.Heartbeat{Meta: meta(alive)}).Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	now, err := time.Parse(time.RFC3339, day+"40Z")
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := operate.FleetOf(t.Context(), operate.Stored(store), true, now)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := fleet.Write(&out); err != nil {
		t.Fatal(err)
	}
	apptest.Page(t, "../../docs/operate/questions.md", "status all", "$ dragonflow status --all --db etcd://10.0.0.1:2379\n"+out.String())
	fleet, err = operate.FleetOf(t.Context(), operate.Stored(store), false, now)
	if err != nil || fleet.Members[3].Unread {
		t.Errorf("revisions that cannot be compared are: %+v, %v", fleet, err)
	}
}
