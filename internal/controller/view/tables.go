package view

import (
	"net/netip"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
)

// The tables that the northbound database fills. Keys are ids, except where a scope holds many objects
// of a kind: there the key is "<id of the scope's object>/<id>", so that it tells the scope.
var (
	Networks = NewTable("Network", id[*model.Network], model.ScopeNetwork)
	Subnets  = NewTable("Subnet", func(s *model.Subnet) string { return Within(s.NetworkID, s.ID) },
		within(model.ScopeNetwork))
	Ports = NewTable("Port", func(p *model.Port) string { return Within(p.NetworkID, p.ID) },
		within(model.ScopeNetworkPorts))
	Bindings         = NewTable("Binding", id[*model.Binding], nil)
	ChassisAll       = NewTable("Chassis", id[*model.Chassis], func(string) string { return model.ScopeGlobal })
	Routers          = NewTable("Router", id[*model.Router], model.ScopeRouter)
	RouterInterfaces = NewTable("RouterInterface",
		func(i *model.RouterInterface) string { return Within(i.RouterID, i.ID) }, within(model.ScopeRouter))
	RouterGateways = NewTable("RouterGateway",
		func(g *model.RouterGateway) string { return Within(g.RouterID, g.ID) }, within(model.ScopeRouter))
	GatewayDuties = NewTable("GatewayDuty", id[*model.GatewayDuty], nil)
	FloatingIPs   = NewTable("FloatingIP", id[*model.FloatingIP], nil)
	// ExternalPorts holds who takes what is for ports without interface on external networks.
	ExternalPorts = NewTable("ExternalPort", func(e *model.ExternalPort) string { return Within(e.NetworkID, e.ID) },
		within(model.ScopeNetworkPorts))
	// PortForwardings holds those that this chassis may serve, and those to ports of this chassis.
	PortForwardings = NewTable("PortForwarding", id[*model.PortForwarding], nil)
	// ChassisAddresses holds this chassis' own addresses on external networks.
	ChassisAddresses = NewTable("ChassisAddress", id[*model.ChassisAddress], nil)
	SecurityGroups   = NewTable("SecurityGroup", id[*model.SecurityGroup], model.ScopeSecurityGroup)
	Rules            = NewTable("SecurityGroupRule",
		func(r *model.SecurityGroupRule) string { return Within(r.SecurityGroupID, r.ID) },
		within(model.ScopeSecurityGroup))
	Members = NewTable("SecurityGroupMember",
		func(m *model.SecurityGroupMember) string { return Within(m.SecurityGroupID, m.ID) },
		within(model.ScopeSecurityGroupMembers))
	// SecurityGroupLogs holds those of the whole cloud.
	SecurityGroupLogs = NewTable("SecurityGroupLog", id[*model.SecurityGroupLog], func(string) string { return model.ScopeGlobal })
	QoSPolicies       = NewTable("QoSPolicy", id[*model.QoSPolicy], model.ScopeQoSPolicy)
)

