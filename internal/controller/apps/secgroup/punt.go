package secgroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	wire "github.com/dragonflow/dragonflow/internal/packet"
)

var errUserdata = errors.New("secgroup: a packet to be logged of nobody")

// Protocols beside TCP and UDP whose ports come first, as theirs do (IANA).
const (
	protocolDCCP, protocolSCTP, protocolUDPLite = 33, 132, 136
)

// packetIn makes a line of a packet that a flow of logged sent here. Which logs want it is asked again: one may have gone
// since.
func packetIn(r *view.Reader, in app.PacketIn) (app.Reply, error) {
	if len(in.Userdata) < 3 {
		return app.Reply{}, errUserdata
	}
	line := app.LogLine{Event: model.LogAccept, Direction: model.Ingress}
	if in.Userdata[0] == model.LogDrop[0] {
		line.Event = model.LogDrop
	}
	if in.Userdata[1] == model.Egress[0] {
		line.Direction = model.Egress
	}
	p, found := view.Get(r, view.LocalPorts, string(in.Userdata[2:]))
	if found != view.Present {
		return app.Reply{}, errUserdata
	}
	line.Port = p
	for _, l := range logsOf(r, p.Port) {
		if l.Logs(line.Event) {
			line.Logs = append(line.Logs, l.ID)
		}
	}
	if len(line.Logs) == 0 {
		return app.Reply{Event: "unwanted"}, nil
	}
	if err := describe(&line, in.Data); err != nil {
		return app.Reply{}, fmt.Errorf("secgroup: log: %w", err)
	}
	return app.Reply{Lines: []app.LogLine{line}, Event: "logged"}, nil
}

// describe reads what a line tells of a frame, of which there may only be the beginning. What is malformed behind the
// Ethernet header is left out: the groups have judged it all the same.
func describe(line *app.LogLine, frame []byte) error {
	eth, err := wire.ParseEthernet(frame)
	if err != nil {
		return err
	}
	line.From, line.To, line.EtherType = eth.Src, eth.Dst, eth.EtherType
	switch eth.EtherType {
	case wire.EtherTypeIPv4:
		if p, err := wire.ParseIPv4Quoted(eth.Payload); err == nil {
			line.Source, line.Destination, line.Protocol = p.Src, p.Dst, p.Protocol
			describeUpper(line, p.Payload, p.FragmentOffset != 0)
		}
	case wire.EtherTypeIPv6:
		if p, err := wire.ParseIPv6(cut(eth.Payload)); err == nil {
			line.Source, line.Destination, line.Protocol = p.Src, p.Dst, p.Protocol
			describeUpper(line, p.Payload, p.FragmentOffset != 0)
		}
	}
	return nil
}

// cut returns an IPv6 packet whose length is not more than there is of it.
func cut(b []byte) []byte {
	const lengthAt = 4
	if len(b) < wire.IPv6HeaderLength || int(binary.BigEndian.Uint16(b[lengthAt:])) <= len(b)-wire.IPv6HeaderLength {
		return b
	}
	b = slices.Clone(b)
	binary.BigEndian.PutUint16(b[lengthAt:], uint16(len(b)-wire.IPv6HeaderLength))
	return b
}

// describeUpper reads ports or ICMP's type, which later fragments do not have.
func describeUpper(line *app.LogLine, b []byte, later bool) {
	const portsLength, typeLength = 4, 2
	switch line.Protocol {
	case wire.ProtocolTCP, wire.ProtocolUDP, protocolDCCP, protocolSCTP, protocolUDPLite:
		if line.HasPorts = !later && len(b) >= portsLength; line.HasPorts {
			line.SourcePort, line.DestinationPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		}
	case wire.ProtocolICMP, wire.ProtocolICMPv6:
		if line.HasType = !later && len(b) >= typeLength; line.HasType {
			line.Type, line.Code = b[0], b[1]
		}
	}
}
