package config

import (
	"net/netip"
	"strings"
	"time"
)

// Guests is what a controller tells guests where the topology says nothing: Neutron has these in its
// DHCP agent's settings.
type Guests struct {
	DHCPLeaseTime time.Duration `key:"dhcp-lease-time" help:"how long addresses given by DHCP may be used; guests renew at half of it, so half of it is the outage that they survive"`
	DNSServers    []string      `key:"dns-servers" default:"none" help:"name servers of guests on subnets that name none"`
	DNSDomain     string        `key:"dns-domain" default:"none" help:"domain of guests on networks that name none; Neutron's own default is openstacklocal"`
}

func defaultGuests() Guests { return Guests{DHCPLeaseTime: 24 * time.Hour} }

func (*Guests) title() string { return "Controller: what guests are told" }

func (g *Guests) problems() map[string]string {
	const longest = 1<<32 - 2 // seconds; one more is for ever
	found := map[string]string{}
	if g.DHCPLeaseTime < 2*time.Minute || g.DHCPLeaseTime/time.Second > longest {
		found["dhcp-lease-time"] = "must be between 2m and 136 years"
	}
	for _, s := range g.DNSServers {
		if a, err := netip.ParseAddr(s); err != nil || a.Zone() != "" {
			found["dns-servers"] = "must be IP addresses"
		}
	}
	if len(g.DNSDomain) > 253 || strings.ContainsAny(g.DNSDomain, "/ \t\n,") || strings.Contains(g.DNSDomain, "..") {
		found["dns-domain"] = "must be a domain name"
	}
	return found
}

// LeaseSeconds is the lease time as DHCP has it.
func (g *Guests) LeaseSeconds() uint32 { return uint32(g.DHCPLeaseTime / time.Second) }
