package packet

import (
	"net/netip"
	"strings"
)

// NDOptions is the list of options at the end of an ND message, as bytes (RFC 4861 section 4.6).
type NDOptions []byte

// Next returns the first option, without type and length, and what follows it. It is false at the end
// and where the list is malformed.
func (o NDOptions) Next() (typ uint8, body []byte, rest NDOptions, ok bool) {
	if len(o) < 2 {
		return 0, nil, nil, false
	}
	length := 8 * int(o[1])
	if length == 0 || length > len(o) {
		return 0, nil, nil, false
	}
	return o[0], o[2:length], o[length:], true
}

// validate reports a malformed option (RFC 4861 section 4.6: such packets are dropped).
func (o NDOptions) validate() error {
	for len(o) > 0 {
		_, _, rest, ok := o.Next()
		if !ok {
			return ErrNDOption
		}
		o = rest
	}
	return nil
}

// Find returns the first option of a type.
func (o NDOptions) Find(typ uint8) ([]byte, bool) {
	for {
		t, body, rest, ok := o.Next()
		if !ok {
			return nil, false
		}
		if t == typ {
			return body, true
		}
		o = rest
	}
}

// LinkAddr returns the MAC of the first option of a type: NDOptionSourceLinkAddr or
// NDOptionTargetLinkAddr.
func (o NDOptions) LinkAddr(typ uint8) (MAC, bool) {
	body, ok := o.Find(typ)
	if !ok || len(body) != 6 {
		return MAC{}, false
	}
	return MAC(body), true
}

// AppendLinkAddr appends a source or target link-layer address option.
func (o NDOptions) AppendLinkAddr(typ uint8, m MAC) NDOptions {
	return append(append(o, typ, 1), m[:]...)
}

// AppendMTU appends an MTU option, in bytes.
func (o NDOptions) AppendMTU(mtu uint32) NDOptions {
	return append32(append(o, NDOptionMTU, 1, 0, 0), mtu)
}

// NDPrefix is a prefix information option (RFC 4861 section 4.6.2).
type NDPrefix struct {
	Prefix netip.Prefix
	// OnLink: addresses of the prefix are reached directly. Autonomous: hosts form addresses from it.
	OnLink, Autonomous bool
	// ValidLifetime and PreferredLifetime are in seconds; 0xffffffff is for ever.
	ValidLifetime, PreferredLifetime uint32
}

// AppendPrefix appends a prefix information option.
func (o NDOptions) AppendPrefix(p NDPrefix) NDOptions {
	o = append(o, NDOptionPrefix, 4, uint8(p.Prefix.Bits()), flag(p.OnLink, 0x80)|flag(p.Autonomous, 0x40))
	o = append32(o, p.ValidLifetime)
	o = append32(o, p.PreferredLifetime)
	o = append32(o, 0)
	return appendAddr(o, p.Prefix.Masked().Addr())
}

// ParseNDPrefix reads the body of a prefix information option.
func ParseNDPrefix(body []byte) (NDPrefix, error) {
	if len(body) != 30 || body[0] > 128 {
		return NDPrefix{}, ErrNDOption
	}
	return NDPrefix{
		Prefix:            netip.PrefixFrom(netip.AddrFrom16([16]byte(body[14:30])), int(body[0])),
		OnLink:            body[1]&0x80 != 0,
		Autonomous:        body[1]&0x40 != 0,
		ValidLifetime:     be32(body[2:]),
		PreferredLifetime: be32(body[6:]),
	}, nil
}

// maxRDNSS is how many addresses fit into one option, whose length is counted in 8 bytes in one byte.
const maxRDNSS = 127

// AppendRDNSS appends a recursive DNS server option (RFC 8106 section 5.1) with as many of the IPv6
// servers as fit, 127, for a lifetime in seconds. Without servers it appends nothing.
func (o NDOptions) AppendRDNSS(lifetime uint32, servers ...netip.Addr) NDOptions {
	servers = servers[:min(len(servers), maxRDNSS)]
	if len(servers) == 0 {
		return o
	}
	o = append(o, NDOptionRDNSS, uint8(1+2*len(servers)), 0, 0)
	o = append32(o, lifetime)
	for _, s := range servers {
		o = appendAddr(o, s)
	}
	return o
}

// AppendDNSSL appends a DNS search list option (RFC 8106 section 5.2) for a lifetime in seconds. Names
// that are no domain names, or that no longer fit, are left out; without any it appends nothing.
func (o NDOptions) AppendDNSSL(lifetime uint32, domains ...string) NDOptions {
	start := len(o)
	o = append(o, NDOptionDNSSL, 0, 0, 0)
	o = append32(o, lifetime)
	names := len(o)
	for _, d := range domains {
		next, ok := appendName(o, d)
		if ok && len(next)-start <= 8*255 {
			o = next
		}
	}
	if len(o) == names {
		return o[:start]
	}
	for (len(o)-start)%8 != 0 {
		o = append(o, 0)
	}
	o[start+1] = uint8((len(o) - start) / 8)
	return o
}

// appendName appends a domain name in DNS wire format (RFC 1035 section 3.1), uncompressed.
func appendName(b []byte, name string) ([]byte, bool) {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 {
		return b, false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return b, false
		}
		b = append(append(b, uint8(len(label))), label...)
	}
	return append(b, 0), true
}