// The indexes over them.
var (
	SubnetsByNetwork = NewIndex(Subnets, "network",
		func(s *model.Subnet) []string { return []string{s.NetworkID} }, model.ScopeNetwork)
	PortsByNetwork = NewIndex(Ports, "network",
		func(p *model.Port) []string { return []string{p.NetworkID} }, model.ScopeNetworkPorts)
	// ChassisByTunnelIP finds the chassis that have an address for tunnels.
	ChassisByTunnelIP = NewIndex(ChassisAll, "tunnel-ip", func(c *model.Chassis) []string {
		if !c.TunnelIP.IsValid() {
			return nil
		}
		return []string{c.TunnelIP.String()}
	}, nil)
	// RouterPortsByNetwork finds the ports of a network that routers own, without the others.
	RouterPortsByNetwork = NewIndex(Ports, "router-network", func(p *model.Port) []string {
		if !p.IsRouterInterface() || p.DeviceID == "" {
			return nil
		}
		return []string{p.NetworkID}
	}, model.ScopeNetworkPorts)
	InterfacesByRouter = NewIndex(RouterInterfaces, "router",
		func(i *model.RouterInterface) []string { return []string{i.RouterID} }, model.ScopeRouter)
	// InterfacesByNetwork finds the router interfaces on a network, of the routers that this chassis follows.
	InterfacesByNetwork = NewIndex(RouterInterfaces, "network",
		func(i *model.RouterInterface) []string { return []string{i.NetworkID} }, nil)
	// GatewaysByRouter finds where a router leaves the cloud: at most one.
	GatewaysByRouter = NewIndex(RouterGateways, "router",
		func(g *model.RouterGateway) []string { return []string{g.RouterID} }, model.ScopeRouter)
	// FloatingIPsByRouter and FloatingIPsByPort find the floating IPs that this chassis may serve.
	FloatingIPsByRouter = NewIndex(FloatingIPs, "router",
		func(f *model.FloatingIP) []string { return []string{f.RouterID} }, nil)
	FloatingIPsByPort = NewIndex(FloatingIPs, "port",
		func(f *model.FloatingIP) []string { return []string{f.PortID} }, nil)
	// ExternalPortsByRouter finds those of a router, by the external network and the router.
	ExternalPortsByRouter = NewIndex(ExternalPorts, "router",
		func(e *model.ExternalPort) []string { return []string{Within(e.NetworkID, e.RouterID)} }, within(model.ScopeNetworkPorts))
	// PortForwardingsByRouter finds those of a router.
	PortForwardingsByRouter = NewIndex(PortForwardings, "router",
		func(f *model.PortForwarding) []string { return []string{f.RouterID} }, nil)
	ChassisAddressesByNetwork = NewIndex(ChassisAddresses, "network",
		func(a *model.ChassisAddress) []string { return []string{a.NetworkID} }, nil)
	RulesByGroup = NewIndex(Rules, "group",
		func(r *model.SecurityGroupRule) []string { return []string{r.SecurityGroupID} }, model.ScopeSecurityGroup)
	MembersByGroup = NewIndex(Members, "group",
		func(m *model.SecurityGroupMember) []string { return []string{m.SecurityGroupID} },
		model.ScopeSecurityGroupMembers)
	// SecurityGroupLogsBySubject finds those about a port, about a group whatever the port, or about a project.
	SecurityGroupLogsBySubject = NewIndex(SecurityGroupLogs, "subject", func(l *model.SecurityGroupLog) []string {
		switch {
		case l.PortID != "":
			return []string{l.PortID}
		case l.SecurityGroupID != "":
			return []string{l.SecurityGroupID}
		}
		return []string{l.ProjectID}
	}, func(string) string { return model.ScopeGlobal })
)

// Chassis is what this chassis is told about itself.
type Chassis struct {
	Name string
	// DHCPLeaseTime is how long leases last, in seconds.
	DHCPLeaseTime uint32
	// DNSServers, separated by commas, are announced where a subnet names none.
	DNSServers string
	// DNSDomain is announced where a network names none.
	DNSDomain string
	// LogRate and LogBurst are how many packets of a port may be logged in a second, and at once; zero is the default of
	// Neutron's network_log.
	LogRate, LogBurst uint32
}

// ServiceMAC is the Ethernet address with which a chassis answers its guests where no port of the model
// does: DHCP, router advertisements. It is the same on every chassis and never changes, since clients
// remember servers by it; it never leaves the chassis.
var ServiceMAC = model.MAC{0x0a, 0xdf, 0x00, 0x00, 0x00, 0x01}

// Self holds one row: this chassis.
var Self = NewTable("Self", func(Chassis) string { return "self" }, nil)

// ScopeOVSDB is the pseudo-scope of what the local switch's database tells.
const ScopeOVSDB = "local/ovsdb"

// Interface is a row of the local switch's Interface table that carries a port's id.
type Interface struct {
	// Name is the name of the network device.
	Name string
	// PortID is external_ids:iface-id.
	PortID string
	// OFPort is the OpenFlow port number, zero until the switch gave one.
	OFPort uint32
	// MAC is external_ids:attached-mac or the device's own.
	MAC string
}

// Interfaces holds the guests' interfaces on this chassis.
var Interfaces = NewTable("Interface", func(i Interface) string { return i.Name },
	func(string) string { return ScopeOVSDB })

// TunnelPort is the port of the integration bridge on which packets of one tunnel type come and go, to
// and from all other chassis.
type TunnelPort struct {
	Type model.NetworkType
	// OFPort is the OpenFlow port number.
	OFPort uint32
	// Local is the address from which packets go out.
	Local netip.Addr
}

// TunnelPorts holds the tunnel ports that the switch has, by type.
var TunnelPorts = NewTable("TunnelPort", func(p TunnelPort) string { return string(p.Type) },
	func(string) string { return ScopeOVSDB })

// ProviderPort is the port of the integration bridge behind which a physical network lies.
type ProviderPort struct {
	PhysicalNetwork string
	// OFPort is the OpenFlow port number.
	OFPort uint32
	// Kbps is how much of what leaves there can be guaranteed to ports, in kilobits a second; zero if nothing can.
	Kbps int
}

// ProviderPorts holds the physical networks to which this chassis is connected, by name.
var ProviderPorts = NewTable("ProviderPort", func(p ProviderPort) string { return p.PhysicalNetwork },
	func(string) string { return ScopeOVSDB })

