package snat_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

const (
	floatIP = "203.0.113.70"
	outIP6  = "2001:db8:ff::c1"
	farIP6  = "2001:db8:9::9"
)

var floatMAC = model.MAC{0xfa, 0x16, 0x3e, 0xfd, 0, 1}

// tunnelled is a cloud whose external network is carried by tunnels: chassis c1 has guests behind router r1, of which one
// has a floating IP, c3 has a port of the external network, which leads elsewhere. The gateway is c2, or else c1.
type tunnelled struct {
	*apptest.Cloud
	t                    *testing.T
	guest, floating, out *model.Port
	outHere              *model.Port
}

// external is a port of x without interface.
func external(id, owner, device string, mac model.MAC, addresses ...string) *model.Port {
	p := apptest.Port(id, "x", 0, addresses...)
	p.MACAddress, p.DeviceOwner, p.DeviceID, p.PortSecurityEnabled = mac, owner, device, false
	return p
}

func newTunnelled(t *testing.T) *tunnelled {
	t.Helper()
	c := &tunnelled{Cloud: apptest.NewCloud(t, apps, 3, "172.16.0.1"), t: t, guest: guest(1, 10), floating: guest(1, 11)}
	x, s, s6 := apptest.Overlay("x", model.Geneve, 6001), apptest.Subnet("s-x", "x", "203.0.113.0/24"), apptest.Subnet("s6-x", "x", "2001:db8:ff::/64")
	x.External, s.GatewayIP, s6.GatewayIP = true, netip.MustParseAddr(hostIP), netip.MustParseAddr("2001:db8:ff::1")
	c.out = apptest.At("c3", apptest.Port("out", "x", 1, hostIP, "2001:db8:ff::1"))
	c.out.MACAddress, _ = model.ParseMAC(hostMAC)
	c.outHere = apptest.At("c1", apptest.Port("out-here", "x", 2, "203.0.113.2", "2001:db8:ff::2"))
	c.out.PortSecurityEnabled, c.outHere.PortSecurityEnabled = false, false
	takers := []model.GatewayChassis{{Name: "c2", Priority: 2}, {Name: "c1", Priority: 1}}
	c.Set(x, s, s6,
		external("r1-x", model.RouterGatewayOwner, "r1", gatewayMAC(1), outIP, outIP6),
		&model.ExternalPort{Meta: meta("r1-x"), NetworkID: "x", MACAddress: gatewayMAC(1), RouterID: "r1", Chassis: takers},
		external("f-x", model.FloatingIPOwner, "f", floatMAC, floatIP),
		&model.ExternalPort{Meta: meta("f-x"), NetworkID: "x", MACAddress: floatMAC, RouterID: "r1", Chassis: []model.GatewayChassis{{Name: "c1", Priority: 1}}})
	for _, r := range behind(1) {
		switch r := r.(type) {
		case *model.GatewayDuty:
		case *model.RouterGateway:
			r.Chassis = takers
			c.Set(r)
		default:
			c.Set(r)
		}
	}
	c.duties()
	c.guest.Host, c.floating.Host = "c1", "c1"
	c.Boot(c.guest, c.floating, c.out, c.outHere)
	c.watches()
	c.Install()
	return c
}

// duties tells chassis what they may be: the gateway, and where the floating IP is.
func (c *tunnelled) duties() {
	for _, name := range []string{"c1", "c2"} {
		d := duty(1)
		d.Host = name
		c.At(name).World.Set(d)
	}
	c.At("c1").World.Set(&model.FloatingIP{
		Meta: meta("f"), Host: "c1", FloatingIPAddress: netip.MustParseAddr(floatIP), NetworkID: "x", MACAddress: floatMAC, RouterID: "r1",
		PortID: c.floating.ID, PortNetworkID: "n1", FixedIPAddress: c.floating.FixedIPs[0].IPAddress,
	})
}

// watches has the chassis that may send to others know that these live.
func (c *tunnelled) watches() {
	c.t.Helper()
	for _, watch := range [][2]string{{"c1", "c2"}, {"c3", "c2"}, {"c3", "c1"}} {
		n, err := strconv.ParseUint(strings.TrimSpace(c.At(watch[0]).AddPort(apptest.Bridge, "watch-"+watch[1])), 10, 32)
		if err != nil {
			c.t.Fatal(err)
		}
		c.At(watch[0]).World.Set(view.WatchPort{Chassis: watch[1], OFPort: uint32(n), Alive: true})
	}
}

// goes sends a frame to a router or to an address outside, and checks who alone gets it and what that is.
func (c *tunnelled) goes(what string, from *model.Port, mac model.MAC, to *model.Port, sent []packet.Layer, want ...packet.Checker) {
	c.t.Helper()
	frame := packet.Build(append([]packet.Layer{packet.Ethernet(from.MACAddress, mac)}, sent...)...)
	if got := c.Send(from, frame); got != to.ID {
		c.t.Errorf("%s: reaches %q, want %s", what, got, to.ID)
		return
	}
	if err := packet.Match(c.At(to.Host).Sent(apptest.Plug(to, 0).Name)[0], want...); err != nil {
		c.t.Errorf("%s: %v", what, err)
	}
}

func layers(l ...packet.Layer) []packet.Layer { return l }

