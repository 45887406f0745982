package openflow

import (
	"context"
	"encoding/binary"
	"fmt"
)

// multipart sends one OFPT_MULTIPART_REQUEST and gives the bodies of the replies to use, in the caller's goroutine, until
// the last one: OpenFlow 1.4 §7.3.5.
func (c *Conn) multipart(ctx context.Context, kind uint16, body func(b []byte) []byte, use func(body []byte) error) error {
	e := c.begin(1)
	defer c.finish(e)
	err := c.send(ctx, func(b []byte) []byte { return end(body(appendMultipart(b, e.first, kind)), len(b)) })
	if err != nil {
		return err
	}
	for {
		replies, err := c.news(ctx, e)
		if err != nil {
			return err
		}
		for _, r := range replies {
			last, err := part(kind, r.msg, use)
			if err != nil || last {
				return err
			}
		}
		if faults, _ := c.faulty(e); len(faults) > 0 {
			return faults[0].err
		}
	}
}

// part handles one reply and reports whether it is the last.
func part(kind uint16, msg []byte, use func(body []byte) error) (last bool, err error) {
	if len(msg) < multipartSize || msg[1] != typeMultipartRep || binary.BigEndian.Uint16(msg[8:]) != kind {
		return false, fmt.Errorf("%w: reply is not of multipart type %d", ErrProtocol, kind)
	}
	more := binary.BigEndian.Uint16(msg[10:])&multipartMore != 0
	return !more, use(msg[multipartSize:])
}

// records cuts a body into records that begin with their length, at least least bytes each.
func records(body []byte, least int, use func(record []byte) error) error {
	for len(body) > 0 {
		if len(body) < 2 {
			return fmt.Errorf("%w: %d bytes left in a reply", ErrProtocol, len(body))
		}
		n := int(binary.BigEndian.Uint16(body))
		if n < least || n > len(body) {
			return fmt.Errorf("%w: record of %d bytes in %d, at least %d", ErrProtocol, n, len(body), least)
		}
		if err := use(body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}
