package model

import (
	"net/netip"
	"slices"
	"strings"
)

// Kinds of ports and where they are plugged.
const (
	KindPort       Kind = "Port"
	KindBinding    Kind = "Binding"
	KindPortStatus Kind = "PortStatus"
	KindChassis    Kind = "Chassis"
	KindHeartbeat  Kind = "Heartbeat"
)

// FixedIP is an address that Neutron gave to a port.
type FixedIP struct {
	SubnetID  string     `json:"subnet_id"`
	IPAddress netip.Addr `json:"ip_address"`
}

// AddressPair is a further source that a port may use (Neutron API "allowed_address_pairs").
type AddressPair struct {
	IPAddress netip.Prefix `json:"ip_address"`
	// MACAddress is the port's own where the API gave none.
	MACAddress MAC `json:"mac_address"`
}

// DHCPOption is one of Neutron's extra_dhcp_opts.
type DHCPOption struct {
	// Name is dnsmasq's option name or number, as Neutron has it.
	Name      string `json:"opt_name"`
	Value     string `json:"opt_value"`
	IPVersion int    `json:"ip_version"`
}

// Port is an attachment point of a network (Neutron API "port").
type Port struct {
	Meta
	NetworkID    string    `json:"network_id"`
	Name         string    `json:"name,omitzero"`
	MACAddress   MAC       `json:"mac_address"`
	FixedIPs     []FixedIP `json:"fixed_ips,omitzero"`
	AdminStateUp bool      `json:"admin_state_up"`
	// PortSecurityEnabled false lifts address checks and security groups.
	PortSecurityEnabled bool          `json:"port_security_enabled"`
	SecurityGroups      []string      `json:"security_groups,omitzero"`
	AllowedAddressPairs []AddressPair `json:"allowed_address_pairs,omitzero"`
	ExtraDHCPOpts       []DHCPOption  `json:"extra_dhcp_opts,omitzero"`
	DeviceID            string        `json:"device_id,omitzero"`
	DeviceOwner         string        `json:"device_owner,omitzero"`
	// DNSName is the host name announced by DHCP.
	DNSName string `json:"dns_name,omitzero"`
	// Host is the chassis of the port's active binding, empty if there is none: where others send what
	// is for the port. The binding itself, which only its chassis reads, is a [Binding].
	Host string `json:"host,omitzero"`
	// QoSPolicyID names the port's own policy; if empty, its network's holds.
	QoSPolicyID string `json:"qos_policy_id,omitzero"`
}

// The device owners that mean something to a chassis (Neutron API "device_owner").
const (
	// RouterInterfaceOwner marks a router's port on one of its networks; its device_id is the router's.
	RouterInterfaceOwner = "network:router_interface"
	// RouterGatewayOwner marks a router's port on its external network; its device_id is the router's.
	RouterGatewayOwner = "network:router_gateway"
	// SubPortOwner marks a sub-port of a trunk.
	SubPortOwner = "trunk:subport"
	// FloatingIPOwner marks the port that holds a floating IP on the external network; its device_id is the
	// floating IP's.
	FloatingIPOwner = "network:floatingip"
)

// IsRouterInterface reports whether a router owns the port, whatever kind of router Neutron has made it.
func (p *Port) IsRouterInterface() bool {
	return strings.HasPrefix(p.DeviceOwner, RouterInterfaceOwner)
}

// Kind returns KindPort.
func (p *Port) Kind() Kind { return KindPort }

// Scope is that of the ports of the port's network.
func (p *Port) Scope() string { return ScopeNetworkPorts(p.NetworkID) }

