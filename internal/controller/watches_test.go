package controller_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestGatewaysAreWatched: a chassis whose guests have a gateway of two watches both by BFD on ports of their own,
// says while its switch has no flows that nothing is forwarded, and stops watching when the gateway goes.
func TestGatewaysAreWatched(t *testing.T) {
	c := newChassis(t)
	c.stop()
	c.change = func(o *controller.Options) {
		o.TunnelIP, o.TunnelTypes = netip.MustParseAddr("172.16.0.1"), []model.NetworkType{model.Geneve}
	}
	c.start()
	meta := func(id string) model.Meta { return model.Meta{ID: id, Revision: 1} }
	mac := model.MAC{0xfa, 0x16, 0x3e, 1, 1, 1}
	inside := apptest.Port("r-n", "n", 0, "10.0.0.1")
	inside.MACAddress, inside.DeviceOwner, inside.DeviceID = mac, model.RouterInterfaceOwner, "r"
	g := &model.RouterGateway{Meta: meta("r-x"), RouterID: "r", NetworkID: "x", MACAddress: mac, TransitVNI: 7,
		Chassis: []model.GatewayChassis{{Name: "g1", Priority: 2}, {Name: "g2", Priority: 1}}}
	c.put(apptest.Overlay("n", model.Geneve, 5001), apptest.Net("x"), inside, &model.Router{Meta: meta("r"), AdminStateUp: true},
		&model.RouterInterface{Meta: meta("r-n"), RouterID: "r", NetworkID: "n", MACAddress: mac, AdminStateUp: true},
		apptest.Peer("g1", "172.16.0.2"), apptest.Peer("g2", "172.16.0.3"), g)
	c.plug("a", 1)
	watched := func() string {
		out := c.sw.Vsctl("--columns=bfd,options,type", "find", "interface", "external_ids:dragonflow=watch")
		return strings.NewReplacer(" ", "", `"`, "").Replace(out)
	}

	c.eventually("both are watched, and hear that packets are forwarded", func() bool {
		return strings.Count(watched(), "cpath_down=false,enable=true") == 2
	})
	for _, want := range []string{"remote_ip=172.16.0.2", "remote_ip=172.16.0.3", "key=16777215", "type:geneve"} {
		if !strings.Contains(watched(), want) {
			t.Errorf("no %s in %s", want, watched())
		}
	}
	c.sw.KillVswitchd()
	c.eventually("the loss is noticed", func() bool { return c.status().Troubles["switch"] != "" })
	c.eventually("nothing is forwarded", func() bool { return strings.Count(watched(), "cpath_down=true") == 2 })
	c.sw.StartVswitchd()
	c.eventually("all is well again", func() bool { return strings.Count(watched(), "cpath_down=false") == 2 })
	next := *g
	next.Revision, next.Chassis = 2, g.Chassis[:1]
	c.put(&next)
	c.eventually("a gateway without a rival is not watched", func() bool { return watched() == "" })
}
