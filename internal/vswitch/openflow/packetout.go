package openflow

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// PacketOut is a packet that the switch shall handle: OpenFlow 1.4 §7.3.6.
type PacketOut struct {
	InPort  uint32 // 0: none
	Actions []flow.Action
	Data    []byte
}

// PacketOut sends a packet through actions. Loads to registers and metadata before a Resubmit give it the state that the pipeline expects. It
// returns when the message is queued; an error that the switch may have with it is counted in Stats.
func (c *Conn) PacketOut(ctx context.Context, p PacketOut) error {
	size := headerSize + 16 + len(p.Data)
	for _, a := range p.Actions {
		size += len(a.Wire())
	}
	if size > maxMessage {
		return fmt.Errorf("packet-out of %d bytes: the most is %d", size, maxMessage)
	}
	xid := c.begin(1)
	c.finish(xid) // nobody waits for an error
	err := c.send(ctx, func(b []byte) []byte { return appendPacketOut(b, xid.first, &p) })
	if err != nil {
		return fmt.Errorf("packet-out: %w", err)
	}
	c.count.sent.Add(1)
	return nil
}

func appendPacketOut(b []byte, xid uint32, p *PacketOut) []byte {
	start := len(b)
	b = begin(b, typePacketOut, xid)
	b = binary.BigEndian.AppendUint32(b, noBuffer)
	in := p.InPort
	if in == 0 {
		in = flow.PortController
	}
	b = binary.BigEndian.AppendUint32(b, in)
	at := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, a := range p.Actions {
		b = append(b, a.Wire()...)
	}
	binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-8))
	return end(append(b, p.Data...), start)
}

// Resume has the switch go on with a paused packet where it stopped. Do it once and soon.
func (c *Conn) Resume(ctx context.Context, p PacketIn) error {
	if !p.paused {
		return fmt.Errorf("resume: the packet-in has no continuation")
	}
	if experimenterSize+len(p.resume) > maxMessage {
		return fmt.Errorf("resume: %d bytes", len(p.resume))
	}
	e := c.begin(1)
	c.finish(e)
	err := c.send(ctx, func(b []byte) []byte {
		return end(append(beginNicira(b, nxResume, e.first), p.resume...), len(b))
	})
	if err != nil {
		return fmt.Errorf("resume a packet: %w", err)
	}
	c.count.sent.Add(1)
	return nil
}