// Validate checks addresses and options.
func (p *Port) Validate() error {
	var pr problems
	pr.meta(&p.Meta)
	pr.check(p.NetworkID != "", "network_id", "must not be empty")
	pr.check(!p.MACAddress.IsMulticast() && p.MACAddress != MAC{}, "mac_address",
		"must be a unicast address, is %s", p.MACAddress)
	for _, f := range p.FixedIPs {
		pr.check(f.IPAddress.IsValid() && f.IPAddress.Zone() == "", "fixed_ips", "%q is not an address", f.IPAddress)
	}
	for _, a := range p.AllowedAddressPairs {
		pr.check(a.IPAddress.IsValid(), "allowed_address_pairs", "%q is not a prefix", a.IPAddress)
	}
	for _, o := range p.ExtraDHCPOpts {
		pr.check(o.Name != "" && (o.IPVersion == 4 || o.IPVersion == 6), "extra_dhcp_opts",
			"%q: needs a name and ip_version 4 or 6", o.Name)
	}
	return pr.result(p)
}

// Addresses returns every address or prefix from which the port may send: fixed IPs, then address
// pairs, without duplicates.
func (p *Port) Addresses() []netip.Prefix {
	out := make([]netip.Prefix, 0, len(p.FixedIPs)+len(p.AllowedAddressPairs))
	for _, f := range p.FixedIPs {
		out = append(out, netip.PrefixFrom(f.IPAddress, f.IPAddress.BitLen()))
	}
	for _, a := range p.AllowedAddressPairs {
		if q := a.IPAddress.Masked(); !slices.Contains(out, q) {
			out = append(out, q)
		}
	}
	return out
}

// BindingStatus says whether a binding's chassis serves the port now (Neutron API "port bindings").
type BindingStatus string

// The states of a binding; the chassis of an inactive one prepares for a live migration.
const (
	BindingActive   BindingStatus = "ACTIVE"
	BindingInactive BindingStatus = "INACTIVE"
)

// Binding places a port on a chassis. Its ID is the port's; it lies in the chassis' scope.
//
// A sub-port of a trunk has no interface of its own: its packets come and go through that of its parent, in a VLAN
// (IEEE 802.1Q). Only the chassis needs to know; to all others it is a port like any.
type Binding struct {
	Meta
	NetworkID string        `json:"network_id"`
	Host      string        `json:"host"`
	Status    BindingStatus `json:"status"`
	// ParentPortID is, for a sub-port, the port with the interface, which is bound to the same chassis.
	ParentPortID string `json:"parent_port_id,omitzero"`
	// SegmentationID is, for a sub-port, the VLAN by which the guest tells it from its parent; [1, 4094].
	SegmentationID uint16 `json:"segmentation_id,omitzero"`
}

// IsSubPort reports whether the port comes through the interface of another.
func (b *Binding) IsSubPort() bool { return b.ParentPortID != "" }

// Kind returns KindBinding.
func (b *Binding) Kind() Kind { return KindBinding }

// Scope is that of the binding's chassis.
func (b *Binding) Scope() string { return ScopeChassis(b.Host) }

// Validate checks the status and that host and network are named.
func (b *Binding) Validate() error {
	var p problems
	p.meta(&b.Meta)
	p.check(b.Host != "", "host", "must not be empty")
	p.check(b.NetworkID != "", "network_id", "must not be empty")
	p.check(b.Status == BindingActive || b.Status == BindingInactive, "status", "%q is unknown", b.Status)
	if b.IsSubPort() {
		p.check(b.ParentPortID != b.ID, "parent_port_id", "is the port itself")
		p.check(b.SegmentationID >= 1 && b.SegmentationID <= MaxVLAN, "segmentation_id", "%d is no VLAN", b.SegmentationID)
	}
	return p.result(b)
}

// PortStatus is what a chassis reports about a port bound to it. Its ID is the port's; it is written
// only by the chassis, into its own scope.
type PortStatus struct {
	Meta
	NetworkID string `json:"network_id"`
	Host      string `json:"host"`
	// Up is true when the port's interface is there and its flows were confirmed by barrier.
	Up bool `json:"up"`
	// Activated says that the guest was heard on this chassis although the binding here is inactive: a
	// live migration has brought it, the chassis serves it, and the binding should be activated.
	Activated bool `json:"activated,omitzero"`
	// From is, if Activated, the host of the active binding then.
	From string `json:"from,omitzero"`
	// Realised is the revision of the Port for which the flows were confirmed.
	Realised int64 `json:"realised,omitzero"`
}

