package flow

// SubField is a range of bits of a field, such as bits 0 to 15 of a register.
type SubField struct {
	Field Field
	Ofs   uint8 // least significant bit
	Bits  uint8 // number of bits
}

// Part returns n bits of the field, from bit ofs upward.
func (f Field) Part(ofs, n int) SubField {
	s := SubField{f, uint8(ofs), uint8(n)}
	if ofs < 0 || n < 1 || ofs+n > f.Bits() {
		panicf("%v has no bits %d to %d", f, ofs, ofs+n-1)
	}
	return s
}

// All returns the whole field.
func (f Field) All() SubField { return SubField{f, 0, uint8(f.Bits())} }

// Is demands the value v of these bits.
func (s SubField) Is(v uint64) Constraint { return s.Masked(v, ones(int(s.Bits)).Lo) }

// Masked demands that, of these bits, those of mask are those of value.
func (s SubField) Masked(value, mask uint64) Constraint {
	s.check()
	if s.Bits < 64 && (value|mask)>>s.Bits != 0 {
		panicf("%v: %#x/%#x is wider", s, value, mask)
	}
	return s.Field.constrain(Uint(value).Shl(int(s.Ofs)), Uint(mask).Shl(int(s.Ofs)))
}

// Mask has the bits of the range set.
func (s SubField) Mask() Value { return ones(int(s.Bits)).Shl(int(s.Ofs)) }

// String returns the range as ovs-ofctl writes it: NXM_NX_REG0[0..15], NXM_NX_REG1[3], NXM_OF_ETH_SRC[].
func (s SubField) String() string { return string(appendSubField(nil, s)) }

func (s SubField) check() {
	if !s.valid() {
		panicf("bits %d+%d of %v do not exist", s.Ofs, s.Bits, s.Field)
	}
}

func (s SubField) valid() bool {
	return s.Field.Valid() && s.Bits > 0 && int(s.Ofs)+int(s.Bits) <= s.Field.Bits()
}
