package model

import (
	"net/netip"
	"slices"
)

// Kinds of what joins routers to the world outside.
const (
	KindRouterGateway Kind = "RouterGateway"
	KindGatewayDuty   Kind = "GatewayDuty"
	KindFloatingIP    Kind = "FloatingIP"
	KindExternalPort  Kind = "ExternalPort"
)

// LivenessVNI is the identifier, on tunnels, by which chassis watch each other (BFD, RFC 5880). No network
// and no router has it.
const LivenessVNI = 1<<24 - 1

// RouterGateway joins a router to an external network (Neutron API "external_gateway_info"). Its ID is
// that of the router's port there.
type RouterGateway struct {
	Meta
	RouterID   string    `json:"router_id"`
	NetworkID  string    `json:"network_id"`
	MACAddress MAC       `json:"mac_address"`
	FixedIPs   []FixedIP `json:"fixed_ips,omitzero"`
	// EnableSNAT says that what IPv4 guests without a floating IP send outside gets the gateway's address.
	EnableSNAT bool `json:"enable_snat"`
	// Distributed says that each chassis with a [ChassisAddress] of the external network translates what
	// its own guests send outside, to that address. The gateway does it for the others.
	Distributed bool `json:"distributed,omitzero"`
	// Chassis are those that may be the gateway. Of those that live, the one with the highest priority is.
	Chassis []GatewayChassis `json:"chassis,omitzero"`
	// TransitVNI is the identifier, on tunnels, of packets that other chassis send to the gateway before
	// they are routed.
	TransitVNI uint32 `json:"transit_vni,omitzero"`
}

// GatewayChassis is a chassis that may be a router's gateway.
type GatewayChassis struct {
	Name string `json:"name"`
	// Priority decides among those that live: the highest wins, then the first name.
	Priority int `json:"priority"`
}

