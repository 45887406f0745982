package fakeswitch_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/fakeswitch"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

func fake(t *testing.T) *fakeswitch.Switch {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "df-fake")
	if err != nil {
		t.Fatal(err)
	}
	s, err := fakeswitch.Start(fakeswitch.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return s
}

func dial(t *testing.T, path string) *openflow.Conn {
	t.Helper()
	c, err := openflow.Dial(t.Context(), path, openflow.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// dump is what a switch says that it has, in words.
func dump(t *testing.T, c *openflow.Conn) []string {
	t.Helper()
	var list []string
	for s, err := range c.Flows(t.Context(), openflow.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%x %v", s.Cookie, s.Flow))
	}
	slices.Sort(list)
	groups, err := c.Groups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	meters, err := c.Meters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		list = append(list, fmt.Sprint(g.ID, g.Type, g.Buckets))
	}
	for _, m := range meters {
		list = append(list, fmt.Sprintf("%+v", m))
	}
	return list
}

// The same messages make the same of a real switch and of the fake one, errors included.
func TestTheFakeSwitchDoesWhatTheRealOneDoes(t *testing.T) {
	t.Parallel()
	sw := ovs.Start(t)
	sw.AddBridge("br-int")
	conns := []*openflow.Conn{dial(t, sw.Mgmt("br-int")), dial(t, fake(t).Mgmt())}
	f := func(priority uint16, cookie uint64, to uint8) flow.Flow {
		return flow.Flow{
			Table: 3, Priority: priority, Cookie: cookie, Match: flow.NewMatch(flow.InPort.Is(7), flow.IPv4()),
			Instructions: flow.Do(flow.LoadReg(flow.Reg6, 5), flow.DecTTL()).Goto(to),
		}
	}
	group := flow.NewGroup(5, flow.GroupAll, flow.Bucket{Actions: []flow.Action{flow.Output(1)}})
	other := flow.NewGroup(5, flow.GroupAll, flow.Bucket{Actions: []flow.Action{flow.Output(2)}}, flow.Bucket{Actions: []flow.Action{flow.Output(3)}})
	meter := flow.MeterEntry{ID: 9, Unit: flow.PacketsPerSecond, Rate: 100, Burst: 20}
	type mods = []openflow.FlowMod
	for _, step := range []struct {
		name string
		do   func(context.Context, *openflow.Conn) error
	}{
		{"add", func(ctx context.Context, c *openflow.Conn) error {
			return c.Apply(ctx, mods{{Flow: f(1, 1, 4)}, {Flow: f(2, 2, 4)}, {Flow: f(3, 3, 4)}})
		}},
		{"replace, modify and delete", func(ctx context.Context, c *openflow.Conn) error {
			return c.Apply(ctx, mods{{Flow: f(1, 11, 5)}, {Command: openflow.Modify, Flow: f(2, 12, 6)}, {Command: openflow.Delete, Flow: f(3, 0, 4)}})
		}},
		{"modify and delete what is not there", func(ctx context.Context, c *openflow.Conn) error {
			return c.Apply(ctx, mods{{Command: openflow.Modify, Flow: f(8, 8, 8)}, {Command: openflow.Delete, Flow: f(9, 9, 9)}})
		}},
		{"group", func(ctx context.Context, c *openflow.Conn) error {
			return c.ApplyGroups(ctx, []openflow.GroupMod{{Group: group}})
		}},
		{"group twice", func(ctx context.Context, c *openflow.Conn) error {
			return c.ApplyGroups(ctx, []openflow.GroupMod{{Group: group}})
		}},
		{"group modified", func(ctx context.Context, c *openflow.Conn) error {
			return c.ApplyGroups(ctx, []openflow.GroupMod{{Command: openflow.Modify, Group: other}})
		}},
		{"meter", func(ctx context.Context, c *openflow.Conn) error {
			return c.ApplyMeters(ctx, []openflow.MeterMod{{Meter: meter}})
		}},
		{"meter twice", func(ctx context.Context, c *openflow.Conn) error {
			return c.ApplyMeters(ctx, []openflow.MeterMod{{Meter: meter}})
		}},
		{"another meter deleted, the first modified", func(ctx context.Context, c *openflow.Conn) error {
			faster := meter
			faster.Rate, faster.Burst = 200, 0
			gone := meter
			gone.ID = 10
			return c.ApplyMeters(ctx, []openflow.MeterMod{{Command: openflow.Delete, Meter: gone}, {Command: openflow.Modify, Meter: faster}})
		}},
		{"group deleted", func(ctx context.Context, c *openflow.Conn) error {
			return c.ApplyGroups(ctx, []openflow.GroupMod{{Command: openflow.Delete, Group: other}})
		}},
	} {
		var said, has [2]string
		for i, c := range conns {
			said[i], has[i] = fmt.Sprint(step.do(t.Context(), c)), fmt.Sprint(dump(t, c))
		}
		if said[0] != said[1] || has[0] != has[1] {
			t.Errorf("%s: the real switch says %s and has %s; the fake one says %s and has %s", step.name, said[0], has[0], said[1], has[1])
		}
	}
}

// vswitch is a switch, real or fake.
type vswitch struct {
	name, ovsdb, mgmt string
	plug              func(name, id string)
}

// A controller makes the same of both, and a restarted one changes nothing on either.
func TestAControllerMakesTheSameOfBoth(t *testing.T) {
	t.Parallel()
	sw, fk := ovs.Start(t), fake(t)
	sw.AddBridge("br-int")
	if err := fk.AddBridge(); err != nil {
		t.Fatal(err)
	}
	var dumps [2][]string
	for i, v := range []vswitch{
		{"real", sw.OVSDB(), sw.Mgmt("br-int"), func(name, id string) { sw.AddPort("br-int", name, "iface-id="+id) }},
		{"fake", fk.OVSDB(), fk.Mgmt(), func(name, id string) {
			if err := fk.Plug([2]string{name, id}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		dumps[i] = serve(t, v)
	}
	if d := cmp.Diff(dumps[0], dumps[1]); d != "" || len(dumps[0]) < 50 {
		t.Errorf("%d flows on the real switch, %d on the fake one: %s", len(dumps[0]), len(dumps[1]), d)
	}
}

// serve runs a controller over a switch with two ports of a network, restarts it, and returns what the
// switch has, but for the marker.
func serve(t *testing.T, v vswitch) []string {
	t.Helper()
	conn, _ := memory.New().Connect()
	t.Cleanup(func() { _ = conn.Close() })
	txn := northbound.NewStore(conn).Txn().Put(apptest.Net("n"))
	for n, id := range []string{"a", "b"} {
		p := apptest.Port(id, "n", byte(n+1), fmt.Sprintf("10.0.0.%d", n+1))
		txn.Put(p).Put(apptest.Bind(p))
		v.plug("tap-"+id, id)
	}
	if _, err := txn.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := controller.Options{
		Chassis: apptest.Host, DB: conn, OVSDB: "unix:" + v.ovsdb, Mgmt: v.mgmt, StateDir: t.TempDir(),
		Apps: apps.All(), Self: view.Chassis{DHCPLeaseTime: 86400},
	}
	first := run(t, o)
	flows := dump(t, dial(t, v.mgmt))
	if again := run(t, o); again != 0 || first == 0 {
		t.Errorf("%s: %v flow changes at the first start, %v at the second", v.name, first, again)
	}
	return slices.DeleteFunc(flows, func(f string) bool { return strings.Contains(f, "actions=note:") })
}

// run starts a controller, waits until the switch has everything, ends it, and returns how many flow
// changes there were.
func run(t *testing.T, o controller.Options) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	o.Metrics = controller.NewMetrics(registry)
	ctx, cancel := context.WithTimeout(t.Context(), ovs.Deadline)
	defer cancel()
	ctl, err := controller.New(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = ctl.Run(ctx) }()
	for complete := false; !complete; {
		if err := ctl.Inspect(ctx, func(in controller.Inside) {
			complete = in.Status.Complete && in.Status.Phase == "idle" && in.Status.Ports == 2
		}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-done
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "dragonflow_controller_flow_mods_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("flow changes are not counted")
	return 0
}
