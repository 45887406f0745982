package openflow

import (
	"context"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// detached is a connection without a peer, with requests of each kind waiting.
func detached() *Conn {
	c := &Conn{opt: Options{MaxReply: 1 << 20}.withDefaults(), out: newOutbox(), done: make(chan struct{})}
	c.pins, c.ports = make(chan PacketIn, 4), make(chan PortChange, 4)
	c.begin(100)
	return c
}

// FuzzReceive gives the reader any bytes.
func FuzzReceive(f *testing.F) {
	f.Add([]byte{5, 2, 0, 8, 0, 0, 0, 1, 5, 3, 0, 8, 0, 0, 0, 0})
	f.Add([]byte{5, 1, 0, 12, 0, 0, 0, 3, 0, 1, 0, 2})
	f.Add(append([]byte{5, 4, 0, 28, 0, 0, 0, 0, 0, 0, 0x23, 0x20, 0, 0, 0, 30}, 0, 0, 0, 5, 'x', 0, 0, 0, 0, 7, 0, 4))
	f.Add(append([]byte{5, 12, 0, 56, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 40}, make([]byte, 34)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := detached()
		used, err := c.handleAll(b)
		if used < 0 || used > len(b) {
			t.Fatalf("used %d of %d bytes, %v", used, len(b), err)
		}
		e := c.exchanges[0]
		if _, err := c.news(canceled(), e); err == nil {
			if faults, _ := c.faulty(e); len(faults) > 0 {
				_ = faults[0].err.Error()
			}
		}
		for len(c.pins) > 0 {
			p := <-c.pins
			_, _ = p.InPort(), p.Metadata.String()
		}
	})
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// FuzzReplies gives every decoder of a reply any bytes.
func FuzzReplies(f *testing.F) {
	record := append(make([]byte, flowStatsSize), appendMatch(nil, flow.NewMatch(flow.Reg0.Is(5)))...)
	record[1] = byte(len(record))
	f.Add(record)
	f.Add([]byte{0, 40, 0, 0, 0, 40, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = records(b, flowStatsSize+4, func(r []byte) error {
			s, err := readFlowStats(r)
			if err == nil && s.Opaque == nil {
				_ = s.String()
			}
			return nil
		})
		_ = records(b, 8, func(r []byte) error {
			_ = readMeter(r)
			buckets, err := flow.ParseBuckets(r[8:])
			if err == nil {
				_ = buckets.All()
			}
			return nil
		})
		if len(b) >= meterStatsSize {
			_ = readMeterStats(b)
		}
		_, _, _ = readPort(b)
		_ = speaks(4, b)
		_, _ = part(mpFlow, b, func([]byte) error { return nil })
	})
}

// FuzzPacketIn gives the decoder of packet-ins any bytes.
func FuzzPacketIn(f *testing.F) {
	f.Add([]byte{0, 0, 0, 6, 1, 2, 0, 0, 0, 6, 0, 12, 0, 1, 12, 4, 0, 0, 0, 9, 0, 0, 0, 0, 0, 8, 0, 4, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := readPacketIn(b)
		if err == nil && (len(p.Data) > len(b) || p.FullLen < len(p.Data) || len(p.resume) > len(b)) {
			t.Fatalf("%+v from %d bytes", p, len(b))
		}
	})
}
