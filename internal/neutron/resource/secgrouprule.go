package resource

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
)

// SecurityGroupRule is the stored form of a rule of a security group.
type SecurityGroupRule struct {
	Common
	SecurityGroupID string          `json:"security_group_id"`
	Direction       model.Direction `json:"direction"`
	EtherType       model.EtherType `json:"ethertype"`
	// Protocol is a name or number as the client gave it, in lower case; empty is any.
	Protocol       string       `json:"protocol,omitzero"`
	PortRangeMin   *int         `json:"port_range_min,omitzero"`
	PortRangeMax   *int         `json:"port_range_max,omitzero"`
	RemoteIPPrefix netip.Prefix `json:"remote_ip_prefix,omitzero"`
	RemoteGroupID  string       `json:"remote_group_id,omitzero"`
	// RemoteAddressGroupID is what only rules that a Neutron pushed have.
	RemoteAddressGroupID string `json:"remote_address_group_id,omitzero"`
}

// Clone returns a copy.
func (r *SecurityGroupRule) Clone() Row { c := *r; return &c }

// SecurityGroupRules is the type "security group rule".
func SecurityGroupRules() *Type {
	first, last := standard(Attr{})
	first = append(first[:1:1], first[2:]...) // rules have no name
	last[0].Access = OnPost                   // nor can anything of them be changed
	own := []Attr{
		required(field("security_group_id", OnPost, UUID, func(r *SecurityGroupRule) *string { return &r.SecurityGroupID })),
		required(field("direction", OnPost, OneOf(model.Ingress, model.Egress),
			func(r *SecurityGroupRule) *model.Direction { return &r.Direction })),
		field("ethertype", OnPost, EtherType, func(r *SecurityGroupRule) *model.EtherType { return &r.EtherType }),
		attr("protocol", OnPost, setProtocol, func(r *SecurityGroupRule) any { return textOrNil(r.Protocol) }),
		portRange("port_range_min", func(r *SecurityGroupRule) **int { return &r.PortRangeMin }),
		portRange("port_range_max", func(r *SecurityGroupRule) **int { return &r.PortRangeMax }),
		attr("remote_ip_prefix", OnPost, setRemotePrefix, func(r *SecurityGroupRule) any {
			return prefixOrNil(r.RemoteIPPrefix)
		}),
		shown("normalized_cidr", func(r *SecurityGroupRule) any { return prefixOrNil(r.RemoteIPPrefix.Masked()) }),
		attr("remote_group_id", OnPost, setRemoteGroup, func(r *SecurityGroupRule) any { return textOrNil(r.RemoteGroupID) }),
	}
	return &Type{
		Kind: "neutron.security-group-rule", Singular: "security_group_rule", Plural: "security_group_rules",
		Path:  "security-group-rules",
		Attrs: join(first, own, last),
		New:   func() Row { return &SecurityGroupRule{EtherType: model.IPv4} },

		notFoundType: "SecurityGroupRuleNotFound", notFoundText: "Security group rule %s does not exist",
	}
}

func textOrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func prefixOrNil(p netip.Prefix) any {
	if !p.IsValid() {
		return nil
	}
	return p.String()
}

// EtherType accepts the families of rules in any case.
func EtherType(v any) (model.EtherType, error) {
	s, _ := v.(string)
	for _, e := range []model.EtherType{model.IPv4, model.IPv6} {
		if strings.EqualFold(s, string(e)) {
			return e, nil
		}
	}
	return "", Refused("SecurityGroupRuleInvalidEtherType",
		"Security group rule for ethertype '%s' not supported. Allowed values are ['IPv4', 'IPv6'].", show(v))
}

