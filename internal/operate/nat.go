package operate

import "github.com/dragonflow/dragonflow/internal/controller/flow"

// translate is what the connection tracker does to a packet's addresses, ovs-actions(7), "nat": it returns what that
// adds to the state. That a port is free for the connection is assumed. Only sources of IPv4 are translated.
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
	}
	return 0
}
