package ovsdb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// TestFollowerEqualsFreshReader changes a real database at random for a while,
// with restarts of the server, and compares what the follower was told with
// what somebody reads who comes afterwards.
func TestFollowerEqualsFreshReader(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.KillVswitchd() // else status goes on changing
	c, db := connect(t, s)
	rnd := rand.New(rand.NewPCG(1, 2))
	for step := range 300 {
		txn, err := randomChange(rnd, db)
		if err != nil && !errors.Is(err, ovsdb.ErrForeign) {
			t.Fatal(err)
		}
		if err := c.Transact(t.Context(), txn); err != nil {
			t.Fatalf("step %d: %v\n%v", step, err, txn)
		}
		// The next change is made from what is known, as a controller does it.
		mark := fmt.Sprint(step)
		transact(t, c, ovsdb.MergeExternalIDs(db.OpenvSwitch(), map[string]string{"step": mark}, nil), nil)
		await(t, c, db, func(db *ovsdb.DB) bool { return db.OpenvSwitch().ExternalIDs["step"] == mark })
		if step%100 == 50 {
			s.KillOVSDB()
			for next(t, c).State != ovsdb.Disconnected {
			}
			s.StartOVSDB()
			for session := 0; session != step/100+2; {
				ev := next(t, c)
				db.Apply(ev.Changes)
				session = ev.Session
			}
		}
	}
	_, fresh := connect(t, s)
	if want, got := rows(fresh), rows(db); !reflect.DeepEqual(got, want) {
		t.Errorf("the follower knows\n%+v\na fresh reader sees\n%+v", got, want)
	}
}

// rows is all that can be reached, by name.
func rows(db *ovsdb.DB) map[string]any {
	m := map[string]any{"root": *db.OpenvSwitch()}
	for b := range db.Bridges() {
		m["bridge "+b.Name] = *b
		for id, ft := range b.FlowTables {
			m[fmt.Sprintf("table %s/%d", b.Name, id)] = *db.FlowTable(ft)
		}
	}
	for i := range db.Interfaces() {
		m["interface "+i.Name] = *i
		m["port "+i.Name] = *db.PortOf(i.UUID)
		m["bridge of "+i.Name] = db.BridgeOf(i.UUID).Name
	}
	return m
}

func randomChange(rnd *rand.Rand, db *ovsdb.DB) (ovsdb.Txn, error) {
	bridge := fmt.Sprintf("br%d", rnd.IntN(2))
	key := func() string { return fmt.Sprintf("k%d", rnd.IntN(4)) }
	values := map[string]string{key(): key(), key(): key()}
	if db.Bridge(bridge) == nil {
		return ovsdb.EnsureBridge(db, ovsdb.BridgeSpec{Name: bridge, Prefixes: map[int][]string{2: {"ip_src"}}}), nil
	}
	port := fmt.Sprintf("%s-p%d", bridge, rnd.IntN(6))
	switch rnd.IntN(5) {
	case 0:
		return ovsdb.DeletePort(db, bridge, port)
	case 1:
		fields := []string{"ip_src", "ip_dst", "ipv6_src", "ipv6_dst"}
		return ovsdb.EnsureBridge(db, ovsdb.BridgeSpec{
			Name: bridge, ExternalIDs: values, Prefixes: map[int][]string{rnd.IntN(3): fields[1+rnd.IntN(3):]},
		}), nil
	case 2:
		return ovsdb.MergeExternalIDs(db.Bridge(bridge), values, []string{key()}), nil
	default:
		return ovsdb.AddPort(db, ovsdb.PortSpec{
			Bridge: bridge, Name: port, Type: "internal", Owner: key(), Options: values, ExternalIDs: map[string]string{key(): key()},
		})
	}
}

// BenchmarkSync5000Interfaces is the time from nothing to the first event with
// 5,000 interfaces in a real database, and of one change with them there.
func BenchmarkSync5000Interfaces(b *testing.B) {
	s := ovs.Start(b)
	s.KillVswitchd() // the bench is about the database
	c, db := connect(b, s)
	transact(b, c, ovsdb.EnsureBridge(db, ovsdb.BridgeSpec{Name: "br-int"}), nil)
	await(b, c, db, func(db *ovsdb.DB) bool { return db.Bridge("br-int") != nil })
	var all []ovsdb.Txn
	const ports = 5000
	for i := range ports {
		txn, err := ovsdb.AddPort(db, ovsdb.PortSpec{
			Bridge: "br-int", Name: fmt.Sprintf("tap%011x", i), Owner: "bench", ExternalIDs: map[string]string{
				"iface-id": fmt.Sprintf("6d0e1c0a-0000-4000-8000-%012x", i), "attached-mac": fmt.Sprintf("fa:16:3e:00:%02x:%02x", i>>8, i&255),
				"iface-status": "active", "vm-uuid": fmt.Sprintf("7d0e1c0a-0000-4000-8000-%012x", i),
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, txn)
	}
	transact(b, c, ovsdb.Join(all...), nil)
	await(b, c, db, func(db *ovsdb.DB) bool { return db.InterfaceNamed(fmt.Sprintf("tap%011x", ports-1)) != nil })

	b.Run("sync", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			fresh, err := ovsdb.New(ovsdb.Config{Endpoint: "unix:" + s.OVSDB()})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			done := make(chan error, 1)
			go func() { done <- fresh.Run(ctx) }()
			if ev := <-fresh.Events(); len(ev.Changes) < 2*ports {
				b.Fatalf("%d changes, %v", len(ev.Changes), ev.Err)
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				b.Error(err)
			}
		}
	})
	b.Run("change", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			n++
			want := fmt.Sprint(n)
			i := db.InterfaceNamed("tap00000000007")
			transact(b, c, ovsdb.MergeExternalIDs(i, map[string]string{"n": want}, nil), nil)
			await(b, c, db, func(db *ovsdb.DB) bool { return db.InterfaceNamed("tap00000000007").ExternalIDs["n"] == want })
		}
	})
}
