// Package provider is the app of networks that a physical network carries, as they are or in a VLAN (IEEE
// 802.1Q): it takes in what comes from there and sends there what is not for this chassis.
//
// What the wire brings is for this chassis alone and never goes back into it. The MAC address of a distributed
// router, which every chassis has, never appears on the wire: each chassis shows itself there by
// [view.WireMAC], and puts the router's back into what it gets from another.
package provider

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

const appID = 12

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "provider", ID: appID,
		Rules: []app.Rule{
			app.For("provider.network", view.Networks, network),
			app.For("provider.isolated", view.LocalNetworks, isolated),
			app.For("provider.wire", view.Wires, wire),
			app.For("provider.port", view.LocalPorts, port),
			app.For("provider.guarantee", view.LocalPorts, guarantee),
			app.For("provider.interface", view.RouterInterfaces, routerInterface),
			app.ForEach("provider.router", routersByMAC, routers),
			app.For("provider.horizon", view.Self, horizon),
			app.For("provider.chassis", view.ChassisAll, chassis),
			app.ForEach("provider.clash", chassisByMAC, clash),
		},
	}
}

// network derives by which physical network a network is reached: by that of its first segment of which
// this chassis has one. Of a network that none carries it derives that tunnels do.
func network(r *view.Reader, n *model.Network, out *app.Output) {
	if !n.AdminStateUp {
		return
	}
	if s, alone := model.TunnelOnly(n.Segments); alone {
		if _, has := view.Get(r, view.TunnelPorts, string(s.NetworkType)); has == view.Present {
			app.Emit(out, view.Overlays, view.Overlay{NetworkID: n.ID})
		}
	}
	var usable []view.Wire
	for _, s := range n.Segments {
		if !s.IsProvider() {
			continue
		}
		at, found := view.Get(r, view.ProviderPorts, s.PhysicalNetwork)
		if found != view.Present {
			continue
		}
		w := view.Wire{NetworkID: n.ID, Segment: s.ID, PhysicalNetwork: s.PhysicalNetwork, OFPort: at.OFPort, MTU: n.MTU}
		if s.NetworkType == model.VLAN {
			w.VLAN = uint16(s.SegmentationID)
		}
		usable = append(usable, w)
	}
	if len(usable) == 0 {
		return
	}
	if len(usable) > 1 {
		out.Problem(fmt.Sprintf("network %s has segments on physical networks %s and %s, and this chassis is connected to both; "+
			"the first is used: bridge-mappings should have one of them", n.ID, usable[0].PhysicalNetwork, usable[1].PhysicalNetwork))
	}
	usable[0].Key = r.Number(pipeline.NetworkNumbers, n.ID)
	app.Emit(out, view.Wires, usable[0])
}

// isolated tells the operator of a network with ports here that nothing carries to other chassis.
func isolated(r *view.Reader, local view.LocalNetwork, out *app.Output) {
	n, found := view.Get(r, view.Networks, local.ID)
	if found != view.Present {
		return
	}
	_, wired := view.Get(r, view.Wires, n.ID)
	_, tunnelled := n.Tunnel()
	if physical := physicalNetworks(n); wired != view.Present && !tunnelled && len(physical) > 0 {
		out.Problem(fmt.Sprintf("network %s is carried by %s, to which this chassis is not connected: its ports here reach nobody elsewhere; "+
			"add it to bridge-mappings", n.ID, strings.Join(physical, " or ")))
	}
}

func physicalNetworks(n *model.Network) []string {
	var names []string
	for _, s := range n.Segments {
		if s.IsProvider() && !slices.Contains(names, "physical network "+s.PhysicalNetwork) {
			names = append(names, "physical network "+s.PhysicalNetwork)
		}
	}
	return names
}

// arrives matches a frame of the network that comes from the wire.
func arrives(w view.Wire, more ...flow.Constraint) flow.Match {
	tag := flow.Untagged()
	if w.VLAN != 0 {
		tag = flow.VLANVID.Is(flow.VLANPresent | uint64(w.VLAN))
	}
	return flow.NewMatch(append(more, flow.InPort.Is(uint64(w.OFPort)), tag)...)
}

