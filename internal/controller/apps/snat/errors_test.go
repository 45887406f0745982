package snat_test

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	bytesOf "github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// quoted is a packet as an ICMP error quotes it.
func quoted(src, dst string, from, to uint16) packet.Layer {
	whole := packet.Build(packet.Ethernet(hostMAC, hostMAC), packet.IP(src, dst), packet.UDP(from, to))
	return packet.Payload(whole[14:])
}

// quotes checks what an ICMP error quotes: its addresses and ports.
func quotes(t *testing.T, what string, frame []byte, src, dst string, from, to uint16) {
	t.Helper()
	i := bytes.Index(frame, []byte{0x45, 0}) // the outer header
	if i < 0 || len(frame) < i+28+28 {
		t.Fatalf("%s: %x quotes nothing", what, frame)
	}
	q := frame[i+28:]
	a, _ := netip.AddrFromSlice(q[12:16])
	b, _ := netip.AddrFromSlice(q[16:20])
	got := []uint16{uint16(q[20])<<8 | uint16(q[21]), uint16(q[22])<<8 | uint16(q[23])}
	if a.String() != src || b.String() != dst || !slices.Equal(got, []uint16{from, to}) {
		t.Errorf("%s quotes %s %d to %s %d, want %s %d to %s %d", what, a, got[0], b, got[1], src, from, dst, to)
	}
}

// TestErrorsAreTranslated: what a router outside, or a guest, says about a connection names it as the other side knows it.
func TestErrorsAreTranslated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		s       *wired
		outside string
		mac     model.MAC
	}{
		"gateway":     {translating(t), outIP, gatewayMAC(1)},
		"distributed": {sharing(t), ownIP, chassisMAC},
	} {
		s, a := c.s, guest(1, 10)
		s.leaves(name, s.out(a, packet.IP(guestIP, farIP), packet.UDP(1000, 53)), packet.IP(c.outside, farIP))
		for _, kind := range []uint8{3, 11} {
			got := s.in(c.mac, packet.IP("198.51.100.1", c.outside), packet.ICMP(kind, 0), quoted(c.outside, farIP, 1000, 53))
			s.comes(name+", from outside", got, a, packet.IP("198.51.100.1", guestIP), packet.ICMP(kind, 0))
			if list := got[a.ID]; len(list) == 1 {
				quotes(t, name+", from outside", list[0], guestIP, farIP, 1000, 53)
			}
		}
		got := s.out(a, packet.IP(guestIP, farIP), packet.ICMP(3, 3), quoted(farIP, guestIP, 53, 1000))
		s.leaves(name+", from the guest", got, packet.IP(c.outside, farIP), packet.ICMP(3, 3))
		if len(got) == 1 {
			quotes(t, name+", from the guest", got[0][4:], farIP, c.outside, 53, 1000)
		}
	}
}

// TestFragmentsAreTranslated both ways, all of them.
func TestFragmentsAreTranslated(t *testing.T) {
	t.Parallel()
	s, a := translating(t), guest(1, 10)
	s.Forget(wire)
	whole := packet.Build(packet.Ethernet(a.MACAddress, insideMAC(1)), packet.IP(guestIP, farIP), packet.UDP(1000, 53), packet.Payload(make([]byte, 2000)))
	src, dst := netip.MustParseAddr(guestIP), netip.MustParseAddr(farIP)
	for _, h := range []bytesOf.IPv4{{MoreFragments: true}, {FragmentOffset: 1400}} {
		h.ID, h.TTL, h.Protocol, h.Src, h.Dst = 7, 64, bytesOf.ProtocolUDP, src, dst
		part := whole[34:1434]
		if h.FragmentOffset > 0 {
			part = whole[1434:]
		}
		s.Inject("tap-"+a.ID, append(h.Append(slices.Clone(whole[:14]), len(part)), part...))
		s.Settle()
	}
	if got := s.Sent(wire); len(got) != 2 || packet.Match(got[0], packet.IP(outIP, farIP)) != nil || packet.Match(got[1], packet.IP(outIP, farIP)) != nil {
		t.Errorf("%x leaves of two fragments", got)
	}
}