// Kind returns KindPortStatus.
func (s *PortStatus) Kind() Kind { return KindPortStatus }

// Scope is that of the reporting chassis.
func (s *PortStatus) Scope() string { return ScopeChassis(s.Host) }

// Validate checks that host and network are named.
func (s *PortStatus) Validate() error {
	var p problems
	p.meta(&s.Meta)
	p.check(s.Host != "", "host", "must not be empty")
	p.check(s.NetworkID != "", "network_id", "must not be empty")
	return p.result(s)
}

// Chassis is a hypervisor or gateway that runs a local controller. Its ID is its name. It stays when the
// controller does not run or cannot reach the database, since its guests' packets go on; whether it
// lives, its [Heartbeat] tells.
type Chassis struct {
	Meta
	// Version is the release of the controller.
	Version string `json:"version,omitzero"`
	// Bridge is the integration bridge, br-int by default.
	Bridge string `json:"bridge,omitzero"`
	// TunnelIP is where other chassis send tunnelled packets; not valid if the chassis has no tunnels.
	TunnelIP netip.Addr `json:"tunnel_ip,omitzero"`
	// TunnelTypes are those that the chassis can receive.
	TunnelTypes []NetworkType `json:"tunnel_types,omitzero"`
	// PhysicalNetworks are those to which the chassis is connected, in order.
	PhysicalNetworks []string `json:"physical_networks,omitzero"`
	// Gateway says that routers may have their gateways on this chassis.
	Gateway bool `json:"gateway,omitzero"`
	// AvailabilityZones are those in which the chassis is, in order.
	AvailabilityZones []string `json:"availability_zones,omitzero"`
	// Bandwidths are what the way to each of the physical networks carries, in kilobits a second, of 1,000 bits: so much
	// of it can be guaranteed to ports. A physical network that is not named guarantees nothing.
	Bandwidths map[string]int `json:"bandwidths,omitzero"`
}

// maxZoneName is how long the name of an availability zone may be, as in Neutron.
const maxZoneName = 255

// Heartbeat says that a chassis lives: it is bound to the lease of its controller. Its ID is the
// chassis' name. It lies in the chassis' own scope, so that it does not reach other chassis.
type Heartbeat struct {
	Meta
	// Started is when the controller started, in RFC 3339.
	Started string `json:"started,omitzero"`
}

// Kind returns KindHeartbeat.
func (h *Heartbeat) Kind() Kind { return KindHeartbeat }

// Scope is that of the chassis.
func (h *Heartbeat) Scope() string { return ScopeChassis(h.ID) }

// Validate checks the name.
func (h *Heartbeat) Validate() error {
	var p problems
	p.meta(&h.Meta)
	return p.result(h)
}

// Kind returns KindChassis.
func (c *Chassis) Kind() Kind { return KindChassis }

// Scope is the global one.
func (c *Chassis) Scope() string { return ScopeGlobal }

// Validate checks the name and the address.
func (c *Chassis) Validate() error {
	var p problems
	p.meta(&c.Meta)
	p.check(!c.TunnelIP.IsValid() || c.TunnelIP.Zone() == "" && !c.TunnelIP.IsMulticast() && !c.TunnelIP.IsUnspecified(),
		"tunnel_ip", "%s is not the address of a host", c.TunnelIP)
	for _, z := range c.AvailabilityZones {
		p.check(z != "" && len(z) <= maxZoneName, "availability_zones", "%q cannot be the name of a zone", z)
	}
	for network, kbps := range c.Bandwidths {
		p.check(slices.Contains(c.PhysicalNetworks, network) && kbps > 0, "bandwidths", "%q with %d kilobits is no way to a physical network", network, kbps)
	}
	return p.result(c)
}
