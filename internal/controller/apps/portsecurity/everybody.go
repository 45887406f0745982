package portsecurity

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// Ports of DHCP (RFC 2131, RFC 8415).
const (
	dhcpv4Client, dhcpv4Server = 68, 67
	dhcpv6Client, dhcpv6Server = 546, 547
)

// The messages of multicast listener discovery by which a host tells what it listens to (RFC 2710,
// RFC 3810).
const mldReport, mldDone, mldv2Report = 131, 132, 143

// everybody emits what holds for all ports with port security alike. Their MAC addresses have been
// checked when a packet meets these flows.
func everybody(_ *view.Reader, _ view.Chassis, out *app.Output) {
	withoutAddress(out)
	solicitations(out)
	impostors(out)
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Low, rarp(), flow.Drop(),
		"spoofed RARP: a guest may ask by RARP in its own name only")
	backstop(out)
	nested(out)
	group := [6]byte{1}
	out.Flow(pipeline.IngressPortSecurity, pipeline.Low, flow.NewMatch(flow.EthDst.MACMasked(group, group)),
		flow.Goto(pipeline.Deliver.Table()), "broadcast and multicast are for everybody")
}

// withoutAddress lets through what a host must be able to say before it has an address.
func withoutAddress(out *app.Output) {
	may := func(reason string, match ...flow.Constraint) {
		out.Flow(pipeline.EgressPortSecurityIP, pipeline.Normal+1, flow.NewMatch(match...), toND(), reason)
	}
	udp, icmp := flow.IPProto.Is(flow.ProtoUDP), flow.IPProto.Is(flow.ProtoICMPv6)
	noIPv4 := flow.IPv4Src.Is(0)
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Normal+1,
		flow.NewMatch(flow.IPv4(), udp, noIPv4, flow.IPv4Dst.Addr(netip.AddrFrom4([4]byte{255, 255, 255, 255})),
			flow.UDPSrc.Is(dhcpv4Client), flow.UDPDst.Is(dhcpv4Server)), toConntrack(),
		"a host without address asks for one by DHCP (RFC 2131)")
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Normal+1,
		flow.NewMatch(flow.IPv4(), noIPv4, flow.IPProto.Is(flow.ProtoIGMP)), toConntrack(),
		"a host without address tells to which groups it listens (RFC 3376)")

	unspecified := flow.IPv6Src.Addr(netip.IPv6Unspecified())
	may("a host looks whether its address is free (RFC 4862)",
		flow.IPv6(), unspecified, icmp, flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborSol)))
	// Hosts choose link-local addresses that nobody can foresee (RFC 7217, RFC 8981). They may ask for
	// configuration from them and tell what they listen to, which gives them no way to be somebody else.
	linkLocal := flow.IPv6Src.Prefix(netip.MustParsePrefix("fe80::/10"))
	for _, source := range []flow.Constraint{unspecified, linkLocal} {
		may("a host asks for a router (RFC 4861)",
			flow.IPv6(), source, icmp, flow.ICMPv6Type.Is(uint64(packet.ICMPv6RouterSol)))
		for _, kind := range []uint64{mldReport, mldDone, mldv2Report} {
			may("a host tells to which groups it listens (RFC 3590)", flow.IPv6(), source, icmp, flow.ICMPv6Type.Is(kind))
		}
	}
	may("a host asks for an address by DHCPv6 (RFC 8415)",
		flow.IPv6(), linkLocal, udp, flow.UDPSrc.Is(dhcpv6Client), flow.UDPDst.Is(dhcpv6Server))
}

// metadata lets a host ask for metadata from whatever link-local address it has chosen (RFC 7217): the app
// metadata tells it by its port, and nobody else hears it.
func metadata(_ *view.Reader, _ view.MetadataPort, out *app.Output) {
	from := flow.IPv6Src.Prefix(netip.MustParsePrefix("fe80::/64"))
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Normal+1,
		flow.NewMatch(flow.IPv6(), from, flow.IPv6Dst.Addr(view.MetadataIPv6), flow.IPProto.Is(flow.ProtoTCP), flow.TCPDst.Is(view.MetadataTCPPort)),
		toND(), "a host asks for metadata")
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Normal+1, solicitation(from, flow.NDTarget.Addr(view.MetadataIPv6)),
		toND(), "a host asks for the MAC address of the service of metadata")
}

