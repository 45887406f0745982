package openflow

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// MeterStats counts what a meter did.
type MeterStats struct {
	ID             uint32
	Flows          uint32 // that refer to it
	Packets, Bytes uint64 // that came to it
	Dropped        uint64 // packets beyond its rate
}

// Meters returns the meter table. Meters of another form than package flow has come with rate 0.
func (c *Conn) Meters(ctx context.Context) ([]flow.MeterEntry, error) {
	var list []flow.MeterEntry
	err := c.multipart(ctx, mpMeterConfig, everyMeter, func(body []byte) error {
		return records(body, 8, func(b []byte) error {
			list = append(list, readMeter(b))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("dump meters: %w", err)
	}
	return list, nil
}

// MeterStats returns the counters of all meters.
func (c *Conn) MeterStats(ctx context.Context) ([]MeterStats, error) {
	var list []MeterStats
	err := c.multipart(ctx, mpMeter, everyMeter, func(body []byte) error {
		for len(body) >= meterStatsSize {
			n := int(binary.BigEndian.Uint16(body[4:])) // the length comes second here
			if n < meterStatsSize || n > len(body) {
				return fmt.Errorf("%w: meter counters of %d bytes in %d", ErrProtocol, n, len(body))
			}
			list, body = append(list, readMeterStats(body[:n])), body[n:]
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("dump meter counters: %w", err)
	}
	return list, nil
}

const meterStatsSize = 40

func everyMeter(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, allMeters), 0, 0, 0, 0)
}

// readMeter reads a record of OFPMP_METER_CONFIG, at least 8 bytes.
func readMeter(b []byte) flow.MeterEntry {
	flags := binary.BigEndian.Uint16(b[2:])
	m := flow.MeterEntry{ID: binary.BigEndian.Uint32(b[4:])}
	if flags&meterPackets != 0 {
		m.Unit = flow.PacketsPerSecond
	}
	if len(b) == 8+meterBandSize && binary.BigEndian.Uint16(b[8:]) == meterBandDrop {
		m.Rate = binary.BigEndian.Uint32(b[12:])
		if flags&meterBurst != 0 {
			m.Burst = binary.BigEndian.Uint32(b[16:])
		}
	}
	return m
}

// readMeterStats reads a record of OFPMP_METER, at least 40 bytes.
func readMeterStats(b []byte) MeterStats {
	s := MeterStats{
		ID: binary.BigEndian.Uint32(b), Flows: binary.BigEndian.Uint32(b[12:]),
		Packets: binary.BigEndian.Uint64(b[16:]), Bytes: binary.BigEndian.Uint64(b[24:]),
	}
	if len(b) >= meterStatsSize+8 {
		s.Dropped = binary.BigEndian.Uint64(b[meterStatsSize:])
	}
	return s
}
