package neighbour

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// packetIn notes who outside has an address that is looked for, and answers a solicitation that does not tell its sender's MAC address, from a guest that looks
// whether an address is free. Whose address it is comes with the flow.
func packetIn(_ *view.Reader, in app.PacketIn) (app.Reply, error) {
	if network, nextHop, ok := parseHeard(in.Userdata); ok {
		return hear(network, nextHop, in.Data)
	}
	owner, ok := parseOwner(in.Userdata)
	if !ok {
		return app.Reply{}, errors.New("neighbour: a packet without its address' owner")
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
	if ns.Target != owner.address {
		return app.Reply{}, fmt.Errorf("neighbour: a solicitation for %s came to the flow of %s", ns.Target, owner.address)
	}
	to, toMAC := p.Src, eth.Src
	if to.IsUnspecified() {
		to = netip.IPv6LinkLocalAllNodes()
		toMAC = packet.MulticastMAC(to)
	}
	frame := advertisement(owner, toMAC, to, !p.Src.IsUnspecified())
	return app.Reply{Packets: []app.PacketOut{{OFPort: in.InPort, Data: frame}}, Event: "advertisement"}, nil
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
