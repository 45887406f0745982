package view

import (
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
)

// ServedFloatingIP says that a floating IP leaves and enters the cloud here: this chassis translates it, and
// answers for it outside.
type ServedFloatingIP struct {
	ID, RouterID string
	// NetworkID is the external network, on which Address has MAC.
	NetworkID string
	Address   netip.Addr
	MAC       model.MAC
	// Fixed is the address for which it stands, of port PortID in PortNetworkID.
	Fixed                 netip.Addr
	PortID, PortNetworkID string
}

// ServedFloatingIPs holds them, by id. The app gateway, which decides where packets leave, derives it.
var ServedFloatingIPs = NewDerived("ServedFloatingIP", func(f ServedFloatingIP) string { return f.ID })

// ServedFloatingIPsByRouter finds those of a router.
var ServedFloatingIPsByRouter = NewIndex(ServedFloatingIPs, "router",
	func(f ServedFloatingIP) []string { return []string{f.RouterID} }, nil)

// ServedForwarding says that what comes for ports of a floating IP is sent to a guest here, on the chassis that is
// the router's gateway now.
type ServedForwarding struct {
	ID, RouterID string
	// NetworkID is the external network, on which Address has MAC.
	NetworkID string
	Address   netip.Addr
	MAC       model.MAC
	// Protocol is IANA's number.
	Protocol           int
	External, Internal model.PortRange
	// Fixed is the guest's address, in PortNetworkID.
	Fixed         netip.Addr
	PortNetworkID string
}

// ServedForwardings holds them, by id. The app gateway derives it.
var ServedForwardings = NewDerived("ServedForwarding", func(f ServedForwarding) string { return f.ID })

// RouterZone is what stands in the pipeline's space of zones for that in which the gateway of a router tracks the
// connections that it translates.
func RouterZone(router string) string { return "snat/" + router }

// AddressScopeOf returns the id of the address scope of an address on a network, empty for none.
func AddressScopeOf(r *Reader, network string, a netip.Addr) string {
	subnets, _ := Find(r, SubnetsByNetwork, network)
	i := slices.IndexFunc(subnets, func(s *model.Subnet) bool { return s.CIDR.Contains(a) })
	if i < 0 {
		return ""
	}
	return subnets[i].AddressScopeID
}

// Hairpin is a MAC address on an external network of which this chassis translates what is addressed to it: what
// somebody here sends there does not leave, since nobody outside would send it back.
type Hairpin struct {
	NetworkID string
	MAC       model.MAC
}

// Hairpins holds them. The app gateway derives it, the app l2 turns packets back.
var Hairpins = NewDerived("Hairpin", func(h Hairpin) string { return h.NetworkID + "/" + h.MAC.String() })
