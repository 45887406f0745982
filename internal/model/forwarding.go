package model

import "net/netip"

// KindPortForwarding is the kind of port forwardings.
const KindPortForwarding Kind = "PortForwarding"

// PortRange is a range of ports of TCP or UDP, both ends included.
type PortRange struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// PortForwarding sends what comes for ports of a floating IP to ports of a guest (Neutron API
// "port_forwarding"). It is stored for each gateway chassis of the router, of which the one that is the gateway
// serves it, and for that of the port, which brings it what answers.
type PortForwarding struct {
	Meta
	Host         string `json:"host"`
	FloatingIPID string `json:"floatingip_id"`
	// ExternalAddress is the floating IP; NetworkID the external network, MACAddress who has the address
	// there.
	ExternalAddress netip.Addr `json:"external_address"`
	NetworkID       string     `json:"network_id"`
	MACAddress      MAC        `json:"mac_address"`
	RouterID        string     `json:"router_id"`
	// Protocol is IANA's number.
	Protocol int `json:"protocol"`
	// ExternalPorts and InternalPorts are ranges of the same length, or InternalPorts is one port, to which
	// all of the former go.
	ExternalPorts   PortRange  `json:"external_ports"`
	InternalAddress netip.Addr `json:"internal_address"`
	InternalPorts   PortRange  `json:"internal_ports"`
	// InternalPortID is the guest's port, PortNetworkID its network.
	InternalPortID string `json:"internal_port_id"`
	PortNetworkID  string `json:"port_network_id"`
}

// Kind returns KindPortForwarding.
func (f *PortForwarding) Kind() Kind { return KindPortForwarding }

// Scope is that of the chassis.
func (f *PortForwarding) Scope() string { return ScopeChassis(f.Host) }

// Validate checks addresses, ports and references.
func (f *PortForwarding) Validate() error {
	var p problems
	p.meta(&f.Meta)
	for _, r := range []struct{ field, value string }{
		{"host", f.Host}, {"floatingip_id", f.FloatingIPID}, {"network_id", f.NetworkID}, {"router_id", f.RouterID},
		{"internal_port_id", f.InternalPortID}, {"port_network_id", f.PortNetworkID},
	} {
		p.check(r.value != "", r.field, "must not be empty")
	}
	p.check(f.ExternalAddress.Is4(), "external_address", "%q is not an IPv4 address", f.ExternalAddress)
	p.check(f.InternalAddress.Is4(), "internal_address", "%q is not an IPv4 address", f.InternalAddress)
	p.check(!f.MACAddress.IsMulticast() && f.MACAddress != MAC{}, "mac_address", "must be a unicast address, is %s", f.MACAddress)
	p.check(f.Protocol == 6 || f.Protocol == 17, "protocol", "%d has no ports to forward", f.Protocol)
	e, i := f.ExternalPorts, f.InternalPorts
	p.check(e.First > 0 && e.First <= e.Last, "external_ports", "%d-%d is no range", e.First, e.Last)
	p.check(i.First > 0 && i.First <= i.Last, "internal_ports", "%d-%d is no range", i.First, i.Last)
	p.check(i.First == i.Last || i.Last-i.First == e.Last-e.First, "internal_ports", "%d-%d is not as long as %d-%d", i.First, i.Last, e.First, e.Last)
	return p.result(f)
}