// both plays what has to work whichever chassis is the gateway.
func (c *tunnelled) both(gateway string, port uint16) {
	c.t.Helper()
	gw, guest6 := gatewayMAC(1), c.guest.FixedIPs[1].IPAddress.String()
	c.goes(gateway+": a guest shares the router's address", c.guest, insideMAC(1), c.out, layers(packet.IP(guestIP, farIP), packet.UDP(port, 53)),
		packet.EthSrc(gw), packet.EthDst(c.out.MACAddress), packet.IP(outIP, farIP), packet.UDP(port, 53))
	c.goes(gateway+": the answer", c.out, gw, c.guest, layers(packet.IP(farIP, outIP), packet.UDP(53, port)),
		packet.IP(farIP, guestIP), packet.UDP(53, port))
	c.goes(gateway+": IPv6 is not translated", c.guest, insideMAC(1), c.out, layers(packet.IP(guest6, farIP6), packet.UDP(port, 53)),
		packet.EthSrc(gw), packet.IP(guest6, farIP6))
	c.goes(gateway+": IPv6 from outside", c.out, gw, c.guest, layers(packet.IP(farIP6, guest6), packet.UDP(53, port)),
		packet.EthSrc(insideMAC(1)), packet.IP(farIP6, guest6))
	c.goes(gateway+": the router answers echoes", c.out, gw, c.out, layers(packet.IP(hostIP, outIP), packet.EchoRequest(1, port)),
		packet.EthSrc(gw), packet.IP(outIP, hostIP), packet.EchoReply(1, port))
	c.goes(gateway+": a member on the chassis of the floating IP", c.outHere, gw, c.outHere, layers(packet.IP("203.0.113.2", outIP), packet.EchoRequest(2, port)),
		packet.IP(outIP, "203.0.113.2"), packet.EchoReply(2, port))
	c.goes(gateway+": a guest to that member", c.guest, insideMAC(1), c.outHere, layers(packet.IP(guestIP, "203.0.113.2"), packet.UDP(port, 54)),
		packet.EthSrc(gw), packet.IP(outIP, "203.0.113.2"))
	c.goes(gateway+": its answer", c.outHere, gw, c.guest, layers(packet.IP("203.0.113.2", outIP), packet.UDP(54, port)), packet.IP("203.0.113.2", guestIP))
	c.goes(gateway+": a guest to the floating IP of his neighbour", c.guest, insideMAC(1), c.floating,
		layers(packet.IP(guestIP, floatIP), packet.UDP(port, 55)), packet.IP(outIP, c.floating.FixedIPs[0].IPAddress))
	c.goes(gateway+": the neighbour's answer", c.floating, insideMAC(1), c.guest, layers(packet.IP(c.floating.FixedIPs[0].IPAddress, outIP), packet.UDP(55, port)),
		packet.IP(floatIP, guestIP))
}

// TestTheExternalNetworkIsCarriedByTunnels: what is for a gateway or a floating IP comes to the chassis that has it, and
// what leaves comes to the ports of the network.
func TestTheExternalNetworkIsCarriedByTunnels(t *testing.T) {
	t.Parallel()
	c := newTunnelled(t)
	fixed := c.floating.FixedIPs[0].IPAddress
	for _, ask := range []struct {
		address string
		mac     model.MAC
	}{{outIP, gatewayMAC(1)}, {floatIP, floatMAC}} {
		if got := c.Send(c.out, packet.Build(packet.Ethernet(c.out.MACAddress, "ff:ff:ff:ff:ff:ff"), packet.ARPRequest(c.out.MACAddress, hostIP, ask.address))); got != "out" {
			t.Errorf("the question for %s comes to %q", ask.address, got)
		} else if frame := c.At("c3").Sent(apptest.Plug(c.out, 0).Name)[0]; model.MAC(frame[6:12]) != ask.mac {
			t.Errorf("%s is said to be at %x", ask.address, frame[6:12])
		}
	}
	c.goes("a floating IP's port", c.floating, insideMAC(1), c.out, layers(packet.IP(fixed, farIP), packet.UDP(1000, 53)),
		packet.EthSrc(floatMAC), packet.EthDst(c.out.MACAddress), packet.IP(floatIP, farIP), packet.UDP(1000, 53))
	c.goes("to a floating IP", c.out, floatMAC, c.floating, layers(packet.IP(farIP, floatIP), packet.UDP(53, 1000)),
		packet.EthSrc(insideMAC(1)), packet.IP(farIP, fixed))
	c.goes("to a floating IP of the same chassis", c.outHere, floatMAC, c.floating, layers(packet.IP("203.0.113.2", floatIP), packet.UDP(53, 1001)),
		packet.IP("203.0.113.2", fixed))
	c.goes("and back", c.floating, insideMAC(1), c.outHere, layers(packet.IP(fixed, "203.0.113.2"), packet.UDP(1001, 53)),
		packet.EthSrc(floatMAC), packet.IP(floatIP, "203.0.113.2"))
	c.both("c2", 2000)
	c.At("c3").Appctl("netdev-dummy/set-admin-state", "watch-c2", "down")
	for down := false; !down; down = strings.Contains(c.At("c3").Vsctl("get", "interface", "watch-c2", "admin_state"), "down") {
		if t.Context().Err() != nil {
			t.Fatal("the switch does not see that a port is down")
		}
	}
	row, _ := c.At("c1").DB.Row(view.WatchPorts, "c2")
	dead := row.(view.WatchPort)
	dead.Alive = false
	c.At("c1").World.Set(dead)
	c.Install()
	c.At("c3").ForgetDecisions()
	c.both("c1", 3000)
}
