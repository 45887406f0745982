package l3

import (
	"math"
	"net/netip"
	"slices"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// link is an interface over which a router forwards: neither it nor its router or network is
// administratively down.
type link struct {
	id, router, network string
	mac                 model.MAC
	mtu                 int
	// external says that it is the router's gateway, whose MAC address is on one chassis alone.
	external bool
}

// connection is a subnet on which a router has an address.
type connection struct {
	router, network, link string
	prefix                netip.Prefix
	address               netip.Addr
	scope                 string
	// external says that the network is the router's external one, which packets reach by its gateway.
	external bool
}

// way is a router's way into a network, over one of its interfaces there.
type way struct{ router, network string }

// routedNetwork is a network on which a followed router has an interface.
type routedNetwork struct{ network string }

// linkMTU is the MTU of a network to which a router leads.
type linkMTU struct {
	router string
	mtu    int
}

var (
	links = view.NewDerived("RouterLink", func(l link) string { return l.id })
	// linksByWay finds the interfaces of one router, linksByNetwork those of all.
	linksByWay     = view.NewIndex(links, "way", func(l link) []string { return []string{way{l.router, l.network}.key()} }, nil)
	linksByNetwork = view.NewIndex(links, "network", func(l link) []string { return []string{l.network} }, nil)
	linksByMAC     = view.NewIndex(links, "mac", func(l link) []string { return []string{l.network + "/" + l.mac.String()} }, nil)

	connections = view.NewDerived("RouterConnection", func(c connection) string {
		return c.router + "/" + c.prefix.String() + "/" + c.link + "/" + c.address.String()
	})
	connectionsByPrefix = view.NewPrefixIndex(connections, "prefix", func(c connection) (string, []netip.Prefix) {
		return c.router, []netip.Prefix{c.prefix}
	})
	connectionsByDestination = view.NewIndex(connections, "destination", func(c connection) []string {
		return []string{destination{c.router, c.prefix}.key()}
	}, nil)
	connectionsByWay = view.NewIndex(connections, "way", func(c connection) []string {
		return []string{way{c.router, c.network}.key()}
	}, nil)

	ways           = view.NewDerived("RouterWay", way.key)
	routedNetworks = view.NewDerived("RoutedNetwork", func(n routedNetwork) string { return n.network })
	linkMTUs       = view.NewDerived("RouterMTU", func(m linkMTU) string { return m.router + "/" + strconv.Itoa(m.mtu) })
	mtusByRouter   = view.NewIndex(linkMTUs, "router", func(m linkMTU) []string { return []string{m.router} }, nil)
)

func (w way) key() string { return w.router + "/" + w.network }

// routerInterface takes what guests send to the router's MAC address to the router, and derives what the
// router is connected to.
func routerInterface(r *view.Reader, i *model.RouterInterface, out *app.Output) {
	if _, found := view.Get(r, followed, i.RouterID); found != view.Present {
		return
	}
	ro, found := view.Get(r, view.Routers, i.RouterID)
	net, netFound := view.Get(r, view.Networks, i.NetworkID)
	if found != view.Present || netFound != view.Present {
		return
	}
	here := entered(r, i.NetworkID)
	network := uint64(r.Number(pipeline.NetworkNumbers, i.NetworkID))
	mine := flow.NewMatch(pipeline.Network.Is(network), flow.EthDst.MAC(i.MACAddress))
	if !ro.AdminStateUp || !net.AdminStateUp || !i.AdminStateUp {
		if here {
			out.Flow(pipeline.Routers, pipeline.Normal, mine, flow.Drop(),
				"router: it, its interface or the network is administratively down")
		}
		return
	}
	if here {
		out.Flow(pipeline.Routers, pipeline.Normal, mine, flow.Do(
			flow.Load(pipeline.Router, uint64(r.Number(pipeline.RouterNumbers, i.RouterID))),
			flow.Load(pipeline.CameBy, network),
		).Goto(pipeline.RouterAddresses.Table()), "the packet is addressed to the router")
	}
	app.Emit(out, links, link{i.ID, i.RouterID, i.NetworkID, i.MACAddress, net.MTU, false})
	app.Emit(out, ways, way{i.RouterID, i.NetworkID})
	app.Emit(out, routedNetworks, routedNetwork{i.NetworkID})
	app.Emit(out, linkMTUs, linkMTU{i.RouterID, net.MTU})
	connect(r, i, out)
}

// entered reports whether packets of a network can come to a router here: from a port, or from outside.
func entered(r *view.Reader, network string) bool {
	if _, here := view.Get(r, roots, network); here == view.Present {
		return true
	}
	_, wired := view.Get(r, view.Wires, network)
	return wired == view.Present
}

// connect derives the router's addresses and subnets on an interface.
func connect(r *view.Reader, i *model.RouterInterface, out *app.Output) {
	for _, f := range i.FixedIPs {
		app.Emit(out, interfaceAddresses, interfaceAddress{i.NetworkID, f.IPAddress, i.MACAddress})
		if f.IPAddress.Is6() {
			app.Emit(out, routerAddresses, routerAddress{i.RouterID, packet.LinkLocal(i.MACAddress)})
		}
		app.Emit(out, routerAddresses, routerAddress{i.RouterID, f.IPAddress})
		s, found := view.Get(r, view.Subnets, view.Within(i.NetworkID, f.SubnetID))
		if found != view.Present {
			continue
		}
		app.Emit(out, connections, connection{i.RouterID, i.NetworkID, i.ID, s.CIDR, f.IPAddress, s.AddressScopeID, false})
		app.Emit(out, destinations, destination{i.RouterID, s.CIDR})
	}
}

// output sends what a router has routed into a network from the router's interface there; where there are
// several, from the first: which one matters to nobody.
func output(r *view.Reader, w way, out *app.Output) {
	list, _ := view.Find(r, linksByWay, w.key())
	if len(list) == 0 {
		return
	}
	at := list[0]
	size := bottleneck(r, at)
	for family, ip := range families() {
		match := flow.NewMatch(pipeline.Network.Is(uint64(r.Number(pipeline.NetworkNumbers, w.network))),
			pipeline.Router.Is(uint64(r.Number(pipeline.RouterNumbers, w.router))), ip)
		leave := flow.Do(flow.DecTTL(), flow.SetField(flow.EthSrc.MAC(at.mac)), flow.Load(pipeline.Router, 0)).
			Goto(pipeline.L2Lookup.Table())
		if at.external { // who translates the sender's address must know whose it is
			leave = flow.Do(flow.DecTTL(), flow.SetField(flow.EthSrc.MAC(at.mac))).Goto(pipeline.DNATOutput.Table())
		}
		reason := "the packet leaves by the router's interface"
		if size > 0 {
			out.Flow(pipeline.RouteMTU, pipeline.Normal, match, leave, "the packet fits, and leaves by the router's interface")
			leave, reason = flow.Do(flow.CheckPktLarger(size, pipeline.TooLarge)).Goto(pipeline.RouteMTU.Table()),
				"packets may come from a network with a larger MTU"
		}
		if !mixed(r, w.router, family) || at.external && family == family4 && translated(r, w.router) {
			out.Flow(pipeline.RouteOutput, pipeline.Normal, match, leave, reason)
			continue
		}
		out.Flow(pipeline.RouteOutput, pipeline.Low, match, flow.Drop(), otherScope)
		out.Flow(pipeline.RouteOutput, pipeline.Normal, match.And(pipeline.AddressScope.Is(w.scope(r, family))), leave, reason)
		if at.external {
			byTransit(r, w, family, match, leave, out)
		}
	}
}

// bottleneck returns the largest frame that may leave by an interface, zero if nothing larger can come from
// the router's other networks. What a guest sends fits its own.
func bottleneck(r *view.Reader, at link) uint16 {
	others, _ := view.Find(r, mtusByRouter, at.router)
	if at.mtu > 0 && slices.ContainsFunc(others, func(m linkMTU) bool { return m.mtu > at.mtu }) {
		return uint16(min(at.mtu+packet.EthernetHeaderLength, math.MaxUint16))
	}
	return 0
}
