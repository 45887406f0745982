package flow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// Match says which packets a flow is for. The zero Match is for all. It is the list of OXM fields of OpenFlow
// 1.4 §7.2.3 in the order and form in which Open vSwitch gives it back in a dump, so == compares what matters.
type Match struct{ oxm string }

// maxMatch bounds the fields of a match in bytes: the length on the wire has 16 bits and counts 4 bytes of header.
const maxMatch = 4096

// NewMatch demands all constraints. Constraints on different bits of the same field are merged; a demand that
// leaves all bits free is dropped. It panics if two constraints speak of the same bits or if a prerequisite is
// missing: TCPDst needs IPProto, which needs EthType.
func NewMatch(constraints ...Constraint) Match {
	var room [24]Constraint
	list := room[:0]
	for _, c := range constraints {
		list = place(list, c)
	}
	if err := prerequisites(list); err != nil {
		panic("flow: " + err.Error())
	}
	return encodeMatch(list)
}

// And demands more, as NewMatch does.
func (m Match) And(constraints ...Constraint) Match {
	all := make([]Constraint, 0, 16+len(constraints))
	for c := range m.Fields() {
		all = append(all, c)
	}
	return NewMatch(append(all, constraints...)...)
}

// Fields yields what is demanded, in the order of the Field constants.
func (m Match) Fields() iter.Seq[Constraint] {
	return func(yield func(Constraint) bool) {
		for rest := m.oxm; rest != ""; {
			c, n, err := readOXM(rest)
			if err != nil || !yield(c) {
				return
			}
			rest = rest[n:]
		}
	}
}

// Get returns the constraint on a field, if there is one.
func (m Match) Get(f Field) (Constraint, bool) {
	for c := range m.Fields() {
		if c.Field == f {
			return c, true
		}
	}
	return Constraint{}, false
}

// IsAll reports whether the match is for all packets.
func (m Match) IsAll() bool { return m.oxm == "" }

// Wire returns the OXM fields without header and padding.
func (m Match) Wire() string { return m.oxm }

// Compare orders matches in a stable way that means nothing.
func (m Match) Compare(o Match) int {
	switch {
	case m.oxm < o.oxm:
		return -1
	case m.oxm > o.oxm:
		return 1
	}
	return 0
}

// ParseMatch reads OXM fields, as a switch sends them, into canonical form. Only fields of this package are
// understood; anything else is an error. It keeps none of b.
func ParseMatch(b []byte) (Match, error) {
	if len(b) > maxMatch {
		return Match{}, fmt.Errorf("match of %d bytes is too long", len(b))
	}
	if canonical(b) {
		return Match{string(b)}, nil
	}
	var list []Constraint
	for rest := b; len(rest) > 0; {
		c, n, err := readOXM(rest)
		if err != nil {
			return Match{}, err
		}
		rest = rest[n:]
		if list, err = merge(list, c); err != nil {
			return Match{}, err
		}
	}
	return encodeMatch(list), nil
}

// ParseKnown is ParseMatch that leaves out fields which this package does not know, for the metadata of a packet-in.
func ParseKnown(b []byte) (Match, error) {
	if len(b) > maxMatch {
		return Match{}, fmt.Errorf("match of %d bytes is too long", len(b))
	}
	var list []Constraint
	for len(b) > 0 {
		c, n, err := readOXM(b)
		if errors.As(err, new(unknownField)) {
			if n > len(b) {
				return Match{}, fmt.Errorf("%w is cut off", err)
			}
			b = b[n:]
			continue
		}
		if err == nil {
			list, err = merge(list, c)
		}
		if err != nil {
			return Match{}, err
		}
		b = b[n:]
	}
	return encodeMatch(list), nil
}

// place inserts a constraint where it belongs.
func place(list []Constraint, c Constraint) []Constraint {
	list, err := merge(list, c)
	if err != nil {
		panic("flow: " + err.Error())
	}
	return list
}

// merge inserts a constraint into a sorted list; the 128-bit registers become the four that they are made of.
func merge(list []Constraint, c Constraint) ([]Constraint, error) {
	if c.Field < XXReg0 || c.Field > XXReg3 {
		return insert(list, c)
	}
	first, word := Reg0+4*(c.Field-XXReg0), ones(32)
	for i := range 4 {
		shift := 32 * (3 - i)
		var err error
		list, err = insert(list, Constraint{first + Field(i), c.Value.Shr(shift).And(word), c.Mask.Shr(shift).And(word)})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func insert(list []Constraint, c Constraint) ([]Constraint, error) {
	if c.Mask.IsZero() {
		return list, nil
	}
	i := len(list)
	for i > 0 && list[i-1].Field >= c.Field {
		i--
	}
	if i == len(list) || list[i].Field != c.Field {
		list = append(list, Constraint{})
		copy(list[i+1:], list[i:])
		list[i] = c
		return list, nil
	}
	have := &list[i]
	if !have.Mask.And(c.Mask).IsZero() {
		return nil, fmt.Errorf("%v is constrained twice: %v/%v and %v/%v", c.Field, have.Value, have.Mask, c.Value, c.Mask)
	}
	have.Value = have.Value.Or(c.Value)
	have.Mask = have.Mask.Or(c.Mask)
	return list, nil
}

func prerequisites(list []Constraint) error {
	var have context
	for _, c := range list {
		have.note(c)
	}
	for _, c := range list {
		if need := fields[c.Field].needs; !have.meets(need) {
			return fmt.Errorf("a match on %v needs %v", c.Field, need)
		}
	}
	return nil
}

func encodeMatch(list []Constraint) Match {
	var room [512]byte
	b := room[:0]
	for i := range list {
		b = appendOXM(b, fields[list[i].Field].match, list[i])
	}
	return Match{string(b)}
}

// hasMask reports whether the wire form carries a mask. Open vSwitch knows 8 of the 32 bits of ct_state and always
// says so.
func (c Constraint) hasMask() bool { return c.Mask != c.Field.mask() || c.Field == CTState }

// appendOXM writes header, value and mask: OpenFlow 1.4 §7.2.3.2.
func appendOXM(b []byte, h header, c Constraint) []byte {
	n := int(fields[c.Field].bytes)
	b = appendHeader(b, h, n, c.hasMask())
	b = appendValue(b, c.Value, n)
	if c.hasMask() {
		b = appendValue(b, c.Mask, n)
	}
	return b
}

// appendHeader writes the four or, for an experimenter's field, eight bytes before the value of n bytes.
func appendHeader(b []byte, h header, n int, masked bool) []byte {
	b = binary.BigEndian.AppendUint16(b, h.class)
	kind := h.field << 1
	if masked {
		kind |= 1
		n *= 2
	}
	if h.class == classExp {
		b = append(b, kind, byte(n+4))
		return binary.BigEndian.AppendUint32(b, h.exp)
	}
	return append(b, kind, byte(n))
}
