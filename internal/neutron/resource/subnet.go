package resource

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Pool is a range of addresses that may be given to ports, both ends included.
type Pool struct {
	Start netip.Addr `json:"start"`
	End   netip.Addr `json:"end"`
}

// String returns the range as Neutron's messages show it.
func (p Pool) String() string { return p.Start.String() + "-" + p.End.String() }

// Subnet is the stored form of a subnet.
type Subnet struct {
	Common
	NetworkID       string         `json:"network_id"`
	IPVersion       int            `json:"ip_version"`
	CIDR            netip.Prefix   `json:"cidr"`
	GatewayIP       netip.Addr     `json:"gateway_ip,omitzero"`
	AllocationPools []Pool         `json:"allocation_pools,omitzero"`
	EnableDHCP      bool           `json:"enable_dhcp"`
	DNSNameservers  []netip.Addr   `json:"dns_nameservers,omitzero"`
	HostRoutes      []model.Route  `json:"host_routes,omitzero"`
	IPv6RAMode      model.IPv6Mode `json:"ipv6_ra_mode,omitzero"`
	IPv6AddressMode model.IPv6Mode `json:"ipv6_address_mode,omitzero"`
	// SegmentID is that of the segment on which the subnet's addresses are, empty if they are on all.
	SegmentID string `json:"segment_id,omitzero"`
	// PeerRoutes lead to the subnets of the network's other segments. They follow from these, and are shown and told
	// to guests like HostRoutes, which are the client's.
	PeerRoutes []model.Route `json:"peer_routes,omitzero"`
	// SubnetPoolID is the pool from which the prefix was cut, empty if it was none.
	SubnetPoolID string `json:"subnetpool_id,omitzero"`
	// AddressScopeID is that of the pool; it follows a pool that is moved to another one.
	AddressScopeID string `json:"address_scope_id,omitzero"`

	// PrefixLen and UseDefaultPool are how a request asks for a prefix of a pool; they are not stored.
	PrefixLen      int  `json:"-"`
	UseDefaultPool bool `json:"-"`
}

// Clone returns a copy.
func (s *Subnet) Clone() Row { c := *s; return &c }

// AutoAddress reports whether guests derive their addresses from the prefix, so that none is chosen for
// them (RFC 4862).
func (s *Subnet) AutoAddress() bool {
	return s.IPv6AddressMode == model.SLAAC || s.IPv6AddressMode == model.DHCPv6Stateless
}

// Limits on lists of a subnet, Neutron's defaults.
const (
	maxNameservers = 5
	maxHostRoutes  = 20
	maxPools       = 64
)

// Subnets is the type "subnet".
func Subnets() *Type {
	first, last := standard(nameAttr(Text(255)))
	own := []Attr{
		required(field("network_id", OnPost, UUID, func(s *Subnet) *string { return &s.NetworkID })),
		field("ip_version", OnPost, ipVersion, func(s *Subnet) *int { return &s.IPVersion }),
		attr("cidr", OnPost, setCIDR, func(s *Subnet) any { return s.CIDR.String() }),
		attr("gateway_ip", Writable, setGateway, func(s *Subnet) any { return addrOrNil(s.GatewayIP) }),
		unlisted(attr("allocation_pools", Writable, setPools, func(s *Subnet) any { return orEmpty(s.AllocationPools) })),
		field("enable_dhcp", Writable, Bool, func(s *Subnet) *bool { return &s.EnableDHCP }),
		unlisted(attr("dns_nameservers", Writable, setNameservers,
			func(s *Subnet) any { return orEmpty(s.DNSNameservers) })),
		unlisted(attr("host_routes", Writable, setHostRoutes, func(s *Subnet) any { return orEmpty(s.Routes()) })),
		ipv6Mode("ipv6_ra_mode", func(s *Subnet) *model.IPv6Mode { return &s.IPv6RAMode }),
		ipv6Mode("ipv6_address_mode", func(s *Subnet) *model.IPv6Mode { return &s.IPv6AddressMode }),
		attr("segment_id", Writable, setSegmentID, func(s *Subnet) any { return textOrNil(s.SegmentID) }),
		attr("subnetpool_id", OnPost, setSubnetPool, func(s *Subnet) any { return textOrNil(s.SubnetPoolID) }),
		unlisted(attr("prefixlen", OnPost, setPrefixLen, nil)),
		unlisted(attr("use_default_subnetpool", OnPost, setUseDefaultPool, nil)),
		tagsAttr(),
	}
	return &Type{
		Kind: "neutron.subnet", Singular: "subnet", Plural: "subnets", Path: "subnets",
		Attrs: join(first, own, last),
		New:   func() Row { return &Subnet{EnableDHCP: true} },

		notFoundType: "SubnetNotFound", notFoundText: "Subnet %s could not be found.",
	}
}

