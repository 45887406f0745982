package l3

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// cause is why a router refuses a packet, in the register of that name.
type cause uint32

const (
	_ cause = iota
	// expired: the packet must not be forwarded once more.
	expired
	// addressed: it is for the router itself, which has no such service.
	addressed
	// noRoute: no route of the router leads to the destination.
	noRoute
	// noNeighbour: nobody has the next hop's address.
	noNeighbour
	// tooBig: the network of the next hop has a smaller MTU.
	tooBig
	// beyondScope: its source address has no meaning beyond its network.
	beyondScope
)

// refuse has the sender told.
func refuse(c cause) flow.Instructions {
	return flow.Do(flow.Load(pipeline.Refusal, uint64(c))).Goto(pipeline.RouterRefuse.Table())
}

// Messages that are about a link alone: multicast listener discovery (RFC 2710, RFC 3810), neighbour discovery
// (RFC 4861).
const (
	mldQuery, mldv2Report = 130, 143
	redirect              = 137 // the last of neighbour discovery, which follows the others of RFC 2710
)

// always refuses or drops what no router may forward.
func always(_ *view.Reader, _ view.Chassis, out *app.Output) {
	drop := func(priority uint16, reason string, match ...flow.Constraint) {
		out.Flow(pipeline.RouterAddresses, priority, flow.NewMatch(match...), flow.Drop(), reason)
	}
	never := func(reason string, from bool, list ...string) {
		for _, p := range list {
			p := netip.MustParsePrefix(p)
			drop(pipeline.Low+2, reason, flow.IPOf(p.Addr()), end(p.Addr(), from).Prefix(p))
		}
	}
	const group = "router: a multicast or broadcast does not leave its network"
	const local = "router: link-local and loopback addresses have no meaning beyond their network"
	never(group, false, "224.0.0.0/4", "255.255.255.255/32", "ff00::/8")
	never(local, false, "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "::/128", "::1/128", "fe80::/10")
	never("router: the source is no address of a host beyond its network (RFC 1812 section 5.3.7, RFC 3927 section 2.7)", true,
		"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32", "::/128", "::1/128", "ff00::/8")
	for typ := uint64(mldQuery); typ <= mldv2Report; typ++ {
		if typ <= redirect || typ == mldv2Report {
			drop(pipeline.Override, "router: neighbour and multicast listener discovery do not leave their network (RFC 4861, RFC 3810)",
				flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6), flow.ICMPv6Type.Is(typ))
		}
	}
	out.Flow(pipeline.RouterAddresses, pipeline.Low+1,
		flow.NewMatch(flow.IPv6(), flow.IPv6Src.Prefix(netip.MustParsePrefix("fe80::/10"))), refuse(beyondScope),
		"router: the source address has no meaning beyond its network")
	for _, family := range []flow.Constraint{flow.IPv4(), flow.IPv6()} {
		for ttl := range uint64(2) {
			out.Flow(pipeline.RouterAddresses, pipeline.Low, flow.NewMatch(family, flow.IPTTL.Is(ttl)), refuse(expired),
				"router: the packet's time to live is over")
		}
	}
	out.Flow(pipeline.RouteMTU, pipeline.High, flow.NewMatch(pipeline.TooLarge.Is(1)), refuse(tooBig),
		"router: the packet is larger than the MTU of the network to which it goes")
}

// end is the field of a packet's source or destination of an address' family.
func end(a netip.Addr, source bool) flow.Field {
	switch {
	case a.Is4() && source:
		return flow.IPv4Src
	case a.Is4():
		return flow.IPv4Dst
	case source:
		return flow.IPv6Src
	}
	return flow.IPv6Dst
}

// numbered tells what a number in a register stands for.
type numbered struct {
	space  string
	number uint32
	id     string
}

var numbers = view.NewDerived("Numbered", func(n numbered) string { return n.space + "/" + strconv.FormatUint(uint64(n.number), 10) })

// identify returns what a number in a register stands for.
func identify(r *view.Reader, space string, number uint32) (string, bool) {
	n, found := view.Get(r, numbers, numbered{space: space, number: number}.key())
	return n.id, found == view.Present
}

func (n numbered) key() string { return numbers.Key(n) }

// router refuses what has no route.
func router(r *view.Reader, ro *model.Router, out *app.Output) {
	if _, found := view.Get(r, followed, ro.ID); found != view.Present {
		return
	}
	number := r.Number(pipeline.RouterNumbers, ro.ID)
	app.Emit(out, numbers, numbered{pipeline.RouterNumbers.Name, number, ro.ID})
	out.Flow(pipeline.Routes, pipeline.Low, flow.NewMatch(pipeline.Router.Is(uint64(number))), refuse(noRoute),
		"router: no route to the destination")
}

