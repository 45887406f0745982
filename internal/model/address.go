package model

import (
	"net/netip"
	"strings"
)

// Kinds of addresses that chassis have, and of those that move between ports.
const (
	KindChassisAddress Kind = "ChassisAddress"
	KindAddressClaim   Kind = "AddressClaim"
	KindActiveAddress  Kind = "ActiveAddress"
)

// ChassisAddressOwner marks the port that holds a chassis' own address on an external network; its
// device_id is the chassis' name (Neutron API "device_owner").
const ChassisAddressOwner = "network:distributed_snat"

// ChassisAddress is a chassis' own address on an external network, to which it translates what its guests
// behind routers with distributed SNAT send outside. Its ID is that of the port that holds the address.
type ChassisAddress struct {
	Meta
	Host       string    `json:"host"`
	NetworkID  string    `json:"network_id"`
	MACAddress MAC       `json:"mac_address"`
	FixedIPs   []FixedIP `json:"fixed_ips"`
}

// Kind returns KindChassisAddress.
func (a *ChassisAddress) Kind() Kind { return KindChassisAddress }

// Scope is that of the chassis.
func (a *ChassisAddress) Scope() string { return ScopeChassis(a.Host) }

// Validate checks addresses and references.
func (a *ChassisAddress) Validate() error {
	var p problems
	p.meta(&a.Meta)
	p.check(a.Host != "", "host", "must not be empty")
	p.check(a.NetworkID != "", "network_id", "must not be empty")
	p.check(!a.MACAddress.IsMulticast() && a.MACAddress != MAC{}, "mac_address", "must be a unicast address, is %s", a.MACAddress)
	for _, f := range a.FixedIPs {
		p.check(f.IPAddress.IsValid() && f.IPAddress.Zone() == "", "fixed_ips", "%q is not an address", f.IPAddress)
	}
	return p.result(a)
}

// AddressClaim says that a guest has announced, by gratuitous ARP or neighbour advertisement, that it has
// an address that several ports may have by their allowed address pairs. Its ID is [ClaimID]. A chassis
// writes it into its own scope; nobody follows it but servers, which make an [ActiveAddress] of the newest.
type AddressClaim struct {
	Meta
	NetworkID string     `json:"network_id"`
	PortID    string     `json:"port_id"`
	IPAddress netip.Addr `json:"ip_address"`
	// MACAddress is that which was announced with the address.
	MACAddress MAC    `json:"mac_address"`
	Host       string `json:"host"`
	// Seq orders the claims of an address, of whatever chassis: the highest is the newest. It is the time of
	// the announcement in microseconds since 1970 by the chassis' clock, and more than the [ActiveAddress]
	// of the address that the chassis knew of.
	Seq int64 `json:"seq"`
}

// ClaimID is the ID of the claim of an address by a port.
func ClaimID(port string, address netip.Addr) string { return port + "," + address.String() }

// Kind returns KindAddressClaim.
func (c *AddressClaim) Kind() Kind { return KindAddressClaim }

// Scope is that of the claiming chassis.
func (c *AddressClaim) Scope() string { return ScopeChassis(c.Host) }

// Validate checks the address and that the ID is made of what is claimed.
func (c *AddressClaim) Validate() error {
	var p problems
	p.meta(&c.Meta)
	p.check(c.Host != "", "host", "must not be empty")
	p.check(c.NetworkID != "", "network_id", "must not be empty")
	p.check(c.PortID != "" && !strings.Contains(c.PortID, ","), "port_id", "%q is not the id of a port", c.PortID)
	p.check(c.IPAddress.IsValid() && c.IPAddress.Zone() == "", "ip_address", "%q is not an address", c.IPAddress)
	p.check(!c.MACAddress.IsMulticast() && c.MACAddress != MAC{}, "mac_address", "must be a unicast address, is %s", c.MACAddress)
	p.check(c.ID == ClaimID(c.PortID, c.IPAddress), "id", "must be %q", ClaimID(c.PortID, c.IPAddress))
	return p.result(c)
}

// ActiveAddress says which of the ports that may have an address by their allowed address pairs has it. Its
// ID is the address. Where there is none, nobody has announced the address yet.
type ActiveAddress struct {
	Meta
	NetworkID  string     `json:"network_id"`
	IPAddress  netip.Addr `json:"ip_address"`
	PortID     string     `json:"port_id"`
	MACAddress MAC        `json:"mac_address"`
	// Seq is that of the claim that was the newest.
	Seq int64 `json:"seq"`
}

// Kind returns KindActiveAddress.
func (a *ActiveAddress) Kind() Kind { return KindActiveAddress }

// Scope is that of the network's ports.
func (a *ActiveAddress) Scope() string { return ScopeNetworkPorts(a.NetworkID) }

// Validate checks addresses and that the ID is the address.
func (a *ActiveAddress) Validate() error {
	var p problems
	p.meta(&a.Meta)
	p.check(a.NetworkID != "", "network_id", "must not be empty")
	p.check(a.PortID != "", "port_id", "must not be empty")
	p.check(a.IPAddress.IsValid() && a.IPAddress.Zone() == "", "ip_address", "%q is not an address", a.IPAddress)
	p.check(a.ID == a.IPAddress.String(), "id", "must be %q", a.IPAddress)
	p.check(!a.MACAddress.IsMulticast() && a.MACAddress != MAC{}, "mac_address", "must be a unicast address, is %s", a.MACAddress)
	return p.result(a)
}
