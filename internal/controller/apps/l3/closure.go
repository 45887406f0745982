package l3

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// maxRouters is how many routers, one behind the other, a packet can be routed through.
const maxRouters = 8

// root is a network of a port that is bound to this chassis.
type root struct{ network string }

// near is a router at a distance from the roots: at the first one it has an interface there, at the next
// one a route of a nearer router leads to it. Each distance has a table of its own, so that two routers
// whose routes lead to each other do not hold each other when the last port has gone.
type near struct{ router string }

// follow is a router that this chassis follows.
type follow struct{ router string }

var (
	roots    = view.NewDerived("RoutedFrom", func(n root) string { return n.network })
	distance = func() (t [maxRouters]*view.Table[near]) {
		for i := range t {
			t[i] = view.NewDerived(fmt.Sprintf("RouterAtDistance%d", i+1), func(n near) string { return n.router })
		}
		return t
	}()
	followed = view.NewDerived("FollowedRouter", func(f follow) string { return f.router })
)

// closureRules derive what a chassis follows (its bound ports' networks are the classifier's matter): the
// routers that have an interface there, those routers' other networks with their ports, and a further
// router only if an extra route's next hop is an address of its.
func closureRules() []app.Rule {
	rules := []app.Rule{
		app.For("l3.root", view.Bindings, bound),
		app.For("l3.duty", view.GatewayDuties, duty),
		app.For("l3.attached", roots, attached),
	}
	for i, t := range distance {
		rules = append(rules,
			app.For(fmt.Sprintf("l3.follow-%d", i+1), t, followRouter),
			app.For(fmt.Sprintf("l3.networks-%d", i+1), t, followNetworks),
			app.For(fmt.Sprintf("l3.further-%d", i+1), t, func(r *view.Reader, n near, out *app.Output) { further(r, i, n, out) }),
		)
	}
	return rules
}

func bound(_ *view.Reader, b *model.Binding, out *app.Output) {
	app.Emit(out, roots, root{b.NetworkID})
}

// duty has a chassis follow the routers whose gateway it may be, whether it has ports behind them or not.
func duty(_ *view.Reader, d *model.GatewayDuty, out *app.Output) {
	app.Emit(out, distance[0], near{d.ID})
}

// attached finds the routers on a network.
func attached(r *view.Reader, n root, out *app.Output) {
	ports, _ := view.Find(r, view.RouterPortsByNetwork, n.network)
	for _, p := range ports {
		app.Emit(out, distance[0], near{p.DeviceID})
	}
}

// followRouter asks for the router. It reads nothing, so that it does not wait for what it asks for.
func followRouter(_ *view.Reader, n near, out *app.Output) {
	app.Emit(out, followed, follow(n))
	app.Emit(out, view.Interests, view.Interest{Scope: model.ScopeRouter(n.router)})
}

// followNetworks asks for the networks of a router, of the external one without its ports: it may be that of
// everybody. It waits for nothing but the router.
func followNetworks(r *view.Reader, n near, out *app.Output) {
	list, _ := view.Find(r, view.InterfacesByRouter, n.router)
	for _, i := range list {
		app.Emit(out, view.Interests, view.Interest{Scope: model.ScopeNetwork(i.NetworkID)})
		app.Emit(out, view.Interests, view.Interest{Scope: model.ScopeNetworkPorts(i.NetworkID)})
	}
	gateways, _ := view.Find(r, view.GatewaysByRouter, n.router)
	for _, g := range gateways {
		app.Emit(out, view.Interests, view.Interest{Scope: model.ScopeNetwork(g.NetworkID)})
	}
}

// further finds the routers to which the extra routes of a router lead and that are not nearer already.
func further(r *view.Reader, at int, n near, out *app.Output) {
	ro, found := view.Get(r, view.Routers, n.router)
	if found != view.Present || len(ro.Routes) == 0 {
		return
	}
	own, _ := view.Find(r, view.InterfacesByRouter, n.router)
	for _, i := range own {
		others, _ := view.Find(r, view.RouterPortsByNetwork, i.NetworkID)
		for _, p := range others {
			if !leadsTo(ro.Routes, p) || nearer(r, at, p.DeviceID) {
				continue
			}
			if at+1 == maxRouters {
				out.Problem(fmt.Sprintf("routes: the route to router %s is not followed: it is the %dth behind one another; connect it nearer",
					p.DeviceID, maxRouters+1))
				continue
			}
			app.Emit(out, distance[at+1], near{p.DeviceID})
		}
	}
}

// leadsTo reports whether a route's next hop is an address of a port.
func leadsTo(routes []model.Route, p *model.Port) bool {
	return slices.ContainsFunc(routes, func(x model.Route) bool { return hasAddress(p.FixedIPs, x.NextHop) })
}

func hasAddress(list []model.FixedIP, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(f model.FixedIP) bool { return f.IPAddress == a })
}

// nearer reports whether a router is at a distance or nearer.
func nearer(r *view.Reader, at int, router string) bool {
	for i := range at + 1 {
		if _, found := view.Get(r, distance[i], router); found == view.Present {
			return true
		}
	}
	return false
}
