package l3

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
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
	turn := []flow.Action{
		flow.Push(flow.EthSrc.All()), flow.Push(flow.EthDst.All()), flow.Pop(flow.EthSrc.All()), flow.Pop(flow.EthDst.All()),
		flow.Move(src.All(), dst.All()), flow.SetField(src.Addr(a.address)),
		flow.SetField(flow.IPTTL.Is(timeToLive)),
		// The switch puts no packet out where it came in, unless it is said to have come from elsewhere.
		flow.Move(pipeline.SourcePort, pipeline.DestPort), flow.Load(pipeline.SourcePort, 0), flow.Load(flow.InPort.All(), 0),
	}
	icmp := flow.IPProto.Is(proto)
	answered := append(turn, flow.SetField(typ.Is(uint64(reply))))
	back := pipeline.IngressConntrack.Table()
	out.Flow(pipeline.RouterAddresses, pipeline.High, match.And(icmp, typ.Is(uint64(request))),
		flow.Do(answered...).Goto(back), "the router answers an echo")
	out.Flow(pipeline.RouterAddresses, pipeline.High+1, match.And(icmp, flow.IPFrag.Is(flow.FragAny)),
		flow.Do(answered...).Goto(back), "the router answers an echo: the first fragment of it")
	out.Flow(pipeline.RouterAddresses, pipeline.High+1, match.And(icmp, flow.IPFrag.Is(flow.FragAny|flow.FragLater)),
		flow.Do(turn...).Goto(back), "the router answers an echo: a later fragment of it")
	out.Flow(pipeline.RouterAddresses, pipeline.Normal, match, refuse(addressed), "router: it has no other service than answering echoes")
}
