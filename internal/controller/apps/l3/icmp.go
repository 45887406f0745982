package l3

import (
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// refusal is why and where a packet was refused.
type refusal struct {
	cause  cause
	router string
	// way is that by which it came.
	way way
	// mtu is that which was too small.
	mtu int
}

// quiet says why a refused packet gets no answer. The values are constants, so that a flood costs nothing.
type quiet string

// Error implements the error interface.
func (q quiet) Error() string { return string(q) }

const (
	errNotIP       quiet = "neither IPv4 nor IPv6"
	errNotToBeTold quiet = "an error about this packet must not be sent"
	errNoAddress   quiet = "the router has no address that faces the sender"
	errCause       quiet = "no such cause"
)

// tell returns the frame that tells the sender of a refused one, and a word for what it says.
func (a refusal) tell(r *view.Reader, p view.LocalPort, frame []byte) ([]byte, string, error) {
	eth, err := packet.ParseEthernet(frame)
	if err != nil {
		return nil, "", err
	}
	back := packet.Ethernet{Dst: eth.Src, Src: a.senderMAC(r, p, eth.Dst), EtherType: eth.EtherType}
	return a.answer(r, back, eth.Payload)
}

// answer returns the frame with that header that tells of a refused packet.
func (a refusal) answer(r *view.Reader, header packet.Ethernet, about []byte) ([]byte, string, error) {
	b := header.Append(make([]byte, 0, packet.EthernetHeaderLength+1280))
	switch header.EtherType {
	case packet.EtherTypeIPv4:
		return a.tell4(r, b, about)
	case packet.EtherTypeIPv6:
		return a.tell6(r, b, about)
	}
	return nil, "", errNotIP
}

// tell4 answers an IPv4 packet (RFC 792, RFC 1812 section 4.3).
func (a refusal) tell4(r *view.Reader, b, about []byte) ([]byte, string, error) {
	p, err := packet.ParseIPv4(about)
	if err != nil {
		return nil, "", err
	}
	if !p.Refusable() || a.isBroadcast(r, p.Dst) || a.isBroadcast(r, p.Src) {
		return nil, "", errNotToBeTold
	}
	from := p.Dst
	if a.cause == addressed && p.Protocol == packet.ProtocolTCP {
		return reset(b, packet.IPv4{DontFragment: true, TTL: timeToLive, Protocol: packet.ProtocolTCP, Src: p.Dst, Dst: p.Src}, p.Payload)
	}
	if a.cause != addressed {
		var faces bool
		if from, faces = a.facing(r, p.Src); !faces {
			return nil, "", errNoAddress
		}
	}
	m, event, err := a.message4(p)
	if err != nil {
		return nil, "", err
	}
	return m.AppendError(b, from, p.Src, timeToLive, about[:len(about)-trailer4(about, p)]), event, nil
}

// trailer4 is how much of the frame's padding follows the packet.
func trailer4(b []byte, p packet.IPv4) int {
	return len(b) - packet.IPv4HeaderLength - len(p.Options) - len(p.Payload)
}

// message4 is the ICMP error of a cause.
func (a refusal) message4(p packet.IPv4) (packet.ICMP, string, error) {
	unreachable := func(code uint8, event string) (packet.ICMP, string, error) {
		return packet.ICMP{Type: packet.ICMPUnreachable, Code: code}, event, nil
	}
	switch a.cause {
	case expired:
		return packet.ICMP{Type: packet.ICMPTimeExceeded}, "time-exceeded", nil
	case noRoute:
		return unreachable(packet.ICMPNetUnreachable, "no-route")
	case noNeighbour:
		return unreachable(packet.ICMPHostUnreachable, "host-unreachable")
	case tooBig:
		m, event, err := unreachable(packet.ICMPFragmentationNeeded, "too-big")
		m.Rest = [4]byte{2: byte(a.mtu >> 8), 3: byte(a.mtu)} // RFC 1191 section 4
		return m, event, err
	case addressed:
		switch p.Protocol {
		case packet.ProtocolUDP:
			return unreachable(packet.ICMPPortUnreachable, "port-unreachable")
		case packet.ProtocolICMP:
			return packet.ICMP{}, "", errNotToBeTold // what is no echo is for nobody
		}
		return unreachable(packet.ICMPProtocolUnreachable, "protocol-unreachable")
	}
	return packet.ICMP{}, "", errCause
}

// tell6 answers an IPv6 packet (RFC 4443).
func (a refusal) tell6(r *view.Reader, b, about []byte) ([]byte, string, error) {
	p, err := packet.ParseIPv6(about)
	if err != nil {
		return nil, "", err
	}
	if !p.Refusable() {
		return nil, "", errNotToBeTold
	}
	if a.cause == addressed && p.Protocol == packet.ProtocolTCP {
		return reset6(b, packet.IPv6{HopLimit: timeToLive, NextHeader: packet.ProtocolTCP, Src: p.Dst, Dst: p.Src}, p.Payload)
	}
	from := p.Dst
	if a.cause != addressed {
		var faces bool
		if from, faces = a.facing(r, p.Src); !faces {
			return nil, "", errNoAddress
		}
	}
	typ, code, argument, event, err := a.message6(p)
	if err != nil {
		return nil, "", err
	}
	whole := packet.IPv6HeaderLength + len(p.Extensions) + len(p.Payload)
	return packet.AppendICMPv6Error(b, typ, code, argument, from, p.Src, timeToLive, about[:whole]), event, nil
}

// message6 is the ICMPv6 error of a cause.
func (a refusal) message6(p packet.IPv6) (typ, code uint8, argument uint32, event string, err error) {
	switch a.cause {
	case expired:
		return packet.ICMPv6TimeExceeded, 0, 0, "time-exceeded", nil
	case noRoute:
		return packet.ICMPv6Unreachable, packet.ICMPv6NoRoute, 0, "no-route", nil
	case noNeighbour:
		return packet.ICMPv6Unreachable, packet.ICMPv6AddressUnreachable, 0, "host-unreachable", nil
	case beyondScope:
		return packet.ICMPv6Unreachable, packet.ICMPv6BeyondScope, 0, "beyond-scope", nil
	case tooBig:
		return packet.ICMPv6PacketTooBig, 0, uint32(a.mtu), "too-big", nil
	case addressed:
		switch p.Protocol {
		case packet.ProtocolUDP:
			return packet.ICMPv6Unreachable, packet.ICMPv6PortUnreachable, 0, "port-unreachable", nil
		case packet.ProtocolICMPv6, packet.ProtocolNoNext:
			return 0, 0, 0, "", errNotToBeTold
		}
		return packet.ICMPv6ParameterProblem, packet.ICMPv6UnknownNextHeader, uint32(p.ProtocolAt()), "protocol-unreachable", nil
	}
	return 0, 0, 0, "", errCause
}

// reset answers a segment to the router itself.
func reset(b []byte, header packet.IPv4, segment []byte) ([]byte, string, error) {
	t, err := resetOf(segment)
	if err != nil {
		return nil, "", err
	}
	return t.Append(header.Append(b, packet.TCPHeaderLength), header.Src, header.Dst), "reset", nil
}

func reset6(b []byte, header packet.IPv6, segment []byte) ([]byte, string, error) {
	t, err := resetOf(segment)
	if err != nil {
		return nil, "", err
	}
	return t.Append(header.Append(b, packet.TCPHeaderLength), header.Src, header.Dst), "reset", nil
}

func resetOf(segment []byte) (packet.TCP, error) {
	t, err := packet.ParseTCP(segment)
	if err != nil {
		return packet.TCP{}, err
	}
	reset, ok := t.Reset()
	if !ok {
		return packet.TCP{}, errNotToBeTold
	}
	return reset, nil
}
