package dnat_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// fip is a floating IP 203.0.113.<n> of a port.
func fip(n byte, router string, p *model.Port) *model.FloatingIP {
	f := floating(apptest.Host)
	f.ID, f.RouterID, f.PortID, f.PortNetworkID, f.FixedIPAddress = "f-"+p.ID, router, p.ID, p.NetworkID, p.FixedIPs[0].IPAddress
	f.FloatingIPAddress, f.MACAddress = netip.AddrFrom4([4]byte{203, 0, 113, n}), model.MAC{0xfa, 0x16, 0x3e, 0xfe, 0, n}
	return f
}

// crowded is a chassis with a and b behind router r, d behind another, each with a floating IP, c behind r without,
// and e on the external network itself; it is the gateway of r.
func crowded(t *testing.T) (s *wired, a, b, c, d, e *model.Port) {
	t.Helper()
	on := func(id, network string, n byte, address string) *model.Port {
		return apptest.At(apptest.Host, apptest.Port(id, network, n, address))
	}
	a, b, c = guest(), on("b", "n", 11, "10.0.0.11"), on("c", "n", 12, "10.0.0.12")
	d, e = on("d", "m", 13, "10.0.0.13"), on("e", "x", 14, "203.0.113.14")
	rows := append(topology(), behind("q", "m", "10.0.0.0/24", 2)...)
	for _, r := range rows {
		if g, is := r.(*model.RouterGateway); is && g.RouterID == "r" {
			g.Chassis = []model.GatewayChassis{{Name: apptest.Host, Priority: 1}}
		}
	}
	for i, p := range []*model.Port{a, b, c, d, e} {
		rows = append(rows, here(p, uint32(i+1))...)
	}
	held := apptest.Port("held", "x", 0, floatingIP) // the port of the API that holds the address
	held.MACAddress, held.DeviceOwner = floatingMAC, "network:floatingip"
	rows = append(rows, held, &model.GatewayDuty{Meta: meta("r"), Host: apptest.Host})
	return newWired(t, append(rows, fip(70, "r", a), fip(71, "r", b), fip(73, "q", d))...), a, b, c, d, e
}

// TestFloatingIPsOfOneChassisReachEachOther: nobody outside would send back what came from the same port of his.
func TestFloatingIPsOfOneChassisReachEachOther(t *testing.T) {
	t.Parallel()
	s, a, b, c, d, e := crowded(t)
	router := map[string]model.MAC{"n": insideMAC, "m": {0xfa, 0x16, 0x3e, 0xee, 0, 2}}
	address := func(p *model.Port) string { return p.FixedIPs[0].IPAddress.String() }
	outside := map[string]string{a.ID: "203.0.113.70", b.ID: "203.0.113.71", c.ID: "203.0.113.201", d.ID: "203.0.113.73", e.ID: "203.0.113.14"}
	for _, x := range []struct {
		what     string
		from, to *model.Port
		hops     uint8
	}{
		{"one behind the same router", a, b, 2},
		{"one behind another router, with the same addresses inside", a, d, 2},
		{"and back", d, a, 2},
		{"itself", a, a, 2},
		{"from a guest without a floating IP, whose router's gateway is here", c, b, 2},
		{"and the answer, by the address that the gateway gave", b, c, 2},
		{"from a guest of the external network", e, a, 1},
		{"a guest of the external network", a, e, 1},
	} {
		first := router[x.from.NetworkID]
		if x.from == e {
			first = fip(70, "r", a).MACAddress
		}
		last := router[x.to.NetworkID]
		if x.to == e {
			last = fip(70, "r", a).MACAddress
		}
		f := one(t, x.what, s.Send(x.from, packet.Build(packet.Ethernet(x.from.MACAddress, first), packet.IP(address(x.from), outside[x.to.ID]), packet.TTL(64), packet.UDP(2000, 2000))), x.to)
		packet.Check(t, f, packet.EthSrc(last), packet.EthDst(x.to.MACAddress), packet.IP(outside[x.from.ID], address(x.to)), packet.TTL(64-x.hops), packet.UDP(2000, 2000))
	}
	answer := one(t, "a guest of the external network asks for a floating IP", s.Send(e, packet.Build(packet.Ethernet(e.MACAddress, "ff:ff:ff:ff:ff:ff"),
		packet.ARPRequest(e.MACAddress, "203.0.113.14", floatingIP))), e)
	packet.Check(t, answer, packet.EthSrc(floatingMAC), packet.ARPReply(floatingMAC, floatingIP, e.MACAddress, "203.0.113.14").(packet.Checker))
	lost := packet.Build(packet.Ethernet(e.MACAddress, floatingMAC), packet.IP("203.0.113.14", farIP), packet.TTL(64), packet.UDP(1000, 2000))
	if got := s.Send(e, lost); len(got) > 0 {
		t.Errorf("what is for the floating IP's MAC address, but not for it, reaches %x", got)
	}
}

// one returns the only frame that came out, at that port.
func one(t *testing.T, what string, got map[string][][]byte, to *model.Port) []byte {
	t.Helper()
	if len(got) != 1 || len(got[to.ID]) != 1 {
		t.Fatalf("%s: port %s alone should have received one frame: %x", what, to.ID, got)
	}
	return got[to.ID][0]
}

// TestAGuestWithTheChassisOwnAddressReachesAFloatingIPHere, and is answered.
func TestAGuestWithTheChassisOwnAddressReachesAFloatingIPHere(t *testing.T) {
	t.Parallel()
	b, c := apptest.At(apptest.Host, apptest.Port("b", "n", 11, "10.0.0.11")), apptest.At(apptest.Host, apptest.Port("c", "n", 12, "10.0.0.12"))
	rows := append(append(topology(), here(b, 1)...), here(c, 2)...)
	gatewayOf(rows).(*model.RouterGateway).Distributed = true
	own := &model.ChassisAddress{
		Meta: meta("own"), Host: apptest.Host, NetworkID: "x", MACAddress: model.MAC{0xfa, 0x16, 0x3e, 0xfd, 0, 1},
		FixedIPs: []model.FixedIP{{SubnetID: "s-x", IPAddress: netip.MustParseAddr("203.0.113.99")}},
	}
	s := newWired(t, append(rows, own, fip(71, "r", b))...)
	send := func(from, to *model.Port, dst string, sport, dport uint16, src, seen string) {
		f := one(t, from.ID+" to "+dst, s.Send(from, packet.Build(packet.Ethernet(from.MACAddress, insideMAC), packet.IP(src, dst), packet.TTL(64), packet.UDP(sport, dport))), to)
		packet.Check(t, f, packet.IP(seen, to.FixedIPs[0].IPAddress.String()), packet.TTL(62), packet.UDP(sport, dport))
	}
	send(c, b, "203.0.113.71", 1000, 53, "10.0.0.12", "203.0.113.99")
	send(b, c, "203.0.113.99", 53, 1000, "10.0.0.11", "203.0.113.71")
}
