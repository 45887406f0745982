package flow

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Value is an unsigned number of up to 128 bits, the content of a field in host order.
type Value struct{ Hi, Lo uint64 }

// Uint returns v as a Value.
func Uint(v uint64) Value { return Value{Lo: v} }

// IsZero reports whether no bit is set.
func (v Value) IsZero() bool { return v == Value{} }

// And returns the bits that are set in both.
func (v Value) And(w Value) Value { return Value{v.Hi & w.Hi, v.Lo & w.Lo} }

// Or returns the bits that are set in either.
func (v Value) Or(w Value) Value { return Value{v.Hi | w.Hi, v.Lo | w.Lo} }

// AndNot returns the bits of v that are not set in w.
func (v Value) AndNot(w Value) Value { return Value{v.Hi &^ w.Hi, v.Lo &^ w.Lo} }

// Shl shifts to the left by n bits.
func (v Value) Shl(n int) Value {
	switch {
	case n >= 128:
		return Value{}
	case n >= 64:
		return Value{Hi: v.Lo << (n - 64)}
	case n == 0:
		return v
	}
	return Value{v.Hi<<n | v.Lo>>(64-n), v.Lo << n}
}

// Shr shifts to the right by n bits.
func (v Value) Shr(n int) Value {
	switch {
	case n >= 128:
		return Value{}
	case n >= 64:
		return Value{Lo: v.Hi >> (n - 64)}
	case n == 0:
		return v
	}
	return Value{v.Hi >> n, v.Lo>>n | v.Hi<<(64-n)}
}

// MAC returns the low 48 bits as an Ethernet address.
func (v Value) MAC() [6]byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v.Lo)
	return [6]byte(b[2:])
}

// IPv4 returns the low 32 bits as an address.
func (v Value) IPv4() netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(v.Lo))
	return netip.AddrFrom4(b)
}

// IPv6 returns all 128 bits as an address.
func (v Value) IPv6() netip.Addr { return netip.AddrFrom16(v.bytes16()) }

// String returns the number in hexadecimal, as in "0x1f", or "0".
func (v Value) String() string { return string(appendHex(nil, v)) }

func (v Value) bytes16() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], v.Hi)
	binary.BigEndian.PutUint64(b[8:], v.Lo)
	return b
}

// ones has the low n bits set.
func ones(n int) Value {
	return Value{^uint64(0), ^uint64(0)}.Shr(128 - n)
}

// appendValue writes the low n bytes of v, most significant first.
func appendValue(b []byte, v Value, n int) []byte {
	switch n {
	case 1:
		return append(b, byte(v.Lo))
	case 2:
		return binary.BigEndian.AppendUint16(b, uint16(v.Lo))
	case 4:
		return binary.BigEndian.AppendUint32(b, uint32(v.Lo))
	case 6:
		return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(v.Lo>>32)), uint32(v.Lo))
	case 8:
		return binary.BigEndian.AppendUint64(b, v.Lo)
	}
	w := v.bytes16()
	return append(b, w[16-n:]...)
}

// readValue reads a number from the first 16 bytes of b or fewer.
func readValue(b []byte) Value {
	var w [16]byte
	copy(w[16-len(b):], b)
	return Value{binary.BigEndian.Uint64(w[:8]), binary.BigEndian.Uint64(w[8:])}
}

func macValue(m [6]byte) Value { return readValue(m[:]) }

func addrValue(a netip.Addr) Value {
	b := a.As16()
	if a.Is4() {
		return readValue(b[12:])
	}
	return readValue(b[:])
}

func appendHex(b []byte, v Value) []byte {
	if v.IsZero() {
		return append(b, '0')
	}
	if v.Hi != 0 {
		return fmt.Appendf(b, "0x%x%016x", v.Hi, v.Lo)
	}
	return fmt.Appendf(b, "0x%x", v.Lo)
}

// panicf reports a mistake in the code that builds a flow.
func panicf(format string, args ...any) {
	panic("flow: " + fmt.Sprintf(format, args...))
}
