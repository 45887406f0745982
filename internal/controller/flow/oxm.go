package flow

import "fmt"

// unknownField is the error for a header that no field of this package has.
type unknownField struct {
	class uint16
	field uint8
}

func (e unknownField) Error() string {
	return fmt.Sprintf("unknown OXM field %#04x:%d", e.class, e.field)
}

// text is what both wire forms are read from.
type text interface{ ~string | ~[]byte }

func be16[T text](b T) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

func be32[T text](b T) uint32 { return uint32(be16(b))<<16 | uint32(be16(b[2:])) }

func be64[T text](b T) uint64 { return uint64(be32(b))<<32 | uint64(be32(b[4:])) }

// number reads all of b, at most 16 bytes.
func number[T text](b T) (v Value) {
	if len(b) == 4 {
		return Value{Lo: uint64(be32(b))}
	}
	for i := range max(0, len(b)-8) {
		v.Hi = v.Hi<<8 | uint64(b[i])
	}
	for i := max(0, len(b)-8); i < len(b); i++ {
		v.Lo = v.Lo<<8 | uint64(b[i])
	}
	return v
}

// readHeader reads an OXM header and returns the number of bytes that it takes and of those that follow it.
func readHeader[T text](b T) (f Field, masked bool, head, body int, err error) {
	if len(b) < 4 {
		return 0, false, 0, 0, fmt.Errorf("OXM header of %d bytes", len(b))
	}
	h := header{class: be16(b), field: b[2] >> 1}
	masked, head, body = b[2]&1 != 0, 4, int(b[3])
	if h.class == classExp {
		if len(b) < 8 || body < 4 {
			return 0, false, 0, 0, fmt.Errorf("experimenter OXM header of %d bytes, body %d", len(b), body)
		}
		h.exp, head, body = be32(b[4:]), 8, body-4
	}
	f, ok := lookup(h)
	if !ok {
		return 0, masked, head, body, unknownField{h.class, h.field}
	}
	want := int(fields[f].bytes)
	if masked {
		want *= 2
	}
	if body != want {
		return 0, false, 0, 0, fmt.Errorf("OXM %v of %d bytes, not %d", f, body, want)
	}
	return f, masked, head, body, nil
}

// readOXM reads one field with its value and returns the number of bytes that it takes, also of an unknown one.
func readOXM[T text](b T) (Constraint, int, error) {
	f, masked, head, body, err := readHeader(b)
	if err != nil {
		return Constraint{}, head + body, err
	}
	if len(b) < head+body {
		return Constraint{}, 0, fmt.Errorf("OXM %v is cut off", f)
	}
	full, size := f.mask(), head+body
	c := Constraint{f, Value{}, full}
	if masked {
		c.Mask = number(b[head+body/2 : head+body])
		body /= 2
	}
	c.Value = number(b[head : head+body])
	if f == TCPFlags || f == CTState || f == IPFrag || f == IPv6Label || f == VLANVID {
		c.Mask = c.Mask.And(full) // Open vSwitch may set bits that the field does not have
		c.Value = c.Value.And(full)
	}
	if !c.Mask.AndNot(full).IsZero() || !c.Value.AndNot(c.Mask).IsZero() {
		return Constraint{}, 0, fmt.Errorf("OXM %v=%v/%v is not a value under its mask", f, c.Value, c.Mask)
	}
	return c, size, nil
}

// lookup finds the field of a header.
func lookup(h header) (Field, bool) {
	switch {
	case h.class == classNXM1 && h.field < 16:
		return Reg0 + Field(h.field), true
	case h.class == classOXM && int(h.field) < len(basicFields):
		return basicFields[h.field], basicFields[h.field] != noField
	}
	f, ok := byHeader[h]
	return f, ok
}

// basicFields is byHeader for the class that is in every match.
var basicFields = func() (t [64]Field) {
	for h, f := range byHeader {
		if h.class == classOXM && int(h.field) < len(t) {
			t[h.field] = f
		}
	}
	return t
}()

// canonical reports whether b is a match in the form that encodeMatch gives: then it needs no more than a copy.
func canonical(b []byte) bool {
	var room [64]byte
	last := noField
	for len(b) > 0 {
		c, n, err := readOXM(b)
		if err != nil || c.Field <= last || c.Field >= XXReg0 || c.Mask.IsZero() {
			return false
		}
		if string(appendOXM(room[:0], fields[c.Field].match, c)) != string(b[:n]) {
			return false
		}
		last, b = c.Field, b[n:]
	}
	return true
}
