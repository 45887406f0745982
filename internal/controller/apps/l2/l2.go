// Package l2 is the app that switches frames within a network: unicast by MAC address, broadcast and
// multicast to the network's ports, unknown unicast to ports without port security. What is for ports of
// other chassis goes on to the app tunnel.
package l2

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
		Name: "l2", ID: 3,
		Rules: []app.Rule{
			app.For("l2.port", view.LocalPorts, port),
			app.ForEach("l2.address", view.StationsByAddress, address),
			app.For("l2.set", sets, floodSet),
			app.For("l2.network", view.LocalNetworks, network),
			app.For("l2.wire", view.Wires, wired),
			app.For("l2.hairpin", view.Hairpins, hairpin),
		},
	}
}

// member says that a port gets a copy of what goes to a set.
type member struct{ network, set, port uint32 }

// A network's members are copied to in sets of at most setSize ports, so that flows stay short however
// large the network is. A set holds the ports whose keys share their upper bits, so that a new port
// changes one set.
const setSize = 256

// The kinds of sets.
const (
	everybody = iota
	unsecured // ports without port security, which also get unknown unicast
	setKinds
)

type memberSet struct{ network, set uint32 }

var (
	members = view.NewDerived("Member", func(m member) string {
		return fmt.Sprintf("%d/%d/%d", m.network, m.set, m.port)
	})
	membersBySet = view.NewIndex(members, "set", func(m member) []string {
		return []string{memberSet{m.network, m.set}.key()}
	}, nil)
	sets          = view.NewDerived("MemberSet", memberSet.key)
	setsByNetwork = view.NewIndex(sets, "network", func(s memberSet) []string {
		return []string{strconv.FormatUint(uint64(s.network), 10)}
	}, nil)
)

func (s memberSet) key() string { return fmt.Sprintf("%d/%d", s.network, s.set) }

// port derives what a served port receives: nothing as long as it is only prepared.
func port(_ *view.Reader, p view.LocalPort, out *app.Output) {
	if p.Prepared {
		return
	}
	receives := func(mac model.MAC) {
		a := view.MACAddress{NetworkKey: p.NetworkKey, MAC: mac}
		app.Emit(out, view.Stations, view.Station{MACAddress: a, Port: p.Port.ID, Local: p.Key})
	}
	receives(p.Port.MACAddress)
	for _, pair := range p.Port.AllowedAddressPairs {
		receives(pair.MACAddress)
	}
	joins := func(kind uint32) {
		set := p.Key/setSize*setKinds + kind
		app.Emit(out, members, member{p.NetworkKey, set, p.Key})
		app.Emit(out, sets, memberSet{p.NetworkKey, set})
	}
	joins(everybody)
	if !p.Port.PortSecurityEnabled {
		joins(unsecured)
	}
	out.Flow(pipeline.L2Horizon, pipeline.Normal,
		flow.NewMatch(pipeline.SourcePort.Is(uint64(p.Key)), pipeline.DestPort.Is(uint64(p.Key))),
		flow.Drop(), "a packet does not go back to its sender")
}

// address sends what is addressed to a MAC address to the port, or the ports, that have it, here and on
// other chassis.
func address(r *view.Reader, _ string, owners []view.Station, out *app.Output) {
	a := owners[0].MACAddress
	to := receivers(active(r, owners))
	match := []flow.Constraint{pipeline.Network.Is(uint64(a.NetworkKey)), flow.EthDst.MAC(a.MAC)}
	if do, reason, single := to.single(); single {
		out.Flow(pipeline.L2Lookup, pipeline.Normal, flow.NewMatch(match...), do, reason)
		return
	}
	if n := len(to.local) + len(to.remote); n > setSize {
		out.Problem(fmt.Sprintf("MAC address %s is allowed on ports at %d places; the first %d receive", a.MAC, n, setSize))
		to.local = to.local[:min(len(to.local), setSize)]
		to.remote = to.remote[:min(len(to.remote), setSize-len(to.local))]
	}
	var here, there []flow.Action
	for _, p := range to.local {
		here = append(here, copyTo(p)...)
	}
	for _, via := range to.remote {
		there = append(there, toTunnel(uint64(via))...)
	}
	if to.wire {
		there = append(there, toWire()) // the last: it changes the frame
	}
	out.Flow(pipeline.L2Lookup, pipeline.Normal, flow.NewMatch(match...), flow.Do(slices.Concat(here, there)...),
		"several ports share this MAC address")
	if len(here) > 0 && len(there) > 0 {
		out.Flow(pipeline.L2Lookup, pipeline.Normal+1, flow.NewMatch(append(match, pipeline.SourcePort.Is(0))...),
			flow.Do(here...), "several ports share this MAC address; those elsewhere got it from the sender")
	}
}

