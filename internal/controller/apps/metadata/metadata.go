// Package metadata is the app that takes guests' requests for metadata, to 169.254.169.254 and fe80::a9fe:a9fe,
// to the service that this chassis gives itself, and the answers back.
//
// The service sees neither networks nor registers, and tenants use the same addresses. So a request gets a
// source address on its way that on this chassis only one port has, and by which alone the service knows whose it
// is: no header, no MAC address and no network of the guest's says anything. Both ways are rewritten without
// state: no connection tracker, nothing learned, nothing that a guest could fill.
package metadata

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "metadata", ID: 20,
		Rules: []app.Rule{app.For("metadata.port", view.LocalPorts, port)},
	}
}

// What a port may send to the service, in packets a second. A boot asks about thirty times, eight packets each.
const (
	admitted      = 1000
	admittedBurst = 2000
)

// port lets one port ask, as long as there is a service.
func port(r *view.Reader, p view.LocalPort, out *app.Output) {
	at, found := view.Get(r, view.MetadataPorts, view.MetadataPortKey)
	if found != view.Present {
		return
	}
	meter := r.Number(pipeline.MeterNumbers, "metadata/"+p.Port.ID)
	out.Meter(flow.NewMeter(meter, flow.PacketsPerSecond, admitted, admittedBurst))
	a := asker{LocalPort: p, service: at.OFPort, meter: meter}
	done := map[netip.Addr]bool{}
	for _, f := range p.Port.FixedIPs {
		if f.IPAddress.Is4() && !done[f.IPAddress] {
			a.v4(f.IPAddress, r.Number(pipeline.MetadataNumbers, p.Port.ID+"/"+f.IPAddress.String()), out)
		}
		done[f.IPAddress] = true
	}
	a.v6(out)
}

// asker is a port that may ask, the OpenFlow port of the service and the port's meter.
type asker struct {
	view.LocalPort
	service, meter uint32
}

// client tells the service who stands behind a source.
func (a asker) client(source netip.Prefix, own netip.Addr, out *app.Output) {
	app.Emit(out, view.MetadataClients, view.MetadataClient{
		Source: source, Address: own, PortID: a.Port.ID, DeviceID: a.Port.DeviceID, ProjectID: a.Port.ProjectID,
	})
}

// v4 exchanges the guest's address for one of 240.0.0.0/4, which no host anywhere has (RFC 1112 section 4).
func (a asker) v4(own netip.Addr, number uint32, out *app.Output) {
	n := 0xf0000000 | number
	source := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	a.client(netip.PrefixFrom(source, 32), own, out)
	a.ask(out, flow.SetField(flow.IPv4Src.Addr(source)), flow.IPv4(), flow.IPv4Src.Addr(own), flow.IPv4Dst.Addr(view.MetadataIPv4))
	a.answer(out, flow.SetField(flow.IPv4Dst.Addr(own)), flow.IPv4(), flow.IPv4Src.Addr(view.MetadataIPv4), flow.IPv4Dst.Addr(source))
}

// v6 exchanges the link-local prefix of whatever interface identifier the guest has chosen (RFC 4291 section
// 2.5.6, RFC 7217) for a prefix with the port's key, of the kind that no other site has (RFC 4193).
func (a asker) v6(out *app.Output) {
	const ours, linkLocal = 0xfddf << 48, 0xfe80 << 48
	own := netip.PrefixFrom(netip.MustParseAddr("fe80::"), 64)
	k := a.Key
	source := netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0xdf, 4: byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)}), 64)
	a.client(source, own.Addr(), out)
	a.ask(out, flow.Load(flow.IPv6Src.Part(64, 64), ours|uint64(k)), flow.IPv6(), flow.IPv6Src.Prefix(own), flow.IPv6Dst.Addr(view.MetadataIPv6))
	a.answer(out, flow.Load(flow.IPv6Dst.Part(64, 64), linkLocal), flow.IPv6(), flow.IPv6Src.Addr(view.MetadataIPv6), flow.IPv6Dst.Prefix(source))
}

// ask takes a request to the service. It goes to a MAC address that the device behind the port does not have:
// so the host's own network stack takes it for somebody else's, whatever its routes and its firewall are.
func (a asker) ask(out *app.Output, rewrite flow.Action, match ...flow.Constraint) {
	match = append(match, pipeline.SourcePort.Is(uint64(a.Key)), flow.IPFrag.Is(0), flow.IPProto.Is(flow.ProtoTCP), flow.TCPDst.Is(view.MetadataTCPPort))
	out.Flow(pipeline.MetadataRequest, pipeline.Normal, flow.NewMatch(match...),
		flow.Do(rewrite, flow.SetField(flow.EthDst.MAC(view.ServiceMAC)), flow.Output(a.service)).Meter(a.meter),
		"the port asks for metadata")
}

// answer gives an answer to the port.
func (a asker) answer(out *app.Output, rewrite flow.Action, match ...flow.Constraint) {
	match = append(match, flow.IPProto.Is(flow.ProtoTCP), flow.TCPSrc.Is(view.MetadataTCPPort))
	out.Flow(pipeline.MetadataReply, pipeline.Normal, flow.NewMatch(match...),
		flow.Do(
			rewrite,
			flow.SetField(flow.EthSrc.MAC(view.ServiceMAC)),
			flow.SetField(flow.EthDst.MAC(a.Port.MACAddress)),
			flow.Load(pipeline.Network, uint64(a.NetworkKey)),
			flow.Load(pipeline.DestPort, uint64(a.Key)),
		).Goto(pipeline.Deliver.Table()),
		"the service answers the port")
}