// take brings such a frame into the pipeline, without its tag.
func take(w view.Wire, source uint64, more ...flow.Action) flow.Instructions {
	var do []flow.Action
	if w.VLAN != 0 {
		do = append(do, flow.PopVLAN())
	}
	do = append(append(do, more...), flow.Load(pipeline.SourcePort, source), flow.Load(pipeline.Network, uint64(w.Key)))
	return flow.Do(do...).Goto(pipeline.WireServices.Table())
}

// leaves puts a frame into the wire, whether or not it came from there: what must not go back has been
// dropped before.
func leaves(w view.Wire, more ...flow.Action) flow.Instructions {
	return flow.Do(leaving(w, more...)...)
}

func leaving(w view.Wire, more ...flow.Action) []flow.Action {
	if w.VLAN != 0 {
		more = append(more, flow.PushVLAN(), flow.SetVLAN(w.VLAN))
	}
	return append(more, flow.Load(flow.InPort.All(), 0), flow.Output(w.OFPort))
}

// wire takes in what comes from the physical network, and sends what goes there.
func wire(_ *view.Reader, w view.Wire, out *app.Output) {
	out.Flow(pipeline.ProviderInput, pipeline.Normal, arrives(w), take(w, 0), "the frame is of a network that this chassis has")
	if w.VLAN == 0 { // a tag that gives a priority and no VLAN
		priority := flow.NewMatch(flow.InPort.Is(uint64(w.OFPort)), flow.VLANVID.Is(flow.VLANPresent))
		out.Flow(pipeline.ProviderInput, pipeline.Normal, priority, take(w, 0, flow.PopVLAN()),
			"the frame has a tag with a priority and no VLAN")
	}
	out.Flow(pipeline.ProviderOutput, pipeline.Normal, flow.NewMatch(pipeline.Network.Is(uint64(w.Key))), leaves(w),
		"the frame goes into the physical network")
}

// port keeps out frames that pretend to come from a port of this chassis: they have gone round, or somebody
// outside wants to be it. Nobody believes them, and they do not go back.
func port(r *view.Reader, p view.LocalPort, out *app.Output) {
	w, found := view.Get(r, view.Wires, p.Port.NetworkID)
	if found != view.Present || p.Prepared { // who is prepared is still elsewhere
		return
	}
	out.Flow(pipeline.ProviderInput, pipeline.Override, arrives(w, flow.EthSrc.MAC(p.Port.MACAddress)), flow.Drop(),
		"provider: the frame came from outside and pretends to be of a port of this chassis")
}

// wiredRouter is the interface of a distributed router on a network that has a wire.
type wiredRouter struct {
	wire view.Wire
	id   string
	mac  model.MAC
}

var (
	wiredRouters = view.NewDerived("WiredRouter", func(x wiredRouter) string { return x.id })
	// routersByMAC finds the interfaces that cannot be told apart on the wire.
	routersByMAC = view.NewIndex(wiredRouters, "WireMAC", func(x wiredRouter) []string {
		value, _ := view.WireMACs(x.mac)
		return []string{x.wire.NetworkID + "/" + value.String()}
	}, nil)
)

// routerInterface derives which routers there are on a wire.
func routerInterface(r *view.Reader, i *model.RouterInterface, out *app.Output) {
	w, found := view.Get(r, view.Wires, i.NetworkID)
	if found != view.Present {
		return
	}
	app.Emit(out, wiredRouters, wiredRouter{w, i.ID, i.MACAddress})
	self, _ := view.Get(r, view.Self, "self")
	out.Flow(pipeline.ProviderInput, pipeline.High, arrives(w, flow.EthDst.MAC(i.MACAddress)), flow.Drop(),
		"provider: each chassis has this router; outside it is reached by a chassis' own address for it")
	out.Flow(pipeline.ProviderOutput, pipeline.Normal+2, flow.NewMatch(pipeline.Network.Is(uint64(w.Key)), flow.EthSrc.MAC(i.MACAddress)),
		leaves(w, flow.SetField(flow.EthSrc.MAC(view.WireMAC(self.Name, i.MACAddress)))),
		"what a router sends shows this chassis' own address for it, so that switches find it at one place")
	addresses(i, view.WireMAC(self.Name, i.MACAddress), out)
}

