package dhcp

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/packet"
)

// UDP ports (RFC 2131 section 4.1, RFC 8415 section 7.2).
const (
	serverPort4 = 67
	clientPort4 = 68
	clientPort6 = 546
	serverPort6 = 547
)

const replyTTL = 64

// datagram is a UDP datagram with what is needed to answer it.
type datagram struct {
	eth      packet.Ethernet
	src, dst netip.Addr
	payload  []byte
}

// readUDP reads a frame that must be a whole datagram for a port.
func readUDP(frame []byte, etherType uint16, port uint16) (datagram, error) {
	eth, err := packet.ParseEthernet(frame)
	if err != nil {
		return datagram{}, err
	}
	if eth.EtherType != etherType {
		return datagram{}, ErrNotToServer
	}
	d := datagram{eth: eth}
	protocol, segment, err := d.readIP()
	if err != nil {
		return datagram{}, err
	}
	if protocol != packet.ProtocolUDP {
		return datagram{}, ErrNotToServer
	}
	u, err := packet.ParseUDP(d.src, d.dst, segment)
	if err != nil {
		return datagram{}, err
	}
	if u.DstPort != port {
		return datagram{}, ErrNotToServer
	}
	d.payload = u.Payload
	return d, nil
}

// readIP fills in the addresses and returns the upper layer packet.
func (d *datagram) readIP() (protocol uint8, segment []byte, err error) {
	if d.eth.EtherType == packet.EtherTypeIPv6 {
		p, err := packet.ParseIPv6(d.eth.Payload)
		if err != nil {
			return 0, nil, err
		}
		if p.IsFragment() {
			return 0, nil, ErrFragment
		}
		d.src, d.dst = p.Src, p.Dst
		return p.Protocol, p.Payload, nil
	}
	p, err := packet.ParseIPv4(d.eth.Payload)
	if err != nil {
		return 0, nil, err
	}
	if p.IsFragment() {
		return 0, nil, ErrFragment
	}
	d.src, d.dst = p.Src, p.Dst
	return p.Protocol, p.Payload, nil
}

// buildUDP returns a frame with one datagram.
func buildUDP(ethDst, ethSrc packet.MAC, src, dst netip.AddrPort, payload []byte) []byte {
	u := packet.UDP{SrcPort: src.Port(), DstPort: dst.Port(), Payload: payload}
	length := packet.UDPHeaderLength + len(payload)
	b := make([]byte, 0, packet.EthernetHeaderLength+packet.IPv6HeaderLength+length)
	if src.Addr().Is4() {
		b = packet.Ethernet{Dst: ethDst, Src: ethSrc, EtherType: packet.EtherTypeIPv4}.Append(b)
		b = packet.IPv4{TTL: replyTTL, Protocol: packet.ProtocolUDP, Src: src.Addr(), Dst: dst.Addr()}.Append(b, length)
	} else {
		b = packet.Ethernet{Dst: ethDst, Src: ethSrc, EtherType: packet.EtherTypeIPv6}.Append(b)
		b = packet.IPv6{HopLimit: replyTTL, NextHeader: packet.ProtocolUDP, Src: src.Addr(), Dst: dst.Addr()}.Append(b, length)
	}
	return u.Append(b, src.Addr(), dst.Addr())
}
