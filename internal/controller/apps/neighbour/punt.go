package neighbour

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// packetIn notes who outside has an address that is looked for, and answers a solicitation that does not tell its
// sender's MAC address, from a guest that looks whether an address is free. Who sent that is told by the flow, not by
// the packet.
func packetIn(r *view.Reader, in app.PacketIn) (app.Reply, error) {
	if network, nextHop, ok := parseHeard(in.Userdata); ok {
		return hear(network, nextHop, in.Data)
	}
	from, ok := asker(r, in.Userdata)
	if !ok || from.OFPort != in.InPort {
		return app.Reply{}, errors.New("neighbour: a packet of a port that is not served here")
	}
	eth, err := packet.ParseEthernet(in.Data)
	if err != nil {
		return app.Reply{}, fmt.Errorf("neighbour: %w", err)
	}
	p, err := packet.ParseIPv6(eth.Payload)
	if err != nil {
		return app.Reply{}, fmt.Errorf("neighbour: %w", err)
	}
	ns, err := packet.ParseNeighborSolicitation(p)
	if err != nil {
		return app.Reply{}, fmt.Errorf("neighbour: %w", err)
	}
	owner, alone := ownerOf(r, from.Port.NetworkID, ns.Target)
	if !alone {
		return app.Reply{}, fmt.Errorf("neighbour: nobody alone has %s any more", ns.Target)
	}
	to, toMAC := p.Src, eth.Src
	if to.IsUnspecified() {
		to = netip.IPv6LinkLocalAllNodes()
		toMAC = packet.MulticastMAC(to)
	}
	frame := advertisement(owner, toMAC, to, !p.Src.IsUnspecified())
	return app.Reply{Packets: []app.PacketOut{app.To(from, frame)}, Event: "advertisement"}, nil
}

// asker is the port that a flow has named.
func asker(r *view.Reader, userdata []byte) (view.LocalPort, bool) {
	if len(userdata) == 0 || userdata[0] != isPort {
		return view.LocalPort{}, false
	}
	p, found := view.Get(r, view.LocalPorts, string(userdata[1:]))
	return p, found == view.Present
}

func advertisement(owner claim, toMAC packet.MAC, to netip.Addr, solicited bool) []byte {
	na := packet.NeighborAdvertisement{
		Router: owner.router, Solicited: solicited, Override: true, Target: owner.address,
		Options: packet.NDOptions(nil).AppendLinkAddr(packet.NDOptionTargetLinkAddr, owner.mac),
	}
	message := na.Append(nil, owner.address, to)
	b := packet.Ethernet{Dst: toMAC, Src: owner.mac, EtherType: packet.EtherTypeIPv6}.Append(nil)
	b = packet.IPv6{HopLimit: hopLimit, NextHeader: packet.ProtocolICMPv6, Src: owner.address, Dst: to}.Append(b, len(message))
	return append(b, message...)
}
