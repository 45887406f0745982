package resource

import (
	"fmt"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Network is the stored form of a network.
type Network struct {
	Common
	AdminStateUp        bool   `json:"admin_state_up"`
	Shared              bool   `json:"shared,omitzero"`
	MTU                 int    `json:"mtu,omitzero"`
	PortSecurityEnabled bool   `json:"port_security_enabled"`
	DNSDomain           string `json:"dns_domain,omitzero"`
	QoSPolicyID         string `json:"qos_policy_id,omitzero"`
	// Subnets lists the network's subnets. It is written with each of them, so that the row's database
	// revision also stands for their state.
	Subnets []string `json:"subnets,omitzero"`
	// External says that routers may have their gateways here.
	External bool `json:"router:external,omitzero"`
	// Segments say how the network's frames travel; there is at least one, none only in a row that a version
	// before tunnels has written.
	Segments []model.Segment `json:"segments,omitzero"`
	// SegmentNotes are names and the like of segments, by id; of those that came with the network there are none
	// until somebody names them.
	SegmentNotes map[string]SegmentNote `json:"segment_notes,omitzero"`
	// Unsegmented says that all segments were deleted: the network shall have none.
	Unsegmented bool `json:"unsegmented,omitzero"`
	// AvailabilityZoneHints are zones that somebody has named. A network is on every chassis that needs it: they are shown,
	// as with ML2/OVN, and decide nothing.
	AvailabilityZoneHints []string `json:"availability_zone_hints,omitzero"`

	// IPv4AddressScope, IPv6AddressScope and Routed are not stored: the API fills them in before it shows a network.
	// Routed says that its subnets are on segments.
	IPv4AddressScope string `json:"-"`
	IPv6AddressScope string `json:"-"`
	Routed           bool   `json:"-"`
}

// Clone returns a copy.
func (n *Network) Clone() Row { c := *n; return &c }

// Networks is the type "network". shared is stored and shown: without authentication every caller is
// admin and may use every network, which is what both of its values then mean.
func Networks() *Type {
	first, last := standard(nameAttr(Text(255)))
	own := []Attr{
		field("admin_state_up", Writable, Bool, func(n *Network) *bool { return &n.AdminStateUp }),
		shown("status", func(*Network) any { return "ACTIVE" }),
		unlisted(shown("subnets", func(n *Network) any { return orEmpty(n.Subnets) })),
		field("shared", Writable, Bool, func(n *Network) *bool { return &n.Shared }),
		field("mtu", Writable, mtu, func(n *Network) *int { return &n.MTU }),
		field("router:external", Writable, Bool, func(n *Network) *bool { return &n.External }),
		field("port_security_enabled", Writable, Bool, func(n *Network) *bool { return &n.PortSecurityEnabled }),
		field("dns_domain", Writable, dnsDomain, func(n *Network) *string { return &n.DNSDomain }),
		qosPolicyAttr(func(n *Network) *string { return &n.QoSPolicyID }),
		unlisted(shown("ipv4_address_scope", func(n *Network) any { return textOrNil(n.IPv4AddressScope) })),
		unlisted(shown("ipv6_address_scope", func(n *Network) any { return textOrNil(n.IPv6AddressScope) })),
	}
	own = append(own, unlisted(shown("l2_adjacency", func(n *Network) any { return !n.Routed })))
	own = append(own, zoneAttrs(func(n *Network) *[]string { return &n.AvailabilityZoneHints },
		func(n *Network) []string { return n.AvailabilityZoneHints })...)
	own = append(own, providerAttrs()...)
	own = append(own, tagsAttr())
	return &Type{
		Kind: "neutron.network", Singular: "network", Plural: "networks", Path: "networks",
		Attrs: join(first, own, last),
		New: func() Row {
			return &Network{AdminStateUp: true, PortSecurityEnabled: true}
		},
		notFoundType: "NetworkNotFound", notFoundText: "Network %s could not be found.",
	}
}

// mtu accepts 0, which asks for the default, and otherwise at least 68 (RFC 791).
func mtu(v any) (int, error) {
	n, err := IntIn(0)(v)
	if err == nil && n != 0 && n < 68 {
		return 0, fmt.Errorf("'%d' is too small - must be at least '68'", n)
	}
	return n, err
}
