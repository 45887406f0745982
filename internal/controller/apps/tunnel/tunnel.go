// Package tunnel is the app that joins the chassis of a network: it puts packets for ports of other
// chassis into Geneve (RFC 8926) or VXLAN (RFC 7348) and takes those for its own out of it. What goes to
// all members of a network is copied here, at the sender, once for each chassis that has members.
//
// Who is where is told by Port.Host, and each chassis by its own row in the database, which stays when
// its controller does not run: a chassis that is silent keeps its packets.
package tunnel

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "tunnel", ID: 9,
		Rules: []app.Rule{
			app.For("tunnel.network", view.Networks, network),
			app.For("tunnel.port", view.Ports, port),
			app.For("tunnel.twin", view.ChassisAll, twinned),
			app.For("tunnel.member", view.RemoteMembers, member),
			app.For("tunnel.arrival", view.LocalNetworks, arrival),
			app.For("tunnel.set", floodSets, floodSet),
			app.For("tunnel.flood", view.RemoteFloods, flood),
			app.For("tunnel.external", view.ExternalPorts, external),
			app.For("tunnel.outside", view.Hairpins, outside),
			app.For("tunnel.forward", view.Forwards, forward),
			app.For("tunnel.peer", view.TunnelPeers, chassis),
			app.For("tunnel.transit", view.Transits, transit),
			app.For("tunnel.watch", view.Watches, watch),
			app.For("tunnel.apart", apart, separated),
			app.For("tunnel.horizon", view.TunnelPorts, horizon),
		},
	}
}

// segment is how a network's packets travel; no row says that this chassis cannot send them.
type segment struct {
	network string
	key     uint32
	typ     model.NetworkType
	vni     uint32
	ofport  uint32
}

// copied says that what goes to a set of members goes to a chassis.
type copied struct{ network, set, via uint32 }

// A network's chassis are copied to in sets of at most setSize, so that flows stay far below what Open
// vSwitch takes. A set holds the chassis whose numbers share their upper bits.
const setSize = 256

// The kinds of sets; the number of a set is setKinds times its place, plus the kind.
const (
	everybody = iota
	unsecured // chassis with ports without port security, which also get unknown unicast
	setKinds
)

func kindOf(isUnsecured bool) uint32 {
	if isUnsecured {
		return unsecured
	}
	return everybody
}

type set struct{ network, set uint32 }

// strangers says that a network has ports on a chassis to which this one cannot send.
type strangers struct{ network, chassis string }

var (
	segments = view.NewDerived("Segment", func(s segment) string { return s.network })
	copies   = view.NewDerived("TunnelCopy", func(c copied) string {
		return fmt.Sprintf("%d/%d/%d", c.network, c.set, c.via)
	})
	copiesBySet = view.NewIndex(copies, "set", func(c copied) []string {
		return []string{set{c.network, c.set}.key()}
	}, nil)
	floodSets          = view.NewDerived("TunnelSet", set.key)
	floodSetsByNetwork = view.NewIndex(floodSets, "network", func(s set) []string {
		return []string{strconv.FormatUint(uint64(s.network), 10)}
	}, nil)
	apart = view.NewDerived("Apart", func(s strangers) string { return s.network + "/" + s.chassis })
)

func (s set) key() string { return fmt.Sprintf("%d/%d", s.network, s.set) }

// network derives how a network's packets travel, and gives them its identifier. What a physical network
// carries to this chassis needs no tunnel.
func network(r *view.Reader, n *model.Network, out *app.Output) {
	s, ok := n.Tunnel()
	if !ok {
		return
	}
	if _, wired := view.Get(r, view.Wires, n.ID); wired == view.Present {
		return
	}
	at, found := view.Get(r, view.TunnelPorts, string(s.NetworkType))
	if found != view.Present {
		return
	}
	key := r.Number(pipeline.NetworkNumbers, n.ID)
	app.Emit(out, segments, segment{network: n.ID, key: key, typ: s.NetworkType, vni: s.SegmentationID, ofport: at.OFPort})
	out.Flow(pipeline.Tunnel, pipeline.Low, flow.NewMatch(pipeline.Network.Is(uint64(key))),
		flow.Do(flow.Load(flow.TunID.All(), uint64(s.SegmentationID))).Goto(pipeline.TunnelOutput.Table()),
		"the packet gets its network's identifier")
}

// port derives what a port on another chassis receives. It is all that one such port costs here.
func port(r *view.Reader, p *model.Port, out *app.Output) {
	if p.Host == "" || !p.AdminStateUp {
		return
	}
	if self, _ := view.Get(r, view.Self, "self"); p.Host == self.Name {
		return
	}
	if view.PortElsewhere(r, p) {
		return // routers outside lead there
	}
	s, found := view.Get(r, segments, p.NetworkID)
	if found != view.Present {
		beyond(r, p, out)
		return
	}
	via := r.Number(pipeline.ChassisNumbers, pipeline.ChassisContent(p.Host, string(s.typ)))
	for _, mac := range addressesOf(p) {
		app.Emit(out, view.Stations, view.Station{MACAddress: view.MACAddress{NetworkKey: s.key, MAC: mac}, Port: p.ID, Via: via})
	}
	m := view.RemoteMember{NetworkID: p.NetworkID, NetworkKey: s.key, Chassis: p.Host, Type: s.typ}
	app.Emit(out, view.RemoteMembers, m)
	if !p.PortSecurityEnabled {
		m.Unsecured = true
		app.Emit(out, view.RemoteMembers, m)
	}
}

// beyond derives what a port receives to which no tunnel leads: a physical network may.
func beyond(r *view.Reader, p *model.Port, out *app.Output) {
	w, wired := view.Get(r, view.Wires, p.NetworkID)
	if wired != view.Present {
		app.Emit(out, apart, strangers{p.NetworkID, p.Host})
		return
	}
	for _, mac := range addressesOf(p) {
		app.Emit(out, view.Stations, view.Station{MACAddress: view.MACAddress{NetworkKey: w.Key, MAC: mac}, Port: p.ID, Wire: true})
	}
}

// addressesOf returns the MAC addresses at which a port receives.
func addressesOf(p *model.Port) []model.MAC {
	list := []model.MAC{p.MACAddress}
	for _, pair := range p.AllowedAddressPairs {
		if !slices.Contains(list, pair.MACAddress) {
			list = append(list, pair.MACAddress)
		}
	}
	return list
}

// member has a chassis get copies of what goes to all members of a network, if anybody here can send such.
func member(r *view.Reader, m view.RemoteMember, out *app.Output) {
	app.Emit(out, view.TunnelPeers, view.TunnelPeer{Chassis: m.Chassis, Type: m.Type})
	if _, found := view.Get(r, view.WatchedNetworks, m.NetworkID); found == view.Present {
		app.Emit(out, view.Watches, view.Watch{Chassis: m.Chassis})
	}
	if _, found := view.Get(r, view.LocalNetworks, m.NetworkID); found != view.Present || copiedAlready(r, m) {
		return
	}
	via := r.Number(pipeline.ChassisNumbers, pipeline.ChassisContent(m.Chassis, string(m.Type)))
	number := via/setSize*setKinds + kindOf(m.Unsecured)
	app.Emit(out, copies, copied{m.NetworkKey, number, via})
	app.Emit(out, floodSets, set{m.NetworkKey, number})
	app.Emit(out, view.RemoteFloods, view.RemoteFlood{NetworkID: m.NetworkID, NetworkKey: m.NetworkKey, Unsecured: m.Unsecured})
}
