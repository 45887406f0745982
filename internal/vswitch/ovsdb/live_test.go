package ovsdb_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// run makes a client work until the end of the test.
func run(t testing.TB, cfg ovsdb.Config) *ovsdb.Client {
	t.Helper()
	c, err := ovsdb.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return c
}

func connect(t testing.TB, s *ovs.Switch) (*ovsdb.Client, *ovsdb.DB) {
	t.Helper()
	c := run(t, ovsdb.Config{Endpoint: "unix:" + s.OVSDB()})
	db := ovsdb.NewDB()
	await(t, c, db, func(*ovsdb.DB) bool { return true })
	return c, db
}

func await(t testing.TB, c *ovsdb.Client, db *ovsdb.DB, ok func(*ovsdb.DB) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), ovs.Deadline)
	defer cancel()
	if err := ovsdb.Await(ctx, c, db, ok); err != nil {
		t.Fatalf("condition does not come true: %v; known: %v", err, db)
	}
}

// next returns the next event.
func next(t testing.TB, c *ovsdb.Client) ovsdb.Event {
	t.Helper()
	deadline := time.NewTimer(ovs.Deadline)
	defer deadline.Stop()
	select {
	case ev := <-c.Events():
		return ev
	case <-deadline.C:
		t.Fatal("no event")
		return ovsdb.Event{}
	}
}

func transact(t testing.TB, c *ovsdb.Client, txn ovsdb.Txn, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Transact(context.Background(), txn); err != nil {
		t.Fatalf("%v\n%v", err, txn)
	}
}

func TestFirstEventHasEverything(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t, ovs.SystemID("hv1"))
	s.AddBridge("br-int")
	s.AddPort("br-int", "p1", "iface-id=port-1", `attached-mac="02:00:00:00:00:01"`, "iface-status=active")
	s.Vsctl("set", "port", "p1", "tag=7", "--", "--id=@x", "create", "flow_table", "name=nine", "prefixes=ip_src,ipv6_src",
		"--", "set", "bridge", "br-int", "flow_tables:9=@x", "--", "set-controller", "br-int", "unix:/nowhere")

	c := run(t, ovsdb.Config{Endpoint: "unix:" + s.OVSDB()})
	ev := next(t, c)
	if ev.State != ovsdb.InSync || ev.Session != 1 || ev.Err != nil {
		t.Fatalf("first event %v, session %d, %v", ev.State, ev.Session, ev.Err)
	}
	if !slices.IsSortedFunc(ev.Changes, func(a, b ovsdb.Change) int { return int(a.Row().Table() - b.Row().Table()) }) {
		t.Error("tables are not in order")
	}
	db := ovsdb.NewDB()
	db.Apply(ev.Changes)
	if o := db.OpenvSwitch(); o.ExternalIDs["system-id"] != "hv1" || len(o.Bridges) != 1 {
		t.Errorf("root %+v", o)
	}
	b := db.Bridge("br-int")
	if b.FailMode != "secure" || b.DatapathType != "netdev" || len(b.DatapathID) != 16 || len(b.Protocols) != 6 ||
		b.OtherConfig["disable-in-band"] != "true" || len(b.Ports) != 2 || len(b.Controllers) != 1 {
		t.Errorf("bridge %+v", b)
	}
	if ft := db.FlowTable(b.FlowTables[9]); ft == nil || ft.Name != "nine" || !slices.Equal(ft.Prefixes, []string{"ip_src", "ipv6_src"}) {
		t.Errorf("flow table %+v", ft)
	}
	if ctl := db.Controller(b.Controllers[0]); ctl == nil || ctl.Target != "unix:/nowhere" || ctl.Connected {
		t.Errorf("controller %+v", ctl)
	}
	i := db.InterfaceNamed("p1")
	if i.OFPort != 1 || i.IfaceID() != "port-1" || i.ExternalIDs["attached-mac"] != "02:00:00:00:00:01" || i.MACInUse == "" ||
		i.LinkState != "up" || i.AdminState == "" || i.Options["tx_pcap"] == "" || i.Error != "" {
		t.Errorf("interface %+v", i)
	}
	if p := db.PortOf(i.UUID); p.Name != "p1" || p.Tag != 7 || db.BridgeOf(i.UUID) != b {
		t.Errorf("port %+v", p)
	}
	if n := len(slices.Collect(db.Plugged("br-int"))); n != 2 {
		t.Errorf("%d interfaces plugged", n)
	}
}

