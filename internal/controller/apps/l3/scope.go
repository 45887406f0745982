package l3

import (
	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

const (
	family4 = iota
	family6
)

func familyOf(is6 bool) int {
	if is6 {
		return family6
	}
	return family4
}

// families are what a packet of each family looks like.
func families() [2]flow.Constraint {
	return [2]flow.Constraint{family4: flow.IPv4(), family6: flow.IPv6()}
}

// reach is an address scope to which a router leads, empty for none.
type reach struct {
	router string
	family int
	scope  string
}

var (
	reaches       = view.NewDerived("RouterScope", func(s reach) string { return s.from() + "/" + s.scope })
	reachesByFrom = view.NewIndex(reaches, "from", func(s reach) []string { return []string{s.from()} }, nil)
)

func (s reach) from() string { return s.router + "/" + [...]string{"4", "6"}[s.family] }

// scopeID is the address scope of a network, empty for none: all its subnets of a family are of one.
func (w way) scopeID(r *view.Reader, family int) string {
	list, _ := view.Find(r, connectionsByWay, w.key())
	for _, c := range list {
		if familyOf(c.address.Is6()) == family {
			return c.scope
		}
	}
	return ""
}

// scope is the number of the address scope of a network, zero for none.
func (w way) scope(r *view.Reader, family int) uint64 {
	id := w.scopeID(r, family)
	if id == "" {
		return 0
	}
	return uint64(r.Number(pipeline.AddressScopeNumbers, id))
}

// scopesOf derives to which address scopes a router leads.
func scopesOf(r *view.Reader, w way, out *app.Output) {
	for family := range families() {
		app.Emit(out, reaches, reach{w.router, family, w.scopeID(r, family)})
	}
}

// mixed reports whether a router reaches several address scopes of a family, of which none counts as one. Only then
// must it know from which a packet came.
func mixed(r *view.Reader, router string, family int) bool {
	list, _ := view.Find(r, reachesByFrom, reach{router: router, family: family}.from())
	return len(list) > 1
}

// enter notes from which address scope a packet comes to a router that reaches several.
func enter(r *view.Reader, l link, out *app.Output) {
	if _, here := view.Get(r, roots, l.network); here != view.Present {
		return
	}
	network := uint64(r.Number(pipeline.NetworkNumbers, l.network))
	for family, ip := range families() {
		if !mixed(r, l.router, family) {
			continue
		}
		out.Flow(pipeline.Routers, pipeline.Normal+1,
			flow.NewMatch(pipeline.Network.Is(network), flow.EthDst.MAC(l.mac), ip), flow.Do(
				flow.Load(pipeline.Router, uint64(r.Number(pipeline.RouterNumbers, l.router))),
				flow.Load(pipeline.CameBy, network),
				flow.Load(pipeline.AddressScope, way{l.router, l.network}.scope(r, family)),
			).Goto(pipeline.RouterAddresses.Table()), "the packet is addressed to the router, which reaches several address scopes")
	}
}

// otherScope is why a router forwards from no address scope into another (Neutron API "address scopes").
const otherScope = "router: the packet came from another address scope than that of the network to which it goes; only NAT leads there"

// translated reports whether the gateway of a router translates the addresses of IPv4 senders: then they may send into
// the external network from any address scope.
func translated(r *view.Reader, router string) bool {
	list, _ := view.Find(r, view.GatewaysByRouter, router)
	return len(list) > 0 && view.TranslatedTo(list[0]).IsValid()
}

// byTransit lets leave by the gateway what other chassis sent here as their guests did: of whose network it came, and
// of which address scope that is, its source tells.
func byTransit(r *view.Reader, w way, family int, match flow.Match, leave flow.Instructions, out *app.Output) {
	scope, src := w.scopeID(r, family), [...]flow.Field{flow.IPv4Src, flow.IPv6Src}[family]
	for _, in := range view.InsideOf(r, w.router, family == family6) {
		if scope != "" && in.Scope == scope {
			out.Flow(pipeline.RouteOutput, pipeline.Normal+1, match.And(pipeline.SourcePort.Is(pipeline.Routed), src.Prefix(in.Prefix)), leave,
				"the sender's address is of the external network's address scope")
		}
	}
}

// handOver has what one router forwards to another go through the latter. One that reaches several address scopes
// hands over only what came from that of the network between them.
func handOver(r *view.Reader, h hop, to link, match flow.Match, out *app.Output) {
	network, family := uint64(r.Number(pipeline.NetworkNumbers, h.network)), familyOf(h.address.Is6())
	do := []flow.Action{
		flow.DecTTL(),
		flow.Load(pipeline.Router, uint64(r.Number(pipeline.RouterNumbers, to.router))),
		flow.Load(pipeline.CameBy, network),
	}
	if mixed(r, to.router, family) {
		do = append(do, flow.Load(pipeline.AddressScope, way{to.router, to.network}.scope(r, family)))
	}
	again := flow.Do(append(do, flow.Resubmit(pipeline.RouterAddresses.Table()))...)
	const reason = "the next hop is another router"
	out.Flow(pipeline.NextHops, pipeline.Normal, match, again, reason)
	from, _ := view.Find(r, linksByNetwork, h.network)
	for _, l := range from {
		if l.router == to.router || !mixed(r, l.router, family) {
			continue
		}
		via := match.And(pipeline.Router.Is(uint64(r.Number(pipeline.RouterNumbers, l.router))))
		out.Flow(pipeline.NextHops, pipeline.Normal+1, via, flow.Drop(), otherScope)
		out.Flow(pipeline.NextHops, pipeline.Normal+2, via.And(pipeline.AddressScope.Is(way{l.router, l.network}.scope(r, family))), again, reason)
	}
}