// ByPriority orders gateway chassis: who comes first is to be the gateway if it lives.
func ByPriority(c []GatewayChassis) []GatewayChassis {
	return slices.SortedFunc(slices.Values(c), func(a, b GatewayChassis) int {
		switch {
		case a.Priority != b.Priority:
			return b.Priority - a.Priority
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
}

// Kind returns KindRouterGateway.
func (g *RouterGateway) Kind() Kind { return KindRouterGateway }

// Scope is that of the router.
func (g *RouterGateway) Scope() string { return ScopeRouter(g.RouterID) }

// Validate checks addresses, references and the chassis.
func (g *RouterGateway) Validate() error {
	var p problems
	p.meta(&g.Meta)
	p.check(g.RouterID != "", "router_id", "must not be empty")
	p.check(g.NetworkID != "", "network_id", "must not be empty")
	p.check(!g.MACAddress.IsMulticast() && g.MACAddress != MAC{}, "mac_address", "must be a unicast address, is %s", g.MACAddress)
	for _, f := range g.FixedIPs {
		p.check(f.IPAddress.IsValid() && f.IPAddress.Zone() == "", "fixed_ips", "%q is not an address", f.IPAddress)
	}
	p.chassis(g.Chassis)
	p.check(g.TransitVNI < LivenessVNI, "transit_vni", "%d is not below %d", g.TransitVNI, LivenessVNI)
	return p.result(g)
}

// GatewayDuty tells a chassis that it may be the gateway of a router, and so to follow it. Its ID is the
// router's; what its priority is stands in the [RouterGateway].
type GatewayDuty struct {
	Meta
	Host string `json:"host"`
}

// Kind returns KindGatewayDuty.
func (d *GatewayDuty) Kind() Kind { return KindGatewayDuty }

// Scope is that of the chassis.
func (d *GatewayDuty) Scope() string { return ScopeChassis(d.Host) }

// Validate checks that the chassis is named.
func (d *GatewayDuty) Validate() error {
	var p problems
	p.meta(&d.Meta)
	p.check(d.Host != "", "host", "must not be empty")
	return p.result(d)
}

// FloatingIP is an address of an external network that stands for a port's (Neutron API "floatingip"). It
// is stored for each chassis that may serve it: that of the port, or the gateways of its router where the
// port's chassis does not reach the external network.
type FloatingIP struct {
	Meta
	Host string `json:"host"`
	// FloatingIPAddress is the address outside; NetworkID the external network, MACAddress who has the
	// address there.
	FloatingIPAddress netip.Addr `json:"floating_ip_address"`
	NetworkID         string     `json:"network_id"`
	MACAddress        MAC        `json:"mac_address"`
	RouterID          string     `json:"router_id"`
	// PortID is the port inside, PortNetworkID its network, FixedIPAddress the address for which the
	// floating one stands.
	PortID         string     `json:"port_id"`
	PortNetworkID  string     `json:"port_network_id"`
	FixedIPAddress netip.Addr `json:"fixed_ip_address"`
}

// Kind returns KindFloatingIP.
func (f *FloatingIP) Kind() Kind { return KindFloatingIP }

// Scope is that of the chassis.
func (f *FloatingIP) Scope() string { return ScopeChassis(f.Host) }

// Validate checks addresses and references. Floating IPs are of IPv4, as Neutron's.
func (f *FloatingIP) Validate() error {
	var p problems
	p.meta(&f.Meta)
	for _, r := range []struct{ field, value string }{
		{"host", f.Host}, {"network_id", f.NetworkID}, {"router_id", f.RouterID}, {"port_id", f.PortID}, {"port_network_id", f.PortNetworkID},
	} {
		p.check(r.value != "", r.field, "must not be empty")
	}
	p.check(f.FloatingIPAddress.Is4(), "floating_ip_address", "%q is not an IPv4 address", f.FloatingIPAddress)
	p.check(f.FixedIPAddress.Is4(), "fixed_ip_address", "%q is not an IPv4 address", f.FixedIPAddress)
	p.check(!f.MACAddress.IsMulticast() && f.MACAddress != MAC{}, "mac_address", "must be a unicast address, is %s", f.MACAddress)
	return p.result(f)
}

// ExternalPort tells who has ports on an external network where what is for a port without an interface is taken: that
// of a router's gateway, of a floating IP, or of a chassis' own address. Its ID is the port's. Where a physical network
// carries the network, its switches know better.
type ExternalPort struct {
	Meta
	NetworkID  string `json:"network_id"`
	MACAddress MAC    `json:"mac_address"`
	// RouterID is that of the router of a gateway or of a floating IP.
	RouterID string `json:"router_id,omitzero"`
	// Chassis are those that may take it. Of those that live, the one with the highest priority is asked. If there are
	// none, that is the router's gateway.
	Chassis []GatewayChassis `json:"chassis,omitzero"`
}

// Kind returns KindExternalPort.
func (e *ExternalPort) Kind() Kind { return KindExternalPort }

// Scope is that of the network's ports.
func (e *ExternalPort) Scope() string { return ScopeNetworkPorts(e.NetworkID) }

// Validate checks address, references and the chassis.
func (e *ExternalPort) Validate() error {
	var p problems
	p.meta(&e.Meta)
	p.check(e.NetworkID != "", "network_id", "must not be empty")
	p.check(!e.MACAddress.IsMulticast() && e.MACAddress != MAC{}, "mac_address", "must be a unicast address, is %s", e.MACAddress)
	p.check(e.RouterID != "" || len(e.Chassis) > 0, "chassis", "must not be empty without router_id")
	p.chassis(e.Chassis)
	return p.result(e)
}

// chassis checks a list of those that may be a gateway.
func (p *problems) chassis(list []GatewayChassis) {
	for i, c := range list {
		p.check(c.Name != "", "chassis", "a chassis has no name")
		p.check(!slices.ContainsFunc(list[:i], func(o GatewayChassis) bool { return o.Name == c.Name }), "chassis", "%q stands there twice", c.Name)
	}
}
