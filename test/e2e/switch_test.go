package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/operate"
)

// Dragonflow is started before Open vSwitch: it says so, and serves when the switch appears.
func TestSwitchAbsentAtStart(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.KillVswitchd()
	c.KillOVSDB()
	for _, socket := range []string{c.OVSDB(), c.VswitchdCtl()} {
		if err := os.Remove(socket); err != nil {
			t.Fatal(err)
		}
	}
	d := c.standalone()
	s := c.waitStatus("status names both sockets", func(s *operate.Status) bool {
		return strings.Contains(s.Troubles["ovsdb"], c.OVSDB()) && strings.Contains(s.Troubles["switch"], c.Mgmt(bridge))
	})
	if s.Phase != "down" || s.Synced {
		t.Errorf("without a switch: %+v", s)
	}
	c.create("network", obj{"name": "red"}) // the API serves meanwhile
	c.StartOVSDB()
	c.StartVswitchd()
	a, b := c.pair()
	if l := a.Lease(a.DHCP(lab.Dhclient4)); l.Address.Addr() != a.v4 {
		t.Errorf("lease %v, not %v", l.Address, a.v4)
	}
	b.Reaches(a.v4.String())
	s = c.waitStatus("status shows no trouble", func(s *operate.Status) bool { return len(s.Troubles) == 0 && s.Complete })
	if !d.running() {
		t.Errorf("status %+v", s)
	}
}

// The switch's daemons are killed, and its bridge is deleted, under the controller.
func TestSwitchLostAtWork(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.standalone()
	a, b := c.pair()
	c.waitSettled()
	flows, settings := c.flows(), c.bridgeSettings()

	tr := c.traffic(a, b)
	c.KillOVSDB()
	c.waitStatus("status says that OVSDB is away", func(s *operate.Status) bool { return s.Troubles["ovsdb"] != "" })
	c.StartOVSDB()
	c.waitStatus("OVSDB is back", func(s *operate.Status) bool { return s.Troubles["ovsdb"] == "" && s.Complete && s.Phase == "idle" })
	// The userspace datapath of Open vSwitch moves nothing while it has no database; what waits is moved then.
	tr.checkDelayed("ovsdb-server killed and started")
	c.sameFlows("ovsdb-server killed and started", flows)

	c.KillVswitchd()
	c.waitStatus("status says that the switch is away", func(s *operate.Status) bool { return s.Phase == "down" && s.Troubles["switch"] != "" })
	c.StartVswitchd()
	began := time.Now()
	a.Reaches(b.v4.String())
	t.Logf("guests reach each other %v after ovs-vswitchd was started", time.Since(began).Round(time.Millisecond))
	b.Reaches(a.v6.String())
	c.waitSettled()
	if difference := cmp.Diff(withoutMarker(flows), withoutMarker(c.flows())); difference != "" {
		t.Errorf("ovs-vswitchd killed and started: the flows have changed:\n%s", difference)
	}

	c.Vsctl("--no-wait", "del-br", bridge)
	c.eventually("the bridge is there again with its settings", func() error {
		if !strings.Contains(c.Vsctl("list-br"), bridge) {
			return errors.New("there is no bridge")
		}
		if now := c.bridgeSettings(); now != settings {
			return fmt.Errorf("it has\n%s\nand had\n%s", now, settings)
		}
		return nil
	})
	for _, g := range []*guest{a, b} {
		c.AddPort(bridge, g.Spec().Port, "iface-id="+g.id, fmt.Sprintf("attached-mac=%q", g.Spec().MAC))
	}
	a.Reaches(b.v4.String())
	b.Reaches(a.v6.String())
	if l := a.Lease(a.DHCP(lab.Udhcpc)); l.Address.Addr() != a.v4 {
		t.Errorf("lease %v, not %v", l.Address, a.v4)
	}
	c.waitActive(a.id)
}

// withoutMarker leaves out the flow that says how much of the snapshot the switch has.
func withoutMarker(flows []string) []string {
	return slices.DeleteFunc(slices.Clone(flows), func(f string) bool { return strings.Contains(f, "actions=note:") })
}

func (c *cloud) sameFlows(after string, before []string) {
	c.t.Helper()
	if difference := cmp.Diff(before, c.flows()); difference != "" {
		c.t.Errorf("%s: the flows have changed:\n%s", after, difference)
	}
}

// bridgeSettings is what the controller set on the bridge.
func (c *cloud) bridgeSettings() string {
	c.t.Helper()
	text := ""
	for _, column := range []string{"datapath_type", "fail_mode", "protocols", "other_config", "external_ids"} {
		text += column + " " + c.Vsctl("get", "bridge", bridge, column)
	}
	tables := c.Vsctl("--columns=prefixes", "list", "flow_table")
	return text + fmt.Sprint(strings.Count(tables, "prefixes"), " tables with prefixes")
}
