package controller_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestTunnelPortsFollowTheConfiguration: one for each type, with what flows need, and none when the types go.
func TestTunnelPortsFollowTheConfiguration(t *testing.T) {
	c := newChassis(t)
	ports := func() string { return strings.Join(strings.Fields(c.sw.Vsctl("list-ports", "br-int")), " ") }
	restart := func(ip string, types ...model.NetworkType) {
		c.stop()
		c.change = func(o *controller.Options) {
			o.TunnelIP, _ = netip.ParseAddr(ip)
			o.TunnelTypes = types
		}
		c.start()
	}
	c.eventually("complete", func() bool { return c.status().Complete })
	if got := ports(); got != "" {
		t.Fatalf("a chassis without tunnel-ip has ports %q", got)
	}
	restart("172.16.0.1", model.Geneve, model.VXLAN)
	c.put(apptest.Overlay("n", model.Geneve, 5001))
	c.plug("a", 1)
	c.eventually("two ports", func() bool { return ports() == "geneve-br-int tap-a vxlan-br-int" })
	c.eventually("packets for the network come in", func() bool { return strings.Contains(c.dump(), "tun_id=0x1389") })
	options := c.sw.Vsctl("get", "interface", "geneve-br-int", "options")
	for _, o := range []string{"remote_ip=flow", "key=flow", `local_ip="172.16.0.1"`} {
		if !strings.Contains(options, o) {
			t.Errorf("options %s lack %s", options, o)
		}
	}
	c.sw.Vsctl("del-port", "br-int", "geneve-br-int")
	c.eventually("a port that somebody removed is back", func() bool { return ports() == "geneve-br-int tap-a vxlan-br-int" })

	restart("fd00::1", model.Geneve)
	c.eventually("what is not configured is gone", func() bool { return ports() == "geneve-br-int tap-a" })
	c.eventually("the address is the new one", func() bool {
		return strings.Contains(c.sw.Vsctl("get", "interface", "geneve-br-int", "options"), `local_ip="fd00::1"`)
	})
	restart("")
	c.eventually("nothing is left", func() bool { return ports() == "tap-a" })
}

func TestAPortOfTheSameNameThatIsNotOursIsLeftAlone(t *testing.T) {
	c := newChassis(t)
	c.stop()
	c.sw.Vsctl("add-port", "br-int", "geneve-br-int")
	c.change = func(o *controller.Options) {
		o.TunnelIP, o.TunnelTypes = netip.MustParseAddr("172.16.0.1"), []model.NetworkType{model.Geneve, model.VXLAN}
	}
	c.start()
	c.eventually("the other type has its port", func() bool { return strings.Contains(c.sw.Vsctl("list-ports", "br-int"), "vxlan-br-int") })
	c.eventually("the trouble is told", func() bool { return strings.Contains(c.status().Troubles["tunnels"], "geneve-br-int") })
	if got := strings.TrimSpace(c.sw.Vsctl("get", "interface", "geneve-br-int", "type")); got == "geneve" {
		t.Error("somebody else's port was changed")
	}
}
