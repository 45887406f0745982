package resource

import (
	"errors"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Router is the stored form of a router.
type Router struct {
	Common
	AdminStateUp bool          `json:"admin_state_up"`
	Routes       []model.Route `json:"routes,omitzero"`
	// Interfaces lists the router's ports in the order in which they came. It is written with each of
	// them, so that the row's database revision also stands for their addresses.
	Interfaces []string `json:"interfaces,omitzero"`
	// Gateway is nil if the router has none.
	Gateway *Gateway `json:"gateway,omitzero"`
	// DistributedSNAT lets each chassis that reaches the external network translate what its guests send
	// there.
	DistributedSNAT bool `json:"distributed_snat,omitzero"`
	// AvailabilityZoneHints are the zones in one of which each chassis must be that may be the gateway; any may if there
	// are none.
	AvailabilityZoneHints []string `json:"availability_zone_hints,omitzero"`

	// AvailabilityZones are those in which the gateway's chassis are; the API fills them in before it shows a router.
	AvailabilityZones []string `json:"-"`

	// Wanted is the gateway that a request asks for; it is not stored.
	Wanted *GatewayRequest `json:"-"`
}

// Clone returns a copy.
func (r *Router) Clone() Row { c := *r; return &c }

// MaxRoutes is how many extra routes a router may have, Neutron's default.
const MaxRoutes = 30

// Routers is the type "router". Every router is distributed.
func Routers() *Type {
	first, last := standard(nameAttr(Text(255)))
	own := []Attr{
		field("admin_state_up", Writable, Bool, func(r *Router) *bool { return &r.AdminStateUp }),
		shown("status", func(*Router) any { return "ACTIVE" }),
		unlisted(attr("external_gateway_info", Writable, setGatewayInfo, showGatewayInfo)),
		attr("distributed", Writable, onlyDistributed, func(*Router) any { return true }),
		field("distributed_snat", Writable, Bool, func(r *Router) *bool { return &r.DistributedSNAT }),
		unlisted(attr("routes", OnPut, setRoutes, func(r *Router) any { return orEmpty(r.Routes) })),
		tagsAttr(),
	}
	own = append(own, zoneAttrs(func(r *Router) *[]string { return &r.AvailabilityZoneHints },
		func(r *Router) []string { return r.AvailabilityZones })...)
	return &Type{
		Kind: "neutron.router", Singular: "router", Plural: "routers", Path: "routers",
		Attrs:        join(first, own, last),
		New:          func() Row { return &Router{AdminStateUp: true} },
		notFoundType: "RouterNotFound", notFoundText: "Router %s could not be found",
	}
}

// onlyDistributed accepts what is the case.
func onlyDistributed(_ *Router, v any) error {
	if v == nil {
		return nil
	}
	d, err := Bool(v)
	if err == nil && !d {
		err = errors.New("centralized routers are not supported, every router is distributed")
	}
	return err
}

func setRoutes(r *Router, v any) error {
	l, err := ParseRoutes(v)
	if err == nil && len(l) > MaxRoutes {
		return TooManyRoutes(r.ID)
	}
	r.Routes = l
	return err
}

// TooManyRoutes refuses more than MaxRoutes.
func TooManyRoutes(router string) *Error {
	return Refused("RoutesExhausted", "Unable to complete operation for %s. The number of routes exceeds the maximum %d.",
		router, MaxRoutes)
}

// ParseRoutes converts a list of extra routes and refuses duplicates; several next hops of one
// destination are none. Whether the router reaches a next hop is not checked here.
func ParseRoutes(v any) ([]model.Route, error) {
	return List("hostroute", 1000, func(v any) (model.Route, error) {
		m, err := object(v, "destination", "nexthop")
		if err != nil {
			return model.Route{}, err
		}
		dst, err := CIDR(m["destination"])
		if err != nil {
			return model.Route{}, err
		}
		hop, err := IP(m["nexthop"])
		return model.Route{Destination: dst, NextHop: hop}, err
	})(v)
}

// CheckRoutes refuses extra routes whose next hop no connected prefix contains, or is an address of the
// router itself.
func CheckRoutes(routes []model.Route, connected []netip.Prefix, own []netip.Addr) error {
	for _, r := range routes {
		if reason := badRoute(r, connected, own); reason != "" {
			return Refused("InvalidRoutes", "Invalid format for routes: %s, %s", show(routesAsShown(routes)), reason)
		}
	}
	return nil
}

func badRoute(r model.Route, connected []netip.Prefix, own []netip.Addr) string {
	reached := false
	for _, p := range connected {
		reached = reached || p.Contains(r.NextHop)
	}
	for _, a := range own {
		if a == r.NextHop {
			return "the nexthop is used by router"
		}
	}
	switch {
	case r.NextHop.Is4() != r.Destination.Addr().Is4():
		return "the nexthop is not of the IP version of the destination"
	case !reached:
		return "the nexthop is not connected with router"
	}
	return ""
}

func routesAsShown(routes []model.Route) any {
	list := make([]map[string]string, len(routes))
	for i, r := range routes {
		list[i] = map[string]string{"destination": r.Destination.String(), "nexthop": r.NextHop.String()}
	}
	return list
}

// RouterID is the router of which the port is an interface, empty if it is none.
func (p *Port) RouterID() string {
	m := model.Port{DeviceOwner: p.DeviceOwner}
	if !m.IsRouterInterface() || !IsUUID(p.DeviceID) {
		return ""
	}
	return p.DeviceID
}
