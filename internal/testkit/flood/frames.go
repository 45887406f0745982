package flood

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// Sender is who floods, and what is around it.
type Sender struct {
	MAC    net.HardwareAddr
	V4, V6 netip.Addr
	// Peer is another guest of the network, and Nobody an address there that nobody has.
	Peer                           net.HardwareAddr
	Peer4, Peer6, Nobody4, Nobody6 netip.Addr
	// Router is the network's, with its addresses.
	Router             net.HardwareAddr
	Gateway4, Gateway6 netip.Addr
	// Behind is a guest on another network of the router, and Nowhere an address to which there is no way.
	Behind4, Behind6, Nowhere4, Nowhere6 netip.Addr
}

// variants is how often each frame comes, with other numbers in it that no flow looks at.
const variants = 16

// Kind is one sort of flood.
type Kind struct {
	Name   string
	Frames [][]byte
}

// Kinds are all floods, each by itself, and then all at once.
func (s Sender) Kinds() []Kind {
	kinds := []Kind{{"DHCP", s.DHCP()}, {"ARP", s.ARP()}, {"ND", s.ND()}, {"router", s.ToRouter()}, {"unicast", s.ToPeer()}}
	return append(kinds, Kind{"all", s.All()})
}

// All is everything by turns, so that every kind has the same share.
func (s Sender) All() (list [][]byte) {
	kinds := [][][]byte{s.DHCP(), s.ARP(), s.ND(), s.ToRouter()}
	most := 0
	for _, k := range kinds {
		most = max(most, len(k))
	}
	for i := range most {
		for _, k := range kinds {
			list = append(list, k[i%len(k)])
		}
	}
	return list
}

// DHCP asks for addresses of both families, as a client without one and as one that renews.
func (s Sender) DHCP() (list [][]byte) {
	for i := range variants {
		solicit, err := dhcpv6.NewSolicit(s.MAC)
		if err != nil {
			panic(fmt.Sprintf("flood: %v", err))
		}
		solicit.TransactionID = dhcpv6.TransactionID{0, 0, byte(i)}
		list = append(list, packet.DHCPv4Client(s.MAC, dhcpv4.WithTransactionID(dhcpv4.TransactionID{0, 0, 0, byte(i)})),
			packet.DHCPv6Client(s.MAC, s.local(), solicit))
	}
	return list
}

// ARP asks for the address of another guest, of the router, and for one that nobody has.
func (s Sender) ARP() (list [][]byte) {
	for _, to := range []netip.Addr{s.Peer4, s.Gateway4, s.Nobody4} {
		list = append(list, packet.Build(packet.Ethernet(s.MAC, packet.Broadcast), packet.ARPRequest(s.MAC, s.V4, to)))
	}
	return list
}

// ND asks the same by neighbour solicitations, with and without the sender's MAC address, and for routers.
func (s Sender) ND() (list [][]byte) {
	for _, to := range []netip.Addr{s.Peer6, s.Gateway6, s.Nobody6} {
		b := to.As16()
		group := netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
		eth := packet.Ethernet(s.MAC, net.HardwareAddr{0x33, 0x33, 0xff, b[13], b[14], b[15]})
		list = append(list, packet.Build(eth, packet.IP(s.V6, group), packet.NeighborSolicitation(to, s.MAC)),
			packet.Build(eth, packet.IP(s.V6, group), packet.NeighborSolicitation(to, nil)))
	}
	return append(list, packet.Build(packet.Ethernet(s.MAC, "33:33:00:00:00:02"), packet.IP(s.local(), "ff02::2"), packet.RouterSolicitation(s.MAC)))
}

// ToPeer asks for the address of another guest by frames for it alone, which a plain switch has to copy to nobody: there
// nothing is cheaper.
func (s Sender) ToPeer() [][]byte {
	eth := packet.Ethernet(s.MAC, s.Peer)
	return [][]byte{
		packet.Build(eth, packet.ARPRequest(s.MAC, s.V4, s.Peer4)),
		packet.Build(eth, packet.IP(s.V6, s.Peer6), packet.NeighborSolicitation(s.Peer6, s.MAC)),
	}
}

// ToRouter is what the router answers or refuses: echo requests, packets that are too old, to a closed port of it, to
// nobody and to nowhere.
func (s Sender) ToRouter() (list [][]byte) {
	eth := packet.Ethernet(s.MAC, s.Router)
	udp := func(n int) packet.Layer { return packet.UDP(uint16(40000+n), uint16(33434+n)) }
	for i := range variants {
		for _, f := range []struct{ from, gateway, behind, nowhere netip.Addr }{
			{s.V4, s.Gateway4, s.Behind4, s.Nowhere4}, {s.V6, s.Gateway6, s.Behind6, s.Nowhere6},
		} {
			list = append(list,
				packet.Build(eth, packet.IP(f.from, f.gateway), packet.EchoRequest(uint16(i), uint16(i))),
				packet.Build(eth, packet.IP(f.from, f.behind), packet.TTL(1), udp(i)),
				packet.Build(eth, packet.IP(f.from, f.gateway), udp(i)),
				packet.Build(eth, packet.IP(f.from, f.nowhere), udp(i)))
		}
	}
	return slices.Clip(list)
}

// local is the address that the guest forms from its MAC address (RFC 4291 appendix A).
func (s Sender) local() netip.Addr {
	m := s.MAC
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}
