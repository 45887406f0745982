package portsecurity_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// sent is a frame of the guest, and the first word of the reason for which it is dropped, if it is.
type sent struct {
	what  string
	frame []byte
	drop  string
}

const (
	own4, own6, local6 = "10.0.0.1", "2001:db8::1", "fe80::f816:3eff:fe00:1"
	any4, bcast4, all6 = "0.0.0.0", "255.255.255.255", "ff02::1"
	routers6, reports6 = "ff02::2", "ff02::16"
)

func inIPv4() []sent {
	m, v, bcast := mac(1), virtual(), packet.Broadcast()
	return []sent{
		{"from its address", udp(m, mac(2), own4, "10.0.0.2", 9, 9), ""},
		{"from another's address", udp(m, mac(2), "10.0.0.2", "10.0.0.9", 9, 9), "spoofed IPv4"},
		{"from another's MAC", udp(mac(2), mac(3), own4, "10.0.0.2", 9, 9), "spoofed MAC"},
		{"from a multicast MAC", udp(packet.MAC{1, 0, 0x5e, 0, 0, 1}, mac(2), own4, "10.0.0.2", 9, 9), "spoofed MAC"},
		{"from a pair's prefix", udp(m, mac(2), "192.168.7.7", "10.0.0.2", 9, 9), ""},
		{"from a pair with a MAC of its own", udp(v, mac(2), "10.0.0.100", "10.0.0.2", 9, 9), ""},
		{"from a pair's address with the port's MAC", udp(m, mac(2), "10.0.0.100", "10.0.0.2", 9, 9), "spoofed IPv4"},
		{"from the port's address with a pair's MAC", udp(v, mac(2), own4, "10.0.0.2", 9, 9), "spoofed IPv4"},
		{"DHCP discover", udp(m, bcast, any4, bcast4, 68, 67), ""},
		{"DHCP renewal", udp(m, mac(2), own4, "10.0.0.2", 68, 67), ""},
		{"DHCP discover to one host", udp(m, mac(2), any4, "10.0.0.2", 68, 67), "spoofed IPv4"},
		{"without address, but not DHCP", udp(m, bcast, any4, bcast4, 9, 9), "spoofed IPv4"},
		{"DHCP offer", udp(m, bcast, own4, bcast4, 67, 68), "impostor"},
		{"IGMP report without address", igmp(m, any4), ""},
		{"IGMP report of another", igmp(m, "10.0.0.2"), "spoofed IPv4"},
	}
}

func inARP() []sent {
	m, v := mac(1), virtual()
	return []sent{
		{"request", arp(m, 1, m, own4, "10.0.0.2"), ""},
		{"reply", arp(m, 2, m, own4, "10.0.0.2"), ""},
		{"announcement of a pair", arp(v, 1, v, "10.0.0.100", "10.0.0.100"), ""},
		{"announcement of another's address", arp(m, 2, m, "10.0.0.2", "10.0.0.2"), "spoofed ARP"},
		{"announcement of another's MAC", arp(m, 2, mac(2), own4, own4), "spoofed ARP"},
		{"announcement of a pair's address with the port's MAC", arp(m, 2, m, "10.0.0.100", "10.0.0.100"), "spoofed ARP"},
		{"announcement of a pair's MAC in the port's frame", arp(m, 2, v, "10.0.0.100", "10.0.0.100"), "spoofed ARP"},
		{"from another's frame", arp(mac(2), 1, m, own4, own4), "spoofed MAC"},
		{"probe for its own address", arp(m, 1, m, any4, own4), ""},
		{"probe for a pair", arp(v, 1, v, any4, "10.0.0.100"), ""},
		{"probe for another's address", arp(m, 1, m, any4, "10.0.0.2"), "spoofed ARP"},
		{"reply without address", arp(m, 2, m, any4, own4), "spoofed ARP"},
	}
}

