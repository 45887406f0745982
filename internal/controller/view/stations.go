package view

import (
	"fmt"

	"github.com/dragonflow/dragonflow/internal/model"
)

// The tables of this file are how apps tell each other what they derive about the networks of the chassis.

// LocalNetwork is a network with a port that this chassis serves: what others send to the network's
// members is for this chassis, too.
type LocalNetwork struct {
	ID string
	// Key is the network's number in registers.
	Key uint32
}

// LocalNetworks holds the networks with served ports, by id. The classifier derives it.
var LocalNetworks = NewDerived("LocalNetwork", func(n LocalNetwork) string { return n.ID })

// MACAddress is an address in use on a network: by one port or, as that of a shared allowed address
// pair, by several.
type MACAddress struct {
	NetworkKey uint32
	MAC        model.MAC
}

// Key is the row's key, and that of its stations in [StationsByAddress].
func (a MACAddress) Key() string { return fmt.Sprintf("%d/%s", a.NetworkKey, a.MAC) }

// Station says that a port receives what is sent to a MAC address, here or on another chassis.
type Station struct {
	MACAddress
	// Port is the id of the port.
	Port string
	// Local is the number of a port served here, zero of another.
	Local uint32
	// Via is the number of the other chassis and the tunnel to it, zero of a port served here.
	Via uint32
	// Wire says that the port is reached by the network's [Wire].
	Wire bool
}

// Stations holds who receives at each address.
var Stations = NewDerived("Station", func(s Station) string {
	if s.Local != 0 {
		return s.MACAddress.Key() + "/here/" + s.Port
	}
	return s.MACAddress.Key() + "/there/" + s.Port
})

// StationsByAddress finds the stations of a MAC address, those served here first.
var StationsByAddress = NewIndex(Stations, "MACAddress", func(s Station) []string { return []string{s.MACAddress.Key()} }, nil)

// RemoteFlood says that other chassis have members of a network with served ports, so that what goes to
// all members goes to them, too; Unsecured says the same of ports without port security, which also get
// unknown unicast.
type RemoteFlood struct {
	NetworkID  string
	NetworkKey uint32
	Unsecured  bool
}

// RemoteFloodKey is the key of a RemoteFlood.
func RemoteFloodKey(network string, unsecured bool) string {
	if unsecured {
		return network + "/unsecured"
	}
	return network + "/everybody"
}

// RemoteFloods holds the networks whose members are also elsewhere. The app tunnel derives it.
var RemoteFloods = NewDerived("RemoteFlood", func(f RemoteFlood) string { return RemoteFloodKey(f.NetworkID, f.Unsecured) })
