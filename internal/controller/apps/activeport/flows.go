package activeport

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// Announcements that go to the controller in a second: of one port, and of all other chassis of a network. Who
// takes over many addresses announces them at once.
const (
	punted, puntedBurst = 20, 200
	heard, heardBurst   = 100, 400
)

// What begins the data of a punt: a port's id follows, or a network's, "/" and a chassis' name.
const (
	isPort    byte = 'P'
	isChassis byte = 'C'
)

// announcing matches what tells that somebody has an address of a prefix.
func announcing(prefix netip.Prefix, from ...flow.Constraint) flow.Match {
	if prefix.Addr().Is4() {
		return flow.NewMatch(append(from, flow.ARP(), flow.ARPSPA.Prefix(prefix))...)
	}
	return flow.NewMatch(append(from, flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6), flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborAdv)),
		flow.NDTarget.Prefix(prefix))...)
}

// hear has the controller hear what a port here announces.
func hear(r *view.Reader, c contender, out *app.Output) {
	meter := r.Number(pipeline.MeterNumbers, "activeport/"+c.port)
	out.Meter(flow.NewMeter(meter, flow.PacketsPerSecond, punted, puntedBurst))
	out.Flow(pipeline.ActivePort, pipeline.Normal, announcing(c.prefix, pipeline.SourcePort.Is(uint64(c.key))),
		flow.Do(flow.Controller(flow.Punt{
			ID: pipeline.ControllerID, Userdata: app.Userdata(appID, append([]byte{isPort}, c.port...)...), Meter: meter,
		})).Goto(pipeline.ARPResponder.Table()), "the port tells that it has an address that several ports may have")
}

func distantMeter(network string) string { return "activeport/network/" + network }

// bound limits what is heard of other chassis.
func bound(r *view.Reader, n view.SharedNetwork, out *app.Output) {
	out.Meter(flow.NewMeter(r.Number(pipeline.MeterNumbers, distantMeter(n.ID)), flow.PacketsPerSecond, heard, heardBurst))
}

// hearDistant has the controller hear what is announced on another chassis, where it was found that the port may
// have the address.
func hearDistant(r *view.Reader, d distant, out *app.Output) {
	from, ok := comesFrom(r, d.key, d.chassis)
	if !ok {
		return
	}
	out.Flow(pipeline.ActivePort, pipeline.Normal, announcing(d.prefix, from...),
		flow.Do(flow.Controller(flow.Punt{
			ID: pipeline.ControllerID, Userdata: app.Userdata(appID, append([]byte{isChassis}, d.network+"/"+d.chassis...)...),
			Meter: r.Number(pipeline.MeterNumbers, distantMeter(d.network)),
		})).Goto(pipeline.L2Lookup.Table()), "a port on another chassis tells that it has an address that several ports may have")
}

// comesFrom matches what comes through a tunnel from another chassis.
func comesFrom(r *view.Reader, network uint32, chassis string) ([]flow.Constraint, bool) {
	c, found := view.Get(r, view.ChassisAll, chassis)
	if found != view.Present || !c.TunnelIP.IsValid() {
		return nil, false
	}
	field := flow.TunSrc
	if c.TunnelIP.Is6() {
		field = flow.TunIPv6Src
	}
	return []flow.Constraint{pipeline.Network.Is(uint64(network)), pipeline.SourcePort.Is(0), field.Addr(c.TunnelIP)}, true
}

// pass lets a port that has an address say so as often as it likes.
func pass(r *view.Reader, h view.AddressHolder, out *app.Output) {
	var from []flow.Constraint
	next := pipeline.ARPResponder
	if p, found := view.Get(r, view.LocalPorts, h.PortID); found == view.Present && !p.Prepared {
		from = []flow.Constraint{pipeline.SourcePort.Is(uint64(p.Key))}
	} else {
		port, exists := view.Get(r, view.Ports, view.Within(h.NetworkID, h.PortID))
		_, shared := view.Get(r, view.SharedNetworks, h.NetworkID)
		if exists != view.Present || shared != view.Present {
			return
		}
		ok := false
		if from, ok = comesFrom(r, h.NetworkKey, port.Host); !ok {
			return
		}
		next = pipeline.L2Lookup
	}
	const reason = "it is known that the port has the address"
	prefix := netip.PrefixFrom(h.Address, h.Address.BitLen())
	for _, told := range tells(h.Address, h.MAC) {
		out.Flow(pipeline.ActivePort, pipeline.High, announcing(prefix, append(from[:len(from):len(from)], told...)...),
			flow.Goto(next.Table()), reason)
	}
}

// tells are the ways in which an announcement tells a MAC address. The option of an advertisement may be missing.
func tells(a netip.Addr, mac model.MAC) [][]flow.Constraint {
	if a.Is4() {
		return [][]flow.Constraint{{flow.ARPSHA.MAC(mac)}}
	}
	return [][]flow.Constraint{{flow.NDTLL.MAC(mac)}, {flow.NDTLL.Is(0), flow.EthSrc.MAC(mac)}}
}

// others lets what comes by tunnel go on to the members of its network: nobody here answers it.
func others(_ *view.Reader, _ view.Chassis, out *app.Output) {
	out.Flow(pipeline.ActivePort, pipeline.Low, flow.NewMatch(pipeline.SourcePort.Is(0)), flow.Goto(pipeline.L2Lookup.Table()),
		"what another chassis sends to all members of a network is for those here")
}
