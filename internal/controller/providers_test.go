package controller_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestPhysicalNetworksFollowTheConfiguration: a connection to each bridge, none when its mapping goes, and
// nothing else of a bridge that is not ours is touched.
func TestPhysicalNetworksFollowTheConfiguration(t *testing.T) {
	c := newChassis(t)
	ports := func(bridge string) string { return strings.Join(strings.Fields(c.sw.Vsctl("list-ports", bridge)), " ") }
	restart := func(mappings map[string]string) {
		c.stop()
		c.change = func(o *controller.Options) {
			o.BridgeMappings, o.Gateway, o.DatapathType = mappings, len(mappings) > 0, "netdev"
		}
		c.start()
	}
	c.sw.AddBridge("br-ex")
	c.sw.AddPort("br-ex", "eth1")
	c.sw.Vsctl("set", "bridge", "br-ex", "external_ids:theirs=yes", "fail_mode=standalone")
	columns := []string{"get", "bridge", "br-ex", "external_ids", "other_config", "fail_mode", "flow_tables", "protocols"}
	before := c.sw.Vsctl(columns...)

	restart(map[string]string{"physnet1": "br-ex", "physnet2": "br-vlan"})
	c.eventually("both ends", func() bool { return ports("br-int") == "br-int-to-br-ex" && ports("br-ex") == "br-ex-to-br-int eth1" })
	c.eventually("a bridge that is missing is told with the remedy", func() bool {
		return strings.Contains(c.status().Troubles["bridge-mappings physnet2"], "bridge br-vlan does not exist: create it")
	})
	if after := c.sw.Vsctl(columns...); after != before {
		t.Errorf("the bridge of somebody else was %s and is %s", before, after)
	}
	c.eventually("others see what it is connected to", func() bool {
		self, _, err := northbound.Get[model.Chassis](t.Context(), c.store, model.ScopeGlobal, apptest.Host)
		return err == nil && cmp.Equal(self.PhysicalNetworks, []string{"physnet1", "physnet2"}) && self.Gateway
	})

	c.sw.AddBridge("br-vlan")
	c.eventually("a bridge that comes later is connected", func() bool {
		return ports("br-vlan") == "br-vlan-to-br-int" && c.status().Troubles["bridge-mappings physnet2"] == ""
	})
	c.sw.Vsctl("del-port", "br-ex", "br-ex-to-br-int")
	c.eventually("an end that somebody removed is back", func() bool { return ports("br-ex") == "br-ex-to-br-int eth1" })

	restart(map[string]string{"physnet2": "br-vlan"})
	c.eventually("what is not configured is gone at both ends", func() bool {
		return ports("br-int") == "br-int-to-br-vlan" && ports("br-ex") == "eth1"
	})
}

func TestAConnectionOfSomebodyElseIsLeftAlone(t *testing.T) {
	c := newChassis(t)
	c.stop()
	c.sw.AddBridge("br-ex")
	c.sw.AddPort("br-ex", "br-ex-to-br-int")
	c.change = func(o *controller.Options) {
		o.BridgeMappings, o.DatapathType = map[string]string{"physnet1": "br-ex"}, "netdev"
	}
	c.start()
	c.eventually("the trouble is told", func() bool {
		return strings.Contains(c.status().Troubles["bridge-mappings physnet1"], "br-ex-to-br-int")
	})
	if got := c.sw.Vsctl("list-ports", "br-int"); strings.Contains(got, "br-ex") {
		t.Errorf("half a connection was made: %s", got)
	}
}
