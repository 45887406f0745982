package flow

import "math/bits"

// PortMask is an aligned block of ports: those that have Value in the bits of Mask.
type PortMask struct{ Value, Mask uint16 }

// PortMasks returns the fewest blocks that make the range of ports from first to last, both included; at most 30.
func PortMasks(first, last uint16) []PortMask {
	var list []PortMask
	for at := uint32(first); at <= uint32(last); {
		size := uint32(1) << min(bits.TrailingZeros32(at), 16)
		for at+size-1 > uint32(last) {
			size /= 2
		}
		list = append(list, PortMask{uint16(at), uint16(-int32(size))})
		at += size
	}
	return list
}
