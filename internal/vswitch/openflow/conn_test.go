package openflow_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// many returns n flows that a switch accepts.
func many(n int) []flow.Flow {
	list := make([]flow.Flow, n)
	for i := range list {
		list[i] = flow.Flow{
			Table: 7, Priority: 100, Cookie: uint64(i + 1),
			Match:        flow.NewMatch(flow.Reg6.Is(uint64(i)), flow.Metadata.Is(5), flow.EthDst.MAC([6]byte{2, 0, 0, 0, byte(i >> 8), byte(i)})),
			Instructions: flow.Do(flow.LoadReg(flow.Reg7, uint32(i)), flow.Resubmit(64)),
		}
	}
	return list
}

// bad is a flow that the switch refuses as soon as it sees it: the packet may have no tag.
func bad(i int) flow.Flow {
	return flow.Flow{Table: 8, Priority: uint16(i), Match: flow.NewMatch(flow.IPv4()), Instructions: flow.Do(flow.PopVLAN())}
}

// late is a flow that the switch refuses when it commits: there is no such group.
func late() flow.Flow {
	return flow.Flow{Table: 8, Priority: 1, Instructions: flow.Do(flow.Group(99))}
}

// TestBundleIsAllOrNothing puts a bad flow in the middle of good ones.
func TestBundleIsAllOrNothing(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	sw.AddBridge("br1")
	t.Run("refused at once", func(t *testing.T) {
		allOrNothing(t, dial(t, sw, "br0", openflow.Options{}), bad(1), openflow.Error{Type: 2, Code: 10}, "OFPBAC_MATCH_INCONSISTENT", "priority=1,ip actions=pop_vlan")
	})
	t.Run("refused at the end", func(t *testing.T) {
		allOrNothing(t, dial(t, sw, "br1", openflow.Options{}), late(), openflow.Error{Type: 2, Code: 9}, "OFPBAC_BAD_OUT_GROUP", "group:99")
	})
}

func allOrNothing(t *testing.T, c *openflow.Conn, bad flow.Flow, why openflow.Error, says ...string) {
	t.Helper()
	old := flow.Flow{Table: 1, Priority: 1, Cookie: 1, Instructions: flow.Do(flow.Output(1))}
	if err := c.Apply(deadline(t), adds([]flow.Flow{old})); err != nil {
		t.Fatal(err)
	}
	changed := old
	changed.Instructions = flow.Drop()
	mods := append(adds(many(50)), openflow.FlowMod{Flow: bad}, openflow.FlowMod{Flow: changed}, openflow.FlowMod{Command: openflow.Delete, Flow: old})
	err := c.Apply(deadline(t), append(mods, adds(many(50))...))
	var refused *openflow.BundleError
	if !errors.As(err, &refused) {
		t.Fatalf("Apply of a bundle with a bad flow: %v", err)
	}
	if len(refused.Failures) != 1 || refused.Failures[0].Index != 50 || refused.Mod(refused.Failures[0]).Flow != bad {
		t.Errorf("failures: %+v", refused.Failures)
	}
	for _, want := range append(says, "table=8") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	var of *openflow.Error
	if !errors.As(err, &of) || *of != why {
		t.Errorf("OpenFlow error: %+v", of)
	}
	if got := flows(t, c); len(got) != 1 || got[0] != old {
		t.Errorf("after a refused bundle the switch has %v, want only %v", got, old)
	}
	// And without the bad one everything happens, in order.
	if err := c.Apply(deadline(t), mods[:50]); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(deadline(t), mods[51:]); err != nil {
		t.Fatal(err)
	}
	if got := flows(t, c); len(got) != 50 {
		t.Errorf("after both bundles: %d flows, want 50", len(got))
	}
}

// TestManyErrorsDoNotBlock sends a bundle whose errors fill every buffer between the switch and a client that writes
// without reading.
func TestManyErrorsDoNotBlock(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	c := dial(t, sw, "br0", openflow.Options{})
	var list []flow.Flow
	for i := range 20000 {
		list = append(list, bad(i))
	}
	var refused *openflow.BundleError
	if err := c.Apply(deadline(t), adds(list)); !errors.As(err, &refused) {
		t.Fatalf("Apply: %v", err)
	}
	if got := len(refused.Failures) + refused.More; got != len(list) {
		t.Errorf("%d failures, want %d", got, len(list))
	}
	if err := c.Apply(deadline(t), adds(many(10))); err != nil {
		t.Errorf("next bundle: %v", err)
	}
	if s := c.Stats(); s.StrayErrors != 0 {
		t.Errorf("stray errors: %d, last: %v", s.StrayErrors, c.LastStray())
	}
}

