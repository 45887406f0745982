package view

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/model"
)

// The tables and functions of this file are about source addresses that are translated where packets leave the cloud.

// DistributedSNAT says that this chassis translates what its own guests send outside by a router, to an address of
// its own, instead of sending it to the router's gateway.
type DistributedSNAT struct {
	RouterID string
	// NetworkID is the external network, on which the chassis has Address, with MAC.
	NetworkID string
	Address   netip.Addr
	MAC       model.MAC
}

// DistributedSNATs holds them, by router. The app gateway, which decides where packets leave, derives it.
var DistributedSNATs = NewDerived("DistributedSNAT", func(s DistributedSNAT) string { return s.RouterID })

// TranslatedTo returns the address to which the gateway of a router translates those of IPv4 senders, invalid if
// it does not (Neutron API "enable_snat").
func TranslatedTo(g *model.RouterGateway) netip.Addr {
	for _, f := range g.FixedIPs {
		if g.EnableSNAT && f.IPAddress.Is4() {
			return f.IPAddress
		}
	}
	return netip.Addr{}
}

// Inside is a prefix of addresses that lie behind a router, as seen from its external network.
type Inside struct {
	Prefix netip.Prefix
	// Scope is the id of the address scope, empty for none.
	Scope string
}

// InsideOf lists what of a family lies behind a router: the subnets of its interfaces, and what its extra routes reach by them.
func InsideOf(r *Reader, router string, is6 bool) []Inside {
	var list []Inside
	interfaces, _ := Find(r, InterfacesByRouter, router)
	for _, i := range interfaces {
		for _, f := range i.FixedIPs {
			s, found := Get(r, Subnets, Within(i.NetworkID, f.SubnetID))
			if found == Present && s.CIDR.Addr().Is6() == is6 {
				list = append(list, Inside{s.CIDR, s.AddressScopeID})
			}
		}
	}
	ro, found := Get(r, Routers, router)
	if found != Present {
		return list
	}
	for _, x := range ro.Routes {
		for _, s := range list {
			if s.Prefix.Contains(x.NextHop) && x.Destination.Bits() > 0 {
				list = append(list, Inside{x.Destination, s.Scope})
				break
			}
		}
	}
	return list
}

// Untranslated lists the sources that leave by a router's gateway as they are although others are translated: those
// of the address scope of the external network (Neutron API "address scopes").
func Untranslated(r *Reader, g *model.RouterGateway) []netip.Prefix {
	scope := AddressScopeOf(r, g.NetworkID, TranslatedTo(g))
	if scope == "" {
		return nil
	}
	var list []netip.Prefix
	for _, in := range InsideOf(r, g.RouterID, false) {
		if in.Scope == scope {
			list = append(list, in.Prefix)
		}
	}
	return list
}
