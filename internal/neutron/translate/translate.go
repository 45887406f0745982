// Package translate turns Neutron's resources into the objects of the logical topology: what a row of
// the API means to a chassis. It is pure; both doors of the server, the REST API and what a real Neutron
// pushes, end here.
package translate

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// Objects returns the logical objects that a row stands for, in the order in which they are to be
// written where a database has no batches: what is referred to first. Rows that mean nothing to a
// chassis, such as quotas, give none.
func Objects(row resource.Row) []model.Object {
	switch r := row.(type) {
	case *resource.Network:
		return []model.Object{network(r)}
	case *resource.Subnet:
		return []model.Object{subnet(r)}
	case *resource.Port:
		return portObjects(r)
	case *resource.SecurityGroup:
		return []model.Object{&model.SecurityGroup{Meta: meta(r), Name: r.Name, Stateful: r.Stateful}}
	case *resource.SecurityGroupRule:
		return []model.Object{rule(r)}
	case *resource.AddressGroup:
		return []model.Object{addressGroup(r)}
	case *resource.QoSPolicy:
		return []model.Object{qosPolicy(r)}
	case *resource.Log:
		return logObjects(r)
	case *resource.Router:
		return routerObjects(r)
	case *resource.FloatingIP:
		return floatingObjects(r)
	case *resource.PortForwarding:
		return forwardingObjects(r)
	case *resource.ActiveAddress:
		m := meta(r)
		m.ID = r.IPAddress.String()
		return []model.Object{&model.ActiveAddress{Meta: m, NetworkID: r.NetworkID, IPAddress: r.IPAddress, PortID: r.PortID,
			MACAddress: r.MACAddress, Seq: r.Seq}}
	}
	return nil
}

func meta(row resource.Row) model.Meta {
	c := row.Base()
	return model.Meta{ID: c.ID, Revision: c.Revision, ProjectID: c.ProjectID}
}

func network(n *resource.Network) *model.Network {
	return &model.Network{
		Meta: meta(n), Name: n.Name, AdminStateUp: n.AdminStateUp, MTU: n.MTU, DNSDomain: n.DNSDomain,
		External: n.External, Segments: n.Segments, QoSPolicyID: n.QoSPolicyID,
	}
}

func subnet(s *resource.Subnet) *model.Subnet {
	return &model.Subnet{
		Meta: meta(s), NetworkID: s.NetworkID, Name: s.Name, CIDR: s.CIDR, GatewayIP: s.GatewayIP,
		EnableDHCP: s.EnableDHCP, DNSNameservers: s.DNSNameservers, HostRoutes: s.Routes(), SegmentID: s.SegmentID,
		IPv6AddressMode: s.IPv6AddressMode, IPv6RAMode: s.IPv6RAMode, AddressScopeID: s.AddressScopeID,
	}
}

func portObjects(r *resource.Port) []model.Object {
	p := port(r)
	out := []model.Object{p}
	for _, g := range p.SecurityGroups {
		m := meta(r)
		out = append(out, &model.SecurityGroupMember{
			Meta: m, SecurityGroupID: g, NetworkID: r.NetworkID, Addresses: memberAddresses(p),
		})
	}
	if r.HostID != "" {
		out = append(out, binding(r, r.HostID, model.BindingActive))
	}
	if id := r.RouterID(); id != "" {
		out = append(out, &model.RouterInterface{
			Meta: meta(r), RouterID: id, NetworkID: r.NetworkID, MACAddress: r.MACAddress, FixedIPs: r.FixedIPs,
			AdminStateUp: r.AdminStateUp,
		})
	}
	if r.DeviceOwner == model.ChassisAddressOwner {
		out = append(out, &model.ChassisAddress{Meta: meta(r), Host: r.DeviceID, NetworkID: r.NetworkID, MACAddress: r.MACAddress, FixedIPs: r.FixedIPs},
			chassisPort(r))
	}
	for _, b := range r.Inactive {
		out = append(out, binding(r, b.HostID, model.BindingInactive))
	}
	return out
}

func binding(r *resource.Port, host string, status model.BindingStatus) *model.Binding {
	return &model.Binding{Meta: meta(r), NetworkID: r.NetworkID, Host: host, Status: status, ParentPortID: r.ParentPortID, SegmentationID: r.SegmentationID}
}

