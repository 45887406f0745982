package gateway

import (
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// scopes are the numbers of the address scopes to which a router leads in one IP version, zero for none.
type scopes struct {
	outside uint64
	// others are those inside that are not that outside.
	others []uint64
}

func scopesOf(r *view.Reader, g *model.RouterGateway, v6 bool) scopes {
	var s scopes
	for _, f := range g.FixedIPs {
		if f.IPAddress.Is6() == v6 {
			s.outside = scopeOf(r, g.NetworkID, f.IPAddress)
			break
		}
	}
	interfaces, _ := view.Find(r, view.InterfacesByRouter, g.RouterID)
	for _, i := range interfaces {
		for _, f := range i.FixedIPs {
			if f.IPAddress.Is6() != v6 {
				continue
			}
			if n := scopeOf(r, i.NetworkID, f.IPAddress); n != s.outside && !slices.Contains(s.others, n) {
				s.others = append(s.others, n)
			}
		}
	}
	return s
}

// keepScope drops what would go to the gateway from another address scope than that of the external network, unless it
// is translated there: the gateway does not learn by which network a packet came to the router.
func keepScope(r *view.Reader, g *model.RouterGateway, match flow.Match, out *app.Output) {
	drop := func(s scopes, ip flow.Constraint) {
		for _, n := range s.others {
			out.Flow(pipeline.Gateways, pipeline.Normal+1, match.And(ip).And(pipeline.AddressScope.Is(n)), flow.Drop(),
				"router: the packet came from another address scope than that of the external network; only NAT leads there")
		}
	}
	if !view.TranslatedTo(g).IsValid() {
		drop(scopesOf(r, g, false), flow.IPv4())
	}
	drop(scopesOf(r, g, true), flow.IPv6())
}
