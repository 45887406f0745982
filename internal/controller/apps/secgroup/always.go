package secgroup

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Ports and ICMPv6 types of what guests need before any rule can help them.
const (
	dhcpv4Client, dhcpv4Server = 68, 67
	dhcpv6Client, dhcpv6Server = 546, 547

	mldQuery, mldReport, mldDone = 130, 131, 132 // RFC 2710
	mldv2Report                  = 143           // RFC 3810
	routerSolicitation           = 133           // RFC 4861, as the next
	neighborSolicitation         = 135
	neighborAdvertisement        = 136
)

const essential = "what guests need to work at all passes without a rule"

// always makes the flows that do not depend on any port: essential services pass, and the states of
// connections decide.
func always(_ *view.Reader, _ view.Chassis, out *app.Output) {
	essentials := func(d direction, list ...[]flow.Constraint) {
		for _, match := range list {
			out.Flow(d.conntrack, pipeline.High, flow.NewMatch(match...), flow.Goto(d.next.Table()), essential)
		}
	}
	// The app portsecurity has judged all of a guest's ARP and neighbour discovery before.
	// No router forwards to any of these destinations: what looks like DHCP or neighbour discovery is no way to other
	// networks.
	essentials(egress(), dhcpv4(dhcpv4Client, dhcpv4Server, flow.IPv4Dst.Addr(netip.AddrFrom4([4]byte{255, 255, 255, 255}))),
		dhcpv6(dhcpv6Client, dhcpv6Server, flow.IPv6Dst.Addr(netip.MustParseAddr("ff02::1:2"))), // RFC 8415 section 7.1
		dhcpv6(dhcpv6Client, dhcpv6Server, linkLocal()))
	group := flow.IPv6Dst.Prefix(netip.MustParsePrefix("ff00::/8"))
	for _, typ := range []uint64{mldQuery, mldReport, mldDone, mldv2Report} {
		essentials(egress(), icmpv6(typ, group))
	}
	for _, typ := range []uint64{routerSolicitation, neighborSolicitation, neighborAdvertisement} {
		essentials(egress(), icmpv6(typ, group), icmpv6(typ, linkLocal()))
	}
	// Whoever learns where machines are hears of those that moved, too.
	essentials(ingress(), []flow.Constraint{flow.ARP()}, []flow.Constraint{flow.EthType.Is(flow.EthTypeRARP)},
		dhcpv4(dhcpv4Server, dhcpv4Client), dhcpv6(dhcpv6Server, dhcpv6Client),
		icmpv6(neighborSolicitation), icmpv6(neighborAdvertisement), icmpv6(mldQuery))
	for _, d := range directions() {
		track(d, out)
		states(d, out)
		refuse(d, out)
		commit(d, out)
	}
	noServer(out)
}

// noServer keeps guests from serving DHCP in fragments. Port security drops what a DHCP server sends, but knows
// the ports of a fragment no more than the switch does; the connection's first has them.
func noServer(out *app.Output) {
	const reason = "a guest may not serve DHCP, in fragments neither"
	for family, server := range [...]struct{ client, server uint64 }{{dhcpv4Client, dhcpv4Server}, {dhcpv6Client, dhcpv6Server}} {
		for _, frag := range [...]uint64{flow.FragAny, flow.FragAny | flow.FragLater} {
			of := func(state flow.Constraint, from, to uint64) {
				out.Flow(pipeline.EgressState, pipeline.Override+1, flow.NewMatch(families()[family], flow.IPFrag.Is(frag), state,
					flow.CTNwProto.Is(flow.ProtoUDP), flow.CTTpSrc.Is(from), flow.CTTpDst.Is(to)), flow.Drop(), reason)
			}
			of(flow.CTStateIs(flow.CTTrk, flow.CTInv|flow.CTRpl), server.server, server.client)
			of(flow.CTStateIs(flow.CTTrk|flow.CTRpl, flow.CTInv), server.client, server.server)
		}
	}
}

