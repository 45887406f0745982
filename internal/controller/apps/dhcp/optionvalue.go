package dhcp

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
)

// kind is how the value of an option is written and encoded.
type kind uint8

const (
	guess      kind = iota // as dnsmasq does for options that it does not know
	reserved               // set by the protocol, never by a user
	addresses              // one or more addresses, separated by commas
	oneAddress             // exactly one
	text                   // bytes as they are
	domains                // domain names in DNS encoding, separated by commas
	uint8s                 // a decimal number of 1 byte
	uint16s                // of 2
	uint32s                // of 4; may be negative (the time offset)
	routes                 // prefix,next hop,… (RFC 3442)
	ntpServers             // addresses as suboptions (RFC 5908)
	textList               // one string with its length before it (RFC 5970 parameters)
)

// encode returns the wire form of a value; version decides the family of addresses.
func encode(k kind, version int, value string) ([]byte, error) {
	switch k {
	case addresses, oneAddress:
		list, err := parseAddresses(version, value)
		if err != nil || k == oneAddress && len(list) != 1 {
			return nil, fmt.Errorf("must be %s of IPv%d", plural(k == oneAddress, "address", "addresses"), version)
		}
		return addressBytes(list), nil
	case text:
		return []byte(value), nil
	case domains:
		return encodeDomains(strings.Split(value, ","))
	case uint8s:
		return encodeNumber(value, 1)
	case uint16s:
		return encodeNumber(value, 2)
	case uint32s:
		return encodeNumber(value, 4)
	case routes:
		return parseRoutes(value)
	case ntpServers:
		return encodeNTP(version, value)
	case textList:
		return append(binary.BigEndian.AppendUint16(nil, uint16(len(value))), value...), nil
	}
	return encodeGuess(version, value)
}

func plural(one bool, singular, many string) string {
	if one {
		return "one " + singular
	}
	return many
}

func parseAddresses(version int, value string) ([]netip.Addr, error) {
	var out []netip.Addr
	for s := range strings.SplitSeq(value, ",") {
		s = strings.TrimSpace(s)
		if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") { // dnsmasq writes IPv6 like this
			s = s[1 : len(s)-1]
		}
		a, err := netip.ParseAddr(s)
		if err != nil || a.Is4() != (version == 4) || a.Zone() != "" {
			return nil, fmt.Errorf("%q is not an IPv%d address", s, version)
		}
		out = append(out, a)
	}
	return out, nil
}

func addressBytes(list []netip.Addr) []byte {
	var b []byte
	for _, a := range list {
		b = append(b, a.AsSlice()...)
	}
	return b
}

func encodeNumber(value string, size int) ([]byte, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 0, 64)
	if err != nil || n >= 1<<(8*size) || n < 0 && (size < 4 || n < -1<<31) {
		return nil, fmt.Errorf("must be a number of %d bits", 8*size)
	}
	return binary.BigEndian.AppendUint32(nil, uint32(n))[4-size:], nil
}

// encodeGuess takes the value of an option of unknown type for what it looks like: addresses, a decimal
// number (of the least size, or of that of a suffix b, s or i), bytes in hexadecimal separated by colons,
// else text.
func encodeGuess(version int, value string) ([]byte, error) {
	if list, err := parseAddresses(version, value); err == nil {
		return addressBytes(list), nil
	}
	if b, ok := guessNumber(value); ok {
		return b, nil
	}
	if strings.Contains(value, ":") {
		if b, ok := parseHex(value); ok {
			return b, nil
		}
	}
	return []byte(value), nil
}

func guessNumber(value string) ([]byte, bool) {
	digits, size := value, 0
	switch value[len(value)-1] {
	case 'b':
		size = 1
	case 's':
		size = 2
	case 'i':
		size = 4
	}
	if size > 0 {
		digits = value[:len(value)-1]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return nil, false
	}
	least := 1
	for n >= 1<<(8*least) {
		least *= 2
	}
	if size < least {
		if size > 0 {
			return nil, false
		}
		size = least
	}
	return binary.BigEndian.AppendUint32(nil, uint32(n))[4-size:], true
}

func parseHex(value string) ([]byte, bool) {
	var out []byte
	for s := range strings.SplitSeq(value, ":") {
		if len(s) == 1 {
			s = "0" + s
		}
		b, err := hex.DecodeString(s)
		if err != nil || len(b) != 1 {
			return nil, false
		}
		out = append(out, b[0])
	}
	return out, true
}

// encodeDomains encodes names without compression (RFC 1035 section 3.1).
func encodeDomains(names []string) ([]byte, error) {
	var out []byte
	for _, name := range names {
		name = strings.TrimSuffix(strings.TrimSpace(name), ".")
		if name == "" || len(name) > 253 {
			return nil, fmt.Errorf("%q is not a domain name", name)
		}
		for label := range strings.SplitSeq(name, ".") {
			if label == "" || len(label) > 63 {
				return nil, fmt.Errorf("%q is not a domain name", name)
			}
			out = append(append(out, uint8(len(label))), label...)
		}
		out = append(out, 0)
	}
	return out, nil
}

// parseRoutes reads "prefix,next hop,prefix,next hop…".
func parseRoutes(value string) ([]byte, error) {
	fields := strings.Split(value, ",")
	if len(fields)%2 != 0 {
		return nil, fmt.Errorf("must be pairs of prefix and next hop")
	}
	var list []model.Route
	for i := 0; i < len(fields); i += 2 {
		dst, err := netip.ParsePrefix(strings.TrimSpace(fields[i]))
		if err != nil || !dst.Addr().Is4() {
			return nil, fmt.Errorf("%q is not an IPv4 prefix", fields[i])
		}
		hop, err := netip.ParseAddr(strings.TrimSpace(fields[i+1]))
		if err != nil || !hop.Is4() {
			return nil, fmt.Errorf("%q is not an IPv4 address", fields[i+1])
		}
		list = append(list, model.Route{Destination: dst, NextHop: hop})
	}
	return encodeRoutes(list), nil
}

// encodeRoutes writes routes as RFC 3442 has them: width, significant bytes of the prefix, next hop.
func encodeRoutes(list []model.Route) []byte {
	var out []byte
	for _, r := range list {
		if !r.Destination.Addr().Is4() || !r.NextHop.Is4() {
			continue
		}
		bits := r.Destination.Bits()
		dst, hop := r.Destination.Masked().Addr().As4(), r.NextHop.As4()
		out = append(append(out, uint8(bits)), dst[:(bits+7)/8]...)
		out = append(out, hop[:]...)
	}
	return out
}

func encodeNTP(version int, value string) ([]byte, error) {
	list, err := parseAddresses(version, value)
	if err != nil {
		name, err := encodeDomains([]string{value})
		if err != nil {
			return nil, fmt.Errorf("must be addresses or a domain name")
		}
		const serverName = 3
		out := binary.BigEndian.AppendUint16([]byte{0, serverName}, uint16(len(name)))
		return append(out, name...), nil
	}
	var out []byte
	for _, a := range list {
		const serverAddress, multicastAddress = 1, 2
		code := uint16(serverAddress)
		if a.IsMulticast() {
			code = multicastAddress
		}
		out = binary.BigEndian.AppendUint16(out, code)
		out = binary.BigEndian.AppendUint16(out, 16)
		out = append(out, a.AsSlice()...)
	}
	return out, nil
}
