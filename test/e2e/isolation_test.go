package e2e

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// A hostile guest pretends to be another, a DHCP server or a router. Nobody sees a frame of it, neither on its own
// network nor on another with the same addresses. Without port security the frames are let go, on its own network:
// the test sees what it looks for.
func TestSpoofedFramesReachNobody(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.standalone()
	a, b := c.pair()
	stranger := c.guest(c.network("red"), "stranger", nil).static()
	hostile, near, far := a.wire(false), b.wire(true), stranger.wire(true)
	frames := spoofed(a, b)
	for name, f := range frames {
		if err := hostile.Send(f); err != nil {
			t.Fatalf("send %s: %v", name, err)
		}
	}
	c.follow(a, b, hostile, near, 1)
	for name, f := range frames {
		if arrived(near, is(f)) {
			t.Errorf("%s of a hostile guest arrives: %s", name, packet.Summary(f))
		}
	}

	c.update("port", a.id, obj{"security_groups": []string{}, "port_security_enabled": false})
	c.update("port", b.id, obj{"security_groups": []string{}, "port_security_enabled": false})
	for name, f := range frames {
		c.eventually(name+" arrives without port security", func() error {
			if err := hostile.Send(f); err != nil {
				return err
			}
			if !arrived(near, is(f)) {
				return errors.New(packet.Summary(f))
			}
			return nil
		})
	}
	for name, f := range frames {
		if arrived(far, is(f)) {
			t.Errorf("%s arrives on another network: %s", name, packet.Summary(f))
		}
	}
}

func is(want []byte) func([]byte) bool {
	return func(f []byte) bool { return bytes.Equal(f, want) }
}

// follow sends a good frame after the bad ones and waits for it: what has not arrived with it never will.
func (c *cloud) follow(from, to *guest, out, in *lab.Wire, n uint16) {
	c.t.Helper()
	good := packet.Build(packet.Ethernet(from.Spec().MAC, to.Spec().MAC), packet.IP(from.v4, to.v4), packet.EchoRequest(4711, n))
	c.eventually("a good frame arrives", func() error {
		if err := out.Send(good); err != nil {
			return err
		}
		if !arrived(in, is(good)) {
			return errors.New("it has not")
		}
		return nil
	})
}

// spoofed are frames that a may not send, for b to see.
func spoofed(a, b *guest) map[string][]byte {
	me, peer, other := a.Spec().MAC, b.Spec().MAC, net.HardwareAddr{0xfa, 0x16, 0x3e, 0xee, 0xee, 0xee}
	local := linkLocal(me)
	otherV4, otherV6 := netip.MustParseAddr("10.0.0.200"), netip.MustParseAddr("2001:db8::200")
	offer, err := dhcpv4.New(dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer), dhcpv4.WithHwAddr(peer), dhcpv4.WithYourIP(otherV4.AsSlice()))
	if err != nil {
		panic(err)
	}
	offer.OpCode = dhcpv4.OpcodeBootReply
	advertise, err := dhcpv6.NewMessage()
	if err != nil {
		panic(err)
	}
	advertise.MessageType = dhcpv6.MessageTypeAdvertise
	eth := packet.Ethernet(me, peer)
	// A router advertisement of an unlimited router without options.
	ra := packet.Payload([]byte{64, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0})
	redirect := packet.Payload(append(append(make([]byte, 4), otherV6.AsSlice()...), otherV6.AsSlice()...))
	return map[string][]byte{
		"a spoofed MAC":                  packet.Build(packet.Ethernet(other, peer), packet.IP(a.v4, b.v4), packet.EchoRequest(1, 1)),
		"a spoofed MAC in IPv6":          packet.Build(packet.Ethernet(other, peer), packet.IP(a.v6, b.v6), packet.EchoRequest(1, 2)),
		"a spoofed IPv4 address":         packet.Build(eth, packet.IP(otherV4, b.v4), packet.EchoRequest(1, 3)),
		"a spoofed IPv6 address":         packet.Build(eth, packet.IP(otherV6, b.v6), packet.EchoRequest(1, 4)),
		"an ARP reply for another":       packet.Build(eth, packet.ARPReply(me, otherV4, peer, b.v4)),
		"an ARP request as another":      packet.Build(packet.Ethernet(me, packet.Broadcast), packet.ARPRequest(me, otherV4, "10.0.0.201")),
		"an ARP reply with another MAC":  packet.Build(eth, packet.ARPReply(other, a.v4, peer, b.v4)),
		"an ARP probe for another":       packet.Build(packet.Ethernet(me, packet.Broadcast), packet.ARPRequest(me, "0.0.0.0", "10.0.0.201")),
		"an advertisement for another":   packet.Build(eth, packet.IP(a.v6, b.v6), packet.NeighborAdvertisement(otherV6, me, packet.Override)),
		"an advertisement of its router": packet.Build(eth, packet.IP(a.v6, b.v6), packet.NeighborAdvertisement("2001:db8::1", me, packet.Override|packet.Router)),
		"an advertisement as another":    packet.Build(eth, packet.IP(otherV6, b.v6), packet.NeighborAdvertisement(otherV6, me, packet.Override)),
		"a DHCP offer":                   packet.Build(eth, packet.IP(a.v4, b.v4), packet.UDP(67, 68), packet.Payload(offer.ToBytes())),
		"a DHCP offer to everybody":      packet.Build(packet.Ethernet(me, packet.Broadcast), packet.IP(a.v4, "255.255.255.255"), packet.UDP(67, 68), packet.Payload(offer.ToBytes())),
		"a DHCPv6 advertisement":         packet.Build(eth, packet.IP(local, linkLocal(peer)), packet.UDP(547, 546), packet.Payload(advertise.ToBytes())),
		"a router advertisement":         packet.Build(packet.Ethernet(me, "33:33:00:00:00:01"), packet.IP(local, "ff02::1"), packet.ICMPv6(134, 0), packet.TTL(255), ra),
		"a redirect":                     packet.Build(eth, packet.IP(local, b.v6), packet.ICMPv6(137, 0), packet.TTL(255), redirect),
	}
}

// linkLocal is the address that a host forms from its MAC address (RFC 4291 appendix A).
func linkLocal(m net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}
