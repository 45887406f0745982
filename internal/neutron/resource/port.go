package resource

import (
	"cmp"
	"encoding/json"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Port is the stored form of a port.
type Port struct {
	Common
	NetworkID           string          `json:"network_id"`
	AdminStateUp        bool            `json:"admin_state_up"`
	MACAddress          model.MAC       `json:"mac_address"`
	FixedIPs            []model.FixedIP `json:"fixed_ips,omitzero"`
	DeviceID            string          `json:"device_id,omitzero"`
	DeviceOwner         string          `json:"device_owner,omitzero"`
	PortSecurityEnabled bool            `json:"port_security_enabled"`
	SecurityGroups      []string        `json:"security_groups,omitzero"`
	// AllowedAddressPairs have the zero MAC where the client gave none: the port's own.
	AllowedAddressPairs []AddressPair      `json:"allowed_address_pairs,omitzero"`
	ExtraDHCPOpts       []model.DHCPOption `json:"extra_dhcp_opts,omitzero"`
	DNSName             string             `json:"dns_name,omitzero"`
	QoSPolicyID         string             `json:"qos_policy_id,omitzero"`
	HostID              string             `json:"binding:host_id,omitzero"`
	VNICType            string             `json:"binding:vnic_type,omitzero"`
	Profile             json.RawMessage    `json:"binding:profile,omitzero"`
	// IPAllocation is IPDeferred or IPNone; empty says that the port was given its addresses as it was made.
	IPAllocation string `json:"ip_allocation,omitzero"`
	// Inactive are the bindings to hosts to which the port may be moved, or from which it was.
	Inactive []PortBinding `json:"inactive_bindings,omitzero"`

	// Arrived is, behind a Neutron, the host where the guest has been heard and whose binding was therefore made the
	// active one here, until Neutron says so too.
	Arrived string `json:"arrived,omitzero"`

	// TrunkID is the trunk that the port, or whose sub-port, it is. It is written with the trunk.
	TrunkID string `json:"trunk_id,omitzero"`
	// ParentPortID is the port through whose interface a sub-port comes, and SegmentationID its VLAN there. The bindings
	// of a sub-port are its parent's; OwnHostID is the host to which it is bound when it is none any more.
	ParentPortID   string `json:"parent_port_id,omitzero"`
	SegmentationID uint16 `json:"segmentation_id,omitzero"`
	OwnHostID      string `json:"own_host_id,omitzero"`

	// Status, DNSSuffix, NetworkQoSPolicyID, VIF and TrunkDetails are not stored: the API fills them in before it shows
	// a port.
	Status             string        `json:"-"`
	DNSSuffix          string        `json:"-"`
	NetworkQoSPolicyID string        `json:"-"`
	VIF                VIF           `json:"-"`
	TrunkDetails       *TrunkDetails `json:"-"`
}

// The values of a port's ip_allocation: it has got addresses when it was made; it gets them when it is bound, since
// its network has them by segments; and it shall have none.
const (
	IPImmediate = "immediate"
	IPDeferred  = "deferred"
	IPNone      = "none"
)

// Clone returns a copy.
func (p *Port) Clone() Row { c := *p; return &c }

// Active returns the binding by which the port is served; its host is empty if there is none.
func (p *Port) Active() PortBinding {
	return PortBinding{HostID: p.HostID, VNICType: p.VNICType, Profile: p.Profile}
}

// SetActive makes a binding the one by which the port is served.
func (p *Port) SetActive(b PortBinding) {
	p.HostID, p.VNICType, p.Profile = b.HostID, b.VNICType, b.Profile
}

// AddressPair is one of the allowed address pairs; the prefix keeps host bits, as it was given.
type AddressPair struct {
	IPAddress netip.Prefix `json:"ip_address"`
	MAC       model.MAC    `json:"mac_address,omitzero"`
}

// Limits on lists of a port, Neutron's defaults where it has one.
const (
	MaxFixedIPs       = 5
	MaxAddressPairs   = 10
	MaxSecurityGroups = 32
	maxDHCPOpts       = 64
	maxProfile        = 4095
)

// Ports is the type "port".
func Ports() *Type {
	first, last := standard(nameAttr(Text(255)))
	own := []Attr{
		required(field("network_id", OnPost, UUID, func(p *Port) *string { return &p.NetworkID })),
		field("admin_state_up", Writable, Bool, func(p *Port) *bool { return &p.AdminStateUp }),
		attr("mac_address", Writable, setMAC, func(p *Port) any { return p.MACAddress.String() }),
		unsorted(attr("fixed_ips", Writable, setFixedIPs, func(p *Port) any { return orEmpty(p.FixedIPs) })),
		field("device_id", Writable, Text(255), func(p *Port) *string { return &p.DeviceID }),
		field("device_owner", Writable, Text(255), func(p *Port) *string { return &p.DeviceOwner }),
		shown("status", func(p *Port) any { return p.Status }),
		field("port_security_enabled", Writable, Bool, func(p *Port) *bool { return &p.PortSecurityEnabled }),
		unsorted(attr("security_groups", Writable, setSecurityGroups,
			func(p *Port) any { return orEmpty(p.SecurityGroups) })),
		unlisted(attr("allowed_address_pairs", Writable, setAddressPairs, showAddressPairs)),
		unlisted(attr("extra_dhcp_opts", Writable, setDHCPOpts, showDHCPOpts)),
		field("dns_name", Writable, dnsName, func(p *Port) *string { return &p.DNSName }),
		qosPolicyAttr(func(p *Port) *string { return &p.QoSPolicyID }),
		unlisted(shown("qos_network_policy_id", func(p *Port) any { return textOrNil(p.NetworkQoSPolicyID) })),
		unlisted(shown("dns_assignment", showDNSAssignment)),
		shown("ip_allocation", func(p *Port) any { return cmp.Or(p.IPAllocation, IPImmediate) }),
	}
	own = append(own, bindingAttrs()...)
	own = append(own, unlisted(shown("trunk_details", showTrunkDetails)), tagsAttr())
	return &Type{
		Kind: "neutron.port", Singular: "port", Plural: "ports", Path: "ports",
		Attrs: join(first, own, last),
		New: func() Row {
			return &Port{AdminStateUp: true, PortSecurityEnabled: true, VNICType: "normal"}
		},
		notFoundType: "PortNotFound", notFoundText: "Port %s could not be found.",
	}
}

// setMAC accepts null too, which asks for a generated address.
func setMAC(p *Port, v any) (err error) {
	if v == nil {
		p.MACAddress = model.MAC{}
		return nil
	}
	p.MACAddress, err = MAC(v)
	return err
}

func setFixedIPs(p *Port, v any) error {
	l, err := ParseFixedIPs(v)
	p.FixedIPs = l
	return err
}

func fixedIP(v any) (f model.FixedIP, err error) {
	m, err := object(v, "subnet_id", "ip_address")
	if err != nil {
		return f, err
	}
	if s, ok := m["subnet_id"]; ok {
		if f.SubnetID, err = UUID(s); err != nil {
			return f, err
		}
	}
	if ip, ok := m["ip_address"]; ok && ip != nil {
		if f.IPAddress, err = IP(ip); err != nil {
			return f, err
		}
	}
	if f.SubnetID == "" && !f.IPAddress.IsValid() {
		return f, InvalidInput("IP allocation requires subnet_id or ip_address")
	}
	return f, nil
}

func setSecurityGroups(p *Port, v any) error {
	l, err := List("security group", MaxSecurityGroups, UUID)(v)
	p.SecurityGroups = l
	return err
}

func setAddressPairs(p *Port, v any) error {
	l, err := listOf("allowed address pair", 1000, v, addressPair)
	if err != nil {
		return err
	}
	if len(l) > MaxAddressPairs {
		return Refused("AllowedAddressPairExhausted",
			"The number of allowed address pair exceeds the maximum %d.", MaxAddressPairs)
	}
	seen := map[AddressPair]bool{}
	for _, a := range l {
		if seen[a] {
			return Refused("DuplicateAddressPairInRequest",
				"Request contains duplicate address pair: mac_address %s ip_address %s.", a.MAC, a.IPAddress)
		}
		seen[a] = true
	}
	p.AllowedAddressPairs = l
	return nil
}

func addressPair(v any) (a AddressPair, err error) {
	m, err := object(v, "ip_address", "mac_address")
	if err != nil {
		return a, err
	}
	ip, ok := m["ip_address"]
	if !ok || ip == nil {
		return a, Refused("AllowedAddressPairsMissingIP", "AllowedAddressPair must contain ip_address")
	}
	if a.IPAddress, err = Prefix(ip); err != nil {
		return a, err
	}
	if mac, ok := m["mac_address"]; ok && mac != nil {
		a.MAC, err = MAC(mac)
	}
	return a, err
}

func showAddressPairs(p *Port) any {
	type pair struct {
		MAC string `json:"mac_address"`
		IP  string `json:"ip_address"`
	}
	out := make([]pair, 0, len(p.AllowedAddressPairs))
	for _, a := range p.AllowedAddressPairs {
		mac, ip := a.MAC, a.IPAddress.String()
		if mac == (model.MAC{}) {
			mac = p.MACAddress
		}
		if a.IPAddress.IsSingleIP() {
			ip = a.IPAddress.Addr().String()
		}
		out = append(out, pair{mac.String(), ip})
	}
	return out
}

func showDNSAssignment(p *Port) any {
	type assignment struct {
		Hostname string `json:"hostname"`
		IP       string `json:"ip_address"`
		FQDN     string `json:"fqdn"`
	}
	out := make([]assignment, 0, len(p.FixedIPs))
	for _, f := range p.FixedIPs {
		host := p.DNSName
		if host == "" {
			host = DefaultHostName(f.IPAddress)
		}
		out = append(out, assignment{host, f.IPAddress.String(), host + "." + p.DNSSuffix})
	}
	return out
}
