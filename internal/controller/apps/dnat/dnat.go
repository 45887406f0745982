// Package dnat is the app of floating IPs: addresses of an external network that stand for those of ports.
// What comes for one gets the port's address, and what the port sends outside gets the floating IP, by one
// rewrite each way, without a state of connections: a packet of any age and any fragment is translated alike,
// after a restart of the switch and on the chassis to which a guest has moved.
//
// Where a floating IP is served, the app gateway decides ([view.ServedFloatingIPs]).
package dnat

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

const appID = 14

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "dnat", ID: appID,
		Rules: []app.Rule{
			app.For("dnat.floating", view.ServedFloatingIPs, floating),
			app.For("dnat.forwarding", view.ServedForwardings, forwarding),
		},
		PacketIn: packetIn,
	}
}

// ways are how packets of one floating IP are translated.
type ways struct {
	// in and out match what comes for it, and what goes from it.
	in, out flow.Match
	// enter and leave are what is done with them.
	enter, leave []flow.Action
}

func waysOf(r *view.Reader, f view.ServedFloatingIP) ways {
	network, router := uint64(r.Number(pipeline.NetworkNumbers, f.NetworkID)), uint64(r.Number(pipeline.RouterNumbers, f.RouterID))
	return ways{
		in:  flow.NewMatch(pipeline.Network.Is(network), flow.EthDst.MAC(f.MAC), flow.IPv4(), flow.IPv4Dst.Addr(f.Address)),
		out: flow.NewMatch(pipeline.Network.Is(network), pipeline.Router.Is(router), flow.IPv4(), flow.IPv4Src.Addr(f.Fixed)),
		enter: []flow.Action{
			flow.SetField(flow.IPv4Dst.Addr(f.Fixed)), flow.Load(pipeline.SourcePort, pipeline.Routed),
			flow.Load(pipeline.Router, router), flow.Load(pipeline.CameBy, network),
			// Translation leads from one address scope to another (Neutron API "address scopes").
			flow.Load(pipeline.AddressScope, scopeOf(r, f.PortNetworkID, f.Fixed)),
		},
		leave: []flow.Action{flow.SetField(flow.IPv4Src.Addr(f.Address)), flow.SetField(flow.EthSrc.MAC(f.MAC)), flow.Load(pipeline.Router, 0)},
	}
}

// floating translates a floating IP both ways, and has those outside find it here.
func floating(r *view.Reader, f view.ServedFloatingIP, out *app.Output) {
	w := waysOf(r, f)
	out.Flow(pipeline.DNATInput, pipeline.Normal, w.in, flow.Do(w.enter...).Goto(pipeline.RouterAddresses.Table()),
		"the packet is for a floating IP: it gets the address for which that stands")
	out.Flow(pipeline.DNATOutput, pipeline.Normal, w.out, flow.Do(w.leave...).Goto(pipeline.L2Lookup.Table()),
		"the sender has a floating IP: the packet gets it")
	errorsOf(r, f, w, out)
	app.Emit(out, view.WireAddresses, view.WireAddress{NetworkID: f.NetworkID, Address: f.Address, MAC: f.MAC, Announce: true})
}

// scopeOf returns the number of the address scope of an address on a network, zero for none.
func scopeOf(r *view.Reader, network string, a netip.Addr) uint64 {
	id := view.AddressScopeOf(r, network, a)
	if id == "" {
		return 0
	}
	return uint64(r.Number(pipeline.AddressScopeNumbers, id))
}
