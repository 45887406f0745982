package model

import "net/netip"

// Kinds of security groups.
const (
	KindSecurityGroup       Kind = "SecurityGroup"
	KindSecurityGroupRule   Kind = "SecurityGroupRule"
	KindSecurityGroupMember Kind = "SecurityGroupMember"
)

// SecurityGroup is a set of rules that ports may share (Neutron API "security group").
type SecurityGroup struct {
	Meta
	Name string `json:"name,omitzero"`
	// Stateful groups let replies pass (conntrack); stateless ones do not look at connections.
	Stateful bool `json:"stateful"`
}

// Kind returns KindSecurityGroup.
func (g *SecurityGroup) Kind() Kind { return KindSecurityGroup }

// Scope is the group's own.
func (g *SecurityGroup) Scope() string { return ScopeSecurityGroup(g.ID) }

// Validate checks the id.
func (g *SecurityGroup) Validate() error {
	var p problems
	p.meta(&g.Meta)
	return p.result(g)
}

// Direction is seen from the guest.
type Direction string

// The directions of a rule.
const (
	Ingress Direction = "ingress"
	Egress  Direction = "egress"
)

// EtherType is the family of a rule.
type EtherType string

// The families of a rule.
const (
	IPv4 EtherType = "IPv4"
	IPv6 EtherType = "IPv6"
)

// AnyProtocol as a rule's protocol matches every IP protocol.
const AnyProtocol = -1

// SecurityGroupRule allows traffic; what no rule of a port's groups allows is dropped (Neutron API
// "security group rule").
type SecurityGroupRule struct {
	Meta
	SecurityGroupID string    `json:"security_group_id"`
	Direction       Direction `json:"direction"`
	EtherType       EtherType `json:"ethertype"`
	// Protocol is the IP protocol number, or AnyProtocol.
	Protocol int `json:"protocol"`
	// PortRangeMin and Max are inclusive ports for TCP, UDP, SCTP, DCCP and UDP-Lite; for ICMP they are
	// type and code. Nil is any.
	PortRangeMin *int `json:"port_range_min,omitzero"`
	PortRangeMax *int `json:"port_range_max,omitzero"`
	// RemoteIPPrefix limits the other end to a prefix; invalid (zero) is any.
	RemoteIPPrefix netip.Prefix `json:"remote_ip_prefix,omitzero"`
	// RemoteGroupID limits the other end to the members of a group; empty is any.
	RemoteGroupID string `json:"remote_group_id,omitzero"`
}

// Kind returns KindSecurityGroupRule.
func (r *SecurityGroupRule) Kind() Kind { return KindSecurityGroupRule }

// Scope is that of the rule's group.
func (r *SecurityGroupRule) Scope() string { return ScopeSecurityGroup(r.SecurityGroupID) }

// Validate checks direction, family, protocol and ranges.
func (r *SecurityGroupRule) Validate() error {
	var p problems
	p.meta(&r.Meta)
	p.check(r.SecurityGroupID != "", "security_group_id", "must not be empty")
	p.check(r.Direction == Ingress || r.Direction == Egress, "direction", "%q is unknown", r.Direction)
	p.check(r.EtherType == IPv4 || r.EtherType == IPv6, "ethertype", "%q is unknown", r.EtherType)
	p.check(r.Protocol >= AnyProtocol && r.Protocol <= 255, "protocol", "%d is not an IP protocol", r.Protocol)
	p.check(inPortRange(r.PortRangeMin) && inPortRange(r.PortRangeMax), "port_range", "must lie in 0..65535")
	p.check(!r.RemoteIPPrefix.IsValid() || r.RemoteIPPrefix.Addr().Is4() == (r.EtherType == IPv4),
		"remote_ip_prefix", "%s is not %s", r.RemoteIPPrefix, r.EtherType)
	p.check(!r.RemoteIPPrefix.IsValid() || r.RemoteGroupID == "", "remote_group_id",
		"excludes remote_ip_prefix")
	return p.result(r)
}

func inPortRange(v *int) bool { return v == nil || *v >= 0 && *v <= 65535 }

// SecurityGroupMember says with which addresses a port belongs to a group. Its ID is the port's; there
// is one for each group of a port, so that a change of membership costs one small value.
type SecurityGroupMember struct {
	Meta
	SecurityGroupID string         `json:"security_group_id"`
	NetworkID       string         `json:"network_id"`
	Addresses       []netip.Prefix `json:"addresses"`
}

// Kind returns KindSecurityGroupMember.
func (m *SecurityGroupMember) Kind() Kind { return KindSecurityGroupMember }

// Scope is that of the group's members.
func (m *SecurityGroupMember) Scope() string { return ScopeSecurityGroupMembers(m.SecurityGroupID) }

// Validate checks the addresses.
func (m *SecurityGroupMember) Validate() error {
	var p problems
	p.meta(&m.Meta)
	p.check(m.SecurityGroupID != "", "security_group_id", "must not be empty")
	for _, a := range m.Addresses {
		p.check(a.IsValid() && a == a.Masked(), "addresses", "%s is not a network prefix", a)
	}
	return p.result(m)
}
