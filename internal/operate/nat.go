package operate

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// translate is what the connection tracker does to a packet's addresses, ovs-actions(7), "nat": it returns what that
// adds to the state. That a port is free for the connection is assumed. Only addresses of IPv4 are translated.
func (w *walker) translate(nat *flow.NAT, zone uint16, state uint64, p Packet) uint64 {
	first, known := w.trace.sources[zone]
	switch {
	case nat == nil, state&flow.CTInv != 0:
	case w.Reply && known:
		p.write(flow.IPv4Dst.All(), first)
		return flow.CTDNAT
	case !w.Reply && nat.Src && nat.Min.Is4():
		w.trace.sources[zone] = p.Get(flow.IPv4Src)
		p.set(flow.IPv4Src, flow.IPv4Src.Addr(nat.Min).Value, flow.Uint(1<<32-1))
		return flow.CTSNAT
	case !w.Reply && nat.Dst && nat.Min.Is4():
		w.trace.Redirected = true
		p.set(flow.IPv4Dst, flow.IPv4Dst.Addr(nat.Min).Value, flow.Uint(1<<32-1))
		for proto, port := range map[uint64]flow.Field{flow.ProtoTCP: flow.TCPDst, flow.ProtoUDP: flow.UDPDst} {
			if nat.MinPort != 0 && p.Get(flow.IPProto) == flow.Uint(proto) {
				p.set(port, flow.Uint(uint64(nat.MinPort)), whole(port))
			}
		}
		return flow.CTDNAT
	}
	return 0
}

// TraceStates are the arguments that tell Open vSwitch's ofproto/trace what the connection tracker says of a packet,
// the [Trace.States] of a walk, if its sender's address is translated: by itself it takes every connection for new
// and untranslated.
func TraceStates(states []string) (args []string) {
	if !slices.ContainsFunc(states, func(state string) bool { return strings.Contains(state, "nat") }) {
		return nil
	}
	for _, state := range states {
		args = append(args, "--ct-next", state)
	}
	return args
}

// beyond says as whose a packet leaves for a physical network, if its sender's address was translated, and whether
// an answer from there comes back to the sender.
func (q *inquiry) beyond(ctx context.Context, a *asked, j *Journey, e end) (string, error) {
	as := addrOf(e.packet, flow.IPv4Src, flow.IPv6Src)
	if !a.Src.IsValid() || as == a.Src || a.frame != nil {
		return "", nil
	}
	text := fmt.Sprintf(", from %s in place of %s", as, a.Src)
	if a.isICMP() && a.DstPort != 8 {
		return text, nil
	}
	site, err := q.site(ctx, e.leg.Chassis)
	if err != nil {
		return "", err
	}
	back := a.Reply()
	back.SrcMAC, back.DstMAC, back.Dst = macOf(e.packet.Get(flow.EthDst)), macOf(e.packet.Get(flow.EthSrc)), as
	p := back.Packet(e.OFPort)
	p.set(flow.VLANVID, e.packet.Get(flow.VLANVID), whole(flow.VLANVID))
	way, err := q.travel(ctx, site, p, Assumptions{Connection: Connection{Reply: true}}, j.connections())
	if err != nil {
		return "", err
	}
	for _, o := range way.ends() {
		if o.Kind == Delivered && o.port != nil && o.port.ID == a.src.Port.ID {
			return text + "; answers come back to it", nil
		}
		text += "; but answers do not come back: " + o.String() + way.on(o.leg)
	}
	return text, nil
}

// arrived is the packet asked about as it was at an end, after what was translated on its way.
func (a *asked) arrived(o *Outcome) Probe {
	b := a.Probe
	if !a.Src.IsValid() {
		return b
	}
	b.Src, b.Dst = addrOf(o.packet, flow.IPv4Src, flow.IPv6Src), addrOf(o.packet, flow.IPv4Dst, flow.IPv6Dst)
	ports := map[int][2]flow.Field{flow.ProtoTCP: {flow.TCPSrc, flow.TCPDst}, flow.ProtoUDP: {flow.UDPSrc, flow.UDPDst}, flow.ProtoSCTP: {flow.SCTPSrc, flow.SCTPDst}}
	if pair, has := ports[b.Proto]; has {
		b.SrcPort, b.DstPort = int(o.packet.Get(pair[0]).Lo), int(o.packet.Get(pair[1]).Lo)
	}
	return b
}

// translated says which addresses a packet had at an end instead of those that it was sent with.
func (a *asked) translated(o *Outcome) string {
	if !a.Src.IsValid() || a.frame != nil {
		return ""
	}
	text, b := "", a.arrived(o)
	if b.Src != a.Src {
		text = fmt.Sprintf(", from %s in place of %s", b.Src, a.Src)
	}
	if b.Dst != a.Dst || b.DstPort != a.DstPort {
		text += fmt.Sprintf(", to %s in place of %s", b.end(), a.end())
	}
	return text
}

// end is where a packet goes, with its port.
func (b Probe) end() string {
	if b.Proto != flow.ProtoTCP && b.Proto != flow.ProtoUDP && b.Proto != flow.ProtoSCTP {
		return b.Dst.String()
	}
	return netip.AddrPortFrom(b.Dst, uint16(b.DstPort)).String()
}

// turned reports whether what the switch sent back to the sender is the packet itself, and no answer to it: that goes
// from the port to which the packet went, or is of another ICMP type.
func (e end) turned() bool {
	first := e.leg.Steps[0].packet
	return e.Kind == Answered && !slices.ContainsFunc(upperFields(), func(f flow.Field) bool { return first.Get(f) != e.packet.Get(f) })
}
