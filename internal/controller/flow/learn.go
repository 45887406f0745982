package flow

import "encoding/binary"

// LearnFlow is the argument of [Learn]: the flow that the switch adds, or refreshes, when a packet meets the action.
type LearnFlow struct {
	Table         uint8
	Priority      uint16
	Cookie        uint64
	IdleTimeout   uint16 // seconds, 0: none
	HardTimeout   uint16 // seconds, 0: none
	DeleteLearned bool   // when the learning flow goes, what it learned goes, by table and cookie
	Limit         uint32 // most flows with this cookie in that table, 0: any number
	Specs         []LearnSpec
}

// LearnSpec is one part of a [LearnFlow]: what it matches, loads or outputs to.
type LearnSpec struct {
	kind uint16
	dst  SubField
	src  SubField // unless the kind has learnImmediate
	imm  Value
}

const (
	learnImmediate = 1 << 13
	learnMatch     = 0 << 11
	learnLoad      = 1 << 11
	learnOutput    = 2 << 11
	learnKinds     = learnImmediate | 3<<11
	learnBits      = 1<<11 - 1
)

// LearnMatch has the learned flow match dst on what src is in the present packet.
func LearnMatch(dst, src SubField) LearnSpec { return learnFrom(learnMatch, dst, src) }

// LearnMatchValue has the learned flow match a fixed value.
func LearnMatchValue(dst SubField, v uint64) LearnSpec { return learnFixed(learnMatch, dst, v) }

// LearnLoad has the learned flow load into dst what src is in the present packet.
func LearnLoad(dst, src SubField) LearnSpec {
	checkWritable(dst.Field)
	return learnFrom(learnLoad, dst, src)
}

// LearnLoadValue has the learned flow load a fixed value.
func LearnLoadValue(dst SubField, v uint64) LearnSpec {
	checkWritable(dst.Field)
	return learnFixed(learnLoad, dst, v)
}

// LearnOutput has the learned flow output to the port that src is in the present packet.
func LearnOutput(src SubField) LearnSpec {
	src.check()
	return LearnSpec{kind: learnOutput, src: src}
}

func learnFrom(kind uint16, dst, src SubField) LearnSpec {
	dst.check()
	src.check()
	if dst.Bits != src.Bits {
		panicf("learn %v from %v: different widths", dst, src)
	}
	return LearnSpec{kind: kind, dst: dst, src: src}
}

func learnFixed(kind uint16, dst SubField, v uint64) LearnSpec {
	dst.check()
	if dst.Bits < 64 && v>>dst.Bits != 0 {
		panicf("learn %v = %#x: too wide", dst, v)
	}
	return LearnSpec{kind: kind | learnImmediate, dst: dst, imm: Uint(v)}
}

// Learn adds or refreshes a flow made from the packet.
func Learn(l LearnFlow) Action {
	if l.Table == TableAll || len(l.Specs) == 0 {
		panicf("learn in table %d with %d parts", l.Table, len(l.Specs))
	}
	subtype := uint16(nxLearn)
	if l.Limit != 0 {
		subtype = nxLearn2
	}
	b := binary.BigEndian.AppendUint16(openNicira(subtype, 0), l.IdleTimeout)
	b = binary.BigEndian.AppendUint16(b, l.HardTimeout)
	b = binary.BigEndian.AppendUint16(b, l.Priority)
	b = binary.BigEndian.AppendUint64(b, l.Cookie)
	b = binary.BigEndian.AppendUint16(b, flag(l.DeleteLearned, 2))
	b = append(b, l.Table, 0, 0, 0, 0, 0) // no timeouts after FIN
	if l.Limit != 0 {
		b = binary.BigEndian.AppendUint32(b, l.Limit)
		b = append(b, 0, 0, 0, 0)
	}
	for _, s := range l.Specs {
		b = s.append(b)
	}
	return closeAction(b)
}

func (s LearnSpec) append(b []byte) []byte {
	bits := s.dst.Bits
	if s.kind == learnOutput {
		bits = s.src.Bits
	}
	b = binary.BigEndian.AppendUint16(b, s.kind|uint16(bits))
	if s.kind&learnImmediate != 0 {
		b = appendValue(b, s.imm, 2*((int(bits)+15)/16))
	} else {
		b = appendLearnField(b, s.src)
	}
	if s.kind != learnOutput {
		b = appendLearnField(b, s.dst)
	}
	return b
}

func appendLearnField(b []byte, s SubField) []byte {
	b = appendHeader(b, fields[s.Field].act, int(fields[s.Field].bytes), false)
	return binary.BigEndian.AppendUint16(b, uint16(s.Ofs))
}
