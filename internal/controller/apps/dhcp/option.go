package dhcp

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Options are a port's extra DHCP options of one IP version, encoded once.
type Options struct {
	list []option
	// nextServer is dnsmasq's pseudo option "server-ip-address": the siaddr field of DHCPv4.
	nextServer netip.Addr
}

// option is one of them. Without data the option is left out even where the subnet has a value.
type option struct {
	code uint16
	data []byte
	when condition
}

// condition limits an option to clients that are, or are not, iPXE, as Neutron's tags "ipxe" and "ipxe6".
type condition uint8

const (
	always condition = iota
	onlyIPXE
	neverIPXE
)

func (c condition) holds(ipxe bool) bool {
	return c == always || ipxe == (c == onlyIPXE)
}

// ParseOptions encodes those of Neutron's extra_dhcp_opts that are of an IP version, 4 or 6. A name is one
// of dnsmasq's, or a number, with an optional "option:" or "option6:" before it and an optional condition
// "tag:ipxe," or "tag:!ipxe," before that; the syntax of values is dnsmasq's.
//
// What is not understood is left out and returned as errors, one for each such option; the rest is used.
func ParseOptions(version int, opts []model.DHCPOption) (Options, []error) {
	var out Options
	var errs []error
	for _, o := range opts {
		if o.IPVersion != version {
			continue
		}
		if err := out.add(version, o); err != nil {
			errs = append(errs, fmt.Errorf("extra_dhcp_opts: %q for IPv%d: %w", o.Name, version, err))
		}
	}
	slices.SortStableFunc(out.list, func(a, b option) int { return int(a.code) - int(b.code) })
	return out, errs
}

func (o *Options) add(version int, opt model.DHCPOption) error {
	when, name, err := parseTag(opt.Name)
	if err != nil {
		return err
	}
	def, err := lookup(version, name)
	if err != nil {
		return err
	}
	if def.kind == reserved {
		return fmt.Errorf("belongs to the protocol and cannot be set")
	}
	value := unquote(opt.Value)
	if value == "" {
		if !def.mayBeBlank {
			return fmt.Errorf("has no value")
		}
		o.list = append(o.list, option{code: def.code, when: when})
		return nil
	}
	data, err := encode(def.kind, version, value)
	if err != nil {
		return fmt.Errorf("value %q: %w", opt.Value, err)
	}
	if def.code == codeNextServer && version == 4 {
		o.nextServer = netip.AddrFrom4([4]byte(data[:4]))
		return nil
	}
	if len(data) > 65535 {
		return fmt.Errorf("value is too long")
	}
	o.list = append(o.list, option{code: def.code, data: data, when: when})
	return nil
}

// parseTag cuts dnsmasq's "tag:NAME," off an option name. Only the tag that Neutron itself sets is known.
func parseTag(s string) (condition, string, error) {
	rest, tagged := strings.CutPrefix(strings.TrimSpace(s), "tag:")
	if !tagged {
		return always, rest, nil
	}
	tag, name, ok := strings.Cut(rest, ",")
	switch {
	case ok && (tag == "ipxe" || tag == "ipxe6"):
		return onlyIPXE, name, nil
	case ok && (tag == "!ipxe" || tag == "!ipxe6"):
		return neverIPXE, name, nil
	}
	return always, "", fmt.Errorf("tag %q is unknown: only ipxe and !ipxe are", tag)
}

func lookup(version int, name string) (definition, error) {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "option6:"), "option:")
	table, last := definitions4, uint64(254)
	if version == 6 {
		table, last = definitions6, 65535
	}
	code, err := strconv.ParseUint(name, 10, 16)
	numeric := err == nil
	for _, d := range table {
		if numeric && uint64(d.code) == code && code != codeNextServer || !numeric && strings.EqualFold(d.name, name) {
			return d, nil
		}
	}
	if !numeric {
		return definition{}, fmt.Errorf("no such option is known")
	}
	if code < 1 || code > last {
		return definition{}, fmt.Errorf("option numbers lie in 1..%d", last)
	}
	return definition{code: uint16(code), kind: guess}, nil
}

func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}
