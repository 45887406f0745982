// Package classifier is the app at both ends of the pipeline: it tells which port sent a packet, sends
// requests for services to their stage, and puts packets out of the destination's interface. It derives
// view.LocalPorts, the ports that this chassis serves, and view.LocalNetworks for all other apps, and the
// scopes that a bound port needs.
package classifier

import (
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "classifier", ID: 2,
		Rules: []app.Rule{
			app.For("classifier.interest", view.Bindings, interest),
			app.For("classifier.served", view.Bindings, served),
			app.For("classifier.port", view.LocalPorts, port),
			app.For("classifier.tunnel", view.TunnelPorts, tunnel),
			app.For("classifier.provider", view.ProviderPorts, provider),
			app.For("classifier.stranger", view.Interfaces, stranger),
			app.For("classifier.services", view.Self, services),
			app.For("classifier.nested", view.Self, nested),
			app.For("classifier.metadata", view.MetadataPorts, metadata),
		},
	}
}

// interest asks for the scopes of a bound port's network. It reads nothing, so that it does not wait
// for what it asks for.
func interest(_ *view.Reader, b *model.Binding, out *app.Output) {
	app.Emit(out, view.Interests, view.Interest{Scope: model.ScopeNetwork(b.NetworkID)})
	app.Emit(out, view.Interests, view.Interest{Scope: model.ScopeNetworkPorts(b.NetworkID)})
}

// served derives the local port of a binding, once its interface is on the switch.
func served(r *view.Reader, b *model.Binding, out *app.Output) {
	w, found := wayOf(r, b, out)
	p, portFound := view.Get(r, view.Ports, view.Within(b.NetworkID, b.ID))
	net, netFound := view.Get(r, view.Networks, b.NetworkID)
	if !found || portFound != view.Present || netFound != view.Present {
		return
	}
	if !p.AdminStateUp || !net.AdminStateUp {
		out.Flow(pipeline.Classify, pipeline.High, flow.NewMatch(w.all()...), flow.Drop(),
			"the port or its network is administratively down")
		return
	}
	carrier := w.port
	if carrier == nil {
		carrier = p
	}
	app.Emit(out, view.LocalPorts, view.LocalPort{
		Port: p, OFPort: w.ofport, Parent: b.ParentPortID, VLAN: w.vlan, MTU: net.MTU,
		Key:        r.Number(pipeline.PortNumbers, b.ID),
		NetworkKey: r.Number(pipeline.NetworkNumbers, b.NetworkID),
		Prepared:   !active(r, w.binding, carrier),
	})
}

// active tells whether this chassis is where the port is now. All chassis take that from the port itself,
// so that one change of one object moves it; only a guest that was heard here is here before.
func active(r *view.Reader, b *model.Binding, p *model.Port) bool {
	if p.Host == "" { // an object of an older version
		return b.Status == model.BindingActive
	}
	self, _ := view.Get(r, view.Self, "self")
	if p.Host == self.Name {
		return true
	}
	a, arrived := view.Get(r, view.Arrivals, b.ID)
	return arrived == view.Present && a.Holds(b, p)
}

func port(r *view.Reader, p view.LocalPort, out *app.Output) {
	app.Emit(out, view.LocalNetworks, view.LocalNetwork{ID: p.Port.NetworkID, Key: p.NetworkKey})
	next, reason := pipeline.EgressPortSecurity, "the port sends through its interface"
	if p.Prepared {
		next, reason = pipeline.Announce, "the port is prepared for a live migration"
	}
	if p.Parent != "" {
		subPort(r, p, next, out)
		return
	}
	in := flow.InPort.Is(uint64(p.OFPort))
	out.Flow(pipeline.Classify, pipeline.Normal, flow.NewMatch(in, flow.Untagged()),
		flow.Do(from(p)...).Goto(next.Table()), reason)
	out.Flow(pipeline.Classify, pipeline.Normal, flow.NewMatch(in, flow.AnyTag()), flow.Drop(),
		"the guest sends in a VLAN that no sub-port of the port has")
	leave := flow.Output(p.OFPort)
	if subs, _ := view.Find(r, view.SubPortsByParent, p.Port.ID); len(subs) > 0 {
		leave = flow.Clone(flow.Load(flow.InPort.All(), 0), leave) // a sub-port may have sent it, by the same interface
	}
	deliver(r, p, []flow.Action{leave}, "the port receives through its interface", out)
}

