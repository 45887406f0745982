package packet

import (
	"fmt"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Summary is a frame in one line, for people who look for what went wrong.
func Summary(b []byte) string {
	p := decode(b)
	words := []string{}
	for _, l := range p.Layers() {
		if w := word(l, p); w != "" {
			words = append(words, w)
		}
	}
	for _, err := range checksums(p) {
		words = append(words, "BAD "+err.Error())
	}
	if err := malformed(p); err != nil {
		words = append(words, "BAD "+err.Error())
	}
	return fmt.Sprintf("%s (%d bytes)", strings.Join(words, ", "), len(b))
}

// Summaries is Summary of several frames, one a line.
func Summaries(frames [][]byte) string {
	if len(frames) == 0 {
		return "no frame"
	}
	lines := make([]string, len(frames))
	for i, b := range frames {
		lines[i] = Summary(b)
	}
	return strings.Join(lines, "\n")
}

func word(l gopacket.Layer, p gopacket.Packet) string {
	switch l := l.(type) {
	case *layers.Ethernet:
		return fmt.Sprintf("%v > %v", l.SrcMAC, l.DstMAC)
	case *layers.Dot1Q:
		return fmt.Sprintf("VLAN %d", l.VLANIdentifier)
	case *layers.ARP:
		if l.Operation == layers.ARPRequest {
			return fmt.Sprintf("ARP who has %v, tell %v at %s", fromSlice(l.DstProtAddress), fromSlice(l.SourceProtAddress), mac6(l.SourceHwAddress))
		}
		return fmt.Sprintf("ARP %v is at %s, to %v", fromSlice(l.SourceProtAddress), mac6(l.SourceHwAddress), fromSlice(l.DstProtAddress))
	case *layers.IPv4:
		return fmt.Sprintf("%v > %v ttl %d%s", l.SrcIP, l.DstIP, l.TTL, fragment(l))
	case *layers.IPv6:
		return fmt.Sprintf("%v > %v hops %d", l.SrcIP, l.DstIP, l.HopLimit)
	case *layers.ICMPv6NeighborSolicitation:
		return fmt.Sprintf("who has %v", l.TargetAddress)
	case *layers.ICMPv6NeighborAdvertisement:
		return fmt.Sprintf("%v is at %s flags %#x", l.TargetAddress, link(l.Options, layers.ICMPv6OptTargetAddress), l.Flags)
	case *layers.ICMPv4:
		return fmt.Sprintf("ICMP %v", l.TypeCode)
	case *layers.ICMPv6:
		return fmt.Sprintf("ICMPv6 %v", l.TypeCode)
	}
	return upper(l, p)
}

func fragment(l *layers.IPv4) string {
	if l.FragOffset == 0 && l.Flags&layers.IPv4MoreFragments == 0 {
		return ""
	}
	return fmt.Sprintf(" fragment at %d", 8*int(l.FragOffset))
}

func upper(l gopacket.Layer, p gopacket.Packet) string {
	switch l := l.(type) {
	case *layers.TCP:
		return fmt.Sprintf("TCP %d > %d [%s] seq %d ack %d, %d bytes of data", l.SrcPort, l.DstPort, flags(l), l.Seq, l.Ack, len(l.Payload))
	case *layers.UDP:
		text := fmt.Sprintf("UDP %d > %d, %d bytes of data", l.SrcPort, l.DstPort, len(l.Payload))
		if m, err := parseDHCPv4(p); err == nil {
			text += fmt.Sprintf(", DHCP %v your address %v", m.MessageType(), m.YourIPAddr)
		} else if m, err := parseDHCPv6(p); err == nil {
			text += fmt.Sprintf(", DHCPv6 %v", m.Type())
		}
		return text
	}
	return ""
}
