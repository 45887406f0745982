package view

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/model"
)

// The tables of this file are about hosts outside of the model, which are reached by a [Wire].

// Resolve says that this chassis wants to know who outside has an address: as long as the row is there the
// address is asked for, at once and again and again, and what is heard becomes a [Neighbour].
type Resolve struct {
	NetworkID string
	NextHop   netip.Addr
	// Address and MAC are the asker's, as they appear on the wire. Address is of the family of NextHop.
	Address netip.Addr
	MAC     model.MAC
}

// Resolves holds what is asked for. Any app may emit rows; the app neighbour asks.
var Resolves = NewDerived("Resolve", func(x Resolve) string { return NeighbourKey(x.NetworkID, x.NextHop) + "/" + x.Address.String() })

// NeighbourKey is the key of a Neighbour.
func NeighbourKey(network string, a netip.Addr) string { return network + "/" + a.String() }

// Neighbour is the fact that somebody outside of the model has an address and a MAC address. It is forgotten a
// minute after it was heard last.
type Neighbour struct {
	NetworkID string
	Address   netip.Addr
	MAC       model.MAC
}

// Neighbours holds those of whom this chassis wanted to know.
var Neighbours = NewTable("Neighbour", func(n Neighbour) string { return NeighbourKey(n.NetworkID, n.Address) }, nil)

// Sought is the fact that a guest sends to an address that nobody in the model has, on a network with a wire.
type Sought struct {
	NetworkID string
	Address   netip.Addr
}

// SoughtAddresses holds what guests sent to a short time ago.
var SoughtAddresses = NewTable("Sought", func(s Sought) string { return NeighbourKey(s.NetworkID, s.Address) }, nil)

// WireAddress is an address that this chassis has on a network with a wire: those outside who ask for it are
// answered.
type WireAddress struct {
	NetworkID string
	Address   netip.Addr
	// MAC is what they are told.
	MAC model.MAC
	// Announce says that the address is here alone: when the row appears, or its MAC changes, everybody is told.
	Announce bool
}

// WireAddresses holds the addresses of this chassis on wires. Any app may emit rows; the app neighbour answers.
var WireAddresses = NewDerived("WireAddress", func(a WireAddress) string { return NeighbourKey(a.NetworkID, a.Address) })
