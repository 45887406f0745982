package ipam

import (
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// CheckSubnet reports what does not fit together in a subnet whose gateway and pools are filled in.
func CheckSubnet(s *resource.Subnet) error {
	for _, check := range []func(*resource.Subnet) error{
		checkVersions, checkCIDR, checkModes, checkGateway, checkPools,
	} {
		if err := check(s); err != nil {
			return err
		}
	}
	return nil
}

func checkVersions(s *resource.Subnet) error {
	check := func(name string, a netip.Addr) error {
		if a.IsValid() && a.Is4() != (s.IPVersion == 4) {
			return resource.InvalidInput("%s '%s' does not match the ip_version '%d'", name, a, s.IPVersion)
		}
		return nil
	}
	if err := check("cidr", s.CIDR.Addr()); err != nil {
		return err
	}
	if err := check("gateway_ip", s.GatewayIP); err != nil {
		return err
	}
	for _, a := range s.DNSNameservers {
		if err := check("dns_nameserver", a); err != nil {
			return err
		}
	}
	for _, r := range s.HostRoutes {
		if err := check("nexthop", r.NextHop); err != nil {
			return err
		}
		if err := check("destination", r.Destination.Addr()); err != nil {
			return err
		}
	}
	return nil
}

func checkCIDR(s *resource.Subnet) error {
	a := s.CIDR.Addr()
	switch {
	case s.CIDR.Bits() == 0:
		return resource.InvalidInput("0 is not allowed as CIDR prefix length")
	case s.IPVersion == 6 && a.IsUnspecified():
		return resource.InvalidInput("IPv6 subnet '::' is not supported")
	case s.EnableDHCP && s.CIDR.Bits() > a.BitLen()-2:
		return resource.InvalidInput("Subnet has a prefix length that is incompatible with DHCP service enabled")
	case s.EnableDHCP && a.IsMulticast():
		return resource.InvalidInput("Multicast IP subnet is not supported if enable_dhcp is True")
	case s.EnableDHCP && a.IsLoopback():
		return resource.InvalidInput("Loopback IP subnet is not supported if enable_dhcp is True")
	case s.EnableDHCP && a.IsUnspecified():
		return resource.InvalidInput("First IP '0.0.0.0' of network is not supported if enable_dhcp is True")
	}
	return nil
}

func checkModes(s *resource.Subnet) error {
	ra, address := s.IPv6RAMode, s.IPv6AddressMode
	switch {
	case ra == "" && address == "":
		return nil
	case s.IPVersion == 4 && ra != "":
		return resource.InvalidInput("ipv6_ra_mode is not valid when ip_version is 4")
	case s.IPVersion == 4:
		return resource.InvalidInput("ipv6_address_mode is not valid when ip_version is 4")
	case !s.EnableDHCP:
		return resource.InvalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
	case ra != "" && address != "" && ra != address:
		return resource.InvalidInput("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. "+
			"If both attributes are set, they must be the same value", ra, address)
	case (s.AutoAddress() || ra == model.SLAAC || ra == model.DHCPv6Stateless) && s.CIDR.Bits() != 64:
		return resource.InvalidInput("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address "+
			"format, which requires the prefix to be /64", s.CIDR)
	}
	return nil
}

// checkGateway lets a gateway lie outside the subnet, as Neutron does; inside it must be a host.
func checkGateway(s *resource.Subnet) error {
	g := s.GatewayIP
	if !g.IsValid() || g.Is6() && g.IsLinkLocalUnicast() {
		return nil
	}
	if g.IsMulticast() || g.IsLoopback() || g.IsUnspecified() || s.CIDR.Contains(g) && !IsHost(s.CIDR, g) {
		return resource.InvalidInput("Gateway is not valid on subnet")
	}
	return nil
}

func checkPools(s *resource.Subnet) error {
	pools := slices.Clone(s.AllocationPools)
	for _, p := range pools {
		if p.End.Less(p.Start) || p.Start.Is4() != p.End.Is4() || p.Start.Is4() != s.CIDR.Addr().Is4() {
			return resource.Refused("InvalidAllocationPool", "The allocation pool %s is not valid.", p)
		}
		if !IsHost(s.CIDR, p.Start) || !IsHost(s.CIDR, p.End) {
			return resource.Refused("OutOfBoundsAllocationPool",
				"The allocation pool %s spans beyond the subnet cidr %s.", p, s.CIDR)
		}
		if s.GatewayIP.IsValid() && Contains(p, s.GatewayIP) {
			return resource.Conflict("GatewayConflictWithAllocationPools",
				"Gateway ip %s conflicts with allocation pool %s.", s.GatewayIP, p)
		}
	}
	slices.SortFunc(pools, func(a, b resource.Pool) int { return a.Start.Compare(b.Start) })
	for i := 1; i < len(pools); i++ {
		if !pools[i-1].End.Less(pools[i].Start) {
			return resource.Conflict("OverlappingAllocationPools",
				"Found overlapping allocation pools: %s %s for subnet %s.", pools[i-1], pools[i], s.CIDR)
		}
	}
	return nil
}

// CheckOverlap refuses a prefix that overlaps with another subnet of its network.
func CheckOverlap(s *resource.Subnet, others []*resource.Subnet) error {
	for _, o := range others {
		if o.ID != s.ID && o.CIDR.Overlaps(s.CIDR) {
			return resource.InvalidInput("Requested subnet with cidr: %s for network: %s overlaps with another subnet",
				s.CIDR, s.NetworkID)
		}
	}
	return nil
}
