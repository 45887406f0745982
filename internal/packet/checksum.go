package packet

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Sum is a partial Internet checksum (RFC 1071): the ones' complement sum of 16-bit words, not yet
// complemented. The zero value is the sum of nothing.
type Sum uint16

// Add returns the sum continued over b. Only the last piece that is added may have an odd length.
func (s Sum) Add(b []byte) Sum {
	acc, carry := uint64(s), uint64(0)
	for len(b) >= 8 {
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var tail [8]byte
	copy(tail[:], b)
	acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(tail[:]), carry)
	acc, carry = bits.Add64(acc, 0, carry)
	return fold(acc + carry)
}

// AddUint16 returns the sum continued by one word.
func (s Sum) AddUint16(v uint16) Sum { return fold(uint64(s) + uint64(v)) }

// Checksum returns what goes into a checksum field that was zero while summing.
func (s Sum) Checksum() uint16 { return ^uint16(s) }

// Valid reports whether a sum over bytes that contain their checksum proves them intact.
func (s Sum) Valid() bool { return s == maxUint16 }

func fold(acc uint64) Sum {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return Sum(acc)
}

// Checksum returns the Internet checksum of b (RFC 1071).
func Checksum(b []byte) uint16 { return Sum(0).Add(b).Checksum() }

// UpdateChecksum returns a checksum after one of the words that it covers changed from old to new
// (RFC 1624 equation 3). For UDP over IPv4 the caller leaves a checksum of zero, "none", alone.
func UpdateChecksum(checksum, old, new uint16) uint16 {
	return Sum(^checksum).AddUint16(^old).AddUint16(new).Checksum()
}

// UpdateChecksumBytes is [UpdateChecksum] for a run of bytes that starts at an even offset, such as an
// address; old and new have the same, even, length.
func UpdateChecksumBytes(checksum uint16, old, new []byte) uint16 {
	removed := Sum(0).Add(old)
	return Sum(^checksum).AddUint16(^uint16(removed)).AddUint16(uint16(Sum(0).Add(new))).Checksum()
}

// pseudoHeader returns the sum over the pseudo header of RFC 768 or RFC 8200 section 8.1.
func pseudoHeader(src, dst netip.Addr, protocol uint8, length int) Sum {
	s := addAddr(addAddr(0, src), dst)
	return s.AddUint16(uint16(length >> 16)).AddUint16(uint16(length)).AddUint16(uint16(protocol))
}

func addAddr(s Sum, a netip.Addr) Sum {
	if a.Is4() {
		b := a.As4()
		return s.Add(b[:])
	}
	b := a.As16()
	return s.Add(b[:])
}
