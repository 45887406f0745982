package view

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/model"
)

// The tables of this file are about addresses that several ports may have by their allowed address pairs, and
// that one of them has at a time.

// ActiveAddresses holds who has such addresses as the database tells.
var ActiveAddresses = NewTable("ActiveAddress", func(a *model.ActiveAddress) string { return ActiveKey(a.NetworkID, a.IPAddress) },
	within(model.ScopeNetworkPorts))

// ActiveKey is the key of an address of a network in the tables of this file.
func ActiveKey(network string, a netip.Addr) string { return Within(network, a.String()) }

// Announcement is the fact that somebody announced, by ARP or neighbour discovery, that he has an address that
// several ports may have.
type Announcement struct {
	NetworkID string
	Address   netip.Addr
	PortID    string
	// MAC is what was announced with the address.
	MAC model.MAC
	// Seq orders it among the claims that the database knows of, see [model.AddressClaim]: of what was heard of
	// another chassis' port it is that of the newest claim known then.
	Seq int64
}

// Announcements holds the last that was heard of each address.
var Announcements = NewTable("Announcement", func(a Announcement) string { return ActiveKey(a.NetworkID, a.Address) }, nil)

// AddressHolder is the port that has an address which several may have.
type AddressHolder struct {
	NetworkID string
	Address   netip.Addr
	PortID    string
	// MACAddress is where the address is reached, which several ports may have, too.
	MACAddress
}

// AddressHolders holds them, by [ActiveKey]. The app activeport derives it.
var AddressHolders = NewDerived("AddressHolder", func(h AddressHolder) string { return ActiveKey(h.NetworkID, h.Address) })

// The indexes over them.
var (
	AddressHoldersByMAC  = NewIndex(AddressHolders, "MACAddress", func(h AddressHolder) []string { return []string{h.MACAddress.Key()} }, nil)
	AddressHoldersByPort = NewIndex(AddressHolders, "port", func(h AddressHolder) []string { return []string{h.PortID} }, nil)
)

// AddressClaim is what this chassis tells the database of a port of its own that has announced an address.
type AddressClaim struct{ Announcement }

// AddressClaims holds them, by [model.ClaimID]. The app activeport derives it, the controller writes it.
var AddressClaims = NewDerived("AddressClaim", func(c AddressClaim) string { return model.ClaimID(c.PortID, c.Address) })

// PortsByAddressPair finds the ports of a network that may use the addresses of a prefix.
var PortsByAddressPair = NewPrefixIndex(Ports, "AddressPair", func(p *model.Port) (string, []netip.Prefix) {
	var prefixes []netip.Prefix
	for _, pair := range p.AllowedAddressPairs {
		prefixes = append(prefixes, pair.IPAddress)
	}
	return p.NetworkID, prefixes
})

// SharedNetwork is a network with ports here and elsewhere that may have the same addresses.
type SharedNetwork struct {
	ID string
	// Key is the network's number in registers.
	Key uint32
}

// SharedNetworks holds them, by id. The app activeport derives it; the app tunnel brings it what is announced
// elsewhere.
var SharedNetworks = NewDerived("SharedNetwork", func(n SharedNetwork) string { return n.ID })
