package packet

import "net/netip"

// Announcement tells all of a link that an address is at a router's MAC address now, whatever they knew: by a gratuitous ARP
// request (RFC 5227 section 2.3), or an unsolicited neighbour advertisement that overrides (RFC 4861 section 7.2.6). It
// returns whom the frame is for, its EtherType, and what follows that.
func Announcement(mac MAC, a netip.Addr) (to MAC, etherType uint16, payload []byte) {
	if a.Is4() {
		return Broadcast(), EtherTypeARP, ARP{Operation: ARPRequest, SenderMAC: mac, SenderIP: a, TargetIP: a}.Append(nil)
	}
	const hopLimit = 255 // RFC 4861 section 7.1.2: it was not routed
	all := netip.IPv6LinkLocalAllNodes()
	message := NeighborAdvertisement{
		Router: true, Override: true, Target: a, Options: NDOptions(nil).AppendLinkAddr(NDOptionTargetLinkAddr, mac),
	}.Append(nil, a, all)
	header := IPv6{HopLimit: hopLimit, NextHeader: ProtocolICMPv6, Src: a, Dst: all}.Append(nil, len(message))
	return MulticastMAC(all), EtherTypeIPv6, append(header, message...)
}
