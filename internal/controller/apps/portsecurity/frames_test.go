package portsecurity_test

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/packet"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func mac(last byte) packet.MAC { return packet.MAC{0xfa, 0x16, 0x3e, 0, 0, last} }

func ethernet(src, dst packet.MAC, kind uint16) []byte {
	return packet.Ethernet{Dst: dst, Src: src, EtherType: kind}.Append(nil)
}

// udp is a datagram between two addresses of one family.
func udp(src, dst packet.MAC, from, to string, sport, dport uint16) []byte {
	u := packet.UDP{SrcPort: sport, DstPort: dport, Payload: []byte("hello")}.Append(nil, addr(from), addr(to))
	if addr(from).Is4() {
		b := packet.IPv4{TTL: 64, Protocol: packet.ProtocolUDP, Src: addr(from), Dst: addr(to)}.
			Append(ethernet(src, dst, packet.EtherTypeIPv4), len(u))
		return append(b, u...)
	}
	return append(ipv6(src, dst, from, to, packet.ProtocolUDP, len(u)), u...)
}

func igmp(src packet.MAC, from string) []byte {
	report := []byte{0x16, 0, 0, 0, 224, 0, 0, 251}
	b := packet.IPv4{TTL: 1, Protocol: packet.ProtocolIGMP, Src: addr(from), Dst: addr("224.0.0.251")}.
		Append(ethernet(src, packet.MulticastMAC(addr("224.0.0.251")), packet.EtherTypeIPv4), len(report))
	return append(b, report...)
}

func ipv6(src, dst packet.MAC, from, to string, proto uint8, length int) []byte {
	return packet.IPv6{HopLimit: 255, NextHeader: proto, Src: addr(from), Dst: addr(to)}.
		Append(ethernet(src, dst, packet.EtherTypeIPv6), length)
}

// appender is an ICMPv6 message.
type appender interface {
	Append(b []byte, src, dst netip.Addr) []byte
}

func icmp6(src packet.MAC, from, to string, m appender) []byte {
	body := m.Append(nil, addr(from), addr(to))
	dst := mac(2)
	if addr(to).IsMulticast() {
		dst = packet.MulticastMAC(addr(to))
	}
	return append(ipv6(src, dst, from, to, packet.ProtocolICMPv6, len(body)), body...)
}

func solicit(target string, sll ...packet.MAC) appender {
	return packet.NeighborSolicitation{Target: addr(target), Options: links(packet.NDOptionSourceLinkAddr, sll)}
}

func advertise(target string, tll ...packet.MAC) appender {
	return packet.NeighborAdvertisement{Target: addr(target), Override: true, Options: links(packet.NDOptionTargetLinkAddr, tll)}
}

func links(kind uint8, macs []packet.MAC) packet.NDOptions {
	var o packet.NDOptions
	for _, m := range macs {
		o = o.AppendLinkAddr(kind, m)
	}
	return o
}

func mld(kind uint8) appender { return packet.ICMPv6{Type: kind, Body: make([]byte, 20)} }

func arp(src packet.MAC, op uint16, sha packet.MAC, spa, tpa string) []byte {
	return packet.ARP{Operation: op, SenderMAC: sha, SenderIP: addr(spa), TargetIP: addr(tpa)}.
		Append(ethernet(src, packet.Broadcast(), packet.EtherTypeARP))
}

// rarp asks for the addresses of a machine, as a hypervisor does where it has resumed one (RFC 903).
func rarp(src packet.MAC, op uint16, sha, tha packet.MAC) []byte {
	return packet.ARP{Operation: op, SenderMAC: sha, SenderIP: addr(any4), TargetMAC: tha, TargetIP: addr(any4)}.
		Append(ethernet(src, packet.Broadcast(), packet.EtherTypeRARP))
}

func other(src, dst packet.MAC, kind uint16) []byte {
	return append(ethernet(src, dst, kind), make([]byte, 46)...)
}