// active returns, of several owners of an address, the one that has announced the IP addresses that go with it,
// as the master of a virtual router does; all, if that is not known.
func active(r *view.Reader, owners []view.Station) []view.Station {
	if len(owners) < 2 {
		return owners
	}
	holders, _ := view.Find(r, view.AddressHoldersByMAC, owners[0].MACAddress.Key())
	if len(holders) == 0 || slices.ContainsFunc(holders, func(h view.AddressHolder) bool { return h.PortID != holders[0].PortID }) {
		return owners
	}
	of := func(s view.Station) bool { return s.Port == holders[0].PortID }
	if !slices.ContainsFunc(owners, of) {
		return owners
	}
	return slices.DeleteFunc(slices.Clone(owners), func(s view.Station) bool { return !of(s) })
}

// places is where the ports with a MAC address are.
type places struct {
	// local are the numbers of the ports served here, remote those of chassis to which tunnels lead.
	local, remote []uint32
	// wire says that the physical network leads to others.
	wire bool
}

// single returns what to do with a packet that goes to one place.
func (p places) single() (do flow.Instructions, reason string, ok bool) {
	switch {
	case len(p.local) == 1 && len(p.remote) == 0 && !p.wire:
		return flow.Do(flow.Load(pipeline.DestPort, uint64(p.local[0]))).Goto(pipeline.L2Horizon.Table()), "the port has this MAC address", true
	case len(p.local) == 0 && len(p.remote) == 1 && !p.wire:
		return flow.Do(flow.Load(pipeline.RemoteChassis, uint64(p.remote[0]))).Goto(pipeline.Tunnel.Table()),
			"a port on another chassis has this MAC address", true
	case len(p.local) == 0 && len(p.remote) == 0 && p.wire:
		return flow.Goto(pipeline.ProviderOutput.Table()), "a port on another chassis has this MAC address: the physical network leads there", true
	}
	return do, "", false
}

// receivers returns where the owners of an address are. A port that is served here is not anywhere else,
// whatever the database says.
func receivers(owners []view.Station) (to places) {
	here := map[string]bool{}
	for _, o := range owners {
		if o.Local != 0 {
			to.local = append(to.local, o.Local)
			here[o.Port] = true
		}
	}
	for _, o := range owners {
		switch {
		case o.Local != 0 || here[o.Port]:
		case o.Wire:
			to.wire = true
		case !slices.Contains(to.remote, o.Via):
			to.remote = append(to.remote, o.Via)
		}
	}
	return to
}

// toTunnel sends a copy to another chassis, or to several.
func toTunnel(to uint64) []flow.Action {
	return []flow.Action{flow.Load(pipeline.RemoteChassis, to), flow.Resubmit(pipeline.Tunnel.Table())}
}

// toWire sends a copy into the network's physical network.
func toWire() flow.Action { return flow.Resubmit(pipeline.ProviderOutput.Table()) }

func floodSet(r *view.Reader, s memberSet, out *app.Output) {
	list, _ := view.Find(r, membersBySet, s.key())
	var copies []flow.Action
	for _, m := range list {
		copies = append(copies, copyTo(m.port)...)
	}
	out.Flow(pipeline.L2Flood, pipeline.Normal,
		flow.NewMatch(pipeline.Network.Is(uint64(s.network)), pipeline.FloodSet.Is(uint64(s.set))),
		flow.Do(copies...), "each port of the set gets a copy")
}

