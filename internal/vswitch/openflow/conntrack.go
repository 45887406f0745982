package openflow

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
)

// ConntrackTuple selects connections by the packet that began them. Zero values select any, but a port needs a
// protocol. Addresses are exact: the switch knows no prefixes here.
type ConntrackTuple struct {
	Src, Dst         netip.Addr
	Proto            uint8
	SrcPort, DstPort uint16
	Reply            bool // the tuple is that of the replies
}

// FlushZone forgets all connections of a conntrack zone (NXT_CT_FLUSH_ZONE).
func (c *Conn) FlushZone(ctx context.Context, zone uint16) error {
	e := c.begin(1)
	err := c.send(ctx, func(b []byte) []byte {
		m := append(beginNicira(b, nxCTFlushZone, e.first), 0, 0, 0, 0, 0, 0)
		return end(binary.BigEndian.AppendUint16(m, zone), len(b))
	})
	if err = c.settle(ctx, e, err); err != nil {
		return fmt.Errorf("flush conntrack zone %d: %w", zone, err)
	}
	return nil
}

// Flush forgets the connections of a zone that a tuple selects (NXT_CT_FLUSH, Open vSwitch 3.1 and later).
func (c *Conn) Flush(ctx context.Context, zone uint16, t ConntrackTuple) error {
	e := c.begin(1)
	err := c.send(ctx, func(b []byte) []byte {
		m := append(beginNicira(b, nxCTFlush, e.first), t.Proto, 0, 0, 0, 0, 0, 0, 0)
		m = t.append(m)
		return end(appendProperty(m, ctZoneID, byte(zone>>8), byte(zone), 0, 0), len(b))
	})
	if err = c.settle(ctx, e, err); err != nil {
		return fmt.Errorf("flush conntrack zone %d, %+v: %w", zone, t, err)
	}
	return nil
}

// Properties of NXT_CT_FLUSH and of the tuples in it, nicira-ext.h.
const (
	ctOrigTuple  = 0
	ctReplyTuple = 1
	ctZoneID     = 2

	ctTupleSrc     = 0
	ctTupleDst     = 1
	ctTupleSrcPort = 2
	ctTupleDstPort = 3
)

// append writes the tuple as a property of properties, unless it selects everything.
func (t ConntrackTuple) append(b []byte) []byte {
	var in []byte
	for i, a := range [...]netip.Addr{t.Src, t.Dst} {
		if a.IsValid() {
			w := a.As16()
			in = appendProperty(in, ctTupleSrc+uint16(i), w[:]...)
		}
	}
	for i, p := range [...]uint16{t.SrcPort, t.DstPort} {
		if p != 0 {
			in = appendProperty(in, ctTupleSrcPort+uint16(i), byte(p>>8), byte(p), 0, 0)
		}
	}
	if len(in) == 0 {
		return b
	}
	kind := uint16(ctOrigTuple)
	if t.Reply {
		kind = ctReplyTuple
	}
	return appendProperty(b, kind, append(make([]byte, 4), in...)...)
}

// appendProperty writes type, length, data and padding that the length does not count.
func appendProperty(b []byte, kind uint16, data ...byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(data)))
	return pad8(append(b, data...), start)
}
