package l3

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// destination is a prefix to which a router has a route.
type destination struct {
	router string
	prefix netip.Prefix
}

// extra is an extra route, in a network on which the router has an interface.
type extra struct {
	router  string
	prefix  netip.Prefix
	network string
	hop     netip.Addr
	// external says that the network is the router's external one.
	external bool
}

var (
	destinations = view.NewDerived("RouterDestination", destination.key)
	extras       = view.NewDerived("ExtraRoute", func(e extra) string {
		return destination{e.router, e.prefix}.key() + "/" + e.hop.String()
	})
	extrasByDestination = view.NewIndex(extras, "destination", func(e extra) []string {
		return []string{destination{e.router, e.prefix}.key()}
	}, nil)
)

func (d destination) key() string { return d.router + "/" + d.prefix.String() }

// extraRoutes derives the routes of a router whose next hop lies in one of its subnets.
func extraRoutes(r *view.Reader, f follow, out *app.Output) {
	ro, found := view.Get(r, view.Routers, f.router)
	if found != view.Present {
		return
	}
	for _, x := range ro.Routes {
		through, ok := view.Longest(r, connectionsByPrefix, f.router, x.NextHop)
		switch {
		case ok != view.Present:
			out.Problem(fmt.Sprintf("routes: nexthop %s of the route to %s lies in no subnet of the router; the route is not used", x.NextHop, x.Destination))
			continue
		case slices.ContainsFunc(through, func(c connection) bool { return c.address == x.NextHop }):
			out.Problem(fmt.Sprintf("routes: nexthop %s of the route to %s is the router itself; the route is not used", x.NextHop, x.Destination))
			continue
		}
		app.Emit(out, extras, extra{f.router, x.Destination, through[0].network, x.NextHop, through[0].external})
		app.Emit(out, destinations, destination{f.router, x.Destination})
	}
}

// route sends what is for a prefix into a subnet of the router, else to the next hop of an extra route, or
// to one of several.
func route(r *view.Reader, d destination, out *app.Output) {
	family, dst := flow.IPv4(), flow.IPv4Dst
	if d.prefix.Addr().Is6() {
		family, dst = flow.IPv6(), flow.IPv6Dst
	}
	// The longer prefix wins, whatever it is.
	priority := pipeline.PrefixBase + uint16(d.prefix.Bits())
	match := flow.NewMatch(pipeline.Router.Is(uint64(r.Number(pipeline.RouterNumbers, d.router))), family, dst.Prefix(d.prefix))
	if direct, found := view.Find(r, connectionsByDestination, d.key()); found == view.Present {
		to := uint64(r.Number(pipeline.NetworkNumbers, direct[0].network))
		out.Flow(pipeline.Routes, priority, match,
			flow.Do(flow.Move(dst.All(), nextHopOf(d.prefix.Addr())), flow.Load(pipeline.Network, to)).Goto(after(direct[0].external)),
			"the destination lies in a subnet of the router")
		return
	}
	list, _ := view.Find(r, extrasByDestination, d.key())
	slices.SortFunc(list, func(a, b extra) int { return a.hop.Compare(b.hop) })
	if len(list) == 1 {
		reason := "an extra route of the router"
		if list[0].external {
			reason = "a route of the router by its external network"
		}
		out.Flow(pipeline.Routes, priority, match, flow.Do(goTo(r, list[0])...).Goto(after(list[0].external)), reason)
	} else if len(list) > 1 {
		share(r, d, match, priority, list, out)
	}
}

// after is the stage in which a packet goes on that has its route.
func after(external bool) uint8 {
	if external {
		return pipeline.Gateways.Table()
	}
	return pipeline.NextHops.Table()
}

// buckets is how many parts of the connections are given to next hops of equal cost. Each part goes to
// the hop that its hash likes best, so that a hop that comes or goes moves no connection but its own, and
// every chassis decides alike.
const buckets = 64

// share spreads connections over several next hops.
func share(r *view.Reader, d destination, match flow.Match, priority uint16, list []extra, out *app.Output) {
	set := uint64(r.Number(pipeline.RouteSetNumbers, d.key()))
	out.Flow(pipeline.Routes, priority, match, flow.Do(
		flow.Load(pipeline.RouteSet, set),
		flow.Multipath(flow.HashSymmetricL3L4UDP, 0, flow.ModuloN, buckets, pipeline.RouteBucket),
	).Goto(pipeline.RouteChoice.Table()), "several extra routes of equal cost share the connections")
	for b := range uint64(buckets) {
		best := slices.MaxFunc(list, func(x, y extra) int { return cmp.Compare(liking(b, x.hop), liking(b, y.hop)) })
		out.Flow(pipeline.RouteChoice, pipeline.Normal, flow.NewMatch(pipeline.RouteSet.Is(set), pipeline.RouteBucket.Is(b)),
			flow.Do(goTo(r, best)...).Goto(after(best.external)), "this part of the connections takes this extra route")
	}
}

// liking is how well a bucket likes a next hop: any number that depends on both alone and is spread
// evenly (highest random weight, RFC 2991 section 6).
func liking(bucket uint64, hop netip.Addr) uint64 {
	b := hop.As16()
	h := fnv.New64a()
	_, _ = h.Write(b[:])
	x := h.Sum64() ^ (bucket+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// goTo loads a next hop.
func goTo(r *view.Reader, e extra) []flow.Action {
	return []flow.Action{
		flow.SetField(isNextHop(e.hop)),
		flow.Load(pipeline.Network, uint64(r.Number(pipeline.NetworkNumbers, e.network))),
	}
}

// nextHopOf is the register for next hops of an address' family.
func nextHopOf(a netip.Addr) flow.SubField {
	if a.Is4() {
		return pipeline.NextHop4
	}
	return pipeline.NextHop6
}

// isNextHop demands, or sets, a next hop.
func isNextHop(a netip.Addr) flow.Constraint { return nextHopOf(a).Field.Bytes(a.AsSlice(), nil) }
