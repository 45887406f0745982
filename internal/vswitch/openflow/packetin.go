package openflow

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// PacketIn is a packet that a Controller action sent here (NXT_PACKET_IN2). Data comes from a guest: whoever
// parses it must expect anything.
type PacketIn struct {
	Data     []byte
	FullLen  int // of the packet, of which Data may be the beginning
	Table    uint8
	Cookie   uint64 // of the flow, all ones if the switch does not know it
	Reason   uint8  // OFPR_*, such as 1: an action
	Metadata flow.Match
	Userdata []byte

	paused bool
	resume []byte // the properties that NXT_RESUME sends back
}

// Paused reports whether the switch keeps the packet's state and waits for Resume.
func (p PacketIn) Paused() bool { return p.paused }

// InPort returns the port where the packet came from, 0 if unknown.
func (p PacketIn) InPort() uint32 {
	c, _ := p.Metadata.Get(flow.InPort)
	return uint32(c.Value.Lo)
}

// Register returns the content of a field of the metadata, such as flow.Reg6, 0 if it is not set.
func (p PacketIn) Register(f flow.Field) uint64 {
	c, _ := p.Metadata.Get(f)
	return c.Value.Lo
}

// Properties of NXT_PACKET_IN2, nicira-ext.h.
const (
	pinPacket = iota
	pinFullLen
	pinBufferID
	pinTable
	pinCookie
	pinReason
	pinMetadata
	pinUserdata
	pinContinuation
)

// readPacketIn reads the properties of NXT_PACKET_IN2 and keeps parts of b.
func readPacketIn(b []byte) (PacketIn, error) {
	p := PacketIn{Cookie: ^uint64(0), FullLen: -1}
	kept := b[:0:0]
	for len(b) > 0 {
		if len(b) < 4 {
			return p, fmt.Errorf("%w: property of %d bytes in a packet-in", ErrProtocol, len(b))
		}
		kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return p, fmt.Errorf("%w: property %d of %d bytes in %d in a packet-in", ErrProtocol, kind, n, len(b))
		}
		if err := p.property(kind, b[4:n]); err != nil {
			return p, err
		}
		size := min(round8(n), len(b))
		if kind != pinUserdata {
			kept = append(kept, b[:size]...)
		}
		b = b[size:]
	}
	if p.FullLen < len(p.Data) {
		p.FullLen = len(p.Data)
	}
	if p.paused {
		p.resume = kept
	}
	return p, nil
}

func (p *PacketIn) property(kind uint16, data []byte) error {
	short := false
	switch kind {
	case pinPacket:
		p.Data = data
	case pinFullLen:
		if short = len(data) < 4; !short {
			p.FullLen = int(binary.BigEndian.Uint32(data))
		}
	case pinTable:
		if short = len(data) < 1; !short {
			p.Table = data[0]
		}
	case pinCookie:
		if short = len(data) < 8; !short {
			p.Cookie = binary.BigEndian.Uint64(data[len(data)-8:])
		}
	case pinReason:
		if short = len(data) < 1; !short {
			p.Reason = data[0]
		}
	case pinMetadata:
		m, err := flow.ParseKnown(data)
		if err != nil {
			return fmt.Errorf("%w: metadata of a packet-in: %w", ErrProtocol, err)
		}
		p.Metadata = m
	case pinUserdata:
		p.Userdata = data
	case pinContinuation:
		p.paused = true
	}
	if short {
		return fmt.Errorf("%w: property %d of a packet-in has %d bytes", ErrProtocol, kind, len(data))
	}
	return nil
}

// PacketIns returns the queue of packet-ins, nil if the connection was opened without [Options.PacketIns]. It is not
// closed when the connection ends: wait for Done, too.
func (c *Conn) PacketIns() <-chan PacketIn { return c.pins }

// subscribe asks for packet-ins in the format that has userdata and metadata, addressed to this connection. On a
// management socket the switch sends nothing by itself before it is told how much of a missed packet to send.
func (c *Conn) subscribe(ctx context.Context) error {
	e := c.begin(3)
	err := c.send(ctx, func(b []byte) []byte {
		start := len(b)
		b = end(append(begin(b, typeSetConfig, e.first), 0, 0, 0xff, 0xff), start)
		start = len(b)
		b = beginNicira(b, nxSetPacketInFmt, e.first+1)
		b = end(binary.BigEndian.AppendUint32(b, nxPacketInFormat2), start)
		start = len(b)
		b = append(beginNicira(b, nxSetControllerID, e.first+2), 0, 0, 0, 0, 0, 0)
		return end(binary.BigEndian.AppendUint16(b, c.opt.ControllerID), start)
	})
	return c.settle(ctx, e, err)
}

// settle waits until the switch has done what the exchange was about and returns its first error.
func (c *Conn) settle(ctx context.Context, e *exchange, err error) error {
	defer c.finish(e)
	if err == nil {
		err = c.Barrier(ctx)
	}
	if faults, _ := c.faulty(e); err == nil && len(faults) > 0 {
		err = faults[0].err
	}
	return err
}
