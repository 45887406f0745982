package tunnel

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// arrival takes in what other chassis send to a network that has ports here. The sender is not looked at:
// a chassis may send before this one has heard of it.
func arrival(r *view.Reader, n view.LocalNetwork, out *app.Output) {
	s, found := view.Get(r, segments, n.ID)
	if found != view.Present {
		return
	}
	match := flow.NewMatch(flow.InPort.Is(uint64(s.ofport)), flow.TunID.Is(uint64(s.vni)))
	to := flow.Do(flow.Load(pipeline.SourcePort, 0), flow.Load(pipeline.Network, uint64(n.Key)))
	out.Flow(pipeline.TunnelInput, pipeline.Normal, match, to.Goto(pipeline.L2Lookup.Table()),
		"the identifier is that of a network with ports here")
	if _, shared := view.Get(r, view.SharedNetworks, n.ID); shared != view.Present {
		return
	}
	const reason = "a port elsewhere may tell everybody that it has an address that several ports may have"
	out.Flow(pipeline.TunnelInput, pipeline.Normal+1, match.And(flow.EthDst.MAC(packet.Broadcast()), flow.ARP()),
		to.Goto(pipeline.ActivePort.Table()), reason)
	out.Flow(pipeline.TunnelInput, pipeline.Normal+1, match.And(flow.EthDst.MAC(packet.MulticastMAC(netip.IPv6LinkLocalAllNodes())), flow.IPv6(),
		flow.IPProto.Is(flow.ProtoICMPv6), flow.ICMPv6Type.Is(uint64(packet.ICMPv6NeighborAdv))), to.Goto(pipeline.ActivePort.Table()), reason)
}

// transit takes in what other chassis send to the gateway of a router, as its guests sent it.
func transit(r *view.Reader, t view.Transit, out *app.Output) {
	for _, typ := range [...]model.NetworkType{model.Geneve, model.VXLAN} {
		at, found := view.Get(r, view.TunnelPorts, string(typ))
		if found != view.Present {
			continue
		}
		match := flow.NewMatch(flow.InPort.Is(uint64(at.OFPort)), flow.TunID.Is(uint64(t.VNI)))
		do := []flow.Action{
			flow.Load(pipeline.SourcePort, uint64(t.Source)), flow.Load(pipeline.Network, uint64(t.NetworkKey)),
			flow.Load(pipeline.Router, uint64(t.RouterKey)), flow.Load(pipeline.CameBy, uint64(t.NetworkKey)),
		}
		if t.Overlay { // it goes on by the port by which it came
			do = append(do, flow.Load(flow.InPort.All(), 0))
		}
		const reason = "the packet is for the gateway of a router, which routes it"
		out.Flow(pipeline.TunnelInput, pipeline.Normal, match, flow.Do(do...).Goto(pipeline.RouterAddresses.Table()), reason)
		for i, ip := range [...]flow.Constraint{flow.IPv4(), flow.IPv6()} {
			if scope := t.Scopes[i]; scope != 0 {
				scoped := flow.Do(append(slices.Clone(do), flow.Load(pipeline.AddressScope, uint64(scope)))...)
				out.Flow(pipeline.TunnelInput, pipeline.Normal+1, match.And(ip), scoped.Goto(pipeline.RouterAddresses.Table()), reason)
			}
		}
	}
}

// floodSet copies a packet to the chassis of one set.
func floodSet(r *view.Reader, s set, out *app.Output) {
	list, _ := view.Find(r, copiesBySet, s.key())
	var do []flow.Action
	for _, c := range list {
		do = append(do, flow.Load(pipeline.RemoteChassis, uint64(c.via)), flow.Resubmit(pipeline.TunnelOutput.Table()))
	}
	out.Flow(pipeline.TunnelFlood, pipeline.Normal,
		flow.NewMatch(pipeline.Network.Is(uint64(s.network)), pipeline.FloodSet.Is(uint64(s.set))),
		flow.Do(do...), "each chassis of the set gets a copy")
}

// flood copies a packet to all sets of one kind.
func flood(r *view.Reader, f view.RemoteFlood, out *app.Output) {
	s, found := view.Get(r, segments, f.NetworkID)
	if found != view.Present {
		return
	}
	do := []flow.Action{flow.Load(flow.TunID.All(), uint64(s.vni))}
	list, _ := view.Find(r, floodSetsByNetwork, strconv.FormatUint(uint64(f.NetworkKey), 10))
	for _, m := range list {
		if m.set%setKinds == kindOf(f.Unsecured) {
			do = append(do, flow.Load(pipeline.FloodSet, uint64(m.set)), flow.Resubmit(pipeline.TunnelFlood.Table()))
		}
	}
	to, reason := uint64(pipeline.EveryMember), "the packet is for all chassis with ports of the network"
	if f.Unsecured {
		to, reason = pipeline.UnsecuredMembers, "the packet is for all chassis with ports that get unknown unicast"
	}
	out.Flow(pipeline.Tunnel, pipeline.Normal,
		flow.NewMatch(pipeline.Network.Is(uint64(f.NetworkKey)), pipeline.RemoteChassis.Is(to)), flow.Do(do...), reason)
}

