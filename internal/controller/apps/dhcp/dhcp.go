package dhcp

import (
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/packet"
)

const appID = 7

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "dhcp", ID: appID,
		Rules: []app.Rule{
			app.For("dhcp.port", view.LocalPorts, port),
			app.For("dhcp.advertise", view.LocalPorts, advertises),
		},
		PacketIn:  packetIn,
		Tickers:   []app.Ticker{{Every: advertiseEvery, Send: advertise}},
		Announcer: &app.Announcer{Table: advertisers, Send: announce},
	}
}

// advertiseEvery is how often each served port hears a router advertisement unasked: so long may a change
// of a network's prefixes take to reach a running guest (RFC 4861 section 6.2.1 allows 4 s to 30 min).
const advertiseEvery = 3 * time.Minute

// What a port may ask, in packets a second. A boot takes about six; what is beyond the burst is dropped
// in the switch and asked again by the client.
const (
	punted      = 20
	puntedBurst = 40
)

// The services, as the first byte of a punting flow's userdata; the port's id follows.
const (
	askV4 byte = '4'
	askV6 byte = '6'
	askRA byte = 'r'
)

// port sends to the controller what one port asks of the services that it has.
func port(r *view.Reader, p view.LocalPort, out *app.Output) {
	s := servicesOf(r, p)
	for _, err := range s.problems {
		out.Problem(err.Error())
	}
	if s.v4 == nil && s.v6 == nil && len(s.prefixes) == 0 {
		return
	}
	meter := r.Number(pipeline.MeterNumbers, "dhcp/"+p.Port.ID)
	out.Meter(flow.NewMeter(meter, flow.PacketsPerSecond, punted, puntedBurst))
	punt := func(kind byte, reason string, match ...flow.Constraint) {
		match = append(match, pipeline.SourcePort.Is(uint64(p.Key)))
		out.Flow(pipeline.DHCP, pipeline.Normal, flow.NewMatch(match...), flow.Do(flow.Controller(flow.Punt{
			ID:       pipeline.ControllerID,
			Userdata: app.Userdata(appID, append([]byte{kind}, p.Port.ID...)...), Meter: meter,
		})), reason)
	}
	udp := flow.IPProto.Is(flow.ProtoUDP)
	if s.v4 != nil {
		to := []flow.Constraint{flow.IPv4(), udp, flow.UDPDst.Is(serverPort4)}
		punt(askV4, "the port has an address by DHCPv4",
			append(to, flow.IPv4Dst.Addr(netip.AddrFrom4([4]byte{255, 255, 255, 255})))...)
		punt(askV4, "the port renews its DHCPv4 lease", append(to, flow.IPv4Dst.Addr(s.v4.ServerID()))...)
		app.Emit(out, view.DHCPServers, view.DHCPServer{PortID: p.Port.ID, Address: s.v4.ServerID()})
	}
	if s.v6 != nil {
		punt(askV6, "the port has configuration by DHCPv6", flow.IPv6(), udp, flow.UDPDst.Is(serverPort6),
			flow.IPv6Dst.Addr(allServers6()))
	}
	if len(s.prefixes) > 0 {
		punt(askRA, "the network has prefixes to advertise", flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6),
			flow.ICMPv6Type.Is(uint64(packet.ICMPv6RouterSol)))
	}
}
