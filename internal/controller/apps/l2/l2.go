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
func address(_ *view.Reader, _ string, owners []view.Station, out *app.Output) {
	a := owners[0].MACAddress
	local, remote := receivers(owners)
	match := []flow.Constraint{pipeline.Network.Is(uint64(a.NetworkKey)), flow.EthDst.MAC(a.MAC)}
	switch {
	case len(local) == 1 && len(remote) == 0:
		out.Flow(pipeline.L2Lookup, pipeline.Normal, flow.NewMatch(match...),
			flow.Do(flow.Load(pipeline.DestPort, uint64(local[0]))).Goto(pipeline.L2Horizon.Table()),
			"the port has this MAC address")
		return
	case len(local) == 0 && len(remote) == 1:
		out.Flow(pipeline.L2Lookup, pipeline.Normal, flow.NewMatch(match...),
			flow.Do(flow.Load(pipeline.RemoteChassis, uint64(remote[0]))).Goto(pipeline.Tunnel.Table()),
			"a port on another chassis has this MAC address")
		return
	}
	if n := len(local) + len(remote); n > setSize {
		out.Problem(fmt.Sprintf("MAC address %s is allowed on ports at %d places; the first %d receive", a.MAC, n, setSize))
		local = local[:min(len(local), setSize)]
		remote = remote[:min(len(remote), setSize-len(local))]
	}
	var here, there []flow.Action
	for _, p := range local {
		here = append(here, copyTo(p)...)
	}
	for _, via := range remote {
		there = append(there, toTunnel(uint64(via))...)
	}
	out.Flow(pipeline.L2Lookup, pipeline.Normal, flow.NewMatch(match...), flow.Do(slices.Concat(here, there)...),
		"several ports share this MAC address")
	if len(here) > 0 && len(there) > 0 {
		out.Flow(pipeline.L2Lookup, pipeline.Normal+1, flow.NewMatch(append(match, pipeline.SourcePort.Is(0))...),
			flow.Do(here...), "several ports share this MAC address; those elsewhere got it from the sender")
	}
}

// receivers returns the numbers of the ports served here, and of the chassis of the others. A port that is
// served here is not anywhere else, whatever the database says.
func receivers(owners []view.Station) (local, remote []uint32) {
	here := map[string]bool{}
	for _, o := range owners {
		if o.Local != 0 {
			local = append(local, o.Local)
			here[o.Port] = true
		}
	}
	for _, o := range owners {
		if o.Local == 0 && !here[o.Port] && !slices.Contains(remote, o.Via) {
			remote = append(remote, o.Via)
		}
	}
	return local, remote
}

// toTunnel sends a copy to another chassis, or to several.
func toTunnel(to uint64) []flow.Action {
	return []flow.Action{flow.Load(pipeline.RemoteChassis, to), flow.Resubmit(pipeline.Tunnel.Table())}
}

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
// here first, then to other chassis, unless it came from one.
func network(r *view.Reader, n view.LocalNetwork, out *app.Output) {
	list, _ := view.Find(r, setsByNetwork, strconv.FormatUint(uint64(n.Key), 10))
	copies := make([][]flow.Action, setKinds)
	for _, s := range list {
		kind := s.set % setKinds
		copies[kind] = append(copies[kind],
			flow.Load(pipeline.FloodSet, uint64(s.set)), flow.Resubmit(pipeline.L2Flood.Table()))
	}
	group := [6]byte{1}
	flooding{
		here: copies[everybody], to: pipeline.EveryMember, priority: pipeline.Low + 2,
		match: []flow.Constraint{flow.EthDst.MACMasked(group, group)}, reason: "broadcast and multicast go to all ports of the network",
	}.emit(r, n, out)
	flooding{
		here: copies[unsecured], to: pipeline.UnsecuredMembers, priority: pipeline.Low,
		reason: "unknown unicast goes to ports without port security",
	}.emit(r, n, out)
}

// flooding is what goes to several ports: here, and on the other chassis that to stands for.
type flooding struct {
	here     []flow.Action
	to       uint64
	priority uint16
	match    []flow.Constraint
	reason   string
}

func (f flooding) emit(r *view.Reader, n view.LocalNetwork, out *app.Output) {
	match := append(f.match, pipeline.Network.Is(uint64(n.Key)))
	_, elsewhere := view.Get(r, view.RemoteFloods, view.RemoteFloodKey(n.ID, f.to == pipeline.UnsecuredMembers))
	if elsewhere == view.Present {
		out.Flow(pipeline.L2Lookup, f.priority, flow.NewMatch(match...), flow.Do(slices.Concat(f.here, toTunnel(f.to))...), f.reason)
		match, f.priority = append(match, pipeline.SourcePort.Is(0)), f.priority+1
	}
	if len(f.here) > 0 {
		out.Flow(pipeline.L2Lookup, f.priority, flow.NewMatch(match...), flow.Do(f.here...), f.reason)
	}
}
