package operate

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// addressed finds for whom a frame is by what is written on it: the port of the network that has its
// destination's Ethernet address, a router, or everybody.
func (w World) addressed(a *asked) {
	p := a.sent()
	a.Probe = probeOf(p)
	network := a.src.Port.NetworkID
	const group = 1
	if a.DstMAC[0]&group != 0 {
		a.copied = true
		return
	}
	if w.interfaceHas(network, a.DstMAC) {
		a.router = w.routerWith(network, a.Dst)
		return
	}
	for _, to := range find(w, view.PortsByNetwork, network) {
		if to.MACAddress == model.MAC(a.DstMAC) {
			a.dst = to
			return
		}
	}
	a.copied = true // unknown unicast, or the address of a pair that several ports may have
}

// interfaceHas reports whether a router has an interface with an Ethernet address on a network.
func (w World) interfaceHas(network string, mac model.MAC) bool {
	for _, i := range find(w, view.InterfacesByNetwork, network) {
		if i.MACAddress == mac {
			return true
		}
	}
	return false
}

// probeOf is a packet in the terms of people.
func probeOf(p Packet) Probe {
	b := Probe{SrcMAC: macOf(p.Get(flow.EthSrc)), DstMAC: macOf(p.Get(flow.EthDst)), Proto: int(p.Get(flow.IPProto).Lo), TTL: int(p.Get(flow.IPTTL).Lo)}
	number := func(f flow.Field) int { return int(p.Get(f).Lo) }
	switch p.Get(flow.EthType).Lo {
	case flow.EthTypeIPv4:
		b.Src, b.Dst = v4Of(p.Get(flow.IPv4Src)), v4Of(p.Get(flow.IPv4Dst))
	case flow.EthTypeIPv6:
		b.Src, b.Dst = v6Of(p.Get(flow.IPv6Src)), v6Of(p.Get(flow.IPv6Dst))
	default:
		b.Proto = 0
		return b
	}
	switch b.Proto {
	case flow.ProtoTCP:
		b.SrcPort, b.DstPort = number(flow.TCPSrc), number(flow.TCPDst)
	case flow.ProtoUDP:
		b.SrcPort, b.DstPort = number(flow.UDPSrc), number(flow.UDPDst)
	case flow.ProtoSCTP:
		b.SrcPort, b.DstPort = number(flow.SCTPSrc), number(flow.SCTPDst)
	case flow.ProtoICMP:
		b.DstPort, b.Code = number(flow.ICMPType), number(flow.ICMPCode)
	case flow.ProtoICMPv6:
		b.DstPort, b.Code = number(flow.ICMPv6Type), number(flow.ICMPv6Code)
	}
	return b
}

func v4Of(v flow.Value) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v.Lo >> 24), byte(v.Lo >> 16), byte(v.Lo >> 8), byte(v.Lo)})
}

func v6Of(v flow.Value) netip.Addr { return netip.AddrFrom16([16]byte(appendValue(nil, v))) }