func copyTo(port uint32) []flow.Action {
	return []flow.Action{flow.Load(pipeline.DestPort, uint64(port)), flow.Resubmit(pipeline.L2Horizon.Table())}
}

// network floods broadcast and multicast to all sets, and unknown unicast to those without port security:
// here first, then to other chassis, unless it came from one. What a physical network carries is [wired]'s.
func network(r *view.Reader, n view.LocalNetwork, out *app.Output) {
	if _, found := view.Get(r, view.Wires, n.ID); found == view.Present {
		return
	}
	tunnels := func(unsecured bool, to uint64) []flow.Action {
		if _, elsewhere := view.Get(r, view.RemoteFloods, view.RemoteFloodKey(n.ID, unsecured)); elsewhere == view.Present {
			return toTunnel(to)
		}
		return nil
	}
	copies := copiesHere(r, n.Key)
	flood(n.Key, true, copies[everybody], tunnels(false, pipeline.EveryMember), out)
	flood(n.Key, false, copies[unsecured], tunnels(true, pipeline.UnsecuredMembers), out)
}

// wired floods on a network that a physical network carries, where somebody may be of whom the model does
// not know: unknown unicast goes there, too. A network without ports here may have a router of this chassis.
func wired(r *view.Reader, w view.Wire, out *app.Output) {
	copies := copiesHere(r, w.Key)
	for _, group := range []bool{true, false} {
		kind := unsecured
		if group {
			kind = everybody
		}
		flood(w.Key, group, copies[kind], []flow.Action{toWire()}, out)
	}
}

// hairpin turns back what goes to an address outside that this chassis translates, as if it had come from there. What
// did come from there, and nobody took, has no other receiver.
func hairpin(r *view.Reader, h view.Hairpin, out *app.Output) {
	match := flow.NewMatch(pipeline.Network.Is(uint64(r.Number(pipeline.NetworkNumbers, h.NetworkID))), flow.EthDst.MAC(h.MAC))
	out.Flow(pipeline.L2Lookup, pipeline.High, match, flow.Do(
		flow.Load(pipeline.SourcePort, 0),
		flow.Load(flow.InPort.All(), 0), // the switch puts no packet out where it came in
		flow.CTClear(),                  // with other addresses it is of another connection, also in the same zone
		flow.Resubmit(pipeline.DNATInput.Table()),
	), "the address outside is translated here: the packet turns back")
	out.Flow(pipeline.L2Lookup, pipeline.High+1, match.And(pipeline.SourcePort.Is(0)), flow.Drop(),
		"the packet is for an address outside that is translated here, and not of a kind that is")
}

// copiesHere returns what copies to the members of a network, by kind.
func copiesHere(r *view.Reader, network uint32) [setKinds][]flow.Action {
	var copies [setKinds][]flow.Action
	list, _ := view.Find(r, setsByNetwork, strconv.FormatUint(uint64(network), 10))
	for _, s := range list {
		kind := s.set % setKinds
		copies[kind] = append(copies[kind],
			flow.Load(pipeline.FloodSet, uint64(s.set)), flow.Resubmit(pipeline.L2Flood.Table()))
	}
	return copies
}

// flood copies what is for a group, or what is for nobody known, to members here and then elsewhere; what came
// from elsewhere, only here.
func flood(network uint32, group bool, here, elsewhere []flow.Action, out *app.Output) {
	match := []flow.Constraint{pipeline.Network.Is(uint64(network))}
	priority, reason := pipeline.Low, "unknown unicast goes to ports without port security"
	if group {
		bit := [6]byte{1}
		match = append(match, flow.EthDst.MACMasked(bit, bit))
		priority, reason = pipeline.Low+2, "broadcast and multicast go to all ports of the network"
	}
	if len(elsewhere) > 0 {
		out.Flow(pipeline.L2Lookup, priority, flow.NewMatch(match...), flow.Do(slices.Concat(here, elsewhere)...), reason)
		match, priority = append(match, pipeline.SourcePort.Is(0)), priority+1
	}
	if len(here) > 0 {
		out.Flow(pipeline.L2Lookup, priority, flow.NewMatch(match...), flow.Do(here...), reason)
	}
}