func inIPv6() []sent {
	m, v := mac(1), virtual()
	dst := packet.MulticastMAC(addr(all6))
	return []sent{
		{"from its address", udp(m, mac(2), own6, "2001:db8::2", 9, 9), ""},
		{"from its link-local address", udp(m, mac(2), local6, "fe80::2", 9, 9), ""},
		{"from another's address", udp(m, mac(2), "2001:db8::2", "2001:db8::9", 9, 9), "spoofed IPv6"},
		{"from another's link-local address", udp(m, mac(2), "fe80::2", "2001:db8::9", 9, 9), "spoofed IPv6"},
		{"from another's MAC", udp(mac(2), mac(3), own6, "2001:db8::2", 9, 9), "spoofed MAC"},
		{"from a pair's prefix", udp(m, mac(2), "2001:db8:1::7", "2001:db8::2", 9, 9), ""},
		{"from a pair with a MAC of its own", udp(v, mac(2), "2001:db8::100", "2001:db8::2", 9, 9), ""},
		{"from that MAC's link-local address", udp(v, mac(2), "fe80::200:5eff:fe00:107", "fe80::2", 9, 9), ""},
		{"from a pair's address with the port's MAC", udp(m, mac(2), "2001:db8::100", "2001:db8::2", 9, 9), "spoofed IPv6"},
		{"DHCPv6 solicit", udp(m, dst, local6, "ff02::1:2", 546, 547), ""},
		{"DHCPv6 solicit from a stable private address", udp(m, dst, "fe80::1234", "ff02::1:2", 546, 547), ""},
		{"another service from such an address", udp(m, dst, "fe80::1234", "ff02::1:2", 9, 547), "spoofed IPv6"},
		{"DHCPv6 advertise", udp(m, mac(2), local6, "fe80::2", 547, 546), "impostor"},
		{"without address", udp(m, dst, "::", all6, 9, 9), "spoofed IPv6"},
		{"router solicitation", icmp6(m, local6, routers6, packet.RouterSolicitation{}), ""},
		{"router solicitation without address", icmp6(m, "::", routers6, packet.RouterSolicitation{}), ""},
		{"router solicitation from a stable private address", icmp6(m, "fe80::1234", routers6, packet.RouterSolicitation{}), ""},
		{"router advertisement", icmp6(m, local6, all6, packet.RouterAdvertisement{RouterLifetime: 1800}), "impostor"},
		{"redirect", icmp6(m, local6, own6, packet.ICMPv6{Type: packet.ICMPv6Redirect, Body: make([]byte, 36)}), "impostor"},
		{"MLDv2 report without address", icmp6(m, "::", reports6, mld(143)), ""},
		{"MLD report of a stable private address", icmp6(m, "fe80::1234", reports6, mld(131)), ""},
		{"MLD done", icmp6(m, local6, routers6, mld(132)), ""},
		{"MLD report of another", icmp6(m, "2001:db8::2", reports6, mld(131)), "spoofed IPv6"},
	}
}

func inND() []sent {
	m, v := mac(1), virtual()
	return []sent{
		{"solicitation", icmp6(m, own6, "ff02::1:ff00:2", solicit("2001:db8::2", m)), ""},
		{"solicitation without MAC", icmp6(m, own6, "2001:db8::2", solicit("2001:db8::2")), ""},
		{"solicitation with another's MAC", icmp6(m, own6, "ff02::1:ff00:2", solicit("2001:db8::2", mac(2))), "spoofed ND"},
		{"solicitation with a pair's MAC", icmp6(m, own6, "ff02::1:ff00:2", solicit("2001:db8::2", v)), "spoofed ND"},
		{"solicitation with two MACs", icmp6(m, own6, "ff02::1:ff00:2", solicit("2001:db8::2", mac(2), m)), "malformed ND"},
		{"solicitation from another's address", icmp6(m, "2001:db8::2", "ff02::1:ff00:3", solicit("2001:db8::3", m)), "spoofed IPv6"},
		{"DAD for its own address", icmp6(m, "::", "ff02::1:ff00:1", solicit(own6)), ""},
		{"DAD for its link-local address", icmp6(m, "::", "ff02::1:ff00:1", solicit(local6)), ""},
		{"DAD for a pair", icmp6(m, "::", "ff02::1:ff00:7", solicit("2001:db8:1::7")), ""},
		{"DAD for another's address", icmp6(m, "::", "ff02::1:ff00:2", solicit("2001:db8::2")), "spoofed ND"},
		{"advertisement", icmp6(m, own6, all6, advertise(own6, m)), ""},
		{"advertisement without MAC", icmp6(m, own6, "2001:db8::2", advertise(own6)), ""},
		{"advertisement of the link-local address", icmp6(m, local6, all6, advertise(local6, m)), ""},
		{"advertisement of a pair", icmp6(v, "2001:db8::100", all6, advertise("2001:db8::100", v)), ""},
		{"advertisement of another's address", icmp6(m, own6, all6, advertise("2001:db8::2", m)), "spoofed ND"},
		{"advertisement of another's address without MAC", icmp6(m, own6, all6, advertise("2001:db8::2")), "spoofed ND"},
		{"advertisement of another's MAC", icmp6(m, own6, all6, advertise(own6, mac(2))), "spoofed ND"},
		{"advertisement from another's address", icmp6(m, "2001:db8::2", all6, advertise(own6, m)), "spoofed IPv6"},
		{"advertisement of a pair with the port's MAC", icmp6(m, own6, all6, advertise("2001:db8::100", m)), "spoofed ND"},
	}
}