// from tells the later stages who sent the packet.
func from(p view.LocalPort) []flow.Action {
	return []flow.Action{flow.Load(pipeline.SourcePort, uint64(p.Key)), flow.Load(pipeline.Network, uint64(p.NetworkKey))}
}

// tunnel sends what comes from other chassis to where its network is told.
func tunnel(_ *view.Reader, t view.TunnelPort, out *app.Output) {
	out.Flow(pipeline.Classify, pipeline.Normal, flow.NewMatch(flow.InPort.Is(uint64(t.OFPort))),
		flow.Goto(pipeline.TunnelInput.Table()), "another chassis sends through the tunnel")
}

// provider sends what comes from a physical network to where its network is told.
func provider(_ *view.Reader, p view.ProviderPort, out *app.Output) {
	out.Flow(pipeline.Classify, pipeline.Normal, flow.NewMatch(flow.InPort.Is(uint64(p.OFPort))),
		flow.Goto(pipeline.ProviderInput.Table()), "the frame comes from a physical network")
}

// stranger tells the operator about interfaces that claim a port which is not bound here.
func stranger(r *view.Reader, i view.Interface, out *app.Output) {
	if _, found := view.Get(r, view.Bindings, i.PortID); found == view.Absent {
		out.Problem(fmt.Sprintf("interface %s carries external_ids:iface-id=%s, but no such port is bound to this chassis: "+
			"it gets no service until binding:host_id of the port names this chassis", i.Name, i.PortID))
	}
}

// Ports and types of the services that this chassis gives itself.
const (
	protoUDP, protoICMPv6              = 17, 58
	dhcpv4Client, dhcpv4Server         = 68, 67
	dhcpv6Client, dhcpv6Server         = 546, 547
	routerSolicitation, ndSolicitation = 133, 135
	ndAdvertisement                    = 136
)

func services(_ *view.Reader, _ view.Chassis, out *app.Output) {
	dispatch := func(to pipeline.Stage, reason string, match ...flow.Constraint) {
		out.Flow(pipeline.Services, pipeline.Normal, flow.NewMatch(match...), flow.Goto(to.Table()), reason)
	}
	dispatch(pipeline.ActivePort, "an ARP packet", flow.ARP())
	icmpv6 := flow.IPProto.Is(protoICMPv6)
	dispatch(pipeline.NDResponder, "a neighbour solicitation", flow.IPv6(), icmpv6, flow.ICMPv6Type.Is(ndSolicitation))
	dispatch(pipeline.ActivePort, "a neighbour advertisement", flow.IPv6(), icmpv6, flow.ICMPv6Type.Is(ndAdvertisement))
	dispatch(pipeline.DHCP, "a router solicitation", flow.IPv6(), icmpv6, flow.ICMPv6Type.Is(routerSolicitation))
	udp := flow.IPProto.Is(protoUDP)
	dispatch(pipeline.DHCP, "a DHCPv4 request", flow.IPv4(), udp, flow.UDPSrc.Is(dhcpv4Client), flow.UDPDst.Is(dhcpv4Server))
	dispatch(pipeline.DHCP, "a DHCPv6 request", flow.IPv6(), udp, flow.UDPSrc.Is(dhcpv6Client), flow.UDPDst.Is(dhcpv6Server))
}

// metadata sends what guests have for the service of metadata to its stage, whatever MAC address they sent it
// to: a router's or the service's; and what comes from the service to its own.
func metadata(_ *view.Reader, m view.MetadataPort, out *app.Output) {
	out.Flow(pipeline.Classify, pipeline.Normal, flow.NewMatch(flow.InPort.Is(uint64(m.OFPort))),
		flow.Goto(pipeline.MetadataReply.Table()), "the service of metadata answers")
	for _, to := range []flow.Match{
		flow.NewMatch(flow.IPv4(), flow.IPv4Dst.Addr(view.MetadataIPv4)),
		flow.NewMatch(flow.IPv6(), flow.IPv6Dst.Addr(view.MetadataIPv6)),
	} {
		out.Flow(pipeline.Services, pipeline.Low, to, flow.Goto(pipeline.MetadataRequest.Table()), "a request for metadata")
	}
}
