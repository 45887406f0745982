package ipam

import (
	"net/netip"
	"slices"
)

// Compact returns the fewest prefixes that hold the same addresses, in order. All must be of one IP
// version and without host bits.
func Compact(prefixes []netip.Prefix) []netip.Prefix {
	sorted := slices.SortedFunc(slices.Values(prefixes), comparePrefixes)
	var out []netip.Prefix
	for _, p := range sorted {
		if n := len(out); n > 0 && out[n-1].Overlaps(p) { // the wider one comes first
			continue
		}
		out = append(out, p)
		for n := len(out); n > 1 && siblings(out[n-2], out[n-1]); n = len(out) {
			out = append(out[:n-2], netip.PrefixFrom(out[n-2].Addr(), out[n-2].Bits()-1))
		}
	}
	return out
}

// comparePrefixes orders by address, the wider prefix first.
func comparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

// siblings reports whether b is the second half of the prefix of which a is the first.
func siblings(a, b netip.Prefix) bool {
	if a.Bits() != b.Bits() || a.Bits() == 0 {
		return false
	}
	parent := netip.PrefixFrom(a.Addr(), a.Bits()-1).Masked()
	return parent.Addr() == a.Addr() && parent.Contains(b.Addr()) && a != b
}

// halves returns the two halves of a prefix that is no single address.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	low = netip.PrefixFrom(p.Addr(), p.Bits()+1)
	b := p.Addr().AsSlice()
	b[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	a, _ := netip.AddrFromSlice(b)
	return low, netip.PrefixFrom(a, p.Bits()+1)
}

// Free returns what prefixes leave of a compact set, as few prefixes as possible, in order. Used ones may
// overlap each other and lie outside.
func Free(set, used []netip.Prefix) []netip.Prefix {
	used = Compact(used)
	var out []netip.Prefix
	for _, p := range set {
		out = carve(out, p, used)
	}
	return out
}

// carve appends what compact used prefixes leave of p.
func carve(out []netip.Prefix, p netip.Prefix, used []netip.Prefix) []netip.Prefix {
	first, _ := slices.BinarySearchFunc(used, p, func(u, p netip.Prefix) int {
		if u.Overlaps(p) {
			return 0
		}
		return comparePrefixes(u, p)
	})
	used = used[first:]
	if len(used) == 0 || !used[0].Overlaps(p) {
		return append(out, p)
	}
	if used[0].Bits() <= p.Bits() {
		return out
	}
	low, high := halves(p)
	return carve(carve(out, low, used), high, used)
}

// Covers reports whether every address of p is in a compact set.
func Covers(set []netip.Prefix, p netip.Prefix) bool {
	return slices.ContainsFunc(set, func(s netip.Prefix) bool { return s.Bits() <= p.Bits() && s.Contains(p.Addr()) })
}

// PickPrefix chooses a free prefix of a length: the first one of the smallest gap that holds it, so that
// large gaps stay for large subnets. It reports false if there is none.
func PickPrefix(set, used []netip.Prefix, bits int) (netip.Prefix, bool) {
	best := netip.Prefix{}
	for _, f := range Free(set, used) {
		if f.Bits() <= bits && (!best.IsValid() || f.Bits() > best.Bits()) {
			best = f
		}
	}
	if !best.IsValid() {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(best.Addr(), bits), true
}
