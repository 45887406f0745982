package l3

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// soughtFor is how long a host outside is looked for after a guest sent to it last.
const soughtFor = 10 * time.Second

// modelled reports whether a port of the model has an address, or what this chassis knows of without its ports.
func modelled(r *view.Reader, network string, a netip.Addr) bool {
	if _, found := view.Get(r, exits, hop{network, a}.key()); found == view.Present {
		return true
	}
	list, _ := view.Find(r, holdersByHop, hop{network, a}.key())
	return len(list) > 0
}

// lookFor asks outside for an address that nobody in the model has, for each router with an interface on its
// network: as that router's part on this chassis shows itself there.
func lookFor(r *view.Reader, network string, a netip.Addr, out *app.Output) {
	if _, wired := view.Get(r, view.Wires, network); wired != view.Present || modelled(r, network, a) {
		return
	}
	self, _ := view.Get(r, view.Self, "self")
	list, _ := view.Find(r, linksByNetwork, network)
	for _, l := range list {
		through, found := view.Longest(r, connectionsByPrefix, l.router, a)
		if found != view.Present || through[0].link != l.id {
			continue
		}
		as := view.Resolve{NetworkID: network, NextHop: a, Address: through[0].address, MAC: view.WireMAC(self.Name, l.mac)}
		if l.external && !asGateway(r, l, &as) {
			continue // who is the gateway asks
		}
		app.Emit(out, view.Resolves, as)
	}
}

// asGateway has who asks on a router's external network be who the chassis is there: the router's gateway, the
// chassis itself, or one of the router's floating IPs.
func asGateway(r *view.Reader, l link, as *view.Resolve) bool {
	if _, active := view.Get(r, view.ActiveGateways, l.router); active == view.Present {
		as.MAC = l.mac
		return true
	}
	if s, here := view.Get(r, view.DistributedSNATs, l.router); here == view.Present && as.NextHop.Is4() {
		as.Address, as.MAC = s.Address, s.MAC
		return true
	}
	list, _ := view.Find(r, view.ServedFloatingIPsByRouter, l.router)
	if len(list) == 0 || !as.NextHop.Is4() {
		return false
	}
	as.Address, as.MAC = list[0].Address, list[0].MAC
	return true
}

// via looks for the next hop of a route.
func via(r *view.Reader, e extra, out *app.Output) { lookFor(r, e.network, e.hop, out) }

// sought looks for a host to which a guest has sent.
func sought(r *view.Reader, s view.Sought, out *app.Output) { lookFor(r, s.NetworkID, s.Address, out) }

// beyond addresses packets to a host outside, and asks again and again whether it is still there.
func beyond(r *view.Reader, n view.Neighbour, out *app.Output) {
	if _, routed := view.Get(r, routedNetworks, n.NetworkID); routed != view.Present || modelled(r, n.NetworkID, n.Address) {
		return
	}
	lookFor(r, n.NetworkID, n.Address, out)
	network := uint64(r.Number(pipeline.NetworkNumbers, n.NetworkID))
	out.Flow(pipeline.NextHops, pipeline.Normal, flow.NewMatch(pipeline.Network.Is(network), flow.IPOf(n.Address), isNextHop(n.Address)),
		flow.Do(flow.SetField(flow.EthDst.MAC(n.MAC))).Goto(pipeline.RouteOutput.Table()), "somebody outside has the next hop's address")
}

// outside has the controller hear of what those outside send to hosts that a router has to look for first.
func outside(r *view.Reader, _ view.Wire, out *app.Output) { hearOutside(r, out) }

func hearOutside(r *view.Reader, out *app.Output) {
	meter := r.Number(pipeline.MeterNumbers, "l3/outside")
	out.Meter(flow.NewMeter(meter, flow.PacketsPerSecond, punted, puntedBurst))
	out.Flow(pipeline.RouterRefuse, pipeline.Normal, flow.NewMatch(pipeline.SourcePort.Is(pipeline.Routed)),
		flow.Do(flow.Controller(flow.Punt{ID: pipeline.ControllerID, Userdata: app.Userdata(appID), Meter: meter})),
		"somebody outside may have sent to a host that a router has to look for")
}

// senderOutside owns what is sought for those outside.
const senderOutside = "outside"

// fromOutside looks for the host to which somebody sends who is no port of this chassis, or tells him why his packet
// is refused.
func fromOutside(r *view.Reader, in app.PacketIn) (app.Reply, error) {
	if cause(in.Refusal) == noNeighbour {
		if fact, ok := seeks(r, senderOutside, in); ok {
			return app.Reply{Facts: []app.Fact{fact}, Event: "sought"}, nil
		}
	}
	reply, err := tellOutside(r, in)
	if err != nil {
		return app.Reply{}, fmt.Errorf("l3: somebody outside: %w", err)
	}
	return reply, nil
}

// seeks is the fact that somebody sends to a host outside that may be there.
func seeks(r *view.Reader, owner string, in app.PacketIn) (app.Fact, bool) {
	network, known := identify(r, pipeline.NetworkNumbers.Name, in.Network)
	if _, wired := view.Get(r, view.Wires, network); !known || wired != view.Present {
		return app.Fact{}, false
	}
	dst, ok := destinationOf(in.Data)
	if !ok || modelled(r, network, dst) {
		return app.Fact{}, false
	}
	return app.Fact{Table: view.SoughtAddresses, Row: view.Sought{NetworkID: network, Address: dst}, Owner: owner, Age: soughtFor}, true
}

func destinationOf(frame []byte) (netip.Addr, bool) {
	eth, err := packet.ParseEthernet(frame)
	if err != nil {
		return netip.Addr{}, false
	}
	if eth.EtherType == packet.EtherTypeIPv4 {
		p, err := packet.ParseIPv4(eth.Payload)
		return p.Dst, err == nil
	}
	p, err := packet.ParseIPv6(eth.Payload)
	return p.Dst, err == nil && eth.EtherType == packet.EtherTypeIPv6
}
