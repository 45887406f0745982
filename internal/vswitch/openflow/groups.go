package openflow

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// GroupStats counts what a group did.
type GroupStats struct {
	ID             uint32
	Flows          uint32 // that refer to it
	Packets, Bytes uint64
}

// Groups returns the group table.
func (c *Conn) Groups(ctx context.Context) ([]flow.GroupEntry, error) {
	var list []flow.GroupEntry
	err := c.multipart(ctx, mpGroupDesc, noBody, func(body []byte) error {
		return records(body, 8, func(b []byte) error {
			buckets, err := flow.ParseBuckets(b[8:])
			if err != nil {
				return fmt.Errorf("group %d: %w", binary.BigEndian.Uint32(b[4:]), err)
			}
			list = append(list, flow.GroupEntry{ID: binary.BigEndian.Uint32(b[4:]), Type: flow.GroupType(b[2]), Buckets: buckets})
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("dump groups: %w", err)
	}
	return list, nil
}

// GroupStats returns the counters of all groups.
func (c *Conn) GroupStats(ctx context.Context) ([]GroupStats, error) {
	var list []GroupStats
	all := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(b, allGroups), 0, 0, 0, 0) }
	err := c.multipart(ctx, mpGroup, all, func(body []byte) error {
		return records(body, 40, func(b []byte) error {
			list = append(list, GroupStats{
				ID: binary.BigEndian.Uint32(b[4:]), Flows: binary.BigEndian.Uint32(b[8:]),
				Packets: binary.BigEndian.Uint64(b[16:]), Bytes: binary.BigEndian.Uint64(b[24:]),
			})
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("dump group counters: %w", err)
	}
	return list, nil
}

const (
	allGroups = 0xfffffffc
	allMeters = 0xffffffff
)

func noBody(b []byte) []byte { return b }
