package intake

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/translate"
)

// parsers read the objects of each kind. What they do not name is ignored.
func parsers() map[string]func(*fields) resource.Row {
	return map[string]func(*fields) resource.Row{
		"network": parseNetwork, "subnet": parseSubnet, "subnetpool": parseSubnetPool, "port": parsePort,
		"security_group": parseGroup, "security_group_rule": parseRule, "address_group": parseAddressGroup,
		"router": parseRouter, "floatingip": parseFloatingIP, "port_forwarding": parseForwarding,
		"trunk": parseTrunk, "qos_policy": parseQoSPolicy, "log": parseLog,
	}
}

// maxStored is the largest object in bytes; every database can hold it.
const maxStored = 200 << 10

// parse makes a resource of an object as Neutron shows it.
func parse(kind, id string, revision int64, digest string, object map[string]any) (resource.Row, error) {
	p := parsers()[kind]
	if p == nil {
		return nil, fmt.Errorf("kind %.50q is unknown", kind)
	}
	f := &fields{m: object}
	if shown := f.uuid("id"); f.err == nil && shown != "" && shown != id {
		return nil, fmt.Errorf("id: %s is not that of the change", shown)
	}
	row := p(f)
	base := row.Base()
	base.ID, base.Revision, base.Digest, base.Pushed = id, revision, digest, true
	base.Name = f.text("name")
	if base.ProjectID = f.text("project_id"); base.ProjectID == "" {
		base.ProjectID = f.text("tenant_id")
	}
	if f.err != nil {
		return nil, f.err
	}
	for _, o := range translate.Objects(row) {
		if err := o.Validate(); err != nil {
			return nil, err
		}
	}
	stored, err := resource.Store(row)
	if err == nil && len(stored) > maxStored {
		err = fmt.Errorf("is too large: %d bytes, at most %d are stored", len(stored), maxStored)
	}
	return row, err
}

func parseNetwork(f *fields) resource.Row {
	n := &resource.Network{
		AdminStateUp: f.boolean("admin_state_up", true), MTU: f.integer("mtu"), External: f.boolean("router:external", false),
		PortSecurityEnabled: f.boolean("port_security_enabled", true), DNSDomain: f.text("dns_domain"), QoSPolicyID: f.uuid("qos_policy_id"),
	}
	n.Segments = list(f, "segments", nested(func(f *fields) model.Segment {
		s := parseSegment(f)
		s.ID = f.uuid("id")
		return s
	}))
	if one := parseSegment(f); len(n.Segments) == 0 && one.NetworkType != "" {
		n.Segments = []model.Segment{one}
	}
	n.Segments = slices.DeleteFunc(n.Segments, func(s model.Segment) bool { return s.NetworkType == local })
	if len(n.Segments) == 0 {
		n.Segments = nil
	}
	return n
}

// local is Neutron's type of networks that do not leave a host: to a chassis, those without segments.
const local = "local"

func parseSegment(f *fields) model.Segment {
	id := f.integer("provider:segmentation_id")
	if id < 0 || id >= 1<<24 {
		f.fail("provider:segmentation_id", fmt.Errorf("%d has more than 24 bits", id))
	}
	return model.Segment{
		NetworkType: model.NetworkType(f.text("provider:network_type")), PhysicalNetwork: f.text("provider:physical_network"),
		SegmentationID: uint32(id),
	}
}

func parseSubnet(f *fields) resource.Row {
	s := &resource.Subnet{
		NetworkID: f.needUUID("network_id"), CIDR: required(f, "cidr", network), GatewayIP: f.address("gateway_ip"),
		EnableDHCP: f.boolean("enable_dhcp", true), DNSNameservers: list(f, "dns_nameservers", resource.IP),
		HostRoutes: list(f, "host_routes", nested(parseRoute)),
		SegmentID:  f.uuid("segment_id"), SubnetPoolID: poolID(f), IPv6RAMode: model.IPv6Mode(f.text("ipv6_ra_mode")), IPv6AddressMode: model.IPv6Mode(f.text("ipv6_address_mode")),
	}
	s.AllocationPools = list(f, "allocation_pools", nested(func(f *fields) resource.Pool {
		return resource.Pool{Start: required(f, "start", resource.IP), End: required(f, "end", resource.IP)}
	}))
	s.IPVersion = 6
	if s.CIDR.Addr().Is4() {
		s.IPVersion = 4
	}
	return s
}