// onLink lets neighbour discovery pass to the global addresses of a link: who is asked whether he is still there is
// asked by unicast, and answers so (RFC 4861 section 7.2).
func onLink(r *view.Reader, s *model.Subnet, out *app.Output) {
	n, found := view.Get(r, view.LocalNetworks, s.NetworkID)
	if found != view.Present || !s.CIDR.Addr().Is6() {
		return
	}
	d := egress()
	for _, typ := range []uint64{neighborSolicitation, neighborAdvertisement} {
		match := icmpv6(typ, pipeline.Network.Is(uint64(n.Key)), d.remote6.Prefix(s.CIDR))
		out.Flow(d.conntrack, pipeline.High, flow.NewMatch(match...), flow.Goto(d.next.Table()), essential)
	}
}

// renewal lets a port extend its lease with the server that it has: the request ends at this chassis (RFC 2131
// section 4.3.2). To any other host its groups decide.
func renewal(r *view.Reader, s view.DHCPServer, out *app.Output) {
	p, found := view.Get(r, view.LocalPorts, s.PortID)
	if found != view.Present || !p.Port.PortSecurityEnabled {
		return
	}
	d := egress()
	match := dhcpv4(dhcpv4Client, dhcpv4Server, d.port.Is(uint64(p.Key)), d.remote4.Addr(s.Address))
	out.Flow(d.conntrack, pipeline.High, flow.NewMatch(match...), flow.Goto(d.next.Table()), essential)
}

// metadata lets guests ask for it, where this chassis answers: the request ends here.
func metadata(_ *view.Reader, _ view.MetadataPort, out *app.Output) {
	d := egress()
	for _, to := range []flow.Constraint{d.remote4.Addr(view.MetadataIPv4), d.remote6.Addr(view.MetadataIPv6)} {
		family := flow.IPv4()
		if to.Field == d.remote6 {
			family = flow.IPv6()
		}
		out.Flow(d.conntrack, pipeline.High,
			flow.NewMatch(family, to, flow.IPProto.Is(flow.ProtoTCP), flow.TCPDst.Is(view.MetadataTCPPort)),
			flow.Goto(d.next.Table()), essential)
	}
}

func dhcpv4(from, to uint64, more ...flow.Constraint) []flow.Constraint {
	return append(more, flow.IPv4(), flow.IPProto.Is(flow.ProtoUDP), flow.UDPSrc.Is(from), flow.UDPDst.Is(to))
}

func dhcpv6(from, to uint64, more ...flow.Constraint) []flow.Constraint {
	return append(more, flow.IPv6(), flow.IPProto.Is(flow.ProtoUDP), flow.UDPSrc.Is(from), flow.UDPDst.Is(to))
}

func icmpv6(typ uint64, more ...flow.Constraint) []flow.Constraint {
	return append(more, flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6), flow.ICMPv6Type.Is(typ))
}

func linkLocal() flow.Constraint { return flow.IPv6Dst.Prefix(netip.MustParsePrefix("fe80::/10")) }

// families is the start of matches that the connection tracker can work with.
func families() [2]flow.Constraint { return [2]flow.Constraint{flow.IPv4(), flow.IPv6()} }

// stateless demands that the port's groups do not look at connections.
func stateless() flow.Constraint { return pipeline.Zone.Is(0) }

// track looks the connection up, once for each direction.
func track(d direction, out *app.Output) {
	for _, family := range families() {
		out.Flow(d.track, pipeline.High, flow.NewMatch(stateless(), family), flow.Goto(d.rules.Table()),
			"stateless groups do not look at connections")
		out.Flow(d.track, pipeline.Normal, flow.NewMatch(family),
			flow.Do(flow.CT(flow.ConnTrack{ZoneFrom: pipeline.Zone, HasTable: true, Table: d.state.Table()})),
			"the connection is looked up in the port's zone")
	}
}