func inEthernet() []sent {
	bcast := packet.Broadcast()
	return []sent{
		{"RARP after a migration", rarp(mac(1), 3, mac(1), mac(1)), ""},
		{"RARP of a pair", rarp(virtual(), 3, virtual(), virtual()), ""},
		{"RARP about another's MAC", rarp(mac(1), 3, mac(2), mac(2)), "spoofed RARP"},
		{"RARP for another", rarp(mac(1), 3, mac(1), mac(2)), "spoofed RARP"},
		{"RARP of a pair in the port's frame", rarp(mac(1), 3, virtual(), virtual()), "spoofed RARP"},
		{"RARP from another's frame", rarp(mac(2), 3, mac(1), mac(1)), "spoofed MAC"},
		{"RARP reply", rarp(mac(1), 4, mac(1), mac(1)), "spoofed RARP"},
		{"RARP that tells nothing", other(mac(1), bcast, packet.EtherTypeRARP), "spoofed RARP"},
		{"another protocol", other(mac(1), bcast, 0x88b5), ""},
		{"another protocol from another's MAC", other(mac(2), bcast, 0x88b5), "spoofed MAC"},
		{"a bridge's frame", other(mac(1), packet.MAC{1, 0x80, 0xc2, 0, 0, 2}, 0x8809), "impostor"},
		{"a VLAN tag", other(mac(1), bcast, packet.EtherTypeVLAN), "the guest sends in a VLAN"},
	}
}

func world(t *testing.T, change func(p *model.Port)) (*apptest.World, *apptest.Switch, *model.Port) {
	w := apptest.New(t, append(apps(), apptest.Open())...)
	a, b := apptest.Port("a", "n", 1, own4, own6), apptest.Port("b", "n", 2, "10.0.0.2", "2001:db8::2")
	b.PortSecurityEnabled = false
	a.AllowedAddressPairs = []model.AddressPair{
		pair("192.168.0.0/16", mac(1)), pair("2001:db8:1::/48", mac(1)),
		pair("10.0.0.100/32", virtual()), pair("2001:db8::100/128", virtual()),
	}
	change(a)
	w.Set(apptest.Net("n"), a, b, apptest.Bind(a), apptest.Bind(b))
	s := w.Switch(a, b)
	w.MustStep()
	return w, s, a
}

// TestPackets sends what an honest and a hostile guest send, and sees on a real switch what comes
// through, and for what reason the rest does not.
func TestPackets(t *testing.T) {
	t.Parallel()
	_, s, a := world(t, func(*model.Port) {})
	s.Install()
	for name, list := range map[string][]sent{
		"IPv4": inIPv4(), "ARP": inARP(), "IPv6": inIPv6(), "ND": inND(), "Ethernet": inEthernet(),
	} {
		for _, c := range list {
			arrived := len(s.Send(a, c.frame)["b"]) == 1
			reasons := slices.Collect(maps.Keys(s.Dropped()))
			switch {
			case c.drop == "" && !arrived:
				t.Errorf("%s: %s: does not arrive: %q", name, c.what, reasons)
			case c.drop != "" && arrived:
				t.Errorf("%s: %s: arrives", name, c.what)
			case c.drop != "" && (len(reasons) != 1 || !strings.HasPrefix(reasons[0], c.drop)):
				t.Errorf("%s: %s: dropped because of %q, want %q", name, c.what, reasons, c.drop)
			case c.drop != "":
				s.Because(" at port a: " + c.drop)
			}
		}
	}
}

