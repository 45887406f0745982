package controller_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

const gatewayMAC = "fa:16:3e:99:00:01"

// giveGateway connects router r to external network x, in VLAN 9 outside, with its gateway on this chassis.
func (b beyond) giveGateway() {
	x := apptest.Provider("x", "physnet1", 9)
	x.External = true
	meta := func(id string) model.Meta { return model.Meta{ID: id, Revision: 1} }
	s4, s6 := apptest.Subnet("s4-x", "x", "203.0.113.0/24"), apptest.Subnet("s6-x", "x", "2001:db8:ff::/64")
	mac, _ := model.ParseMAC(gatewayMAC)
	b.put(x, s4, s6, &model.RouterGateway{
		Meta: meta("r-x"), RouterID: "r", NetworkID: "x", MACAddress: mac, TransitVNI: 7,
		FixedIPs: []model.FixedIP{{SubnetID: s4.ID, IPAddress: netip.MustParseAddr("203.0.113.5")}, {SubnetID: s6.ID, IPAddress: netip.MustParseAddr("2001:db8:ff::5")}},
		Chassis:  []model.GatewayChassis{{Name: apptest.Host, Priority: 1}},
	}, &model.GatewayDuty{Meta: meta("r"), Host: apptest.Host})
	b.eventually("the chassis is the gateway", func() bool { return strings.Contains(b.dump(), "dl_dst="+gatewayMAC) })
}

// TestARoutersGatewayReachesOutside: it looks for the gateways of the external subnets by itself, what guests send
// goes there from the router's MAC address, and what comes back from outside reaches them.
func TestARoutersGatewayReachesOutside(t *testing.T) {
	b := newBeyond(t)
	b.giveGateway()
	guest, inner := b.guest.MACAddress.String(), b.inner.MACAddress.String()
	tag := packet.VLAN(9)
	for name, f := range map[string]struct {
		guest, far, gateway, own string
		asks, answers            packet.Layer
	}{
		"v4": {"10.0.1.10", "198.51.100.9", "203.0.113.1", "203.0.113.5",
			packet.ARPRequest(gatewayMAC, "203.0.113.5", "203.0.113.1"), packet.ARPReply(hostOutside, "203.0.113.1", gatewayMAC, "203.0.113.5")},
		"v6": {"2001:db8:1::10", "2001:db8:9::9", "2001:db8:ff::1", "2001:db8:ff::5",
			packet.NeighborSolicitation("2001:db8:ff::1", gatewayMAC), packet.NeighborAdvertisement("2001:db8:ff::1", hostOutside, 0x60)},
	} {
		b.sw.WaitSent(outside, packet.Is(packet.EthSrc(gatewayMAC), tag, f.asks.(packet.Checker)))
		answer := []packet.Layer{packet.Ethernet(hostOutside, gatewayMAC), tag}
		if name == "v6" {
			answer = append(answer, packet.IP(f.gateway, f.own))
		}
		b.sw.Inject(outside, packet.Build(append(answer, f.answers)...))
		b.eventually(name+": there is a flow to the gateway of the subnet", func() bool {
			return b.knows("x", f.gateway) && strings.Contains(b.dump(), "set_field:"+hostOutside+"->eth_dst")
		})
		b.sw.ForgetDecisions()
		b.sw.Inject("tap-a", packet.Build(packet.Ethernet(guest, inner), packet.IP(f.guest, f.far), packet.EchoRequest(1, 1)))
		b.sw.WaitSent(outside, packet.Is(packet.EthSrc(gatewayMAC), packet.EthDst(hostOutside), tag, packet.IP(f.guest, f.far), packet.TTL(63)))
		b.sw.Inject(outside, packet.Build(packet.Ethernet(hostOutside, gatewayMAC), tag, packet.IP(f.far, f.guest), packet.EchoReply(1, 1)))
		b.sw.WaitSent("tap-a", packet.Is(packet.EthSrc(inner), packet.EthDst(guest), packet.Untagged(), packet.IP(f.far, f.guest)))
		b.sw.Inject(outside, packet.Build(packet.Ethernet(hostOutside, gatewayMAC), tag, packet.IP(f.far, f.own), packet.EchoRequest(2, 2)))
		b.sw.WaitSent(outside, packet.Is(packet.EthSrc(gatewayMAC), packet.EthDst(hostOutside), tag, packet.IP(f.own, f.far), packet.EchoReply(2, 2).(packet.Checker)))
	}
}

// TestTheNextHopOfAnExtraRouteIsLookedForOutside: without a guest having sent anything, and ports are reached as before.
func TestTheNextHopOfAnExtraRouteIsLookedForOutside(t *testing.T) {
	b := newBeyond(t)
	b.put(&model.Router{Meta: model.Meta{ID: "r", Revision: 2}, AdminStateUp: true, Routes: []model.Route{
		{Destination: netip.MustParsePrefix("198.51.100.0/24"), NextHop: netip.MustParseAddr("192.0.2.77")},
	}})
	own := view.WireMAC(apptest.Host, b.wire.MACAddress).String()
	b.sw.WaitSent(outside, packet.Is(packet.EthSrc(own), packet.VLAN(7), packet.ARPRequest(own, "192.0.2.1", "192.0.2.77").(packet.Checker)))
	b.sw.Inject(outside, packet.Build(packet.Ethernet(hostOutside, own), packet.VLAN(7), packet.IP("192.0.2.9", "10.0.1.10"), packet.EchoRequest(1, 1)))
	b.sw.WaitSent("tap-a", packet.Is(packet.EthDst(b.guest.MACAddress.String()), packet.IP("192.0.2.9", "10.0.1.10")))
}