// states decides on what does not depend on the profile: invalid packets, replies, and ICMP errors
// about a connection.
func states(d direction, out *app.Output) {
	const tracked = flow.CTTrk
	out.Flow(d.state, pipeline.Override, flow.NewMatch(flow.CTStateIs(tracked|flow.CTInv, 0)), flow.Drop(),
		"the packet fits no connection")
	for state, what := range map[uint8]string{
		flow.CTRpl: "replies to an allowed connection pass",
		flow.CTRel: "ICMP errors about an allowed connection pass",
	} {
		out.Flow(d.state, pipeline.High, flow.NewMatch(flow.CTStateIs(tracked|state, 0), pipeline.Blocked.Is(1)), flow.Drop(),
			"the connection was cut when its rule or membership went")
		out.Flow(d.state, pipeline.Normal, flow.NewMatch(flow.CTStateIs(tracked|state, 0), pipeline.Blocked.Is(0)),
			flow.Goto(d.next.Table()), what)
	}
}

// inOriginalDirection is the state of a packet that the rules are about: its sender began the
// connection, known or not.
func inOriginalDirection() flow.Constraint {
	return flow.CTStateIs(flow.CTTrk, flow.CTRpl|flow.CTRel|flow.CTInv)
}

// refuse marks a connection that was allowed once, so that replies stop with what is refused here. A
// fragment marks nothing: the tracker would put it together with later ones that go to the commit.
func refuse(d direction, out *app.Output) {
	out.Flow(d.refuse, pipeline.High, flow.NewMatch(stateless()), flow.Drop(), "no rule of the stateless groups allows the packet")
	for _, family := range families() {
		out.Flow(d.refuse, pipeline.Normal, flow.NewMatch(family, flow.IPFrag.Is(0), pipeline.Committed.Is(1), pipeline.Blocked.Is(0)),
			flow.Do(flow.CT(flow.ConnTrack{Commit: true, ZoneFrom: pipeline.Zone, Exec: []flow.Action{flow.Load(pipeline.Blocked, 1)}})),
			"no rule allows the connection any more: it is cut")
	}
}

// commit records in the connection which rules allowed it, if that is not there yet.
func commit(d direction, out *app.Output) {
	out.Flow(d.commit, pipeline.Override, flow.NewMatch(stateless()), flow.Goto(d.next.Table()),
		"a rule of the stateless groups allows the packet")
	record := flow.ConnTrack{
		Commit: true, ZoneFrom: pipeline.Zone, Exec: []flow.Action{flow.Move(pipeline.NextMark, flow.CTMark.All())},
	}
	for _, family := range families() {
		out.Flow(d.commit, pipeline.High,
			flow.NewMatch(family, flow.IPFrag.Is(0), pipeline.NextMark.Is(pipeline.StampRemote), flow.CTMark.Is(pipeline.StampRemote)),
			flow.Goto(d.next.Table()), "the other end is still a member of a group that a rule names")
		out.Flow(d.commit, pipeline.Normal, flow.NewMatch(family), flow.Do(flow.CT(record)).Goto(d.next.Table()),
			"a rule allows the connection: it is recorded")
	}
	// A later fragment came here whatever its port. The tracker keeps it until it has the first one, too;
	// what it cannot keep comes out as invalid.
	record.HasTable, record.Table = true, d.whole.Table()
	for _, family := range families() {
		out.Flow(d.commit, pipeline.Normal+1, flow.NewMatch(family, flow.IPFrag.Is(flow.FragAny|flow.FragLater)),
			flow.Do(flow.CT(record)), "a fragment waits for its first")
	}
	out.Flow(d.whole, pipeline.Normal, flow.NewMatch(flow.CTStateIs(flow.CTTrk, flow.CTInv)), flow.Goto(d.next.Table()),
		"the fragment and its first were put together")
}
