package snat_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// gateways are chassis c1 with a guest, and c2 and c3, of which the first that lives is the gateway of his router.
type gateways struct {
	*apptest.Cloud
	t *testing.T
	// outside is the device behind which the physical network lies.
	guest, outside *model.Port
}

func newGateways(t *testing.T) *gateways {
	t.Helper()
	g := &gateways{apptest.NewCloud(t, apps, 3, "172.16.0.1"), t, guest(1, 10), &model.Port{Meta: meta("outside")}}
	for _, r := range slices.Concat(outside(), behind(1)) {
		switch r := r.(type) {
		case view.ProviderPort, view.TunnelPort, *model.Chassis, *model.GatewayDuty:
		case *model.RouterGateway:
			r.Chassis = []model.GatewayChassis{{Name: "c2", Priority: 2}, {Name: "c3", Priority: 1}}
			g.Set(r)
		default:
			g.Set(r)
		}
	}
	g.Boot(g.guest)
	for _, name := range []string{"c2", "c3"} {
		h := g.At(name)
		d := duty(1)
		d.Host = name
		h.Join(g.outside)
		row, _ := h.DB.Row(view.Interfaces, g.device(g.outside))
		h.World.Set(view.ProviderPort{PhysicalNetwork: physical.PhysicalNetwork, OFPort: row.(view.Interface).OFPort}, d)
		h.Remove(row) // it is nobody's
	}
	g.lives("c2", true)
	return g
}

func (g *gateways) device(p *model.Port) string { return apptest.Plug(p, 0).Name }

// lives tells the chassis whether the first gateway does. That the switch of the guest's chassis changes over by itself
// is shown by the gateway app's tests; here its list gets shorter.
func (g *gateways) lives(chassis string, alive bool) {
	g.t.Helper()
	rows := behind(1)
	router := rows[len(rows)-1].(*model.RouterGateway)
	router.Chassis = []model.GatewayChassis{{Name: chassis, Priority: 2}, {Name: "c3", Priority: 1}}
	if !alive {
		router.Chassis = router.Chassis[1:]
	}
	g.At("c1").World.Set(router)
	g.At("c3").World.Set(view.WatchPort{Chassis: chassis, OFPort: 99, Alive: alive})
	g.Install()
	g.At("c1").ForgetDecisions()
}

// out sends what the guest sends to farIP, and returns what leaves, which must be at this chassis.
func (g *gateways) out(chassis string, layer packet.Layer) [][]byte {
	g.t.Helper()
	got := g.Send(g.guest, packet.Build(packet.Ethernet(g.guest.MACAddress, insideMAC(1)), packet.IP(guestIP, farIP), layer))
	if got != "outside@"+chassis {
		g.t.Errorf("reaches %q, want outside by %s", got, chassis)
	}
	return g.At(chassis).Sent(g.device(g.outside))
}

// TestAnotherGatewayTakesOver, with a zone of its own: what is new works, and what was there before is taken up.
func TestAnotherGatewayTakesOver(t *testing.T) {
	t.Parallel()
	g := newGateways(t)
	s := &wired{t: t}
	zone := func(chassis string) string {
		for _, e := range g.At(chassis).Numbers.Entries() {
			if e.Space == "zone" && e.Content == "snat/r1" && !slices.Contains(g.At(chassis).Numbers.Resting(), e) {
				return strconv.Itoa(int(e.Number))
			}
		}
		return ""
	}
	if zone("c2") == "" || zone("c3") != "" {
		t.Errorf("zones of c2 and c3 are %q and %q; only the gateway needs one", zone("c2"), zone("c3"))
	}
	s.leaves("by c2", g.out("c2", packet.TCP(2000, 80, "S")), packet.EthSrc(gatewayMAC(1)), packet.IP(outIP, farIP), packet.TCP(2000, 80, "S"))
	g.lives("c2", false)
	s.leaves("new, by c3", g.out("c3", packet.TCP(2001, 80, "S")), packet.EthSrc(gatewayMAC(1)), packet.IP(outIP, farIP), packet.TCP(2001, 80, "S"))
	s.leaves("begun by c2, by c3", g.out("c3", packet.TCP(2000, 80, "A")), packet.IP(outIP, farIP), packet.TCP(2000, 80, "A"))
	if zone("c3") == "" {
		t.Error("the new gateway has no zone")
	}
	answer := packet.Build(packet.Ethernet(hostMAC, gatewayMAC(1)), packet.VLAN(9), packet.IP(farIP, outIP), packet.TCP(80, 2001, "SA"))
	if got := g.SendAt("c3", g.outside, answer); got != g.guest.ID {
		t.Errorf("the answer reaches %q", got)
	}
	s.leaves("the answer", g.At("c1").Sent(g.device(g.guest)), packet.EthDst(g.guest.MACAddress), packet.IP(farIP, guestIP), packet.TCP(80, 2001, "SA"))
	g.lives("c2", true)
	if zone("c3") != "" {
		t.Error("the gateway that gave back keeps its zone")
	}
	s.leaves("new, by c2 again", g.out("c2", packet.TCP(2002, 80, "S")), packet.IP(outIP, farIP), packet.TCP(2002, 80, "S"))
}