// solicitations judges what asks for neighbours. The IP source has been checked already.
func solicitations(out *app.Output) {
	nd := func(priority uint16, m flow.Match, do flow.Instructions, reason string) {
		out.Flow(pipeline.EgressPortSecurityND, priority, m, do, reason)
	}
	// The switch shows a message whose options contradict each other without target and addresses.
	nd(pipeline.Override, solicitation(flow.NDTarget.Addr(netip.IPv6Unspecified())), flow.Drop(),
		"malformed ND: the solicitation is malformed")
	nd(pipeline.High, solicitation(flow.IPv6Src.Addr(netip.IPv6Unspecified())), flow.Drop(),
		"spoofed ND: duplicate address detection for an address that is not one of the port's")
	nd(pipeline.Normal, solicitation(flow.NDSLL.Is(0)), toConntrack(), "the solicitation tells no MAC address")
	nd(pipeline.Low, solicitation(), flow.Drop(), "spoofed ND: the solicitation tells a MAC address that is not the sender's")
}

// impostors keeps guests from playing a service of the network to their neighbours.
func impostors(out *app.Output) {
	drop := func(s pipeline.Stage, reason string, match ...flow.Constraint) {
		out.Flow(s, pipeline.Override, flow.NewMatch(match...), flow.Drop(), reason)
	}
	udp, icmp := flow.IPProto.Is(flow.ProtoUDP), flow.IPProto.Is(flow.ProtoICMPv6)
	drop(pipeline.EgressPortSecurityIP, "impostor: a guest must not serve DHCP",
		flow.IPv4(), udp, flow.UDPSrc.Is(dhcpv4Server), flow.UDPDst.Is(dhcpv4Client))
	drop(pipeline.EgressPortSecurityIP, "impostor: a guest must not serve DHCPv6",
		flow.IPv6(), udp, flow.UDPSrc.Is(dhcpv6Server), flow.UDPDst.Is(dhcpv6Client))
	drop(pipeline.EgressPortSecurityND, "impostor: a guest must not advertise itself as a router",
		flow.IPv6(), icmp, flow.ICMPv6Type.Is(uint64(packet.ICMPv6RouterAdv)))
	drop(pipeline.EgressPortSecurityND, "impostor: a guest must not redirect its neighbours",
		flow.IPv6(), icmp, flow.ICMPv6Type.Is(uint64(packet.ICMPv6Redirect)))
	drop(pipeline.EgressPortSecurityIP, "impostor: a guest must not speak the protocols of bridges (IEEE 802.1Q §8.6.3)",
		flow.EthDst.MACMasked([6]byte{0x01, 0x80, 0xc2}, [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xf0}))
}

// nested drops what has a VLAN tag of its own within that of a sub-port, with port security or without: in a VLAN of
// a physical network, or at a guest with sub-ports, it would come to somebody else. How many tags the switch looks
// behind is a setting of Open vSwitch (vlan-limit); behind the last, the tag is a type.
func nested(out *app.Output) {
	for _, tagged := range []flow.Constraint{flow.AnyTag(), flow.EthType.Is(flow.EthTypeVLAN), flow.EthType.Is(flow.EthTypeServiceVLAN)} {
		out.Flow(pipeline.EgressPortSecurity, pipeline.Override, flow.NewMatch(tagged), flow.Drop(), "a VLAN tag within another")
	}
}

// backstop drops what must be judged by flows of the port. Those of one port may reach the switch in
// two bundles; between them nothing may slip through.
func backstop(out *app.Output) {
	for _, kind := range []flow.Constraint{flow.IPv4(), flow.IPv6(), flow.ARP()} {
		out.Flow(pipeline.EgressPortSecurityIP, pipeline.Low-1, flow.NewMatch(kind), flow.Drop(),
			"the port's addresses are not in force yet")
	}
	out.Flow(pipeline.EgressPortSecurityND, pipeline.Low-1, advertisement(), flow.Drop(),
		"the port's addresses are not in force yet")
}
