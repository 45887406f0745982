// Package migration is the app of live migration: it has a port's next chassis take over as soon as the
// guest is heard there, and the last one send on what still arrives for it.
//
// The chassis of an inactive binding has everything that the port needs, but for what would make anybody
// use it: the classifier serves the port as prepared, and no other app lets a packet of it through.
package migration

import (
	"errors"
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

const appID = 10

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "migration", ID: appID,
		Rules: []app.Rule{
			app.For("migration.prepared", view.LocalPorts, prepared),
			app.For("migration.departed", view.Departures, departed),
		},
		PacketIn: packetIn,
	}
}

// Packets that a prepared port may send to the controller in a second: it says a few times that it is here.
const (
	punted      = 10
	puntedBurst = 10
)

// prepared listens for the port's guest: the first that it says about its own address ends the preparation.
// Whatever else comes from the interface is not the guest's yet.
func prepared(r *view.Reader, p view.LocalPort, out *app.Output) {
	if !p.Prepared {
		return
	}
	meter := r.Number(pipeline.MeterNumbers, "migration/"+p.Port.ID)
	out.Meter(flow.NewMeter(meter, flow.PacketsPerSecond, punted, puntedBurst))
	from := []flow.Constraint{pipeline.SourcePort.Is(uint64(p.Key)), flow.EthSrc.MAC(p.Port.MACAddress)}
	hear := func(what string, match ...flow.Constraint) {
		out.Flow(pipeline.Announce, pipeline.Normal, flow.NewMatch(append(from[:2:2], match...)...),
			flow.Do(flow.Controller(flow.Punt{ID: pipeline.ControllerID, Userdata: app.Userdata(appID, []byte(p.Port.ID)...), Meter: meter})), what)
	}
	hear("a RARP request: the machine was resumed here", flow.EthType.Is(flow.EthTypeRARP))
	done := map[netip.Addr]bool{}
	for _, f := range p.Port.FixedIPs {
		if done[f.IPAddress] {
			continue
		}
		done[f.IPAddress] = true
		if f.IPAddress.Is4() {
			hear("a gratuitous ARP packet: the guest is here", flow.ARP(), flow.ARPSPA.Addr(f.IPAddress), flow.ARPTPA.Addr(f.IPAddress))
			continue
		}
		hear("an unsolicited neighbour advertisement: the guest is here", flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6),
			flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborAdv)), flow.NDTarget.Addr(f.IPAddress))
	}
}

// packetIn notes that a prepared port's guest is here. What the packet says otherwise does not matter: the
// flow has compared its addresses with the port's.
func packetIn(r *view.Reader, in app.PacketIn) (app.Reply, error) {
	p, found := view.Get(r, view.LocalPorts, string(in.Userdata))
	if found != view.Present || p.OFPort != in.InPort {
		return app.Reply{}, errors.New("migration: a packet of a port that is not here")
	}
	if !p.Prepared {
		return app.Reply{Event: "known"}, nil
	}
	if p.Parent != "" { // it has come with its parent
		if p, found = view.Get(r, view.LocalPorts, p.Parent); found != view.Present {
			return app.Reply{}, errors.New("migration: a packet of a sub-port whose parent is not here")
		}
	}
	// The last packets of a guest that has just left are no sign that it came.
	if d, left := view.Get(r, view.Departures, p.Port.ID); left == view.Present && !d.Gone {
		return app.Reply{Event: "leaving"}, nil
	}
	arrival := view.Arrival{PortID: p.Port.ID, From: p.Port.Host, Revision: p.Port.Revision}
	if b, bound := view.Get(r, view.Bindings, p.Port.ID); bound == view.Present {
		arrival.Revision = max(arrival.Revision, b.Revision) // the database may have told of it before the port
	}
	return app.Reply{Facts: []app.Fact{{Table: view.Arrivals, Row: arrival, Owner: p.Port.ID, Age: arrivedFor}}, Event: "arrival"}, nil
}

// arrivedFor bounds how long a guest that was heard counts as here. Where it is served the controller
// prolongs that, as it would be cut off at the end.
const arrivedFor = time.Minute

// departed sends on what still arrives for a port that is elsewhere now. Until it is forgotten, what is
// needed for that stays here, as if the port were.
func departed(r *view.Reader, d view.Departure, out *app.Output) {
	for _, scope := range []string{model.ScopeNetwork(d.NetworkID), model.ScopeNetworkPorts(d.NetworkID)} {
		app.Emit(out, view.Interests, view.Interest{Scope: scope})
	}
	p, found := view.Get(r, view.Ports, view.Within(d.NetworkID, d.PortID))
	self, _ := view.Get(r, view.Self, "self")
	if found != view.Present || p.Host == "" || p.Host == self.Name {
		return
	}
	app.Emit(out, view.LocalNetworks, view.LocalNetwork{ID: d.NetworkID, Key: r.Number(pipeline.NetworkNumbers, d.NetworkID)})
	app.Emit(out, view.Forwards, view.Forward{PortID: d.PortID, NetworkID: d.NetworkID, MAC: p.MACAddress, Chassis: p.Host})
}