// chassis sends to another chassis. Where it is reached is in this one flow.
func chassis(r *view.Reader, p view.TunnelPeer, out *app.Output) {
	via := r.Number(pipeline.ChassisNumbers, pipeline.ChassisContent(p.Chassis, string(p.Type)))
	at, hasPort := view.Get(r, view.TunnelPorts, string(p.Type))
	c, found := view.Get(r, view.ChassisAll, p.Chassis)
	if hasPort != view.Present || found == view.Unknown {
		return
	}
	switch {
	case found == view.Absent:
		out.Problem(fmt.Sprintf("ports are bound to chassis %s, which the database does not have: run the controller there, "+
			"or correct the ports' binding:host_id", p.Chassis))
		return
	case !c.TunnelIP.IsValid():
		out.Problem(fmt.Sprintf("chassis %s has no address for tunnels: set tunnel-ip there", p.Chassis))
		return
	case !slices.Contains(c.TunnelTypes, p.Type):
		out.Problem(fmt.Sprintf("chassis %s takes no %s tunnels: add %s to tunnel-types there", p.Chassis, p.Type, p.Type))
		return
	}
	if c.TunnelIP == at.Local { // a chassis that was renamed, or two hosts set up alike: guests would hear themselves
		out.Problem(fmt.Sprintf("ports are bound to chassis %s, which has the tunnel address %s of this one: nothing is sent there; "+
			"delete it if it is an earlier name of this one, and correct the ports' binding:host_id, else correct its tunnel-ip", p.Chassis, c.TunnelIP))
		return
	}
	if at.Local.IsValid() && at.Local.Is4() != c.TunnelIP.Is4() {
		out.Problem(fmt.Sprintf("chassis %s has the tunnel address %s, which is not of the family of this one's %s: "+
			"set tunnel-ip to addresses of one family", p.Chassis, c.TunnelIP, at.Local))
		return
	}
	field := flow.TunDst
	if c.TunnelIP.Is6() {
		field = flow.TunIPv6Dst
	}
	out.Flow(pipeline.TunnelOutput, pipeline.Normal, flow.NewMatch(pipeline.RemoteChassis.Is(uint64(via))),
		flow.Do(flow.SetField(field.Addr(c.TunnelIP)), flow.Output(at.OFPort)), "the packet goes to the other chassis")
}

// watch finds the way by which another chassis is watched. What stands in its way is reported by who asks.
func watch(r *view.Reader, w view.Watch, out *app.Output) {
	c, found := view.Get(r, view.ChassisAll, w.Chassis)
	if found != view.Present {
		return
	}
	if typ, ok := view.CommonTunnel(r, c); ok {
		app.Emit(out, view.WatchTargets, view.WatchTarget{Chassis: w.Chassis, Type: typ, Address: c.TunnelIP})
	}
}

// separated tells the operator that ports of a network cannot reach each other.
func separated(r *view.Reader, s strangers, out *app.Output) {
	n, found := view.Get(r, view.Networks, s.network)
	if found != view.Present {
		return
	}
	seg, ok := n.Tunnel()
	switch {
	case !ok && slices.ContainsFunc(n.Segments, model.Segment.IsProvider):
		out.Problem(fmt.Sprintf("network %s has ports on chassis %s, and this chassis is connected to no physical network that carries it: "+
			"have bridge-mappings name one", s.network, s.chassis))
	case !ok:
		out.Problem(fmt.Sprintf("network %s has ports on chassis %s, but no segment of type geneve or vxlan by which to reach them",
			s.network, s.chassis))
	default:
		out.Problem(fmt.Sprintf("network %s has ports on chassis %s and is of type %s, but this chassis has no %s tunnel port: "+
			"set tunnel-ip, and have %s in tunnel-types", s.network, s.chassis, seg.NetworkType, seg.NetworkType, seg.NetworkType))
	}
}

// horizon keeps packets from going round: what came by tunnel has reached every chassis that is concerned.
func horizon(_ *view.Reader, _ view.TunnelPort, out *app.Output) {
	out.Flow(pipeline.Tunnel, pipeline.High, flow.NewMatch(pipeline.SourcePort.Is(0)), flow.Drop(),
		"what came through a tunnel does not go back into one")
}

// forward sends on what another chassis sends here for a port that has left, but to whom it came from: two
// chassis that each take the other for the port's must not play ping-pong.
func forward(r *view.Reader, f view.Forward, out *app.Output) {
	s, found := view.Get(r, segments, f.NetworkID)
	c, known := view.Get(r, view.ChassisAll, f.Chassis)
	if found != view.Present || known != view.Present || !c.TunnelIP.IsValid() {
		return
	}
	app.Emit(out, view.TunnelPeers, view.TunnelPeer{Chassis: f.Chassis, Type: s.typ})
	match := []flow.Constraint{flow.InPort.Is(uint64(s.ofport)), flow.TunID.Is(uint64(s.vni)), flow.EthDst.MAC(f.MAC)}
	via := r.Number(pipeline.ChassisNumbers, pipeline.ChassisContent(f.Chassis, string(s.typ)))
	out.Flow(pipeline.TunnelInput, pipeline.High, flow.NewMatch(match...),
		flow.Do(flow.Load(pipeline.RemoteChassis, uint64(via)), flow.Load(flow.InPort.All(), 0)).Goto(pipeline.TunnelOutput.Table()),
		"the port has left: what others still send here goes on to where it is")
	field := flow.TunSrc
	if c.TunnelIP.Is6() {
		field = flow.TunIPv6Src
	}
	out.Flow(pipeline.TunnelInput, pipeline.High+1, flow.NewMatch(append(match, field.Addr(c.TunnelIP))...), flow.Drop(),
		"the port has left, and its new chassis does not know that it has it")
}
