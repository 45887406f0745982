package dnat_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// remote is a guest on c1, which is connected to nothing outside, behind a router whose gateway is c2, or else c3.
func remote(t *testing.T) (*apptest.Cloud, *model.Port, *model.Port) {
	t.Helper()
	c := apptest.NewCloud(t, apps, 3, "172.16.0.1")
	rows := append(behind("r", "n", "10.0.0.0/24", 1), external(), subnetOutside())
	for _, r := range rows {
		if g, is := r.(*model.RouterGateway); is {
			g.Chassis = []model.GatewayChassis{{Name: "c2", Priority: 2}, {Name: "c3", Priority: 1}}
		}
	}
	c.Set(rows...)
	a := guest()
	c.Boot(a)
	out := apptest.Port("outside", "x", 0)
	for _, name := range []string{"c2", "c3"} {
		h := c.At(name)
		h.Join(out)
		row, _ := h.DB.Row(view.Interfaces, apptest.Plug(out, 0).Name)
		h.World.Remove(row) // it is no guest's
		h.World.Set(view.ProviderPort{PhysicalNetwork: "physnet1", OFPort: row.(view.Interface).OFPort}, known(),
			&model.GatewayDuty{Meta: meta("r"), Host: name}, floating(name))
	}
	c.At("c2").World.Set(view.WatchPort{Chassis: "c3", OFPort: 98, Alive: true})
	c.At("c3").World.Set(view.WatchPort{Chassis: "c2", OFPort: 99, Alive: true})
	c.Install()
	return c, a, out
}

// TestTheGatewayServesWhereThePortsChassisCannot: the chassis that is the router's gateway now, and the next one when
// that is away.
func TestTheGatewayServesWhereThePortsChassisCannot(t *testing.T) {
	t.Parallel()
	c, a, out := remote(t)
	tag := packet.VLAN(9)
	in := packet.Build(packet.Ethernet(hostMAC, floatingMAC), tag, packet.IP(farIP, floatingIP), packet.TTL(60), packet.UDP(1, 2))
	back := packet.Build(packet.Ethernet(a.MACAddress, insideMAC), packet.IP(fixedIP, farIP), packet.TTL(64), packet.UDP(2, 1))
	works := func(gateway, other string) {
		t.Helper()
		if got := c.SendAt(gateway, out, in); got != "a" {
			t.Fatalf("a packet for the floating IP at %s reaches %q", gateway, got)
		}
		packet.Check(t, c.At("c1").Sent("tap-a")[0], packet.EthSrc(insideMAC), packet.IP(farIP, fixedIP), packet.TTL(59))
		if got := c.Send(a, back); got != "outside@"+gateway {
			t.Fatalf("what the port sends leaves at %q, want %s", got, gateway)
		}
		packet.Check(t, c.At(gateway).Sent("tap-outside")[0], packet.EthSrc(floatingMAC), packet.EthDst(hostMAC), tag, packet.IP(floatingIP, farIP), packet.TTL(63))
		if _, served := c.At(other).DB.Row(view.ServedFloatingIPs, "f"); served {
			t.Errorf("%s serves the floating IP, too", other)
		}
	}
	works("c2", "c3")
	c.At("c3").World.Set(view.WatchPort{Chassis: "c2", OFPort: 99})
	c.At("c2").World.Remove(floating("c2"))
	g, _ := c.At("c1").DB.Row(view.RouterGateways, view.Within("r", "r-x"))
	only := *g.(*model.RouterGateway)
	only.Chassis = only.Chassis[1:] // this cloud has no BFD
	c.Set(&only)
	c.Install()
	works("c3", "c2")
}

// TestTheGatewayServesUntilTheGuestIsThere: that it is to come does not take the floating IP from it.
func TestTheGatewayServesUntilTheGuestIsThere(t *testing.T) {
	t.Parallel()
	c, a, _ := remote(t)
	c.Prepare(a, "c2")
	c.Install()
	if _, served := c.At("c2").DB.Row(view.ServedFloatingIPs, "f"); !served {
		t.Error("the gateway does not serve the floating IP of a port that may move to it")
	}
}