// TestModifyKeepsTheCookie shows why the reconciler adds instead of modifying.
func TestModifyKeepsTheCookie(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	c := dial(t, sw, "br0", openflow.Options{})
	f := flow.Flow{Table: 1, Priority: 1, Cookie: 5, Instructions: flow.Do(flow.Output(1))}
	other := f
	other.Cookie, other.Instructions = 6, flow.Do(flow.Output(2))
	for _, step := range []struct {
		command openflow.Command
		cookie  uint64
	}{{openflow.Modify, 5}, {openflow.Add, 6}} {
		if err := c.Apply(deadline(t), []openflow.FlowMod{{Flow: f}}); err != nil {
			t.Fatal(err)
		}
		if err := c.Apply(deadline(t), []openflow.FlowMod{{Command: step.command, Flow: other}}); err != nil {
			t.Fatal(err)
		}
		got := flows(t, c)
		if len(got) != 1 || got[0].Cookie != step.cookie || got[0].Instructions != other.Instructions {
			t.Errorf("%v: %v, want cookie %d", step.command, got, step.cookie)
		}
	}
}

// TestDumpIsComplete dumps more than fits one message, and selections.
func TestDumpIsComplete(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	c := dial(t, sw, "br0", openflow.Options{})
	want := many(5000)
	if err := c.Apply(deadline(t), adds(want)); err != nil {
		t.Fatal(err)
	}
	got := flows(t, c)
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("dump of %d flows has %d, or flow %d differs", len(want), len(got), i)
		}
	}
	for _, f := range []struct {
		openflow.Filter
		want int
	}{
		{openflow.Filter{OneTable: true, Table: 7}, 5000}, {openflow.Filter{OneTable: true, Table: 6}, 0},
		{openflow.Filter{Cookie: 0x10, CookieMask: ^uint64(0xf)}, 16}, {openflow.Filter{Cookie: 3, CookieMask: ^uint64(0)}, 1},
	} {
		n := 0
		for s, err := range c.Flows(deadline(t), f.Filter) {
			if err != nil {
				t.Fatal(err)
			}
			if s.Packets != 0 || s.Age <= 0 {
				t.Fatalf("counters: %+v", s)
			}
			n++
		}
		if n != f.want {
			t.Errorf("%+v selects %d flows, want %d", f.Filter, n, f.want)
		}
	}
	for range c.Flows(deadline(t), openflow.Filter{}) { //nolint:errcheck // it is not read to its end
		break // leaves the rest of the dump to nobody
	}
	if err := c.Barrier(deadline(t)); err != nil {
		t.Errorf("after an abandoned dump: %v", err)
	}
}

