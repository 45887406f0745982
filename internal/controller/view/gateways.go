package view

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/model"
)

// The tables of this file are about the chassis by which routers leave the cloud.

// Watch says that this chassis is to know whether it reaches another one: one of the two may be the gateway
// of a router, and the other may replace it or sends to it.
type Watch struct{ Chassis string }

// Watches holds the chassis to watch, by name. The apps gateway and tunnel derive it.
var Watches = NewDerived("Watch", func(w Watch) string { return w.Chassis })

// WatchedNetwork is a network whose other members send to this chassis what is for outside, so that they
// are to be watched.
type WatchedNetwork struct{ ID string }

// WatchedNetworks holds them, by id. The app gateway derives it.
var WatchedNetworks = NewDerived("WatchedNetwork", func(n WatchedNetwork) string { return n.ID })

// WatchTarget is how another chassis is watched: by a tunnel of a type to an address.
type WatchTarget struct {
	Chassis string
	Type    model.NetworkType
	Address netip.Addr
}

// WatchTargets holds how the chassis of [Watches] are watched. The app tunnel derives it.
var WatchTargets = NewDerived("WatchTarget", func(w WatchTarget) string { return w.Chassis })

// WatchPort is the port of the switch on which another chassis is watched by BFD (RFC 5880). No packets of
// guests use it.
type WatchPort struct {
	Chassis string
	// OFPort is the OpenFlow port number; what watches it in a group need not ask the controller.
	OFPort uint32
	// Alive says that the other chassis is reached and forwards packets.
	Alive bool
}

// WatchPorts holds the state of the watched chassis, by name.
var WatchPorts = NewTable("WatchPort", func(w WatchPort) string { return w.Chassis },
	func(string) string { return ScopeOVSDB })

// ActiveGateway says that this chassis is the gateway of a router now.
type ActiveGateway struct{ RouterID string }

// ActiveGateways holds the routers whose gateway this chassis is, by id. The app gateway derives it.
var ActiveGateways = NewDerived("ActiveGateway", func(g ActiveGateway) string { return g.RouterID })

// Transit says that packets of other chassis that carry an identifier are for a router whose gateway this
// chassis may be, as their guests sent them.
type Transit struct {
	VNI uint32
	// RouterKey is the number of the router, Source the one in place of the sending port's.
	RouterKey, Source uint32
	// NetworkKey is the number of the network by which the packets are said to have come.
	NetworkKey uint32
	// Scopes are the numbers of the address scopes of which they are, if they are IPv4, and if they are IPv6; zero for
	// none. Who sent them has seen to it.
	Scopes [2]uint32
	// Overlay says that tunnels carry the external network, too.
	Overlay bool
}

// Transits holds what arrives for gateways. The app gateway derives it, the app tunnel takes it in.
var Transits = NewDerived("Transit", func(t Transit) string { return strconv.FormatUint(uint64(t.VNI), 10) })

// CommonTunnel returns the type of tunnel by which chassis do what concerns no network's segment: the first
// that both have, in an order on which all chassis agree.
func CommonTunnel(r *Reader, c *model.Chassis) (model.NetworkType, bool) {
	for _, typ := range [...]model.NetworkType{model.Geneve, model.VXLAN} {
		at, found := Get(r, TunnelPorts, string(typ))
		if found == Present && slices.Contains(c.TunnelTypes, typ) && c.TunnelIP.IsValid() && at.Local != c.TunnelIP &&
			(!at.Local.IsValid() || at.Local.Is4() == c.TunnelIP.Is4()) {
			return typ, true
		}
	}
	return "", false
}

// TunnelPeer is a chassis to which packets go by a type of tunnel.
type TunnelPeer struct {
	Chassis string
	Type    model.NetworkType
}

// TunnelPeers holds them. Who sends to a chassis emits it; the app tunnel makes the way.
var TunnelPeers = NewDerived("TunnelPeer", func(p TunnelPeer) string { return p.Chassis + "/" + string(p.Type) })

// RemoteMember says that another chassis has ports of a network, or such without port security.
type RemoteMember struct {
	NetworkID  string
	NetworkKey uint32
	Chassis    string
	Type       model.NetworkType
	Unsecured  bool
}

// RemoteMembers holds the chassis of each network. The app tunnel derives it.
var RemoteMembers = NewDerived("RemoteMember", func(m RemoteMember) string {
	return RemoteFloodKey(m.NetworkID, m.Unsecured) + "/" + m.Chassis
})