func addrOrNil(a netip.Addr) any {
	if !a.IsValid() {
		return nil
	}
	return a.String()
}

func ipVersion(v any) (int, error) {
	n, err := Int(v)
	if err != nil || n != 4 && n != 6 {
		return 0, fmt.Errorf("'%s' is not in [4, 6]", show(v))
	}
	return n, nil
}

func setCIDR(s *Subnet, v any) (err error) {
	if v == nil {
		return nil
	}
	s.CIDR, err = CIDR(v)
	return err
}

func setGateway(s *Subnet, v any) (err error) {
	s.GatewayIP, err = NullableIP(v)
	return err
}

func setPools(s *Subnet, v any) (err error) {
	s.AllocationPools, err = List("IP pool", maxPools, func(v any) (Pool, error) {
		m, err := object(v, "start", "end")
		if err != nil {
			return Pool{}, err
		}
		start, err := IP(m["start"])
		if err != nil {
			return Pool{}, err
		}
		end, err := IP(m["end"])
		return Pool{start, end}, err
	})(v)
	return err
}

func setNameservers(s *Subnet, v any) error {
	l, err := List("nameserver", 1000, IP)(v)
	if err == nil && len(l) > maxNameservers {
		return Refused("DNSNameServersExhausted",
			"Unable to complete operation for %s. The number of DNS nameservers exceeds the limit %d.", s.ID, maxNameservers)
	}
	s.DNSNameservers = l
	return err
}

func setHostRoutes(s *Subnet, v any) error {
	l, err := List("hostroute", 1000, func(v any) (model.Route, error) {
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
	l = slices.DeleteFunc(l, func(r model.Route) bool { return slices.Contains(s.PeerRoutes, r) })
	if err == nil && len(l) > maxHostRoutes {
		return Refused("HostRoutesExhausted",
			"Unable to complete operation for %s. The number of host routes exceeds the limit %d.", s.ID, maxHostRoutes)
	}
	s.HostRoutes = l
	return err
}

func ipv6Mode(name string, at func(*Subnet) *model.IPv6Mode) Attr {
	return attr(name, OnPost, func(s *Subnet, v any) (err error) {
		if v != nil {
			*at(s), err = OneOf(model.DHCPv6Stateful, model.DHCPv6Stateless, model.SLAAC)(v)
		}
		return err
	}, func(s *Subnet) any {
		if *at(s) == "" {
			return nil
		}
		return string(*at(s))
	})
}

func setSegmentID(s *Subnet, v any) (err error) {
	s.SegmentID = ""
	if v != nil {
		s.SegmentID, err = UUID(v)
	}
	return err
}

// Routes are all that guests with addresses of the subnet are told.
func (s *Subnet) Routes() []model.Route { return slices.Concat(s.HostRoutes, s.PeerRoutes) }

// RoutesToPeers are the routes by which guests reach the subnets on the network's other segments: by their own
// gateway, which is a router outside. What a route of the client covers already needs none.
func (s *Subnet) RoutesToPeers(subnets []*Subnet) []model.Route {
	if s.SegmentID == "" || !s.GatewayIP.IsValid() {
		return nil
	}
	var out []model.Route
	for _, o := range subnets {
		if o.ID == s.ID || o.SegmentID == s.SegmentID || o.IPVersion != s.IPVersion {
			continue
		}
		covered := slices.ContainsFunc(s.HostRoutes, func(r model.Route) bool {
			return r.Destination.Bits() <= o.CIDR.Bits() && r.Destination.Contains(o.CIDR.Addr())
		})
		if !covered {
			out = append(out, model.Route{Destination: o.CIDR, NextHop: s.GatewayIP})
		}
	}
	slices.SortFunc(out, func(a, b model.Route) int { return a.Destination.Compare(b.Destination) })
	return out
}

func setSubnetPool(s *Subnet, v any) (err error) {
	if v != nil {
		s.SubnetPoolID, err = UUID(v)
	}
	return err
}

func setPrefixLen(s *Subnet, v any) (err error) {
	s.PrefixLen, err = IntIn(0)(v)
	return err
}

func setUseDefaultPool(s *Subnet, v any) (err error) {
	s.UseDefaultPool, err = Bool(v)
	return err
}
