package ovsdb_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/netns"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// sharing is that of eth0, of br-int.
func sharing(rate int, queues map[int]int) ovsdb.Sharing {
	return ovsdb.Sharing{Port: "eth0", Owner: "provider", ExternalIDs: map[string]string{"bridge": "br-int"}, Rate: rate, Queues: queues}
}

// queuesOf are the rates of a port's queues, by number.
func queuesOf(db *ovsdb.DB, port string) map[int]string {
	out := map[int]string{}
	q := db.QoS(db.Port(port).QoS)
	if q == nil {
		return out
	}
	for n, id := range q.Queues {
		c := db.Queue(id).OtherConfig
		out[n] = c["min-rate"] + " of " + c["max-rate"]
	}
	return out
}

// TestShare makes queues, changes them one by one, and takes them away without a row that stays.
func TestShare(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.Vsctl("add-br", "br-ex", "--", "add-port", "br-ex", "eth0", "--", "add-port", "br-ex", "eth1",
		"--", "set", "port", "eth1", "qos=@q", "--", "--id=@q", "create", "qos", "type=linux-htb", "external_ids:theirs=x")
	c, db := connect(t, s)
	for _, step := range []struct {
		spec ovsdb.Sharing
		want map[int]string
	}{
		{sharing(100, map[int]int{0: 90, 7: 10}), map[int]string{0: "90 of 100", 7: "10 of 100"}},
		{sharing(100, map[int]int{0: 70, 7: 20, 9: 10}), map[int]string{0: "70 of 100", 7: "20 of 100", 9: "10 of 100"}},
		{sharing(200, map[int]int{0: 0, 9: 10}), map[int]string{0: " of 200", 9: "10 of 200"}},
	} {
		settled(t, c, db, func() (ovsdb.Txn, error) { return ovsdb.Share(db, step.spec) })
		if got := queuesOf(db, "eth0"); !maps.Equal(got, step.want) {
			t.Errorf("%v became %v, want %v", step.spec, got, step.want)
		}
		if got, want := get(s, t, "qos", string(db.Port("eth0").QoS), "type"), "linux-htb"; got != want {
			t.Errorf("the type is %s, want %s", got, want)
		}
	}
	foreign := sharing(100, nil)
	foreign.Port = "eth1"
	if _, err := ovsdb.Share(db, foreign); !errors.Is(err, ovsdb.ErrForeign) {
		t.Errorf("a port with a qos of somebody else: %v, want ErrForeign", err)
	}
	ids := map[string]string{ovsdb.OwnerKey: "provider", "bridge": "br-int"}
	if txn := ovsdb.Unshare(db, ids, func(port string) bool { return port == "eth0" }); !txn.Empty() {
		t.Errorf("what is kept goes: %v", txn)
	}
	settled(t, c, db, func() (ovsdb.Txn, error) { return ovsdb.Unshare(db, ids, func(string) bool { return false }), nil })
	if got := strings.Fields(s.Vsctl("--no-headings", "--columns=external_ids", "list", "qos")); len(got) != 1 || got[0] != "{theirs=x}" {
		t.Errorf("rows of the table QoS: %v, want theirs alone", got)
	}
	if got := s.Vsctl("--no-headings", "list", "queue"); strings.TrimSpace(got) != "" {
		t.Errorf("queues are left: %s", got)
	}
}

// TestUnshareTakesOrphans: rows that no port has any more stay in the database until somebody deletes them.
func TestUnshareTakesOrphans(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.Vsctl("add-br", "br-ex", "--", "add-port", "br-ex", "eth0")
	c, db := connect(t, s)
	settled(t, c, db, func() (ovsdb.Txn, error) { return ovsdb.Share(db, sharing(100, map[int]int{0: 1, 7: 10})) })
	s.Vsctl("del-port", "br-ex", "eth0")
	await(t, c, db, func(db *ovsdb.DB) bool { return db.Port("eth0") == nil })
	ids := map[string]string{ovsdb.OwnerKey: "provider"}
	settled(t, c, db, func() (ovsdb.Txn, error) { return ovsdb.Unshare(db, ids, func(string) bool { return true }), nil })
	if got := s.Vsctl("--no-headings", "list", "qos") + s.Vsctl("--no-headings", "list", "queue"); strings.TrimSpace(got) != "" {
		t.Errorf("rows are left: %s", got)
	}
}

// TestTheKernelShares: what the rows say becomes classes of the device, on the datapath in user space, too.
func TestTheKernelShares(t *testing.T) {
	t.Parallel()
	netns.Need(t, "ip", "tc")
	l := netns.Start(t)
	run := func(argv ...string) string {
		t.Helper()
		out, err := l.Host.Run(t.Context(), argv...)
		if err != nil {
			t.Fatalf("%v: %v: %s", argv, err, out)
		}
		return out
	}
	run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other")
	run("ip", "link", "set", "eth0", "up")
	l.AddBridge("br-ex")
	l.AddPort("br-ex", "eth0")
	c, db := connect(t, l.Switch)
	const mega = 1_000_000
	settled(t, c, db, func() (ovsdb.Txn, error) {
		return ovsdb.Share(db, sharing(10_000*mega, map[int]int{0: 7000 * mega, 7: 3000 * mega}))
	})
	want := []string{"htb 1:1 parent 1:fffe prio 0 rate 7Gbit ceil 10Gbit", "htb 1:8 parent 1:fffe prio 0 rate 3Gbit ceil 10Gbit"}
	device(t, func() bool {
		classes := run("tc", "class", "show", "dev", "eth0")
		return strings.Contains(classes, want[0]) && strings.Contains(classes, want[1]) && strings.Contains(run("tc", "qdisc", "show", "dev", "eth0"), "default 0x1 ")
	})
	settled(t, c, db, func() (ovsdb.Txn, error) {
		return ovsdb.Unshare(db, map[string]string{ovsdb.OwnerKey: "provider"}, func(string) bool { return false }), nil
	})
	device(t, func() bool { return !strings.Contains(run("tc", "qdisc", "show", "dev", "eth0"), "htb") })
}

// device waits for what the switch does to a device, of which OVSDB tells nothing.
func device(t *testing.T, is func() bool) {
	t.Helper()
	deadline, tick := time.After(ovs.Deadline), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the switch does not make the device share as OVSDB says")
		}
	}
}