// TestGroupsAndMeters adds, changes, reads back and deletes.
func TestGroupsAndMeters(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	c := dial(t, sw, "br0", openflow.Options{})
	groups := []flow.GroupEntry{
		flow.NewGroup(1, flow.GroupAll, flow.Bucket{Actions: []flow.Action{flow.Output(1)}}, flow.Bucket{Actions: []flow.Action{flow.LoadReg(flow.Reg0, 5), flow.Output(2)}}),
		flow.NewGroup(2, flow.GroupSelect, flow.Bucket{Weight: 100, Actions: []flow.Action{flow.Output(1)}}, flow.Bucket{Weight: 50, Actions: []flow.Action{flow.Resubmit(5)}}),
		flow.NewGroup(3, flow.GroupIndirect, flow.Bucket{}),
		flow.NewGroup(4, flow.GroupFastFailover, flow.Bucket{WatchPort: 1, Actions: []flow.Action{flow.Output(1)}}, flow.Bucket{WatchGroup: 1, Actions: []flow.Action{flow.Group(1)}}),
		flow.NewGroup(5, flow.GroupAll),
	}
	meters := []flow.MeterEntry{flow.NewMeter(1, flow.PacketsPerSecond, 100, 20), flow.NewMeter(2, flow.KilobitsPerSecond, 1000, 0)}
	var gm []openflow.GroupMod
	for _, g := range groups {
		gm = append(gm, openflow.GroupMod{Group: g})
	}
	var mm []openflow.MeterMod
	for _, m := range meters {
		mm = append(mm, openflow.MeterMod{Meter: m})
	}
	check := func() {
		t.Helper()
		g, err := c.Groups(deadline(t))
		if err != nil || fmt.Sprintf("%x", sorted(g)) != fmt.Sprintf("%x", groups) {
			t.Errorf("groups: %v\n%x, want\n%x", err, sorted(g), groups)
		}
		m, err := c.Meters(deadline(t))
		if err != nil || fmt.Sprint(m) != fmt.Sprint(meters) {
			t.Errorf("meters: %v, %v, want %v", m, err, meters)
		}
	}
	if err := errors.Join(c.ApplyGroups(deadline(t), gm), c.ApplyMeters(deadline(t), mm)); err != nil {
		t.Fatal(err)
	}
	check()
	err := c.ApplyGroups(deadline(t), gm[:2])
	var refused *openflow.ModError
	if !errors.As(err, &refused) || len(refused.Failures) != 2 || !strings.Contains(err.Error(), "GROUP_EXISTS") {
		t.Errorf("adding groups again: %v", err)
	}
	err = c.ApplyMeters(deadline(t), append(mm[:1:1], openflow.MeterMod{Command: openflow.Modify, Meter: flow.NewMeter(9, 0, 1, 0)}))
	if !errors.As(err, &refused) || len(refused.Failures) != 2 || refused.Failures[1].Index != 1 || !strings.Contains(err.Error(), "METER_EXISTS") {
		t.Errorf("adding a meter again: %v", err)
	}
	groups[0] = flow.NewGroup(1, flow.GroupAll, flow.Bucket{Actions: []flow.Action{flow.Output(9)}})
	meters[1].Rate = 5000
	if err := errors.Join(c.ApplyGroups(deadline(t), []openflow.GroupMod{{openflow.Modify, groups[0]}}),
		c.ApplyMeters(deadline(t), []openflow.MeterMod{{openflow.Modify, meters[1]}})); err != nil {
		t.Fatal(err)
	}
	check()
	if s, err := c.GroupStats(deadline(t)); err != nil || len(s) != 5 {
		t.Errorf("group counters: %+v, %v", s, err)
	}
	if s, err := c.MeterStats(deadline(t)); err != nil || len(s) != 2 || s[0].ID != 1 {
		t.Errorf("meter counters: %+v, %v", s, err)
	}
	groups, meters = append(groups[:1:1], groups[2:]...), meters[:1]
	if err := errors.Join(c.ApplyGroups(deadline(t), []openflow.GroupMod{{openflow.Delete, flow.GroupEntry{ID: 2}}, {openflow.Delete, flow.GroupEntry{ID: 77}}}),
		c.ApplyMeters(deadline(t), []openflow.MeterMod{{openflow.Delete, flow.MeterEntry{ID: 2}}})); err != nil {
		t.Fatal(err)
	}
	check()
}

func sorted(list []flow.GroupEntry) []flow.GroupEntry {
	by := make([]flow.GroupEntry, 0, len(list))
	for id := uint32(0); id < 100; id++ {
		for _, g := range list {
			if g.ID == id {
				by = append(by, g)
			}
		}
	}
	return by
}

func TestPorts(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	c := dial(t, sw, "br0", openflow.Options{PacketIns: 10})
	number := sw.AddPort("br0", "guest1")
	change := wait(t, c, c.PortChanges())
	if change.Event != openflow.PortAdded || change.Port.Name != "guest1" || fmt.Sprint(change.Port.Number) != number {
		t.Errorf("change: %+v, want guest1 added as %s", change, number)
	}
	ports, err := c.Ports(deadline(t))
	if err != nil || len(ports) != 2 {
		t.Fatalf("ports: %+v, %v", ports, err)
	}
	sw.Vsctl("del-port", "guest1")
	for change.Event != openflow.PortDeleted {
		change = wait(t, c, c.PortChanges())
	}
}

// wait receives one element.
func wait[T any](t *testing.T, c *openflow.Conn, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-c.Done():
		t.Fatalf("connection ended: %v", c.Err())
	case <-deadline(t).Done():
		t.Fatal("nothing came")
	}
	panic("unreachable")
}
