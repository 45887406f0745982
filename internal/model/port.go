package model

import (
	"net/netip"
	"slices"
)

// Kinds of ports and where they are plugged.
const (
	KindPort       Kind = "Port"
	KindBinding    Kind = "Binding"
	KindPortStatus Kind = "PortStatus"
	KindChassis    Kind = "Chassis"
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
type Binding struct {
	Meta
	NetworkID string        `json:"network_id"`
	Host      string        `json:"host"`
	Status    BindingStatus `json:"status"`
}

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

// Chassis is a hypervisor or gateway that runs a local controller. Its ID is its name; the object is
// bound to the controller's lease, so it is there while the chassis lives.
type Chassis struct {
	Meta
	// Version is the release of the controller.
	Version string `json:"version,omitzero"`
	// Started is when the controller started, in RFC 3339.
	Started string `json:"started,omitzero"`
	// Bridge is the integration bridge, br-int by default.
	Bridge string `json:"bridge,omitzero"`
}

// Kind returns KindChassis.
func (c *Chassis) Kind() Kind { return KindChassis }

// Scope is the global one.
func (c *Chassis) Scope() string { return ScopeGlobal }

// Validate checks the name.
func (c *Chassis) Validate() error {
	var p problems
	p.meta(&c.Meta)
	return p.result(c)
}
