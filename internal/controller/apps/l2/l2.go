// Package l2 is the app that switches frames within a network: unicast by MAC address, broadcast and
// multicast to the network's ports on this chassis, unknown unicast to ports without port security.
package l2

import (
	"fmt"
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
			app.For("l2.address", addresses, address),
			app.For("l2.set", sets, floodSet),
			app.For("l2.network", networks, network),
		},
	}
}

// station says that a port receives what is sent to a MAC address.
type station struct {
	network, port uint32
	mac           model.MAC
}

// macAddress is an address in use on a network, by one port or, as a shared allowed address pair, by
// several.
type macAddress struct {
	network uint32
	mac     model.MAC
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

type localNetwork struct{ network uint32 }

var (
	stations = view.NewDerived("Station", func(s station) string {
		return fmt.Sprintf("%d/%s/%d", s.network, s.mac, s.port)
	})
	stationsByAddress = view.NewIndex(stations, "address", func(s station) []string {
		return []string{macAddress{s.network, s.mac}.key()}
	}, nil)
	addresses = view.NewDerived("MACAddress", macAddress.key)
	members   = view.NewDerived("Member", func(m member) string {
		return fmt.Sprintf("%d/%d/%d", m.network, m.set, m.port)
	})
	membersBySet = view.NewIndex(members, "set", func(m member) []string {
		return []string{memberSet{m.network, m.set}.key()}
	}, nil)
	sets          = view.NewDerived("MemberSet", memberSet.key)
	setsByNetwork = view.NewIndex(sets, "network", func(s memberSet) []string {
		return []string{strconv.FormatUint(uint64(s.network), 10)}
	}, nil)
	networks = view.NewDerived("LocalNetwork", func(n localNetwork) string {
		return strconv.FormatUint(uint64(n.network), 10)
	})
)

func (a macAddress) key() string { return fmt.Sprintf("%d/%s", a.network, a.mac) }
func (s memberSet) key() string  { return fmt.Sprintf("%d/%d", s.network, s.set) }

// port derives what a served port receives.
func port(_ *view.Reader, p view.LocalPort, out *app.Output) {
	receives := func(mac model.MAC) {
		app.Emit(out, stations, station{p.NetworkKey, p.Key, mac})
		app.Emit(out, addresses, macAddress{p.NetworkKey, mac})
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
	app.Emit(out, networks, localNetwork{p.NetworkKey})
	out.Flow(pipeline.L2Horizon, pipeline.Normal,
		flow.NewMatch(pipeline.SourcePort.Is(uint64(p.Key)), pipeline.DestPort.Is(uint64(p.Key))),
		flow.Drop(), "a packet does not go back to its sender")
}

// address sends what is addressed to a MAC address to the port, or the ports, that have it.
func address(r *view.Reader, a macAddress, out *app.Output) {
	owners, _ := view.Find(r, stationsByAddress, a.key())
	match := flow.NewMatch(pipeline.Network.Is(uint64(a.network)), flow.EthDst.MAC(a.mac))
	if len(owners) == 1 {
		out.Flow(pipeline.L2Lookup, pipeline.Normal, match,
			flow.Do(flow.Load(pipeline.DestPort, uint64(owners[0].port))).Goto(pipeline.L2Horizon.Table()),
			"the port has this MAC address")
		return
	}
	var copies []flow.Action
	for _, o := range owners[:min(len(owners), setSize)] {
		copies = append(copies, copyTo(o.port)...)
	}
	if len(owners) > setSize {
		out.Problem(fmt.Sprintf("MAC address %s is allowed on %d ports of this chassis; the first %d receive", a.mac, len(owners), setSize))
	}
	out.Flow(pipeline.L2Lookup, pipeline.Normal, match, flow.Do(copies...), "several ports share this MAC address")
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

// network floods broadcast and multicast to all sets, and unknown unicast to those without port security.
func network(r *view.Reader, n localNetwork, out *app.Output) {
	list, _ := view.Find(r, setsByNetwork, strconv.FormatUint(uint64(n.network), 10))
	copies := make([][]flow.Action, setKinds)
	for _, s := range list {
		kind := s.set % setKinds
		copies[kind] = append(copies[kind],
			flow.Load(pipeline.FloodSet, uint64(s.set)), flow.Resubmit(pipeline.L2Flood.Table()))
	}
	match := pipeline.Network.Is(uint64(n.network))
	group := [6]byte{1}
	out.Flow(pipeline.L2Lookup, pipeline.Low+1, flow.NewMatch(match, flow.EthDst.MACMasked(group, group)),
		flow.Do(copies[everybody]...), "broadcast and multicast go to all ports of the network")
	if len(copies[unsecured]) > 0 {
		out.Flow(pipeline.L2Lookup, pipeline.Low, flow.NewMatch(match), flow.Do(copies[unsecured]...),
			"unknown unicast goes to ports without port security")
	}
}
