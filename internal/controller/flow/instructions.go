package flow

import "encoding/binary"

// Instructions is what a flow does with a packet: OpenFlow 1.4 §7.2.4. The zero Instructions drop it.
type Instructions struct{ wire string }

// Types of instructions.
const (
	insGoto     = 1
	insMetadata = 2
	insWrite    = 3
	insApply    = 4
	insClear    = 5
	insMeter    = 6
)

// MaxTable is the highest table that Open vSwitch has; TableAll, in a request, stands for each of them.
const (
	MaxTable = 254
	TableAll = 255
)

// Do applies actions in order. Further methods of Instructions add what follows.
func Do(actions ...Action) Instructions {
	n := 0
	for _, a := range actions {
		n += len(a.wire)
	}
	if n == 0 {
		return Instructions{}
	}
	if n > maxActions {
		panicf("actions of %d bytes, the most is %d", n, maxActions)
	}
	b := make([]byte, 0, 128)
	b = binary.BigEndian.AppendUint16(b, insApply)
	b = binary.BigEndian.AppendUint16(b, uint16(8+n))
	b = append(b, 0, 0, 0, 0)
	return Instructions{string(appendActions(b, actions))}
}

// Drop does nothing with the packet.
func Drop() Instructions { return Instructions{} }

// Goto goes on in a table, after the actions.
func Goto(table uint8) Instructions { return Instructions{}.Goto(table) }

// Goto goes on in a table, after the actions. OpenFlow goes only to a higher table: [Flow] checks.
func (i Instructions) Goto(table uint8) Instructions {
	if table == TableAll {
		panicf("goto table 255")
	}
	return i.with(insGoto, []byte{0, insGoto, 0, 8, table, 0, 0, 0})
}

// WriteMetadata sets the masked bits of the metadata, after the actions.
func (i Instructions) WriteMetadata(value, mask uint64) Instructions {
	if value&^mask != 0 || mask == 0 {
		panicf("write_metadata:%#x/%#x: the value has bits outside the mask, or there is none", value, mask)
	}
	b := []byte{0, insMetadata, 0, 24, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint64(b, value)
	return i.with(insMetadata, binary.BigEndian.AppendUint64(b, mask))
}

// Meter lets the packet go on only if it is within the rate of a meter, before the actions.
func (i Instructions) Meter(id uint32) Instructions {
	if id == 0 || id > MaxMeter {
		panicf("meter %#x", id)
	}
	return i.with(insMeter, binary.BigEndian.AppendUint32([]byte{0, insMeter, 0, 8}, id))
}

// with puts an instruction at its place, in the order in which Open vSwitch shows them: meter, actions, metadata, goto.
func (i Instructions) with(kind uint16, ins []byte) Instructions {
	b := make([]byte, 0, len(i.wire)+len(ins))
	done := false
	for rest := i.wire; rest != ""; {
		n := int(be16(rest[2:]))
		have := be16(rest)
		if have == kind {
			panicf("instruction %d is there already", kind)
		}
		if !done && rank(have) > rank(kind) {
			b, done = append(b, ins...), true
		}
		b, rest = append(b, rest[:n]...), rest[n:]
	}
	if !done {
		b = append(b, ins...)
	}
	return Instructions{string(b)}
}

// rank is the place of an instruction in a list.
func rank(kind uint16) int {
	switch kind {
	case insMeter:
		return 0
	case insApply:
		return 1
	case insClear:
		return 2
	case insWrite:
		return 3
	case insMetadata:
		return 4
	}
	return 5
}

// IsDrop reports whether nothing is done with the packet.
func (i Instructions) IsDrop() bool { return i.wire == "" }

// Wire returns the instructions as they are sent.
func (i Instructions) Wire() string { return i.wire }
