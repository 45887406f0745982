package openflow

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// Filter selects flows. The zero Filter selects all of them.
type Filter struct {
	OneTable   bool
	Table      uint8 // with OneTable
	Cookie     uint64
	CookieMask uint64 // flows whose cookie has these bits of Cookie
}

// FlowStats is a flow as a switch shows it.
type FlowStats struct {
	flow.Flow
	Packets, Bytes uint64
	Age            time.Duration // since it was added
	// Opaque holds the match and the instructions as they came where they have something that package flow cannot
	// express; then Flow lacks them. Dragonflow makes no such flow.
	Opaque []byte
}

// errStop ends an iteration early.
var errStop = errors.New("stop")

// Flows yields the flows of the switch that the filter selects. After an error it ends.
func (c *Conn) Flows(ctx context.Context, f Filter) iter.Seq2[FlowStats, error] {
	return func(yield func(FlowStats, error) bool) {
		err := c.multipart(ctx, mpFlow, f.append, func(body []byte) error {
			return records(body, flowStatsSize+4, func(record []byte) error {
				s, err := readFlowStats(record)
				if err == nil && !yield(s, nil) {
					err = errStop
				}
				return err
			})
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(FlowStats{}, fmt.Errorf("dump flows: %w", err))
		}
	}
}

// append writes the body of an OFPMP_FLOW request: OpenFlow 1.4 §7.3.5.2.
func (f Filter) append(b []byte) []byte {
	table := byte(flow.TableAll)
	if f.OneTable {
		table = f.Table
	}
	b = append(b, table, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, anyPort)
	b = binary.BigEndian.AppendUint32(b, anyGroup)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint64(b, f.Cookie)
	b = binary.BigEndian.AppendUint64(b, f.CookieMask)
	return appendMatch(b, flow.Match{})
}

// flowStatsSize is the length of a record before its match.
const flowStatsSize = 48

// readFlowStats reads one record, of at least flowStatsSize+4 bytes.
func readFlowStats(b []byte) (FlowStats, error) {
	s := FlowStats{
		Flow: flow.Flow{
			Table: b[2], Priority: binary.BigEndian.Uint16(b[12:]),
			IdleTimeout: binary.BigEndian.Uint16(b[14:]), HardTimeout: binary.BigEndian.Uint16(b[16:]),
			Cookie: binary.BigEndian.Uint64(b[24:]),
		},
		Age: age(b[4:]), Packets: binary.BigEndian.Uint64(b[32:]), Bytes: binary.BigEndian.Uint64(b[40:]),
	}
	match, rest, err := cutMatch(b[flowStatsSize:])
	if err != nil {
		return s, err
	}
	m, errMatch := flow.ParseMatch(match)
	i, errIns := flow.ParseInstructions(rest)
	if errMatch != nil || errIns != nil {
		s.Opaque = append([]byte(nil), b[flowStatsSize:]...)
		return s, nil
	}
	s.Match, s.Instructions = m, i
	return s, nil
}

func age(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b))*time.Second + time.Duration(binary.BigEndian.Uint32(b[4:]))
}

// cutMatch takes an ofp_match with its padding off the front of b.
func cutMatch(b []byte) (match, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, fmt.Errorf("%w: match of %d bytes", ErrProtocol, len(b))
	}
	kind, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	if kind != matchOXM || n < 4 || round8(n) > len(b) {
		return nil, nil, fmt.Errorf("%w: match of type %d with %d bytes in %d", ErrProtocol, kind, n, len(b))
	}
	return b[4:n], b[round8(n):], nil
}
