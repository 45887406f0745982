package openflow

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
)

// Port is a port of the bridge: OpenFlow 1.4 §7.2.1.
type Port struct {
	Number   uint32
	Name     string
	MAC      [6]byte
	Down     bool // set so by an administrator
	LinkDown bool
}

// PortEvent says what happened to a port.
type PortEvent uint8

// The events.
const (
	PortAdded PortEvent = iota
	PortDeleted
	PortModified
)

// PortChange is an OFPT_PORT_STATUS.
type PortChange struct {
	Event PortEvent
	Port  Port
}

// Ports returns the bridge's ports.
func (c *Conn) Ports(ctx context.Context) ([]Port, error) {
	var list []Port
	err := c.multipart(ctx, mpPortDesc, noBody, func(body []byte) error {
		for len(body) > 0 {
			p, n, err := readPort(body)
			if err != nil {
				return err
			}
			list, body = append(list, p), body[n:]
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dump ports: %w", err)
	}
	return list, nil
}

// PortChanges returns the queue of changes, nil if the connection was opened without [Options.PacketIns]. If
// Stats counts dropped events, ask for Ports again.
func (c *Conn) PortChanges() <-chan PortChange { return c.ports }

// portSize is the length of an ofp_port without properties.
const portSize = 40

func readPort(b []byte) (Port, int, error) {
	if len(b) < portSize {
		return Port{}, 0, fmt.Errorf("%w: port of %d bytes", ErrProtocol, len(b))
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < portSize || n > len(b) {
		return Port{}, 0, fmt.Errorf("%w: port of %d bytes in %d", ErrProtocol, n, len(b))
	}
	name, _, _ := strings.Cut(string(b[16:32]), "\x00")
	return Port{
		Number: binary.BigEndian.Uint32(b), Name: name, MAC: [6]byte(b[8:14]),
		Down: b[35]&1 != 0, LinkDown: b[39]&1 != 0,
	}, n, nil
}

// portStatus notes an OFPT_PORT_STATUS.
func (c *Conn) portStatus(msg []byte) {
	if c.ports == nil {
		return
	}
	if len(msg) < headerSize+8+portSize || msg[8] > byte(PortModified) {
		c.count.malformed.Add(1)
		return
	}
	p, _, err := readPort(msg[headerSize+8:])
	if err != nil {
		c.count.malformed.Add(1)
		return
	}
	select {
	case c.ports <- PortChange{PortEvent(msg[8]), p}:
	default:
		c.count.droppedEvents.Add(1)
	}
}
