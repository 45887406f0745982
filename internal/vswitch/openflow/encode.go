package openflow

import (
	"encoding/binary"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// Command says what a [FlowMod], [GroupMod] or [MeterMod] does.
type Command uint8

// The commands.
const (
	Add    Command = iota // a flow replaces one with the same key, counters stay; a group or meter must be new
	Modify                // must exist; a flow is matched strictly, its cookie stays as it is
	Delete                // a flow is matched strictly; what does not exist is no error
)

// String returns the command in lower case.
func (c Command) String() string {
	switch c {
	case Add:
		return "add"
	case Modify:
		return "modify"
	case Delete:
		return "delete"
	}
	return "unknown command"
}

// flowCommand is the number in a flow-mod: modify and delete are strict.
func (c Command) flowCommand() byte { return [...]byte{0, 2, 4}[c] }

// FlowMod is one change of a flow table.
type FlowMod struct {
	Command Command
	Flow    flow.Flow
}

// GroupMod is one change of the group table.
type GroupMod struct {
	Command Command
	Group   flow.GroupEntry // for Delete only the ID matters
}

// MeterMod is one change of the meter table.
type MeterMod struct {
	Command Command
	Meter   flow.MeterEntry // for Delete only the ID matters
}

// AppendFlowMod appends an OFPT_FLOW_MOD. It allocates only to grow b.
func AppendFlowMod(b []byte, xid uint32, m *FlowMod) []byte {
	start := len(b)
	b = begin(b, typeFlowMod, xid)
	b = binary.BigEndian.AppendUint64(b, m.Flow.Cookie)
	b = binary.BigEndian.AppendUint64(b, 0) // cookie mask: strict commands compare the key
	b = append(b, m.Flow.Table, m.Command.flowCommand())
	b = binary.BigEndian.AppendUint16(b, m.Flow.IdleTimeout)
	b = binary.BigEndian.AppendUint16(b, m.Flow.HardTimeout)
	b = binary.BigEndian.AppendUint16(b, m.Flow.Priority)
	b = binary.BigEndian.AppendUint32(b, noBuffer)
	b = binary.BigEndian.AppendUint32(b, anyPort)
	b = binary.BigEndian.AppendUint32(b, anyGroup)
	b = binary.BigEndian.AppendUint32(b, 0) // flags, importance
	b = appendMatch(b, m.Flow.Match)
	if m.Command != Delete {
		b = append(b, m.Flow.Instructions.Wire()...)
	}
	return end(b, start)
}

// appendMatch appends type, length and fields, padded.
func appendMatch(b []byte, m flow.Match) []byte {
	start, w := len(b), m.Wire()
	b = binary.BigEndian.AppendUint16(b, matchOXM)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(w)))
	return pad8(append(b, w...), start)
}

// appendBundleAdd appends an OFPT_BUNDLE_ADD_MESSAGE with a flow-mod of the same xid, as the specification wants.
func appendBundleAdd(b []byte, xid, bundle uint32, m *FlowMod) []byte {
	start := len(b)
	b = begin(b, typeBundleAdd, xid)
	b = binary.BigEndian.AppendUint32(b, bundle)
	b = binary.BigEndian.AppendUint32(b, bundleFlags)
	b = AppendFlowMod(b, xid, m)
	return end(b, start)
}

// bundleFlags asks for atomic and in order.
const bundleFlags = 3

func appendBundleControl(b []byte, xid, bundle uint32, what uint16) []byte {
	start := len(b)
	b = begin(b, typeBundleControl, xid)
	b = binary.BigEndian.AppendUint32(b, bundle)
	b = binary.BigEndian.AppendUint16(b, what)
	return end(binary.BigEndian.AppendUint16(b, bundleFlags), start)
}

// appendGroupMod appends an OFPT_GROUP_MOD.
func appendGroupMod(b []byte, xid uint32, m *GroupMod) []byte {
	start := len(b)
	b = begin(b, typeGroupMod, xid)
	b = binary.BigEndian.AppendUint16(b, uint16(m.Command))
	b = append(b, byte(m.Group.Type), 0)
	b = binary.BigEndian.AppendUint32(b, m.Group.ID)
	if m.Command != Delete {
		b = append(b, m.Group.Buckets.Wire()...)
	}
	return end(b, start)
}

// Flags of a meter, OpenFlow 1.4 §7.3.4.5, and the type of its one band.
const (
	meterKbps     = 1
	meterPackets  = 2
	meterBurst    = 4
	meterStats    = 8
	meterBandDrop = 1
	meterBandSize = 16
)

// appendMeterMod appends an OFPT_METER_MOD with a drop band.
func appendMeterMod(b []byte, xid uint32, m *MeterMod) []byte {
	start := len(b)
	b = begin(b, typeMeterMod, xid)
	b = binary.BigEndian.AppendUint16(b, uint16(m.Command))
	flags := uint16(meterStats | meterKbps)
	if m.Meter.Unit == flow.PacketsPerSecond {
		flags = meterStats | meterPackets
	}
	if m.Meter.Burst != 0 {
		flags |= meterBurst
	}
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint32(b, m.Meter.ID)
	if m.Command != Delete {
		b = append(b, 0, meterBandDrop, 0, meterBandSize)
		b = binary.BigEndian.AppendUint32(b, m.Meter.Rate)
		b = binary.BigEndian.AppendUint32(b, m.Meter.Burst)
		b = append(b, 0, 0, 0, 0)
	}
	return end(b, start)
}

// appendMultipart appends the header of an OFPT_MULTIPART_REQUEST.
func appendMultipart(b []byte, xid uint32, kind uint16) []byte {
	b = begin(b, typeMultipart, xid)
	b = binary.BigEndian.AppendUint16(b, kind)
	return append(b, 0, 0, 0, 0, 0, 0)
}
