package ipam_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func texts(l []netip.Prefix) []string {
	out := make([]string, len(l))
	for i, p := range l {
		out[i] = p.String()
	}
	return out
}

func TestPrefixArithmetic(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ set, used, free []string }{
		{[]string{"10.0.0.0/24"}, nil, []string{"10.0.0.0/24"}},
		{[]string{"10.0.0.0/24"}, []string{"10.0.0.0/25"}, []string{"10.0.0.128/25"}},
		{[]string{"10.0.0.0/24"}, []string{"10.0.0.64/26", "10.9.0.0/16"}, []string{"10.0.0.0/26", "10.0.0.128/25"}},
		{[]string{"10.0.0.0/24"}, []string{"10.0.0.0/8"}, []string{}},
		{[]string{"10.0.0.0/25", "10.0.0.128/25", "10.0.0.7/32"}, nil, []string{"10.0.0.0/24"}},
		{[]string{"2001:db8::/62"}, []string{"2001:db8:0:1::/64"}, []string{"2001:db8::/64", "2001:db8:0:2::/63"}},
		{[]string{"0.0.0.0/0"}, []string{"128.0.0.0/1"}, []string{"0.0.0.0/1"}},
		{[]string{"10.0.0.1/32"}, []string{"10.0.0.1/32"}, []string{}},
	} {
		got := ipam.Free(ipam.Compact(prefixes(x.set...)), prefixes(x.used...))
		if diff := cmp.Diff(x.free, texts(got)); diff != "" {
			t.Errorf("%v without %v: %s", x.set, x.used, diff)
		}
	}
	set := prefixes("10.0.0.0/16", "10.2.0.0/24")
	for _, x := range []struct {
		bits int
		want string
	}{{24, "10.2.0.0/24"}, {25, "10.2.0.0/25"}, {17, "10.0.128.0/17"}, {18, "10.0.64.0/18"}} {
		if got, ok := ipam.PickPrefix(set, prefixes("10.0.0.0/18"), x.bits); !ok || got.String() != x.want {
			t.Errorf("/%d: %v, want %s", x.bits, got, x.want)
		}
	}
	if got, ok := ipam.PickPrefix(set, prefixes("10.0.0.0/18"), 16); ok {
		t.Errorf("%v was given though in use", got)
	}
}

// In a space of 256 addresses the sets are compared address by address.
func TestPrefixesByAddress(t *testing.T) {
	t.Parallel()
	draw := func(t *rapid.T, name string) []netip.Prefix {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) netip.Prefix {
			a := netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, "host")})
			return netip.PrefixFrom(a, rapid.IntRange(24, 32).Draw(t, "bits")).Masked()
		}), 0, 12).Draw(t, name)
	}
	has := func(l []netip.Prefix, a netip.Addr) bool {
		return slices.ContainsFunc(l, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	rapid.Check(t, func(t *rapid.T) {
		all, used := draw(t, "set"), draw(t, "used")
		set := ipam.Compact(all)
		free := ipam.Free(set, used)
		if !slices.Equal(ipam.Compact(free), free) || !slices.Equal(ipam.Compact(set), set) {
			t.Fatalf("not compact: %v, %v", set, free)
		}
		for i := range 256 {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
			if has(set, a) != has(all, a) || has(free, a) != (has(all, a) && !has(used, a)) {
				t.Fatalf("%s: %v compact %v without %v is %v", a, all, set, used, free)
			}
			if single := netip.PrefixFrom(a, 32); ipam.Covers(set, single) != has(all, a) {
				t.Fatalf("%s in %v", a, set)
			}
		}
		bits := rapid.IntRange(24, 32).Draw(t, "bits")
		got, ok := ipam.PickPrefix(set, used, bits)
		possible := slices.ContainsFunc(free, func(f netip.Prefix) bool { return f.Bits() <= bits })
		if ok != possible || ok && (!ipam.Covers(free, got) || got != got.Masked() || got.Bits() != bits) {
			t.Fatalf("/%d of %v: %v, %v", bits, free, got, ok)
		}
	})
}

func BenchmarkPickPrefix(b *testing.B) {
	set := prefixes("10.0.0.0/8")
	var used []netip.Prefix
	for i := range 5000 {
		used = append(used, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
	}
	for b.Loop() {
		ipam.PickPrefix(set, used, 24)
	}
}