// network refuses what is for an address that nobody has.
func network(r *view.Reader, n *model.Network, out *app.Output) {
	if _, routed := view.Get(r, routedNetworks, n.ID); routed != view.Present {
		return
	}
	number := r.Number(pipeline.NetworkNumbers, n.ID)
	app.Emit(out, numbers, numbered{pipeline.NetworkNumbers.Name, number, n.ID})
	out.Flow(pipeline.NextHops, pipeline.Low, flow.NewMatch(pipeline.Network.Is(uint64(number))), refuse(noNeighbour),
		"router: nobody in the network has the next hop's address")
}

// Refused packets that the controller hears of in a second, for each port: enough for a trace of eight hops.
const (
	punted      = 20
	puntedBurst = 40
)

// sender has the controller tell a port what routers refuse.
func sender(r *view.Reader, p view.LocalPort, out *app.Output) {
	if _, routed := view.Get(r, routedNetworks, p.Port.NetworkID); routed != view.Present {
		return
	}
	meter := r.Number(pipeline.MeterNumbers, "l3/"+p.Port.ID)
	out.Meter(flow.NewMeter(meter, flow.PacketsPerSecond, punted, puntedBurst))
	out.Flow(pipeline.RouterRefuse, pipeline.Normal, flow.NewMatch(pipeline.SourcePort.Is(uint64(p.Key))),
		flow.Do(flow.Controller(flow.Punt{
			ID: pipeline.ControllerID, Userdata: app.Userdata(appID, []byte(p.Port.ID)...), Meter: meter,
		})), "the sender is told why its packet is refused")
}

// packetIn tells a port why a router refuses its packet. Who sent it is told by the flow, not by the packet.
func packetIn(r *view.Reader, in app.PacketIn) (app.Reply, error) {
	if len(in.Userdata) == 0 {
		return fromOutside(r, in)
	}
	p, found := view.Get(r, view.LocalPorts, string(in.Userdata))
	if found != view.Present {
		return app.Reply{}, fmt.Errorf("l3: port %q is not served here any more", in.Userdata)
	}
	about, err := refusalOf(r, in)
	if err != nil {
		return app.Reply{}, err
	}
	if about.cause == noNeighbour {
		if fact, ok := seeks(r, p.Port.ID, in); ok {
			return app.Reply{Facts: []app.Fact{fact}, Event: "sought"}, nil
		}
	}
	frame, event, err := about.tell(r, p, in.Data)
	if err != nil {
		return app.Reply{}, fmt.Errorf("l3: port %s: %w", p.Port.ID, err)
	}
	return app.Reply{Packets: []app.PacketOut{app.To(p, frame)}, Event: event}, nil
}

// refusalOf tells what was refused, of what the switch noted.
func refusalOf(r *view.Reader, in app.PacketIn) (refusal, error) {
	router, known := identify(r, pipeline.RouterNumbers.Name, in.Router)
	cameBy, from := identify(r, pipeline.NetworkNumbers.Name, in.CameBy)
	if !known || !from {
		return refusal{}, errors.New("l3: the router that refused the packet is not followed any more")
	}
	about := refusal{cause: cause(in.Refusal), router: router, way: way{router, cameBy}}
	if about.cause == tooBig {
		id, _ := identify(r, pipeline.NetworkNumbers.Name, in.Network)
		net, found := view.Get(r, view.Networks, id)
		if found != view.Present {
			return refusal{}, fmt.Errorf("l3: network %q is not followed any more", id)
		}
		about.mtu = net.MTU
	}
	return about, nil
}

// facing returns the router's address on the network by which a packet came, in the subnet of the packet's
// source if there is one there.
func (a refusal) facing(r *view.Reader, src netip.Addr) (netip.Addr, bool) {
	list, _ := view.Find(r, connectionsByWay, a.way.key())
	list = slices.DeleteFunc(list, func(c connection) bool { return c.address.Is4() != src.Is4() })
	if i := slices.IndexFunc(list, func(c connection) bool { return c.prefix.Contains(src) }); i >= 0 {
		return list[i].address, true
	}
	if len(list) == 0 {
		return netip.Addr{}, false
	}
	return list[0].address, true
}

// isBroadcast reports whether an address is the broadcast address of a subnet of the router.
func (a refusal) isBroadcast(r *view.Reader, address netip.Addr) bool {
	list, found := view.Longest(r, connectionsByPrefix, a.router, address)
	return found == view.Present && address.Is4() && list[0].prefix.Bits() < 31 && address == last4(list[0].prefix)
}

func last4(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// senderMAC is the MAC address that the answer comes from: that to which the port sent, unless the packet has
// got its next hop's since.
func (a refusal) senderMAC(r *view.Reader, p view.LocalPort, sentTo model.MAC) model.MAC {
	if a.cause != tooBig {
		return sentTo
	}
	list, _ := view.Find(r, linksByNetwork, p.Port.NetworkID)
	for _, l := range list {
		if l.router == a.router {
			return l.mac
		}
	}
	if len(list) > 0 {
		return list[0].mac
	}
	return sentTo
}