// protocolNumbers are the names that Neutron knows for IP protocols (IANA "Protocol Numbers"). "ip" is
// any protocol.
var protocolNumbers = map[string]int{
	"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "igmp": 2, "ip": model.AnyProtocol,
	"ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60,
	"ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}

func setProtocol(r *SecurityGroupRule, v any) (err error) {
	r.Protocol, err = Protocol(v)
	return err
}

// Protocol accepts the name or the number of an IP protocol; null and "any" are every one, which is empty.
func Protocol(v any) (string, error) {
	s := strings.ToLower(show(v))
	_, isString := v.(string)
	n, err := Int(v)
	_, known := protocolNumbers[s]
	switch {
	case v == nil || s == "any" && isString:
		return "", nil
	case err == nil && n >= 0 && n <= 255:
		return strconv.Itoa(n), nil
	case known && isString:
		return s, nil
	default:
		return "", Refused("SecurityGroupRuleInvalidProtocol", "Security group rule protocol %s not supported. Only "+
			"names of IP protocols and integer representations [0 to 255] are supported.", show(v))
	}
}

// ProtocolNumber returns the IP protocol that the rule matches, or model.AnyProtocol. In a rule for
// IPv6, "icmp" is ICMPv6.
func (r *SecurityGroupRule) ProtocolNumber() int {
	if r.Protocol == "" {
		return model.AnyProtocol
	}
	n, ok := protocolNumbers[r.Protocol]
	if !ok {
		n, _ = strconv.Atoi(r.Protocol)
	}
	if n == 1 && r.EtherType == model.IPv6 {
		return 58
	}
	return n
}

func portRange(name string, at func(*SecurityGroupRule) **int) Attr {
	return attr(name, OnPost, func(r *SecurityGroupRule, v any) error {
		if v == nil {
			return nil
		}
		n, err := Int(v)
		if err != nil || n < 0 || n > 65535 {
			return Refused("SecurityGroupInvalidPortValue", "Invalid value for port %s", show(v))
		}
		*at(r) = &n
		return nil
	}, func(r *SecurityGroupRule) any {
		if *at(r) == nil {
			return nil
		}
		return **at(r)
	})
}

func setRemotePrefix(r *SecurityGroupRule, v any) error {
	if v == nil || v == "" {
		return nil
	}
	p, err := Prefix(v)
	if err != nil {
		return Refused("InvalidCIDR", "Invalid CIDR %s given as IP prefix.", show(v))
	}
	r.RemoteIPPrefix = p
	return nil
}

func setRemoteGroup(r *SecurityGroupRule, v any) (err error) {
	if v == nil || v == "" {
		return nil
	}
	r.RemoteGroupID, err = UUID(v)
	return err
}

// CheckRule reports what does not fit together in a rule, and drops a port range that is no limit.
func CheckRule(r *SecurityGroupRule) error {
	if r.RemoteIPPrefix.IsValid() && r.RemoteGroupID != "" {
		return Refused("SecurityGroupMultipleRemoteEntites",
			"Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.")
	}
	if p := r.RemoteIPPrefix; p.IsValid() && p.Addr().Is4() != (r.EtherType == model.IPv4) {
		return Refused("SecurityGroupRuleParameterConflict",
			"Conflicting value ethertype %s for CIDR %s", r.EtherType, p)
	}
	if r.EtherType == model.IPv4 && (strings.HasPrefix(r.Protocol, "ipv6-") || r.Protocol == "icmpv6") &&
		r.Protocol != "ipv6-encap" {
		return Refused("SecurityGroupEthertypeConflictWithProtocol",
			"Invalid ethertype %s for protocol %s.", r.EtherType, r.Protocol)
	}
	if err := checkPorts(r); err != nil {
		return err
	}
	r.DropFullRange()
	return nil
}

// DropFullRange drops a range of ports that is no limit.
func (r *SecurityGroupRule) DropFullRange() {
	if r.PortRangeMin != nil && *r.PortRangeMin == 1 && r.PortRangeMax != nil && *r.PortRangeMax == 65535 {
		r.PortRangeMin, r.PortRangeMax = nil, nil
	}
}

func checkPorts(r *SecurityGroupRule) error {
	lo, hi := r.PortRangeMin, r.PortRangeMax
	if lo == nil && hi == nil {
		return nil
	}
	if r.Protocol == "" {
		return Refused("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	}
	switch r.ProtocolNumber() {
	case 6, 17, 33, 132, 136:
		if lo != nil && *lo == 0 || hi != nil && *hi == 0 {
			return Refused("SecurityGroupInvalidPortValue", "Invalid value for port 0")
		}
		if lo == nil || hi == nil || *lo > *hi {
			return Refused("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
		}
	case 1, 58:
		return checkICMP(lo, hi)
	default:
		return Refused("SecurityGroupInvalidProtocolForPort", "Ports cannot be specified for protocol %s. "+
			"Ports are only supported for DCCP, SCTP, TCP, UDP, UDPLITE.", r.Protocol)
	}
	return nil
}

func checkICMP(typ, code *int) error {
	for _, f := range []struct {
		v          *int
		what, attr string
	}{{typ, "type", "port_range_min"}, {code, "code", "port_range_max"}} {
		if f.v != nil && *f.v > 255 {
			return Refused("SecurityGroupInvalidIcmpValue",
				"Invalid value for ICMP %s (%s) %d. It must be 0 to 255.", f.what, f.attr, *f.v)
		}
	}
	if typ == nil {
		return Refused("SecurityGroupMissingIcmpType",
			"ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", *code)
	}
	return nil
}

// RuleKey identifies what a rule allows: two rules of a group with the same key are duplicates.
func RuleKey(r *SecurityGroupRule) string {
	opt := func(v *int) string {
		if v == nil {
			return "-"
		}
		return strconv.Itoa(*v)
	}
	prefix := r.RemoteIPPrefix.Masked()
	remote := prefix.String()
	if !prefix.IsValid() || prefix.Bits() == 0 {
		remote = "any"
	}
	return fmt.Sprintf("%s %s %d %s %s %s %s", r.Direction, r.EtherType, r.ProtocolNumber(),
		opt(r.PortRangeMin), opt(r.PortRangeMax), remote, r.RemoteGroupID)
}
