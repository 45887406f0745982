package dnat_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// forwards is a port forwarding of floatingIP to fixedIP.
func forwards(id string, protocol int, external, internal model.PortRange) *model.PortForwarding {
	return &model.PortForwarding{
		Meta: meta(id), Host: apptest.Host, FloatingIPID: "f", ExternalAddress: netip.MustParseAddr(floatingIP), NetworkID: "x", MACAddress: floatingMAC,
		RouterID: "r", Protocol: protocol, ExternalPorts: external, InternalAddress: netip.MustParseAddr(fixedIP), InternalPorts: internal,
		InternalPortID: "a", PortNetworkID: "n",
	}
}

// gatewayHere is topology with the router's gateway on this chassis.
func gatewayHere(snat bool) []any {
	all := topology()
	g := gatewayOf(all).(*model.RouterGateway)
	g.Chassis, g.EnableSNAT = []model.GatewayChassis{{Name: apptest.Host, Priority: 1}}, snat
	return append(all, &model.GatewayDuty{Meta: meta("r"), Host: apptest.Host})
}

func TestForwardingGolden(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apps()...)
	w.Set(gatewayHere(true)...)
	w.Set(here(guest(), 1)...)
	w.Set(forwards("web", 6, model.PortRange{First: 80, Last: 80}, model.PortRange{First: 8080, Last: 8080}),
		forwards("games", 17, model.PortRange{First: 500, Last: 503}, model.PortRange{First: 600, Last: 603}))
	w.MustStep()
	apptest.Golden(t, "forwarding", w.Engine.Text(func(o engine.Owner) bool {
		return o.App == "dnat" || o.Rule == "gateway.forwarding" || o.Rule == "l3.forwarded" || o.Rule == "l3.served"
	}))
}

// TestPortsAreForwarded: both ways, each protocol and range for itself, and nothing else of the floating IP.
func TestPortsAreForwarded(t *testing.T) {
	t.Parallel()
	for what, snat := range map[string]bool{"with SNAT": true, "without": false} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newWired(t, append(append(gatewayHere(snat), here(guest(), 1)...),
				forwards("web", 6, model.PortRange{First: 80, Last: 80}, model.PortRange{First: 8080, Last: 8080}),
				forwards("games", 17, model.PortRange{First: 500, Last: 503}, model.PortRange{First: 600, Last: 603}),
				forwards("many", 17, model.PortRange{First: 1000, Last: 1999}, model.PortRange{First: 53, Last: 53}),
				forwards("same", 17, model.PortRange{First: 3000, Last: 3999}, model.PortRange{First: 3000, Last: 3999}))...)
			tag := packet.VLAN(9)
			from := func(l4 packet.Layer) []byte {
				return packet.Build(packet.Ethernet(hostMAC, floatingMAC), tag, packet.IP(farIP, floatingIP), packet.TTL(60), l4)
			}
			for _, c := range []struct{ sent, got, answer, back packet.Layer }{
				{packet.TCP(1234, 80, "S"), packet.TCP(1234, 8080, "S"), packet.TCP(8080, 1234, "SA"), packet.TCP(80, 1234, "SA")},
				{packet.UDP(1234, 502), packet.UDP(1234, 602), packet.UDP(602, 1234), packet.UDP(502, 1234)},
				{packet.UDP(1234, 1003), packet.UDP(1234, 53), packet.UDP(53, 1234), packet.UDP(1003, 1234)},
				{packet.UDP(1234, 3777), packet.UDP(1234, 3777), packet.UDP(3777, 1234), packet.UDP(3777, 1234)},
			} {
				in := only(t, s.send(wire, from(c.sent)), "tap-a")
				packet.Check(t, in, packet.EthSrc(insideMAC), packet.Untagged(), packet.IP(farIP, fixedIP), packet.TTL(59), c.got.(packet.Checker))
				out := only(t, s.send("tap-a", packet.Build(packet.Ethernet(guest().MACAddress, insideMAC), packet.IP(fixedIP, farIP), packet.TTL(64), c.answer)), wire)
				packet.Check(t, out, packet.EthSrc(floatingMAC), packet.EthDst(hostMAC), tag, packet.IP(floatingIP, farIP), packet.TTL(63), c.back.(packet.Checker))
			}
			for what, l4 := range map[string]packet.Layer{
				"the port of another protocol": packet.UDP(1, 80), "a port beside": packet.TCP(1, 81, "S"), "one beyond a range": packet.UDP(1, 504),
				"an echo": packet.EchoRequest(1, 1),
			} {
				if got := s.send(wire, from(l4)); len(got) > 0 {
					t.Errorf("%s reaches %x", what, got)
				}
			}
			asked := only(t, s.send(wire, packet.Build(packet.Ethernet(hostMAC, "ff:ff:ff:ff:ff:ff"), tag, packet.ARPRequest(hostMAC, hostIP, floatingIP))), wire)
			packet.Check(t, asked, packet.EthSrc(floatingMAC), packet.ARPReply(floatingMAC, floatingIP, hostMAC, hostIP).(packet.Checker))
			// A port that is not forwarded any more is closed to its connections, too.
			s.World.Remove(forwards("web", 6, model.PortRange{First: 80, Last: 80}, model.PortRange{First: 8080, Last: 8080}))
			s.World.MustStep()
			s.Install()
			if got := s.send(wire, from(packet.TCP(1234, 80, "A"))); len(got) > 0 {
				t.Errorf("a port that is not forwarded any more reaches %x", got)
			}
		})
	}
}

// TestOnlyTheGatewayForwards: a chassis that may be the gateway, and is not, does nothing.
func TestOnlyTheGatewayForwards(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apps()...)
	all := gatewayHere(true)
	gatewayOf(all).(*model.RouterGateway).Chassis = []model.GatewayChassis{{Name: "c9", Priority: 2}, {Name: apptest.Host, Priority: 1}}
	w.Set(all...)
	w.Set(forwards("web", 6, model.PortRange{First: 80, Last: 80}, model.PortRange{First: 8080, Last: 8080}), view.WatchPort{Chassis: "c9", OFPort: 98, Alive: true})
	w.Step()
	if w.DB.Has(view.ServedForwardings, "web") {
		t.Error("it is served beside the gateway")
	}
	w.Set(view.WatchPort{Chassis: "c9", OFPort: 98})
	w.Step()
	if !w.DB.Has(view.ServedForwardings, "web") {
		t.Error("it is not served when the gateway is away")
	}
}
