package lab

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Lease is what a DHCP client was told.
type Lease struct {
	// Reason is the client's word for what happened: "BOUND", "RENEW6", "bound", …
	Reason string
	// Address with the length of its subnet; the zero Prefix without one.
	Address netip.Prefix
	Routers []netip.Addr
	// StaticRoutes are those of option 121, in the client's own notation.
	StaticRoutes string
	DNS          []netip.Addr
	MTU          int
	Domain       string
	Server       netip.Addr // DHCPv4's server identifier
	Seconds      int        // of validity
	// Vars is all that the client's script was given.
	Vars map[string]string
}

// names are a client's variables for the fields of a Lease.
type names struct {
	reason, address, bits, routers, static, dns, mtu, domain, server, seconds string
}

func (c Client) names() names {
	switch c {
	case Udhcpc:
		return names{"reason", "ip", "mask", "router", "staticroutes", "dns", "mtu", "domain", "serverid", "lease"}
	case Dhclient4:
		return names{"reason", "new_ip_address", "new_subnet_mask", "new_routers", "new_rfc3442_classless_static_routes",
			"new_domain_name_servers", "new_interface_mtu", "new_domain_name", "new_dhcp_server_identifier", "new_dhcp_lease_time"}
	default:
		return names{reason: "reason", address: "new_ip6_address", bits: "new_ip6_prefixlen", dns: "new_dhcp6_name_servers",
			domain: "new_dhcp6_domain_search", seconds: "new_max_life"}
	}
}

// parseLease reads the environment that a script wrote: NAME=value, each ended by a NUL.
func parseLease(b []byte, c Client) (Lease, error) {
	vars := map[string]string{}
	for entry := range strings.SplitSeq(string(b), "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok {
			vars[name] = value
		}
	}
	n := c.names()
	l := Lease{Reason: vars[n.reason], StaticRoutes: vars[n.static], Domain: vars[n.domain], Vars: vars}
	var err error
	if l.Address, err = prefix(vars[n.address], vars[n.bits]); err != nil {
		return Lease{}, err
	}
	if l.Routers, err = addresses(vars[n.routers]); err != nil {
		return Lease{}, err
	}
	if l.DNS, err = addresses(vars[n.dns]); err != nil {
		return Lease{}, err
	}
	if l.MTU, err = number(vars, n.mtu); err != nil {
		return Lease{}, err
	}
	if l.Seconds, err = number(vars, n.seconds); err != nil {
		return Lease{}, err
	}
	if server := vars[n.server]; server != "" {
		if l.Server, err = netip.ParseAddr(server); err != nil {
			return Lease{}, fmt.Errorf("server: %w", err)
		}
	}
	return l, nil
}

// prefix reads an address with its length, which may be a netmask.
func prefix(address, length string) (netip.Prefix, error) {
	if address == "" {
		return netip.Prefix{}, nil
	}
	if mask := net.ParseIP(length).To4(); mask != nil {
		bits, _ := net.IPMask(mask).Size()
		length = fmt.Sprint(bits)
	}
	p, err := netip.ParsePrefix(address + "/" + length)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("address: %w", err)
	}
	return p, nil
}

func addresses(list string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, s := range strings.Fields(list) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("address: %w", err)
		}
		out = append(out, a)
	}
	return out, nil
}