// InterfacesByPort finds the interfaces that carry a port's id; more than one is an operator's mistake.
var InterfacesByPort = NewIndex(Interfaces, "port",
	func(i Interface) []string { return []string{i.PortID} }, func(string) string { return ScopeOVSDB })

// LocalPort is a port that this chassis serves: bound here, with its interface on the switch. The
// classifier derives it for all other apps.
type LocalPort struct {
	Port   *model.Port
	OFPort uint32
	// Key is the port's number in registers, NetworkKey that of its network.
	Key, NetworkKey uint32
	// Parent is, for a sub-port of a trunk, the port whose interface OFPort is; VLAN is the tag by which its packets
	// are known there. Both are zero for a port with an interface of its own, whose packets have no tag.
	Parent string
	VLAN   uint16
	// MTU is that of its network.
	MTU int
	// Prepared says that the port's active binding is elsewhere: what it needs is to be here, for a live
	// migration, but nobody is to use it, and it is not to be heard.
	Prepared bool
}

// LocalPorts holds the ports that this chassis serves, by port id.
var LocalPorts = NewDerived("LocalPort", func(p LocalPort) string { return p.Port.ID })

// LocalPortsByNetwork finds the served ports of a network.
var LocalPortsByNetwork = NewIndex(LocalPorts, "network",
	func(p LocalPort) []string { return []string{p.Port.NetworkID} }, nil)

// SubPortsByParent finds the served sub-ports that come through a port's interface.
var SubPortsByParent = NewIndex(LocalPorts, "parent", func(p LocalPort) []string {
	if p.Parent == "" {
		return nil
	}
	return []string{p.Parent}
}, nil)

// Interest is a scope that this chassis needs, and so subscribes to.
type Interest struct{ Scope string }

// Interests holds the scopes to follow; when the last reason for one goes, so does its row.
var Interests = NewDerived("Interest", func(i Interest) string { return i.Scope })

// Within is the key of an object that lies in the scope of another.
func Within(outer, id string) string { return outer + "/" + id }

func id[O model.Object](o O) string { return o.Metadata().ID }

// within tells the scope of a key made by Within.
func within(scope func(string) string) func(string) string {
	return func(key string) string {
		outer, _, _ := strings.Cut(key, "/")
		return scope(outer)
	}
}

// Place puts a database object into its table and returns its key there. It reports false for kinds that no app
// reads.
func (d *DB) Place(o model.Object) (key string, held bool) {
	t := TableOf(o.Kind())
	if t == nil {
		return "", false
	}
	r := d.PlaceOf(t, t.keyOf(o))
	d.Put(r, o)
	return r.Key(), true
}

// TableOf returns the table of a database kind, or nil if the view does not hold the kind.
func TableOf(k model.Kind) AnyTable {
	switch k {
	case model.KindNetwork:
		return Networks
	case model.KindSubnet:
		return Subnets
	case model.KindPort:
		return Ports
	case model.KindBinding:
		return Bindings
	case model.KindChassis:
		return ChassisAll
	case model.KindRouter:
		return Routers
	case model.KindRouterInterface:
		return RouterInterfaces
	case model.KindRouterGateway:
		return RouterGateways
	case model.KindGatewayDuty:
		return GatewayDuties
	case model.KindFloatingIP:
		return FloatingIPs
	case model.KindExternalPort:
		return ExternalPorts
	case model.KindPortForwarding:
		return PortForwardings
	case model.KindChassisAddress:
		return ChassisAddresses
	case model.KindActiveAddress:
		return ActiveAddresses
	case model.KindSecurityGroup:
		return SecurityGroups
	case model.KindSecurityGroupRule:
		return Rules
	case model.KindSecurityGroupMember:
		return Members
	case model.KindSecurityGroupLog:
		return SecurityGroupLogs
	case model.KindQoSPolicy:
		return QoSPolicies
	}
	return nil
}

// KeyIn returns the key that an object of a kind has in its table, given the scope and id under which
// the database has it.
func KeyIn(k model.Kind, scope, id string) string {
	switch k {
	case model.KindSubnet, model.KindPort, model.KindRouterInterface, model.KindRouterGateway, model.KindSecurityGroupRule, model.KindSecurityGroupMember,
		model.KindActiveAddress, model.KindExternalPort:
		_, outer, _ := strings.Cut(scope, "/")
		outer, _, _ = strings.Cut(outer, "/")
		return Within(outer, id)
	}
	return id
}

// KeyOf returns the key of a database object in its table.
func KeyOf(o model.Object) string {
	if t := TableOf(o.Kind()); t != nil {
		return t.keyOf(o)
	}
	return ""
}