// addresses has those outside find the router at this chassis, as at any other that has it: whichever answer
// they believe, and whichever chassis they send to, it routes.
func addresses(i *model.RouterInterface, mac model.MAC, out *app.Output) {
	if !i.AdminStateUp {
		return
	}
	for _, f := range i.FixedIPs {
		app.Emit(out, view.WireAddresses, view.WireAddress{NetworkID: i.NetworkID, Address: f.IPAddress, MAC: mac})
	}
}

// routers takes what is for a router to it, and makes what another chassis' part of it sent look as if the
// router had.
func routers(r *view.Reader, _ string, having []wiredRouter, out *app.Output) {
	x := having[0]
	if len(having) > 1 {
		out.Problem(fmt.Sprintf("the router interfaces %s and %s of network %s have the same address outside; only the first is reached from there: "+
			"give one of the ports another MAC address", x.id, having[1].id, x.wire.NetworkID))
	}
	self, _ := view.Get(r, view.Self, "self")
	own := view.WireMAC(self.Name, x.mac)
	out.Flow(pipeline.ProviderInput, pipeline.High, arrives(x.wire, flow.EthDst.MAC(own)),
		take(x.wire, pipeline.Routed, flow.SetField(flow.EthDst.MAC(x.mac))), "the frame is for a router, by the address that it has here")
	out.Flow(pipeline.ProviderInput, pipeline.Normal+1, arrives(x.wire, flow.EthSrc.MACMasked(view.WireMACs(x.mac))),
		take(x.wire, 0, flow.SetField(flow.EthSrc.MAC(x.mac))), "another chassis' part of a router sent it: it gets the router's address back")
	out.Flow(pipeline.ProviderInput, pipeline.Override, arrives(x.wire, flow.EthSrc.MAC(own)), flow.Drop(),
		"provider: the frame is of a router of this chassis, and has gone round")
}

// horizon keeps frames from going round: what came by the wire has reached everybody whom it concerns.
func horizon(_ *view.Reader, _ view.Chassis, out *app.Output) {
	out.Flow(pipeline.ProviderOutput, pipeline.High, flow.NewMatch(pipeline.SourcePort.Is(0)), flow.Drop(),
		"what came from outside does not go back")
}

// chassisMAC says what stands for a chassis in addresses on the wire.
type chassisMAC struct {
	bits uint64
	name string
}

var (
	chassisMACs  = view.NewDerived("ChassisMAC", func(c chassisMAC) string { return c.name })
	chassisByMAC = view.NewIndex(chassisMACs, "ChassisBits", func(c chassisMAC) []string { return []string{fmt.Sprintf("%07x", c.bits)} }, nil)
)

// chassis derives the addresses of chassis that are connected to physical networks.
func chassis(_ *view.Reader, c *model.Chassis, out *app.Output) {
	if len(c.PhysicalNetworks) > 0 {
		app.Emit(out, chassisMACs, chassisMAC{view.WireMACOf(c.ID), c.ID})
	}
}

// clash tells of chassis whose addresses are the same.
func clash(_ *view.Reader, _ string, having []chassisMAC, out *app.Output) {
	if len(having) > 1 {
		slices.SortFunc(having, func(a, b chassisMAC) int { return cmp.Compare(a.name, b.name) })
		out.Problem(fmt.Sprintf("chassis %s and %s have the same MAC addresses for routers on physical networks: rename one", having[0].name, having[1].name))
	}
}