func TestChangesAreTold(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.AddBridge("br-int")
	c, db := connect(t, s)

	s.AddPort("br-int", "p1", "iface-id=one")
	await(t, c, db, func(db *ovsdb.DB) bool {
		i := db.InterfaceNamed("p1")
		return i != nil && i.OFPort == 1 && i.LinkState == "up" && db.BridgeOf(i.UUID) == db.Bridge("br-int")
	})
	s.Vsctl("set", "interface", "p1", "external_ids:iface-id=two", "external_ids:more=x")
	await(t, c, db, func(db *ovsdb.DB) bool { return db.InterfaceNamed("p1").IfaceID() == "two" })
	s.Vsctl("remove", "interface", "p1", "external_ids", "iface-id")
	await(t, c, db, func(db *ovsdb.DB) bool {
		return maps.Equal(db.InterfaceNamed("p1").ExternalIDs, map[string]string{"more": "x"})
	})
	s.Appctl("netdev-dummy/set-admin-state", "p1", "down")
	await(t, c, db, func(db *ovsdb.DB) bool { return db.InterfaceNamed("p1").AdminState == "down" })
	s.Vsctl("add-port", "br-int", "gone", "--", "set", "interface", "gone", "type=patch") // no peer: cannot be added
	await(t, c, db, func(db *ovsdb.DB) bool {
		i := db.InterfaceNamed("gone")
		return i != nil && i.OFPort == -1 && i.Error != ""
	})
	s.Vsctl("del-port", "p1")
	await(t, c, db, func(db *ovsdb.DB) bool { return db.InterfaceNamed("p1") == nil && db.Port("p1") == nil })
}

func TestBridgeDeletedAndMadeAgain(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	c, db := connect(t, s)
	spec := ovsdb.BridgeSpec{Name: "br-int", DatapathType: "netdev", Prefixes: map[int][]string{4: {"ip_src"}}}
	transact(t, c, ovsdb.EnsureBridge(db, spec), nil)
	ready := func(db *ovsdb.DB) bool { b := db.Bridge("br-int"); return b != nil && b.DatapathID != "" }
	await(t, c, db, ready)
	first := db.Bridge("br-int").UUID
	s.AddPort("br-int", "p1")
	await(t, c, db, func(db *ovsdb.DB) bool { return db.InterfaceNamed("p1") != nil })

	s.Vsctl("del-br", "br-int")
	await(t, c, db, func(db *ovsdb.DB) bool { return db.Bridge("br-int") == nil })
	if i := db.InterfaceNamed("p1"); i != nil {
		t.Errorf("the bridge went and its interface stayed: %+v", i)
	}
	transact(t, c, ovsdb.EnsureBridge(db, spec), nil)
	await(t, c, db, ready)
	if b := db.Bridge("br-int"); b.UUID == first || b.FailMode != "secure" || len(b.FlowTables) != 1 {
		t.Errorf("second bridge %+v", b)
	}
}

// TestRestartTellsOnlyWhatChanged changes one key while ovsdb-server is away
// and expects to hear of that key, and of nothing else, not even of the status
// columns that the server forgets.
func TestRestartTellsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.AddBridge("br-int")
	for i := range 20 {
		s.AddPort("br-int", fmt.Sprintf("p%d", i), fmt.Sprintf("iface-id=port-%d", i))
	}
	c, db := connect(t, s)
	await(t, c, db, func(db *ovsdb.DB) bool {
		for i := range db.Interfaces() {
			if i.LinkState == "" {
				return false
			}
		}
		return true
	})
	// The only writer of status is away too, so that nothing comes from it.
	s.KillVswitchd()
	s.KillOVSDB()
	if ev := next(t, c); ev.State != ovsdb.Disconnected || ev.Err == nil || len(ev.Changes) > 0 {
		t.Fatalf("ovsdb-server killed: %v, %v, %d changes", ev.State, ev.Err, len(ev.Changes))
	}
	s.StartOVSDB()
	ev := next(t, c)
	for ev.State != ovsdb.InSync {
		ev = next(t, c)
	}
	if len(ev.Changes) > 0 || ev.Session != 2 {
		t.Errorf("restarted with nothing changed: session %d, %d changes, first %+v", ev.Session, len(ev.Changes), ev.Changes[0].New)
	}

	s.KillOVSDB()
	for ev.State != ovsdb.Disconnected {
		ev = next(t, c)
	}
	// Written by another client, perhaps before we are back, perhaps after.
	s.StartOVSDB()
	s.Vsctl("--no-wait", "set", "interface", "p7", "external_ids:iface-id=changed", "--", "del-port", "p8")
	var changes []ovsdb.Change
	for db.InterfaceNamed("p8") != nil {
		ev = next(t, c)
		db.Apply(ev.Changes)
		changes = append(changes, ev.Changes...)
	}
	var told []string
	for _, ch := range changes {
		told = append(told, ch.Row().Table().String())
	}
	if got := strings.Join(told, " "); got != "Bridge Port Interface Interface" {
		t.Errorf("told: %s", got)
	}
	if db.InterfaceNamed("p7").IfaceID() != "changed" {
		t.Error("the change of p7 is missing")
	}
}

