package openflow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
)

// read receives messages until the connection ends. It runs nothing of a caller's.
func (c *Conn) read() error {
	buf := make([]byte, 128<<10)
	have := 0 // buf[:have] holds what was received and not yet handled
	for {
		n, err := c.receive(buf[have:])
		if err != nil {
			return err
		}
		have += n
		used, err := c.handleAll(buf[:have])
		if err != nil {
			return err
		}
		have = copy(buf, buf[used:have])
	}
}

// receive waits for bytes and asks a silent switch whether it is there.
func (c *Conn) receive(buf []byte) (int, error) {
	for asked := false; ; asked = true {
		if err := c.conn.SetReadDeadline(time.Now().Add(c.opt.ProbeInterval)); err != nil {
			return 0, err
		}
		n, err := c.conn.Read(buf)
		switch {
		case n > 0:
			return n, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return 0, err
		case asked:
			return 0, ErrSilent
		}
		c.out.push(func(b []byte) []byte { return end(begin(b, typeEchoRequest, 0), len(b)) })
	}
}

// handleAll handles the complete messages at the front of b and returns their length.
func (c *Conn) handleAll(b []byte) (used int, err error) {
	for len(b)-used >= headerSize {
		h := readHeader(b[used:])
		if h.version != version || h.length < headerSize {
			return used, fmt.Errorf("%w: message of version %d, type %d, %d bytes", ErrProtocol, h.version, h.kind, h.length)
		}
		if len(b)-used < h.length {
			return used, nil
		}
		if err := c.handle(h, b[used:used+h.length]); err != nil {
			return used, err
		}
		used += h.length
	}
	return used, nil
}

// handle gives one message to whom it concerns. It keeps none of msg.
func (c *Conn) handle(h header, msg []byte) error {
	c.count.received.Add(1)
	switch h.kind {
	case typeEchoRequest:
		if !c.out.push(func(b []byte) []byte { return appendEchoReply(b, h.xid, msg[headerSize:]) }) {
			return ErrStuck
		}
	case typeError:
		c.fault(h.xid, readError(msg[headerSize:]))
	case typeMultipartRep, typeBarrierReply, typeBundleControl:
		c.answer(h.xid, msg)
	case typeExperimenter:
		c.experimenter(msg)
	case typePortStatus:
		c.portStatus(msg)
	}
	return nil // an echo reply has done its work by arriving; the rest was not asked for
}

func appendEchoReply(b []byte, xid uint32, data []byte) []byte {
	start := len(b)
	return end(append(begin(b, typeEchoReply, xid), data...), start)
}

func (c *Conn) experimenter(msg []byte) {
	if len(msg) < experimenterSize || binary.BigEndian.Uint32(msg[8:]) != nicira || binary.BigEndian.Uint32(msg[12:]) != nxPacketIn2 {
		return
	}
	if c.pins == nil {
		return
	}
	pin, err := readPacketIn(bytes.Clone(msg[experimenterSize:]))
	if err != nil {
		c.count.malformed.Add(1)
		return
	}
	select {
	case c.pins <- pin:
		c.count.packetIns.Add(1)
	default:
		c.count.droppedPins.Add(1)
	}
}
