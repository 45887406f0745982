package resource

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// SubnetPool is the stored form of a subnet pool: prefixes from which subnets are cut. Its row is written
// with each subnet that is cut from it, so that its database revision also stands for what is in use.
type SubnetPool struct {
	Common
	// Prefixes are as few as possible, in order, and all of IPVersion.
	Prefixes         []netip.Prefix `json:"prefixes"`
	IPVersion        int            `json:"ip_version"`
	MinPrefixLen     int            `json:"min_prefixlen"`
	MaxPrefixLen     int            `json:"max_prefixlen"`
	DefaultPrefixLen int            `json:"default_prefixlen"`
	// DefaultQuota is how much a project may have, in IPv4 addresses or IPv6 prefixes of 64 bits; nil is no
	// limit.
	DefaultQuota   *int   `json:"default_quota,omitzero"`
	IsDefault      bool   `json:"is_default,omitzero"`
	Shared         bool   `json:"shared,omitzero"`
	AddressScopeID string `json:"address_scope_id,omitzero"`
}

// Clone returns a copy.
func (p *SubnetPool) Clone() Row { c := *p; return &c }

// maxPoolPrefixes bounds the prefixes of a pool.
const maxPoolPrefixes = 1000

// SubnetPools is the type "subnetpool".
func SubnetPools() *Type {
	first, last := standard(required(nameAttr(notBlank)))
	own := []Attr{
		required(unlisted(attr("prefixes", Writable, setPrefixes, func(p *SubnetPool) any { return orEmpty(p.Prefixes) }))),
		attr("default_quota", Writable, setDefaultQuota, showDefaultQuota),
		shown("ip_version", func(p *SubnetPool) any { return p.IPVersion }),
		prefixLen("default_prefixlen", func(p *SubnetPool) *int { return &p.DefaultPrefixLen }),
		prefixLen("min_prefixlen", func(p *SubnetPool) *int { return &p.MinPrefixLen }),
		prefixLen("max_prefixlen", func(p *SubnetPool) *int { return &p.MaxPrefixLen }),
		field("is_default", Writable, Bool, func(p *SubnetPool) *bool { return &p.IsDefault }),
		field("shared", OnPost, Bool, func(p *SubnetPool) *bool { return &p.Shared }),
		attr("address_scope_id", Writable, setAddressScope, func(p *SubnetPool) any { return textOrNil(p.AddressScopeID) }),
		tagsAttr(),
	}
	return &Type{
		Kind: "neutron.subnetpool", Singular: "subnetpool", Plural: "subnetpools", Path: "subnetpools",
		Attrs:        join(first, own, last),
		New:          func() Row { return new(SubnetPool) },
		notFoundType: "SubnetPoolNotFound", notFoundText: "Subnet pool %s could not be found.",
	}
}

// notBlank accepts a name that is one.
func notBlank(v any) (string, error) {
	s, err := Text(255)(v)
	if err == nil && strings.TrimSpace(s) == "" {
		return "", errors.New("'" + s + "' Blank strings are not permitted")
	}
	return s, err
}

// ParsePrefixes converts a list of prefixes.
func ParsePrefixes(v any) ([]netip.Prefix, error) { return List("prefix", maxPoolPrefixes, CIDR)(v) }

func setPrefixes(p *SubnetPool, v any) (err error) {
	p.Prefixes, err = ParsePrefixes(v)
	return err
}

func setDefaultQuota(p *SubnetPool, v any) error {
	n, err := IntIn(0)(v)
	p.DefaultQuota = &n
	return err
}

func showDefaultQuota(p *SubnetPool) any {
	if p.DefaultQuota == nil {
		return nil
	}
	return *p.DefaultQuota
}

func setAddressScope(p *SubnetPool, v any) (err error) {
	p.AddressScopeID = ""
	if v != nil {
		p.AddressScopeID, err = UUID(v)
	}
	return err
}

// Numeral is a number that the API shows as text.
type Numeral int