// TestStatusGoesWithTheInterface: what was remembered over a restart does not
// outlive the interface's device.
func TestStatusGoesWithTheInterface(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.AddBridge("br-int")
	s.AddPort("br-int", "p1")
	c, db := connect(t, s)
	await(t, c, db, func(db *ovsdb.DB) bool { return db.InterfaceNamed("p1").LinkState == "up" })
	s.KillVswitchd()
	s.KillOVSDB()
	s.StartOVSDB()
	for session := 0; session != 2; {
		ev := next(t, c)
		db.Apply(ev.Changes)
		session = ev.Session
	}
	if i := db.InterfaceNamed("p1"); i.LinkState != "up" {
		t.Fatalf("after the restart: %+v", i)
	}
	s.Vsctl("--no-wait", "set", "interface", "p1", "ofport=-1")
	await(t, c, db, func(db *ovsdb.DB) bool { return db.InterfaceNamed("p1").OFPort == -1 })
	if i := db.InterfaceNamed("p1"); i.LinkState != "" || i.MACInUse != "" || i.AdminState != "" {
		t.Errorf("the interface is lost and has a status: %+v", i)
	}
}

func TestSlowConsumerGetsNetChanges(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.AddBridge("br-int")
	watcher, seen := connect(t, s)
	c := run(t, ovsdb.Config{Endpoint: "unix:" + s.OVSDB()})
	db := ovsdb.NewDB()
	db.Apply(next(t, c).Changes)

	// The first change may be in the hands of the deliverer; the others are merged.
	for i := range 100 {
		s.Vsctl("--no-wait", "set", "bridge", "br-int", fmt.Sprintf("external_ids:n=%d", i))
	}
	s.AddPort("br-int", "short")
	s.Vsctl("del-port", "short")
	s.Vsctl("--no-wait", "set", "bridge", "br-int", "external_ids:n=last")
	last := func(db *ovsdb.DB) bool { return db.Bridge("br-int").ExternalIDs["n"] == "last" }
	await(t, watcher, seen, last) // so that c has probably heard too

	events := 0
	for !last(db) {
		ev := next(t, c)
		db.Apply(ev.Changes)
		events++
	}
	if events > 20 {
		t.Errorf("%d events for a consumer that did not listen", events)
	}
	if db.InterfaceNamed("short") != nil {
		t.Error("a port that went is known")
	}
}

func TestErrorsNameTheirObject(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.AddBridge("br-int")
	c, db := connect(t, s)
	stale := *db
	create := ovsdb.EnsureBridge(ovsdb.NewDB(), ovsdb.BridgeSpec{Name: "br-int"})
	var refused *ovsdb.OpError
	if err := c.Transact(t.Context(), create); !errors.As(err, &refused) || refused.Code != "constraint violation" ||
		!strings.Contains(err.Error(), `bridge "br-int"`) {
		t.Errorf("second bridge of the name: %v", err)
	}
	add, err := ovsdb.AddPort(db, ovsdb.PortSpec{Bridge: "br-int", Name: "p", Owner: "test"})
	if err != nil {
		t.Fatal(err)
	}
	set := ovsdb.MergeExternalIDs(db.Bridge("br-int"), map[string]string{"k": "v"}, nil)
	s.Vsctl("del-br", "br-int")
	if err := c.Transact(t.Context(), set); !errors.Is(err, ovsdb.ErrChanged) || !strings.Contains(err.Error(), `bridge "br-int"`) {
		t.Errorf("change of a bridge that is gone: %v", err)
	}
	if err := c.Transact(t.Context(), add); !errors.Is(err, ovsdb.ErrChanged) {
		t.Errorf("port for a bridge that is gone: %v", err)
	}
	ft := ovsdb.EnsureBridge(&stale, ovsdb.BridgeSpec{Name: "br-new", Prefixes: map[int][]string{999: {"ip_src"}}})
	if err := c.Transact(t.Context(), ft); !errors.As(err, &refused) || !strings.Contains(err.Error(), `bridge "br-new"`) {
		t.Errorf("flow table 999: %v", err)
	}
	if got := s.Vsctl("list-br"); got != "" {
		t.Errorf("something of the refused transactions is there: %s", got)
	}
}

func TestManyTransactAtOnce(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.AddBridge("br-int")
	c, db := connect(t, s)
	b := db.Bridge("br-int")
	var wg sync.WaitGroup
	const writers, each = 8, 25
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				key := fmt.Sprintf("w%d-%d", w, i)
				if err := c.Transact(t.Context(), ovsdb.MergeExternalIDs(b, map[string]string{key: "x"}, nil)); err != nil {
					t.Errorf("%s: %v", key, err)
				}
			}
		})
	}
	wg.Wait()
	await(t, c, db, func(db *ovsdb.DB) bool { return len(db.Bridge("br-int").ExternalIDs) == writers*each })
}

func TestTransactWithoutConnection(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.AddBridge("br-int")
	c, db := connect(t, s)
	set := ovsdb.MergeExternalIDs(db.Bridge("br-int"), map[string]string{"k": "v"}, nil)
	s.KillOVSDB()
	for next(t, c).State != ovsdb.Disconnected {
	}
	if err := c.Transact(t.Context(), set); !errors.Is(err, ovsdb.ErrNotConnected) {
		t.Errorf("got %v", err)
	}
	if err := c.Transact(t.Context(), ovsdb.Txn{}); err != nil {
		t.Errorf("an empty transaction needs no connection: %v", err)
	}
}
