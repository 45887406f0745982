package openflow

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// greet exchanges OFPT_HELLO: OpenFlow 1.4 §6.3.1. The switch must speak 1.4.
func greet(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { expire(conn) })
	defer stop()
	if _, err := conn.Write(appendHello(nil, 1)); err != nil {
		return because(ctx, err)
	}
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(conn, head); err != nil {
		return because(ctx, err)
	}
	h := readHeader(head)
	if h.kind != typeHello || h.length < headerSize || h.length > 1024 {
		return fmt.Errorf("%w: first message has type %d and %d bytes", ErrProtocol, h.kind, h.length)
	}
	body := make([]byte, h.length-headerSize)
	if _, err := io.ReadFull(conn, body); err != nil {
		return because(ctx, err)
	}
	if !speaks(h.version, body) {
		return fmt.Errorf("the bridge does not allow OpenFlow 1.4 (its hello says version %d): set protocols=OpenFlow14", h.version)
	}
	if !stop() {
		return context.Cause(ctx)
	}
	return nil
}

// expire has everything that waits on the connection fail at once.
func expire(conn net.Conn) {
	if conn.SetDeadline(time.Unix(1, 0)) != nil {
		return // it is closed: nothing waits
	}
}

// because prefers the context's reason to the deadline that it caused.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// appendHello offers 1.4 only.
func appendHello(b []byte, xid uint32) []byte {
	start := len(b)
	b = begin(b, typeHello, xid)
	b = append(b, 0, 1, 0, 8) // OFPHET_VERSIONBITMAP
	return end(binary.BigEndian.AppendUint32(b, 1<<version), start)
}

// speaks reports whether a hello allows 1.4: by its bitmap or, without one, by its version.
func speaks(v uint8, elements []byte) bool {
	for len(elements) >= 4 {
		kind, n := binary.BigEndian.Uint16(elements), int(binary.BigEndian.Uint16(elements[2:]))
		if n < 4 || n > len(elements) {
			return false
		}
		if kind == 1 {
			return n >= 8 && binary.BigEndian.Uint32(elements[4:])&(1<<version) != 0
		}
		elements = elements[min(round8(n), len(elements)):]
	}
	return v >= version
}