// TestWhatCannotBeTranslatedDoesNotLeave: the datapath gives ICMP no other identifier, and forwards what it leaves alone.
func TestWhatCannotBeTranslatedDoesNotLeave(t *testing.T) {
	t.Parallel()
	s := translating(t)
	s.leaves("an echo", s.out(guest(1, 10), packet.IP(guestIP, farIP), packet.EchoRequest(7, 1)), packet.IP(outIP, farIP))
	if got := s.out(guest(1, 11), packet.IP("10.0.0.11", farIP), packet.EchoRequest(7, 1)); len(got) > 0 {
		t.Errorf("%s leaves", packet.Summary(got[0]))
	}
	s.leaves("an echo of another identifier", s.out(guest(1, 11), packet.IP("10.0.0.11", farIP), packet.EchoRequest(8, 1)), packet.IP(outIP, farIP))
	dropped := s.Dropped()
	for reason, n := range dropped {
		if strings.HasPrefix(reason, "snat: the sender's address could not be translated") && n == 1 {
			return
		}
	}
	t.Errorf("dropped: %v", dropped)
}

// TestWhatIsLetInWithoutTranslationIsAnsweredSo, where a router outside knows a route to the subnet.
func TestWhatIsLetInWithoutTranslationIsAnsweredSo(t *testing.T) {
	t.Parallel()
	s, a := translating(t), guest(1, 10)
	s.comes("from outside", s.in(gatewayMAC(1), packet.IP(farIP, guestIP), packet.UDP(53, 1000)), a, packet.IP(farIP, guestIP), packet.UDP(53, 1000))
	s.Forget(wire)
	s.Inject("tap-"+a.ID, packet.Build(packet.Ethernet(a.MACAddress, insideMAC(1)), packet.IP(guestIP, farIP), packet.UDP(1000, 53)))
	s.Settle()
	s.leaves("the answer", s.Sent(wire), packet.IP(guestIP, farIP), packet.UDP(1000, 53))
	s.leaves("another connection", s.out(a, packet.IP(guestIP, farIP), packet.UDP(1001, 53)), packet.IP(outIP, farIP), packet.UDP(1001, 53))
}

// TestAddressScopes: what is of the external network's scope is routed as it is; what is of another, or of none, is
// translated (Neutron API "address scopes").
func TestAddressScopes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		outside, inside string
		distributed     bool
		want            string
	}{
		"none":                     {"", "", false, outIP},
		"the same":                 {"scope", "scope", false, guestIP},
		"another":                  {"scope", "other", false, outIP},
		"none outside":             {"", "other", false, outIP},
		"none inside":              {"scope", "", false, outIP},
		"another, distributed":     {"scope", "other", true, ownIP},
		"none inside, distributed": {"scope", "", true, ownIP},
		"none at all, distributed": {"", "", true, ownIP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			router, mac := behind(1), gatewayMAC(1)
			if c.distributed {
				router, mac = append(distributed(1), own()), chassisMAC
			}
			rows := slices.Concat(outside(), router, here(guest(1, 10), 1))
			for _, r := range rows {
				if n, is := r.(*model.Subnet); is && n.CIDR.Addr().Is4() {
					n.AddressScopeID = map[string]string{"x": c.outside, "n1": c.inside}[n.NetworkID]
				}
			}
			s := newWired(t, rows...)
			a := guest(1, 10)
			s.leaves("out", s.out(a, packet.IP(guestIP, farIP), packet.UDP(1000, 53)), packet.IP(c.want, farIP))
			s.comes("back", s.in(mac, packet.IP(farIP, c.want), packet.UDP(53, 1000)), a, packet.IP(farIP, guestIP))
		})
	}
}