// poolID reads the pool of a subnet; prefixes that a router was delegated are of no pool.
func poolID(f *fields) string {
	const delegated = "prefix_delegation"
	if f.m["subnetpool_id"] == delegated {
		return ""
	}
	return f.uuid("subnetpool_id")
}

func parseRoute(f *fields) model.Route {
	return model.Route{Destination: required(f, "destination", network), NextHop: required(f, "nexthop", resource.IP)}
}

func parseSubnetPool(f *fields) resource.Row {
	return &resource.SubnetPool{IPVersion: f.integer("ip_version"), AddressScopeID: f.uuid("address_scope_id")}
}

func parseGroup(f *fields) resource.Row {
	return &resource.SecurityGroup{Stateful: f.boolean("stateful", true)}
}

func parseRule(f *fields) resource.Row {
	r := &resource.SecurityGroupRule{
		SecurityGroupID: f.needUUID("security_group_id"), Direction: model.Direction(f.text("direction")),
		EtherType: required(f, "ethertype", resource.EtherType), Protocol: read(f, "protocol", optional(resource.Protocol)),
		PortRangeMin: read(f, "port_range_min", pointer(resource.Int)), PortRangeMax: read(f, "port_range_max", pointer(resource.Int)),
		RemoteIPPrefix: read(f, "remote_ip_prefix", optional(resource.Prefix)), RemoteGroupID: f.uuid("remote_group_id"),
		RemoteAddressGroupID: f.uuid("remote_address_group_id"),
	}
	if r.RemoteGroupID != "" && r.RemoteAddressGroupID != "" {
		f.fail("remote_address_group_id", errors.New("excludes remote_group_id"))
	}
	r.DropFullRange()
	return r
}

// pointer makes a parser of what may be absent.
func pointer[V any](parse func(any) (V, error)) func(any) (*V, error) {
	return func(v any) (*V, error) {
		x, err := parse(v)
		return &x, err
	}
}

func parseAddressGroup(f *fields) resource.Row {
	return &resource.AddressGroup{Addresses: list(f, "addresses", resource.Prefix)}
}

func parseRouter(f *fields) resource.Row {
	r := &resource.Router{AdminStateUp: f.boolean("admin_state_up", true), Routes: list(f, "routes", nested(parseRoute)),
		DistributedSNAT: f.boolean("distributed_snat", false), AvailabilityZoneHints: list(f, "availability_zone_hints", resource.Text(longest))}
	r.Gateway = read(f, "external_gateway_info", func(v any) (*resource.Gateway, error) {
		if m, ok := v.(map[string]any); ok && len(m) == 0 {
			return nil, nil
		}
		g, err := nested(func(f *fields) resource.Gateway {
			return resource.Gateway{NetworkID: f.needUUID("network_id"), EnableSNAT: f.boolean("enable_snat", true)}
		})(v)
		return &g, err
	})
	return r
}

func parseFloatingIP(f *fields) resource.Row {
	return &resource.FloatingIP{
		NetworkID: f.needUUID("floating_network_id"), FloatingIPAddress: required(f, "floating_ip_address", resource.IP),
		PortID: f.uuid("port_id"), FixedIPAddress: f.address("fixed_ip_address"), RouterID: f.uuid("router_id"),
	}
}

func parseForwarding(f *fields) resource.Row {
	return &resource.PortForwarding{
		FloatingIPID: f.needUUID("floatingip_id"), Protocol: required(f, "protocol", resource.ForwardedProtocol),
		InternalPortID: f.needUUID("internal_port_id"), InternalAddress: f.address("internal_ip_address"),
		ExternalPorts: ports(f, "external_port"), InternalPorts: ports(f, "internal_port"),
	}
}

// ports reads a range of ports, or one.
func ports(f *fields, name string) model.PortRange {
	if f.m[name+"_range"] == nil {
		return required(f, name, resource.PortRange)
	}
	return read(f, name+"_range", resource.PortRange)
}
