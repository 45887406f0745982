package controller_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// interfaceOf is a router's port on network n and its copy in the router's scope.
func interfaceOf(router string, n byte, address string) (*model.Port, *model.RouterInterface) {
	p := apptest.Port(router+"-n", "n", n, address)
	p.DeviceOwner, p.DeviceID = model.RouterInterfaceOwner, router
	return p, &model.RouterInterface{
		Meta: model.Meta{ID: p.ID, Revision: 1}, RouterID: router, NetworkID: "n", MACAddress: p.MACAddress, FixedIPs: p.FixedIPs, AdminStateUp: true,
	}
}

// advertisement tells whether a frame is a router's advertisement with, or without, a lifetime.
func advertisement(from packet.MAC, lives bool) func(frame []byte) bool {
	return func(frame []byte) bool {
		e, err := packet.ParseEthernet(frame)
		if err != nil || e.Src != from || e.EtherType != packet.EtherTypeIPv6 {
			return false
		}
		p, err := packet.ParseIPv6(e.Payload)
		if err != nil {
			return false
		}
		ra, err := packet.ParseRouterAdvertisement(p)
		return err == nil && (ra.RouterLifetime > 0) == lives
	}
}

// TestARouterIsFollowedAndAnnounced attaches a router to the network of a running guest, and detaches it.
func TestARouterIsFollowedAndAnnounced(t *testing.T) {
	c := newChassis(t)
	subnet := apptest.Subnet("s-n", "n", "2001:db8::/64")
	c.put(apptest.Net("n"), subnet)
	c.plug("a", 1)
	c.eventually("the port is up", func() bool { return c.up("a") })
	scopes := len(c.status().Scopes)

	port, link := interfaceOf("r", 2, "2001:db8::1")
	c.put(&model.Router{Meta: model.Meta{ID: "r", Revision: 1}, AdminStateUp: true}, link, port)
	c.sw.WaitSent("tap-a", advertisement(port.MACAddress, true))
	c.eventually("the router is followed", func() bool { return len(c.status().Scopes) == scopes+1 })
	c.eventually("the router answers", func() bool { return strings.Contains(c.dump(), "icmp_type=128") })

	src, dst := netip.MustParseAddr("2001:db8::1:1"), netip.MustParseAddr("2001:db8::1")
	echo := packet.ICMPv6{Type: packet.ICMPv6EchoRequest, Body: make([]byte, 4)}.Append(nil, src, dst)
	frame := packet.Ethernet{Dst: port.MACAddress, Src: packet.MAC{0xfa, 0x16, 0x3e, 0, 0, 1}, EtherType: packet.EtherTypeIPv6}.Append(nil)
	frame = append(packet.IPv6{HopLimit: 1, NextHeader: packet.ProtocolICMPv6, Src: src, Dst: dst}.Append(frame, len(echo)), echo...)
	c.sw.Inject("tap-a", frame)
	c.sw.WaitSent("tap-a", func(got []byte) bool { return len(got) > 54 && got[54] == packet.ICMPv6EchoReply })

	if _, err := c.store.Txn().Delete(northbound.KeyOf(port), 2).Delete(northbound.KeyOf(link), 2).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.sw.WaitSent("tap-a", advertisement(port.MACAddress, false))
	c.eventually("the router is forgotten", func() bool { return len(c.status().Scopes) == scopes })
}