// TestDistributedKeepsItsScopeForTheGateway: what is not translated leaves by the router's gateway.
func TestDistributedKeepsItsScopeForTheGateway(t *testing.T) {
	t.Parallel()
	rows := slices.Concat(outside(), append(distributed(1), own()), here(guest(1, 10), 1))
	for _, r := range rows {
		if n, is := r.(*model.Subnet); is && n.CIDR.Addr().Is4() {
			n.AddressScopeID = "scope"
		}
	}
	s := newWired(t, rows...)
	s.Forget("tun")
	if got := s.out(guest(1, 10), packet.IP(guestIP, farIP), packet.UDP(1000, 53)); len(got) > 0 || len(s.Sent("tun")) != 1 {
		t.Errorf("%x leaves here, %x goes to the gateway", got, s.Sent("tun"))
	}
}

// TestFloatingIPsAreReached by guests who have none, of the same chassis and of both kinds of translation.
func TestFloatingIPsAreReached(t *testing.T) {
	t.Parallel()
	a, b := guest(1, 10), guest(2, 11)
	f := &model.FloatingIP{
		Meta: meta("f"), Host: apptest.Host, FloatingIPAddress: netip.MustParseAddr("203.0.113.70"), NetworkID: "x",
		MACAddress: model.MAC{0xfa, 0x16, 0x3e, 0xfe, 0, 70}, RouterID: "r2", PortID: b.ID, PortNetworkID: "n2", FixedIPAddress: b.FixedIPs[0].IPAddress,
	}
	for name, c := range map[string]struct {
		router []any
		want   string
	}{"gateway": {behind(1), outIP}, "distributed": {append(distributed(1), own()), ownIP}} {
		s := newWired(t, slices.Concat(outside(), c.router, distributed(2), []any{f}, here(a, 1), here(b, 2))...)
		send := func(from *model.Port, k byte, src, dst string, sport, dport uint16) map[string][][]byte {
			return s.Send(from, packet.Build(packet.Ethernet(from.MACAddress, insideMAC(k)), packet.IP(src, dst), packet.UDP(sport, dport)))
		}
		s.comes(name, send(a, 1, guestIP, "203.0.113.70", 1000, 53), b, packet.IP(c.want, "10.0.0.11"), packet.UDP(1000, 53))
		for _, p := range s.Ports {
			s.Forget(apptest.Plug(p, 0).Name)
		}
		s.Inject("tap-"+b.ID, packet.Build(packet.Ethernet(b.MACAddress, insideMAC(2)), packet.IP("10.0.0.11", c.want), packet.UDP(53, 1000)))
		s.Settle()
		s.comes(name+", the answer", map[string][][]byte{a.ID: s.Sent("tap-" + a.ID)}, a, packet.IP("203.0.113.70", guestIP), packet.UDP(53, 1000))
		s.leaves(name+", outside from the floating IP", s.out(b, packet.IP("10.0.0.11", farIP), packet.UDP(1000, 53)), packet.IP("203.0.113.70", farIP))
	}
}

// TestZonesNeverMeet: those of routers, of what stands for them, and of ports are all different.
func TestZonesNeverMeet(t *testing.T) {
	w := apptest.New(t, apps()...)
	w.Set(slices.Concat(outside(), behind(1), distributed(2), []any{own()}, here(guest(1, 10), 1), here(guest(2, 10), 2))...)
	w.MustStep()
	seen := map[uint32]string{}
	for _, e := range w.Numbers.Entries() {
		if e.Space != "zone" {
			continue
		}
		if other, taken := seen[e.Number]; taken {
			t.Errorf("zone %d is of %s and of %s", e.Number, other, e.Content)
		}
		seen[e.Number] = e.Content
	}
	for _, content := range []string{"snat/r1", "snat-internal/r2", "snat-chassis/x"} {
		if !slices.ContainsFunc(w.Numbers.Entries(), func(e number.Entry) bool { return e.Space == "zone" && e.Content == content }) {
			t.Errorf("%s has no zone", content)
		}
	}
	g := gatewayOf(1)
	g.Chassis = append(g.Chassis, model.GatewayChassis{Name: "c9", Priority: 9})
	w.Set(g, view.WatchPort{Chassis: "c9", OFPort: 7, Alive: true})
	w.Step()
	if !slices.ContainsFunc(w.Numbers.Resting(), func(e number.Entry) bool { return e.Content == "snat/r1" }) {
		t.Error("a gateway that is not one any more keeps its zone")
	}
}