func port(r *resource.Port) *model.Port {
	return &model.Port{
		Meta: meta(r), NetworkID: r.NetworkID, Name: r.Name, MACAddress: r.MACAddress, FixedIPs: r.FixedIPs,
		AdminStateUp: r.AdminStateUp, PortSecurityEnabled: r.PortSecurityEnabled,
		SecurityGroups: slices.Sorted(slices.Values(r.SecurityGroups)), AllowedAddressPairs: pairs(r),
		ExtraDHCPOpts: r.ExtraDHCPOpts, DeviceID: r.DeviceID, DeviceOwner: r.DeviceOwner, DNSName: r.DNSName, Host: r.HostID,
		QoSPolicyID: r.QoSPolicyID,
	}
}

// pairs gives each address pair the MAC that it means.
func pairs(r *resource.Port) []model.AddressPair {
	var out []model.AddressPair
	for _, a := range r.AllowedAddressPairs {
		p := model.AddressPair{IPAddress: a.IPAddress, MACAddress: a.MAC}
		if a.MAC == (model.MAC{}) {
			p.MACAddress = r.MACAddress
		}
		out = append(out, p)
	}
	return out
}

// memberAddresses is never nil, and ordered, so that equal memberships are equal bytes.
func memberAddresses(p *model.Port) []netip.Prefix {
	out := p.Addresses()
	slices.SortFunc(out, func(a, b netip.Prefix) int { return a.Compare(b) })
	return slices.Compact(out)
}

func rule(r *resource.SecurityGroupRule) *model.SecurityGroupRule {
	return &model.SecurityGroupRule{
		Meta: meta(r), SecurityGroupID: r.SecurityGroupID, Direction: r.Direction, EtherType: r.EtherType,
		Protocol: r.ProtocolNumber(), PortRangeMin: r.PortRangeMin, PortRangeMax: r.PortRangeMax,
		RemoteIPPrefix: r.RemoteIPPrefix.Masked(), RemoteGroupID: cmp.Or(r.RemoteGroupID, r.RemoteAddressGroupID),
	}
}

// addressGroup is a group with one member: to a chassis an address of a port and one of a list are the same.
func addressGroup(g *resource.AddressGroup) *model.SecurityGroupMember {
	addresses := make([]netip.Prefix, 0, len(g.Addresses))
	for _, a := range g.Addresses {
		addresses = append(addresses, a.Masked())
	}
	slices.SortFunc(addresses, func(a, b netip.Prefix) int { return a.Compare(b) })
	return &model.SecurityGroupMember{Meta: meta(g), SecurityGroupID: g.ID, Addresses: slices.Compact(addresses)}
}

// floatingObjects are one for each chassis that may serve the floating IP, and one for all who are outside.
func floatingObjects(f *resource.FloatingIP) []model.Object {
	out := floatingPort(f)
	for _, h := range f.Hosts {
		out = append(out, &model.FloatingIP{
			Meta: meta(f), Host: h, FloatingIPAddress: f.FloatingIPAddress, NetworkID: f.NetworkID, MACAddress: f.MACAddress,
			RouterID: f.RouterID, PortID: f.PortID, PortNetworkID: f.PortNetworkID, FixedIPAddress: f.FixedIPAddress,
		})
	}
	return out
}

// forwardingObjects are one for each chassis that may be the gateway, and for that of the port.
func forwardingObjects(f *resource.PortForwarding) []model.Object {
	var out []model.Object
	for _, h := range f.Hosts {
		out = append(out, &model.PortForwarding{
			Meta: meta(f), Host: h, FloatingIPID: f.FloatingIPID, ExternalAddress: f.ExternalAddress, NetworkID: f.NetworkID,
			MACAddress: f.MACAddress, RouterID: f.RouterID, Protocol: f.ProtocolNumber(), ExternalPorts: f.ExternalPorts,
			InternalAddress: f.InternalAddress, InternalPorts: f.InternalPorts, InternalPortID: f.InternalPortID, PortNetworkID: f.PortNetworkID,
		})
	}
	return out
}

func routerObjects(r *resource.Router) []model.Object {
	out := []model.Object{&model.Router{Meta: meta(r), Name: r.Name, AdminStateUp: r.AdminStateUp, Routes: r.Routes}}
	g := r.Gateway
	if g == nil || g.PortID == "" { // or its port has not been pushed yet
		return out
	}
	m := meta(r)
	m.ID = g.PortID
	out = append(out, &model.RouterGateway{
		Meta: m, RouterID: r.ID, NetworkID: g.NetworkID, MACAddress: g.MACAddress, FixedIPs: g.FixedIPs,
		EnableSNAT: g.EnableSNAT, Distributed: r.DistributedSNAT, Chassis: g.Chassis, TransitVNI: g.TransitVNI,
	}, gatewayPort(r))
	for _, c := range g.Chassis {
		out = append(out, &model.GatewayDuty{Meta: meta(r), Host: c.Name})
	}
	return out
}
