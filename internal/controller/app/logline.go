package app

import (
	"log/slog"
	"net/netip"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// LogLine is what is told of a packet that security groups let pass or dropped.
type LogLine struct {
	// Event is model.LogAccept or model.LogDrop, Direction is seen from the guest.
	Event     model.LogEvent
	Direction model.Direction
	// Logs are the ids of the logs that want it.
	Logs []string
	// Port is whose packet it is.
	Port view.LocalPort
	// From and To are the frame's addresses, EtherType its type.
	From, To  packet.MAC
	EtherType uint16
	// Source and Destination are not valid where the packet has none, or is malformed; then the rest is zero.
	Source, Destination netip.Addr
	Protocol            uint8
	// HasPorts says that SourcePort and DestinationPort are known, HasType that ICMP's Type and Code are: not in later
	// fragments.
	HasPorts, HasType           bool
	SourcePort, DestinationPort uint16
	Type, Code                  uint8
}

// Attrs returns the line's fields under fixed keys. None of their values is a text that a guest made.
func (l LogLine) Attrs() []slog.Attr {
	list := []slog.Attr{
		slog.String("event", string(l.Event)), slog.String("direction", string(l.Direction)), slog.Any("logs", l.Logs),
		slog.String("port", l.Port.Port.ID), slog.String("project", l.Port.Port.ProjectID),
		slog.String("source_mac", model.MAC(l.From).String()), slog.String("destination_mac", model.MAC(l.To).String()),
		slog.String("ethertype", "0x"+strconv.FormatUint(uint64(l.EtherType)|1<<16, 16)[1:]),
	}
	if !l.Source.IsValid() {
		return list
	}
	list = append(list, slog.String("source", l.Source.String()), slog.String("destination", l.Destination.String()),
		slog.String("protocol", protocolName(l.Protocol)))
	if l.HasPorts {
		list = append(list, slog.Int("source_port", int(l.SourcePort)), slog.Int("destination_port", int(l.DestinationPort)))
	}
	if l.HasType {
		list = append(list, slog.Int("icmp_type", int(l.Type)), slog.Int("icmp_code", int(l.Code)))
	}
	return list
}

// protocolName is a protocol's keyword as Neutron's rules have it, else its number.
func protocolName(p uint8) string {
	switch p {
	case packet.ProtocolICMP:
		return "icmp"
	case packet.ProtocolTCP:
		return "tcp"
	case packet.ProtocolUDP:
		return "udp"
	case packet.ProtocolICMPv6:
		return "ipv6-icmp"
	}
	return strconv.Itoa(int(p))
}