// TestDisabledPortSecurityPassesAll sends the same frames from a port without port security.
func TestDisabledPortSecurityPassesAll(t *testing.T) {
	t.Parallel()
	_, s, a := world(t, func(p *model.Port) { p.PortSecurityEnabled = false })
	s.Install()
	for _, c := range slices.Concat(inIPv4(), inARP(), inIPv6(), inND(), inEthernet()) {
		if strings.Contains(c.drop, "VLAN") || c.frame[5] == 3 {
			continue // the classifier's business, and a destination that nobody has
		}
		if len(s.Send(a, c.frame)["b"]) != 1 {
			t.Errorf("%s: does not arrive: %v", c.what, s.Dropped())
		}
	}
}

// TestASecuredPortReceivesOnlyItsOwn shows that flooded unicast stays away from a port with port
// security.
func TestASecuredPortReceivesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	w, s, _ := world(t, func(*model.Port) {})
	b := apptest.Port("b", "n", 2)
	s.Install()
	for _, c := range []struct {
		what string
		dst  packet.MAC
		want bool
	}{
		{"its MAC address", mac(1), true}, {"a pair's MAC address", virtual(), true},
		{"broadcast", packet.Broadcast(), true}, {"multicast", packet.MAC{0x33, 0x33, 0, 0, 0, 1}, true},
		{"unknown unicast", mac(9), false},
	} {
		if got := len(s.Send(b, other(mac(2), c.dst, 0x88b5))["a"]) == 1; got != c.want {
			t.Errorf("%s: arrives is %v, want %v: %v", c.what, got, c.want, s.Dropped())
		}
	}
	a := apptest.Port("a", "n", 1, own4, own6)
	a.AllowedAddressPairs = nil
	w.Set(a)
	w.MustStep()
	s.Install()
	if got := s.Send(b, other(mac(2), virtual(), 0x88b5)); len(got["a"]) != 0 {
		t.Errorf("the MAC address of a removed pair still reaches the port")
	}
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	_, s, a := world(t, func(p *model.Port) { p.AllowedAddressPairs = nil })
	s.Install()
	s.Send(a, udp(mac(1), mac(2), own4, "10.0.0.2", 9, 9))
	s.Send(a, udp(mac(1), mac(2), "10.0.0.9", "10.0.0.2", 9, 9))
	s.Send(a, arp(mac(1), 2, mac(1), "10.0.0.2", "10.0.0.2"))
	apptest.Readme(t, "dump", s.Dump(func(owner string) bool { return owner == "portsecurity.port LocalPort/a" }))
}

// TestMegaflowsStayWide shows that what the datapath remembers of a checked packet serves its whole
// conversation: no destination port, and of the source port only the bits that tell it from DHCP's.
func TestMegaflowsStayWide(t *testing.T) {
	t.Parallel()
	_, s, _ := world(t, func(*model.Port) {})
	s.Install()
	const v4 = "in_port=1,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64"
	const v6 = "in_port=1,dl_src=fa:16:3e:00:00:01,dl_dst=fa:16:3e:00:00:02,ipv6_src=2001:db8::1,ipv6_dst=2001:db8::2,nw_ttl=64"
	for packet, never := range map[string][]string{
		"tcp," + v4 + ",tcp_src=40000,tcp_dst=80":  {"tp_src", "tp_dst", "nw_ttl", "nw_dst=10.0.0.2,"},
		"tcp6," + v6 + ",tcp_src=40000,tcp_dst=80": {"tp_src", "tp_dst", "nw_ttl", "ipv6_dst"},
		"udp," + v4 + ",udp_src=40000,udp_dst=53":  {"tp_dst", "tp_src=40000", "nw_ttl"},
		"udp6," + v6 + ",udp_src=40000,udp_dst=53": {"tp_dst", "tp_src=40000", "nw_ttl"},
	} {
		_, megaflow, _ := strings.Cut(s.Appctl("ofproto/trace", apptest.Bridge, packet), "Megaflow: ")
		megaflow, _, _ = strings.Cut(megaflow, "\n")
		for _, field := range never {
			if megaflow == "" || strings.Contains(megaflow, field) {
				t.Errorf("%s: the datapath looks at %s:\n%s", packet, field, megaflow)
			}
		}
	}
}
