package operate_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestWhyByAGatewayElsewhere asks about the way outside by another chassis, which alone has asked who is there.
func TestWhyByAGatewayElsewhere(t *testing.T) {
	t.Parallel()
	x := apptest.Provider("x", "physnet1", 9)
	x.External = true
	a := apptest.At("c1", apptest.Port("a", "n", 1, "10.0.0.5"))
	a.PortSecurityEnabled = false
	bound := apptest.Bind(a)
	bound.Host = "c1"
	inside := apptest.Port("inside", "n", 0xf1, "10.0.0.1")
	inside.DeviceOwner, inside.DeviceID = model.RouterInterfaceOwner, "r"
	gateway := apptest.Peer("c2", "192.0.2.2")
	gateway.PhysicalNetworks = []string{"physnet1"}
	c := &operate.Cloud{Apps: apps.All(), Topology: operate.Stored(database(t,
		apptest.Peer("c1", "192.0.2.1"), gateway, x, apptest.Subnet("s-x", "x", "203.0.113.0/24"),
		apptest.Overlay("n", model.Geneve, 100), apptest.Subnet("s-n", "n", "10.0.0.0/24"), a, bound, inside,
		&model.Router{Meta: model.Meta{ID: "r"}, Name: "edge", AdminStateUp: true},
		&model.RouterInterface{Meta: model.Meta{ID: "inside"}, RouterID: "r", NetworkID: "n", MACAddress: inside.MACAddress, FixedIPs: inside.FixedIPs, AdminStateUp: true},
		&model.RouterGateway{
			Meta: model.Meta{ID: "r-x"}, RouterID: "r", NetworkID: "x", MACAddress: model.MAC{0xfa, 0x16, 0x3e, 0xff, 0, 1}, TransitVNI: 0xff0001,
			FixedIPs: []model.FixedIP{{SubnetID: "s-x", IPAddress: netip.MustParseAddr("203.0.113.5")}}, EnableSNAT: true,
			Chassis: []model.GatewayChassis{{Name: "c2", Priority: 1}},
		},
		&model.GatewayDuty{Meta: model.Meta{ID: "r"}, Host: "c2"}))}
	ans, err := c.Why(t.Context(), operate.Question{Port: "a", Dst: "198.51.100.9", What: "tcp/80"})
	if err != nil {
		t.Fatal(err)
	}
	const want = "delivered to physical network physnet1 (OpenFlow port 60002) on c2 by router edge, from 203.0.113.5 in place of 10.0.0.5; answers come back to it"
	if ans.Sentence != want {
		t.Errorf("%q, want %q", ans.Sentence, want)
	}
}
