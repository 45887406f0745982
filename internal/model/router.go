package model

// Kinds of the layer 3 topology.
const (
	KindRouter          Kind = "Router"
	KindRouterInterface Kind = "RouterInterface"
)

// Router forwards packets between networks (Neutron API "router"). It runs on every chassis that has a
// guest behind it.
type Router struct {
	Meta
	Name string `json:"name,omitzero"`
	// AdminStateUp false stops all forwarding.
	AdminStateUp bool `json:"admin_state_up"`
	// Routes are the extra routes; the longest prefix wins, equal destinations share the traffic.
	Routes []Route `json:"routes,omitzero"`
}

// Kind returns KindRouter.
func (r *Router) Kind() Kind { return KindRouter }

// Scope is the router's own.
func (r *Router) Scope() string { return ScopeRouter(r.ID) }

// Validate checks the routes.
func (r *Router) Validate() error {
	var p problems
	p.meta(&r.Meta)
	for _, x := range r.Routes {
		p.check(x.Destination.IsValid() && x.Destination == x.Destination.Masked(), "routes", "%s is not a network prefix", x.Destination)
		p.check(x.NextHop.IsValid() && x.NextHop.Zone() == "" && x.NextHop.Is4() == x.Destination.Addr().Is4(),
			"routes", "nexthop %s is not an address of the family of %s", x.NextHop, x.Destination)
	}
	return p.result(r)
}

// RouterInterface joins a router to a network. Its ID is that of the router's port there, from which
// its addresses are copied, so that who follows the router knows its interfaces without the networks.
type RouterInterface struct {
	Meta
	RouterID   string    `json:"router_id"`
	NetworkID  string    `json:"network_id"`
	MACAddress MAC       `json:"mac_address"`
	FixedIPs   []FixedIP `json:"fixed_ips"`
	// AdminStateUp is that of the port.
	AdminStateUp bool `json:"admin_state_up"`
}

// Kind returns KindRouterInterface.
func (i *RouterInterface) Kind() Kind { return KindRouterInterface }

// Scope is that of the router.
func (i *RouterInterface) Scope() string { return ScopeRouter(i.RouterID) }

// Validate checks addresses and references.
func (i *RouterInterface) Validate() error {
	var p problems
	p.meta(&i.Meta)
	p.check(i.RouterID != "", "router_id", "must not be empty")
	p.check(i.NetworkID != "", "network_id", "must not be empty")
	p.check(!i.MACAddress.IsMulticast() && i.MACAddress != MAC{}, "mac_address", "must be a unicast address, is %s", i.MACAddress)
	for _, f := range i.FixedIPs {
		p.check(f.IPAddress.IsValid() && f.IPAddress.Zone() == "", "fixed_ips", "%q is not an address", f.IPAddress)
	}
	return p.result(i)
}
