package model

import (
	"net/netip"
	"slices"
)

// Kinds of the layer 2 and addressing topology.
const (
	KindNetwork Kind = "Network"
	KindSubnet  Kind = "Subnet"
)

// Network is an isolated layer 2 segment (Neutron API "network").
type Network struct {
	Meta
	Name string `json:"name,omitzero"`
	// AdminStateUp false stops all traffic of the network.
	AdminStateUp bool `json:"admin_state_up"`
	// MTU is what guests may send, in bytes of an IP packet; announced by DHCP and RA.
	MTU int `json:"mtu"`
	// External says that routers may have their gateway here (Neutron API "router:external").
	External bool `json:"external,omitzero"`
	// DNSDomain is Neutron's dns_domain, announced by DHCP.
	DNSDomain string `json:"dns_domain,omitzero"`
	// Segments say how the network's frames travel between chassis. A network without segments is
	// local to each chassis.
	Segments []Segment `json:"segments,omitzero"`
	// QoSPolicyID names the policy of those of the network's ports that have none.
	QoSPolicyID string `json:"qos_policy_id,omitzero"`
}

// NetworkType is how frames of a segment travel (Neutron API "provider:network_type").
type NetworkType string

// The network types: tunnels, and what a physical network carries as it is or in a VLAN.
const (
	Geneve NetworkType = "geneve" // RFC 8926
	VXLAN  NetworkType = "vxlan"  // RFC 7348
	Flat   NetworkType = "flat"
	VLAN   NetworkType = "vlan" // IEEE 802.1Q
)

// MaxVLAN is the largest identifier of a VLAN; 4095 is reserved.
const MaxVLAN = 4094

// Segment is one way in which a network's frames travel (Neutron API "segment").
type Segment struct {
	ID          string      `json:"id,omitzero"`
	NetworkType NetworkType `json:"network_type"`
	// SegmentationID is the virtual network identifier of a tunnelled segment, 24 bits, or that of a VLAN.
	SegmentationID uint32 `json:"segmentation_id"`
	// PhysicalNetwork names the network outside that carries a flat or VLAN segment; a chassis knows it by
	// its bridge mappings.
	PhysicalNetwork string `json:"physical_network,omitzero"`
}

// IsProvider reports whether a physical network carries the segment.
func (s Segment) IsProvider() bool { return s.NetworkType == Flat || s.NetworkType == VLAN }

// SegmentFor returns which of a network's segments a chassis uses that is connected to some physical networks: the
// first on one of these, else the tunnelled one; ok is false if it reaches none.
func SegmentFor(segments []Segment, connected func(physicalNetwork string) bool) (s Segment, ok bool) {
	for _, s := range segments {
		if s.IsProvider() && connected(s.PhysicalNetwork) {
			return s, true
		}
	}
	return (&Network{Segments: segments}).Tunnel()
}

// Tunnel returns the network's tunnelled segment; ok is false if it has none.
func (n *Network) Tunnel() (s Segment, ok bool) {
	for _, s := range n.Segments {
		if s.NetworkType == Geneve || s.NetworkType == VXLAN {
			return s, true
		}
	}
	return Segment{}, false
}

// TunnelOnly returns the tunnelled segment of a network that no physical network carries; ok is false of any other.
func TunnelOnly(segments []Segment) (s Segment, ok bool) {
	if slices.ContainsFunc(segments, Segment.IsProvider) {
		return Segment{}, false
	}
	return (&Network{Segments: segments}).Tunnel()
}

// Kind returns KindNetwork.
func (n *Network) Kind() Kind { return KindNetwork }

// Scope is the network's own.
func (n *Network) Scope() string { return ScopeNetwork(n.ID) }

// Validate checks the MTU, of which 68 is IPv4's least (RFC 791), and the segments. A network type that
// this version does not know is valid: a newer one wrote it.
func (n *Network) Validate() error {
	var p problems
	p.meta(&n.Meta)
	p.check(n.MTU == 0 || n.MTU >= 68 && n.MTU <= 65535, "mtu", "must lie in 68..65535, is %d", n.MTU)
	for _, s := range n.Segments {
		p.check(s.NetworkType != "", "segments", "a segment has no network_type")
		p.check(s.SegmentationID < 1<<24, "segments", "segmentation_id %d has more than 24 bits", s.SegmentationID)
		p.check(!s.IsProvider() || s.PhysicalNetwork != "", "segments", "a %s segment has no physical_network", s.NetworkType)
		p.check(s.NetworkType != VLAN || s.SegmentationID >= 1 && s.SegmentationID <= MaxVLAN, "segments",
			"segmentation_id %d of a VLAN does not lie in 1..%d", s.SegmentationID, MaxVLAN)
	}
	return p.result(n)
}

// IPv6Mode says who configures the addresses of an IPv6 subnet (Neutron API "ipv6_address_mode" and
// "ipv6_ra_mode").
type IPv6Mode string

// The IPv6 modes. The empty mode means that nobody in the cloud does.
const (
	SLAAC           IPv6Mode = "slaac"
	DHCPv6Stateful  IPv6Mode = "dhcpv6-stateful"
	DHCPv6Stateless IPv6Mode = "dhcpv6-stateless"
)

// Route sends what goes to Destination to NextHop.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	NextHop     netip.Addr   `json:"nexthop"`
}

// Subnet is a range of addresses on a network (Neutron API "subnet").
type Subnet struct {
	Meta
	NetworkID string `json:"network_id"`
	// SegmentID is that of the only segment of the network where the subnet's addresses are, if it is not
	// on all (routed provider networks).
	SegmentID       string       `json:"segment_id,omitzero"`
	Name            string       `json:"name,omitzero"`
	CIDR            netip.Prefix `json:"cidr"`
	GatewayIP       netip.Addr   `json:"gateway_ip,omitzero"`
	EnableDHCP      bool         `json:"enable_dhcp"`
	DNSNameservers  []netip.Addr `json:"dns_nameservers,omitzero"`
	HostRoutes      []Route      `json:"host_routes,omitzero"`
	IPv6AddressMode IPv6Mode     `json:"ipv6_address_mode,omitzero"`
	IPv6RAMode      IPv6Mode     `json:"ipv6_ra_mode,omitzero"`
	// AddressScopeID is the address scope of the pool from which the prefix was cut, empty if it has none. Routers
	// forward between subnets of one scope only, or between those without any.
	AddressScopeID string `json:"address_scope_id,omitzero"`
}

// Kind returns KindSubnet.
func (s *Subnet) Kind() Kind { return KindSubnet }

// Scope is that of the subnet's network.
func (s *Subnet) Scope() string { return ScopeNetwork(s.NetworkID) }

// Validate checks that the addresses fit the prefix.
func (s *Subnet) Validate() error {
	var p problems
	p.meta(&s.Meta)
	p.check(s.NetworkID != "", "network_id", "must not be empty")
	p.check(s.CIDR.IsValid() && s.CIDR == s.CIDR.Masked(), "cidr", "must be a network prefix, is %s", s.CIDR)
	p.check(!s.GatewayIP.IsValid() || s.GatewayIP.Is4() == s.CIDR.Addr().Is4(),
		"gateway_ip", "%s is not of the family of %s", s.GatewayIP, s.CIDR)
	for _, m := range []IPv6Mode{s.IPv6AddressMode, s.IPv6RAMode} {
		known := m == "" || m == SLAAC || m == DHCPv6Stateful || m == DHCPv6Stateless
		p.check(known && (m == "" || s.CIDR.Addr().Is6()), "ipv6 mode", "%q does not apply to %s", m, s.CIDR)
	}
	return p.result(s)
}
