package resource

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
)

// show writes a JSON value as Neutron's messages do, cut short where a client sent something huge.
func show(v any) string {
	var s string
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		s = v
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case json.Number:
		s = v.String()
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprintf("%T", v)
		}
		s = string(b)
	}
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

// Bool converts as Neutron does: true, 1, "1", "t", "true", "on", "y", "yes" and their opposites, in any
// case.
func Bool(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string, json.Number:
		switch strings.ToLower(strings.TrimSpace(show(v))) {
		case "1", "t", "true", "on", "y", "yes":
			return true, nil
		case "0", "f", "false", "off", "n", "no":
			return false, nil
		}
	}
	return false, fmt.Errorf("'%s' cannot be converted to boolean", show(v))
}

// Int converts a whole number, also one sent as a string.
func Int(v any) (int, error) {
	var s string
	switch v := v.(type) {
	case json.Number:
		s = v.String()
	case string:
		s = strings.TrimSpace(v)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("'%s' is not an integer", show(v))
	}
	return int(n), nil
}

// IntIn converts a whole number that must not be less than least.
func IntIn(least int) func(any) (int, error) {
	return func(v any) (int, error) {
		n, err := Int(v)
		if err == nil && n < least {
			return 0, fmt.Errorf("'%d' is too small - must be at least '%d'", n, least)
		}
		return n, err
	}
}

// Text accepts a string of at most limit characters.
func Text(limit int) func(any) (string, error) {
	return func(v any) (string, error) {
		s, ok := v.(string)
		if !ok {
			return "", fmt.Errorf("'%s' is not a valid string", show(v))
		}
		if len(s) > limit && len([]rune(s)) > limit {
			return "", fmt.Errorf("'%s' exceeds maximum length of %d", show(s), limit)
		}
		return s, nil
	}
}

// NullableText is Text with null meaning the empty string.
func NullableText(limit int) func(any) (string, error) {
	return func(v any) (string, error) {
		if v == nil {
			return "", nil
		}
		return Text(limit)(v)
	}
}

var uuidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// IsUUID reports whether s is a UUID in canonical form.
func IsUUID(s string) bool { return uuidPattern.MatchString(s) }

// UUID accepts a UUID with or without hyphens and returns its canonical form.
func UUID(v any) (string, error) {
	s, ok := v.(string)
	if ok {
		c := strings.ToLower(s)
		if len(c) == 32 {
			c = c[:8] + "-" + c[8:12] + "-" + c[12:16] + "-" + c[16:20] + "-" + c[20:]
		}
		if IsUUID(c) {
			return c, nil
		}
	}
	return "", fmt.Errorf("'%s' is not a valid UUID", show(v))
}

// IP accepts an address without zone; IPv4 in IPv6 is refused, since no guest can be given one.
func IP(v any) (netip.Addr, error) {
	s, _ := v.(string)
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.Addr{}, fmt.Errorf("'%s' is not a valid IP address", show(v))
	}
	return a, nil
}

// NullableIP is IP with null, and the empty string, meaning none.
func NullableIP(v any) (netip.Addr, error) {
	if v == nil || v == "" {
		return netip.Addr{}, nil
	}
	return IP(v)
}

// CIDR accepts a prefix without host bits.
func CIDR(v any) (netip.Prefix, error) {
	s, _ := v.(string)
	p, err := netip.ParsePrefix(s)
	if err != nil {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			return netip.Prefix{}, fmt.Errorf("'%s' isn't a recognized IP subnet cidr, '%s/%d' is recommended",
				show(v), a, a.BitLen())
		}
		return netip.Prefix{}, fmt.Errorf("'%s' is not a valid IP subnet", show(v))
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("'%s' is not a valid IP subnet", show(v))
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("'%s' isn't a recognized IP subnet cidr, '%s' is recommended",
			show(v), p.Masked())
	}
	return p, nil
}

// Prefix accepts a prefix or a single address, and keeps host bits.
func Prefix(v any) (netip.Prefix, error) {
	s, _ := v.(string)
	if p, err := netip.ParsePrefix(s); err == nil && !p.Addr().Is4In6() {
		return p, nil
	}
	a, err := IP(v)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("'%s' is not a valid IP subnet", show(v))
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

var macPattern = regexp.MustCompile(`^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$`)

// MAC accepts a unicast address other than all zeros, with colons or hyphens.
func MAC(v any) (model.MAC, error) {
	s, _ := v.(string)
	m, err := model.ParseMAC(s)
	if err != nil || !macPattern.MatchString(s) || m.IsMulticast() || m == (model.MAC{}) {
		return model.MAC{}, fmt.Errorf("'%s' is not a valid MAC address", show(v))
	}
	return m, nil
}

// OneOf accepts one of some words, in the case given.
func OneOf[S ~string](words ...S) func(any) (S, error) {
	return func(v any) (S, error) {
		s, ok := v.(string)
		for _, w := range words {
			if ok && s == string(w) {
				return w, nil
			}
		}
		return "", fmt.Errorf("'%s' is not in %v", show(v), words)
	}
}

// List converts each element, and refuses duplicates and more than limit elements. Null is the empty
// list.
func List[E comparable](what string, limit int, parse func(any) (E, error)) func(any) ([]E, error) {
	return func(v any) ([]E, error) {
		seen := map[E]bool{}
		return listOf(what, limit, v, func(raw any) (E, error) {
			e, err := parse(raw)
			if err == nil && seen[e] {
				err = duplicate(what, show(raw))
			}
			seen[e] = true
			return e, err
		})
	}
}

func listOf[E any](what string, limit int, v any, parse func(any) (E, error)) ([]E, error) {
	if v == nil {
		return nil, nil
	}
	l, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("Invalid data format for %s: '%s'", what, show(v))
	}
	if len(l) > limit {
		return nil, fmt.Errorf("more than %d entries", limit)
	}
	out := make([]E, 0, len(l))
	for _, raw := range l {
		e, err := parse(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func duplicate(what string, value any) error {
	return fmt.Errorf("Duplicate %s '%s'", what, value)
}

// object converts a JSON object that may hold only certain keys.
func object(v any, keys ...string) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("'%s' is not a dictionary", show(v))
	}
	n := 0
	for _, k := range keys {
		if _, ok := m[k]; ok {
			n++
		}
	}
	if n != len(m) {
		return nil, fmt.Errorf("'%s' holds keys other than %v", show(v), keys)
	}
	return m, nil
}
