package l3

import (
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// routerAddress is an address that a router answers to, on whatever interface it is asked.
type routerAddress struct {
	router  string
	address netip.Addr
}

var routerAddresses = view.NewDerived("RouterAddress", func(a routerAddress) string { return a.router + "/" + a.address.String() })

// timeToLive is that of what a router sends by itself.
const timeToLive = 64

// answer answers an echo to an address of a router (RFC 792, RFC 4443 section 4.2), without a controller.
// Of a fragment the switch does not match the type: what is ICMP and large enough to be one is taken for a
// part of an echo. Whoever sends another hears only itself.
func answer(r *view.Reader, a routerAddress, out *app.Output) {
	router := pipeline.Router.Is(uint64(r.Number(pipeline.RouterNumbers, a.router)))
	src, dst, proto := flow.IPv4Src, flow.IPv4Dst, uint64(flow.ProtoICMP)
	typ, request, reply := flow.ICMPType, packet.ICMPEchoRequest, packet.ICMPEchoReply
	if a.address.Is6() {
		src, dst, proto = flow.IPv6Src, flow.IPv6Dst, flow.ProtoICMPv6
		typ, request, reply = flow.ICMPv6Type, packet.ICMPv6EchoRequest, packet.ICMPv6EchoReply
	}
	match := flow.NewMatch(router, flow.IPOf(a.address), dst.Addr(a.address))
	e := echo{
		icmp: match.And(flow.IPProto.Is(proto)), request: typ.Is(uint64(request)), reply: flow.SetField(typ.Is(uint64(reply))),
		turn: []flow.Action{
			flow.Push(flow.EthSrc.All()), flow.Push(flow.EthDst.All()), flow.Pop(flow.EthSrc.All()), flow.Pop(flow.EthDst.All()),
			flow.Move(src.All(), dst.All()), flow.SetField(src.Addr(a.address)),
			flow.SetField(flow.IPTTL.Is(timeToLive)),
		},
	}
	// The switch puts no packet out where it came in, unless it is said to have come from elsewhere.
	e.answer(out, pipeline.High, "the router answers an echo", pipeline.IngressConntrack,
		flow.Move(pipeline.SourcePort, pipeline.DestPort), flow.Load(pipeline.SourcePort, 0), flow.Load(flow.InPort.All(), 0))
	out.Flow(pipeline.RouterAddresses, pipeline.Normal, match, refuse(addressed), "router: it has no other service than answering echoes")
	if !facesOutside(r, a.router) {
		return
	}
	e.icmp = e.icmp.And(pipeline.SourcePort.Is(pipeline.Routed))
	e.answer(out, pipeline.High+2, "the router answers an echo from outside", pipeline.L2Lookup, flow.Load(pipeline.Router, 0))
}

// echo is how echoes to an address are told and answered.
type echo struct {
	icmp    flow.Match
	request flow.Constraint
	reply   flow.Action
	turn    []flow.Action
}

// answer turns echoes around and sends them back to a stage, where more than that is done to them.
func (e echo) answer(out *app.Output, priority uint16, reason string, back pipeline.Stage, more ...flow.Action) {
	later := slices.Concat(e.turn, more)
	do, doLater := flow.Do(append(slices.Clone(later), e.reply)...).Goto(back.Table()), flow.Do(later...).Goto(back.Table())
	out.Flow(pipeline.RouterAddresses, priority, e.icmp.And(e.request), do, reason)
	out.Flow(pipeline.RouterAddresses, priority+1, e.icmp.And(flow.IPFrag.Is(flow.FragAny)), do, reason+": the first fragment of it")
	out.Flow(pipeline.RouterAddresses, priority+1, e.icmp.And(flow.IPFrag.Is(flow.FragAny|flow.FragLater)), doLater, reason+": a later fragment of it")
}

// facesOutside reports whether hosts outside may send to a router on this chassis: by its external network, or by
// another one that is connected to a provider's.
func facesOutside(r *view.Reader, router string) bool {
	if comesIn(r, router) {
		return true
	}
	interfaces, _ := view.Find(r, view.InterfacesByRouter, router)
	return slices.ContainsFunc(interfaces, func(i *model.RouterInterface) bool {
		_, wired := view.Get(r, view.Wires, i.NetworkID)
		return wired == view.Present
	})
}
