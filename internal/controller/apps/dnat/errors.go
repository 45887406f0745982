package dnat

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// ICMP errors of a floating IP that the controller translates in a second, both ways together: path MTU discovery and
// traces need few.
const (
	errorRate  = 50
	errorBurst = 100
)

// Which way an error goes begins what tells the handler about it; the floating IP's id follows.
const (
	entering byte = 'I'
	leaving  byte = 'O'
)

// errorsOf has the controller translate what ICMP errors quote (RFC 5508 section 4.2): it is a packet that went the
// other way, and the switch translates headers only.
func errorsOf(r *view.Reader, f view.ServedFloatingIP, w ways, out *app.Output) {
	meter := r.Number(pipeline.MeterNumbers, "dnat/"+f.ID)
	out.Meter(flow.NewMeter(meter, flow.PacketsPerSecond, errorRate, errorBurst))
	punt := func(way byte) flow.Action {
		return flow.Controller(flow.Punt{ID: pipeline.ControllerID, Userdata: app.Userdata(appID, append([]byte{way}, f.ID...)...), Meter: meter})
	}
	for _, typ := range []uint8{packet.ICMPUnreachable, packet.ICMPTimeExceeded, packet.ICMPParameterProblem} {
		is := []flow.Constraint{flow.IPFrag.Is(0), flow.IPProto.Is(flow.ProtoICMP), flow.ICMPType.Is(uint64(typ))}
		const reason = "an ICMP error quotes a packet whose address is translated: the controller does it"
		out.Flow(pipeline.DNATInput, pipeline.High, w.in.And(is...), flow.Do(append(slices.Clone(w.enter), punt(entering))...), reason)
		out.Flow(pipeline.DNATOutput, pipeline.High, w.out.And(is...), flow.Do(append(slices.Clone(w.leave), punt(leaving))...), reason)
	}
}

var (
	errUserdata = errors.New("dnat: a packet of no flow of this app")
	errServed   = errors.New("dnat: the floating IP is not served here any more")
)

// packetIn translates what an ICMP error quotes and lets it go on. Its own header has been translated by the flow that
// sent it here.
func packetIn(r *view.Reader, in app.PacketIn) (app.Reply, error) {
	if len(in.Userdata) == 0 {
		return app.Reply{}, errUserdata
	}
	f, found := view.Get(r, view.ServedFloatingIPs, string(in.Userdata[1:]))
	if found != view.Present {
		return app.Reply{}, errServed
	}
	frame := bytes.Clone(in.Data)
	eth, err := packet.ParseEthernet(frame)
	if err != nil {
		return app.Reply{}, fmt.Errorf("dnat: %w", err)
	}
	through := []flow.Action{flow.Load(pipeline.Network, uint64(in.Network)), flow.Load(pipeline.SourcePort, pipeline.Routed)}
	var end packet.End
	var from, to netip.Addr
	switch in.Userdata[0] {
	case entering: // it is about what the port has sent
		end, from, to = packet.Source, f.Address, f.Fixed
		through = append(through, flow.Load(pipeline.Router, uint64(in.Router)), flow.Load(pipeline.CameBy, uint64(in.CameBy)),
			flow.Load(pipeline.AddressScope, scopeOf(r, f.PortNetworkID, f.Fixed)), flow.Resubmit(pipeline.RouterAddresses.Table()))
	case leaving: // it is about what the port was sent
		end, from, to = packet.Destination, f.Fixed, f.Address
		through = append(through, flow.Resubmit(pipeline.L2Lookup.Table()))
	default:
		return app.Reply{}, errUserdata
	}
	if err := packet.TranslateQuoted(eth.Payload, end, from, to); err != nil {
		return app.Reply{}, fmt.Errorf("dnat: floating IP %s: %w", f.ID, err)
	}
	return app.Reply{Packets: []app.PacketOut{{Data: frame, Through: through}}, Event: "error-translated"}, nil
}