// MarshalText returns the decimal digits.
func (n Numeral) MarshalText() ([]byte, error) { return []byte(strconv.Itoa(int(n))), nil }

// prefixLen makes an attribute that is the length of a prefix, which Neutron shows as text.
func prefixLen(name string, at func(*SubnetPool) *int) Attr {
	return attr(name, Writable, func(p *SubnetPool, v any) (err error) {
		*at(p), err = IntIn(0)(v)
		return err
	}, func(p *SubnetPool) any { return Numeral(*at(p)) })
}

// Complete fills in what the client left open in a new pool.
func (p *SubnetPool) Complete(given Given) {
	bits, least := 32, 8
	if p.IPVersion == 6 {
		bits, least = 128, 64
	}
	if !given["min_prefixlen"] {
		p.MinPrefixLen = least
	}
	if !given["max_prefixlen"] {
		p.MaxPrefixLen = bits
	}
	if !given["default_prefixlen"] {
		p.DefaultPrefixLen = p.MinPrefixLen
	}
}

// CheckPrefixes sets the IP version and refuses prefixes of two, or none.
func (p *SubnetPool) CheckPrefixes() error {
	if len(p.Prefixes) == 0 {
		return Refused("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.")
	}
	p.IPVersion = 6
	if p.Prefixes[0].Addr().Is4() {
		p.IPVersion = 4
	}
	for _, x := range p.Prefixes {
		if x.Addr().Is4() != (p.IPVersion == 4) {
			return Refused("PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
		}
	}
	return nil
}

// CheckBounds refuses lengths of prefixes that do not go together.
func (p *SubnetPool) CheckBounds() error {
	bits := 32
	if p.IPVersion == 6 {
		bits = 128
	}
	illegal := func(name string, n int, limit string, base int) error {
		return Refused("IllegalSubnetPoolPrefixBounds", "Illegal prefix bounds: %s=%d, %s=%d.", name, n, limit, base)
	}
	switch {
	case p.MinPrefixLen > p.MaxPrefixLen:
		return illegal("min_prefixlen", p.MinPrefixLen, "max_prefixlen", p.MaxPrefixLen)
	case p.MaxPrefixLen > bits:
		return illegal("max_prefixlen", p.MaxPrefixLen, "ip_version_max", bits)
	case p.DefaultPrefixLen < p.MinPrefixLen:
		return illegal("default_prefixlen", p.DefaultPrefixLen, "min_prefixlen", p.MinPrefixLen)
	case p.DefaultPrefixLen > p.MaxPrefixLen:
		return illegal("default_prefixlen", p.DefaultPrefixLen, "max_prefixlen", p.MaxPrefixLen)
	}
	return nil
}

// CheckLength refuses to cut a subnet that is too small or too large.
func (p *SubnetPool) CheckLength(bits int) error {
	switch {
	case bits > p.MaxPrefixLen:
		return Refused("MaxPrefixSubnetAllocationError", "Unable to allocate subnet with prefix length %d, maximum "+
			"allowed prefix is %d.", bits, p.MaxPrefixLen)
	case bits < p.MinPrefixLen:
		return Refused("MinPrefixSubnetAllocationError", "Unable to allocate subnet with prefix length %d, minimum "+
			"allowed prefix is %d.", bits, p.MinPrefixLen)
	}
	return nil
}

// DefaultPool says which subnet pool is the default of an IP version; its ID is the version, so that there
// can be only one.
type DefaultPool struct {
	Common
	SubnetPoolID string `json:"subnetpool_id"`
}

// Clone returns a copy.
func (d *DefaultPool) Clone() Row { c := *d; return &c }

// DefaultPools is the type of these rows; the API does not show them.
func DefaultPools() *Type {
	return &Type{
		Kind: "neutron.default-subnetpool", Singular: "default subnet pool", New: func() Row { return new(DefaultPool) },
		notFoundType: "SubnetPoolNotFound", notFoundText: "No default subnetpool found for IPv%s",
	}
}
