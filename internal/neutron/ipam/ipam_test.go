package ipam_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

func TestEUI64(t *testing.T) {
	// The example of RFC 4291, appendix A: 34-56-78-9A-BC-DE becomes 36-56-78-FF-FE-9A-BC-DE.
	got := ipam.EUI64(netip.MustParsePrefix("2001:db8::/64"), model.MAC{0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde})
	if got != netip.MustParseAddr("2001:db8::3656:78ff:fe9a:bcde") {
		t.Error(got)
	}
}

func TestPoolsAndGateway(t *testing.T) {
	for _, one := range []struct{ cidr, gateway, pools string }{
		{"10.0.0.0/24", "10.0.0.1", "[10.0.0.2-10.0.0.254]"},
		{"10.0.0.0/29", "10.0.0.1", "[10.0.0.2-10.0.0.6]"},
		{"10.0.0.0/30", "10.0.0.1", "[10.0.0.2-10.0.0.2]"},
		{"10.0.0.0/31", "10.0.0.0", "[10.0.0.1-10.0.0.1]"},
		{"10.0.0.0/32", "10.0.0.0", "[]"},
		{"255.255.255.0/24", "255.255.255.1", "[255.255.255.2-255.255.255.254]"},
		{"2001:db8::/64", "2001:db8::1", "[2001:db8::2-2001:db8::ffff:ffff:ffff:ffff]"},
		{"2001:db8::/126", "2001:db8::1", "[2001:db8::2-2001:db8::3]"},
	} {
		p := netip.MustParsePrefix(one.cidr)
		if g := ipam.Gateway(p); g.String() != one.gateway {
			t.Errorf("%s: gateway %s, want %s", p, g, one.gateway)
		}
		if got := fmt.Sprint(ipam.Pools(p, ipam.Gateway(p))); got != one.pools {
			t.Errorf("%s: pools %s, want %s", p, got, one.pools)
		}
	}
	p := netip.MustParsePrefix("10.0.0.0/29")
	for gateway, want := range map[string]string{
		"10.0.0.3": "[10.0.0.1-10.0.0.2 10.0.0.4-10.0.0.6]", "10.0.0.6": "[10.0.0.1-10.0.0.5]",
		"192.0.2.1": "[10.0.0.1-10.0.0.6]",
	} {
		if got := fmt.Sprint(ipam.Pools(p, netip.MustParseAddr(gateway))); got != want {
			t.Errorf("gateway %s: %s, want %s", gateway, got, want)
		}
	}
	if got := fmt.Sprint(ipam.Pools(p, netip.Addr{})); got != "[10.0.0.1-10.0.0.6]" {
		t.Errorf("no gateway: %s", got)
	}
}

// Pick finds a free address exactly when there is one, and the first one from where it begins.
func TestPickAgainstTrying(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }
	for range 2000 {
		pools := []resource.Pool{{Start: at(2), End: at(2 + random.IntN(4))}, {Start: at(10), End: at(10 + random.IntN(6))}}
		used := map[netip.Addr]bool{}
		var order []netip.Addr
		for _, p := range pools {
			for a := p.Start; !p.End.Less(a); a = a.Next() {
				used[a] = random.IntN(3) > 0
				order = append(order, a)
			}
		}
		from := netip.Addr{}
		if random.IntN(4) > 0 {
			from = at(random.IntN(20))
		}
		var want netip.Addr
		start := 0
		for i, a := range order {
			if a == from {
				start = i
			}
		}
		for i := range order {
			if a := order[(start+i)%len(order)]; !used[a] {
				want = a
				break
			}
		}
		got, ok := ipam.Pick(pools, from, func(a netip.Addr) bool { return !used[a] })
		if got != want || ok != want.IsValid() {
			t.Fatalf("pools %v from %v, used %v: %v, want %v", pools, from, used, got, want)
		}
	}
}

// The last address of the address space ends a search instead of beginning it again.
func TestPickAtTheEndOfTheAddressSpace(t *testing.T) {
	last := netip.MustParseAddr("255.255.255.255")
	if a, ok := ipam.Pick([]resource.Pool{{Start: last.Prev(), End: last}}, last, func(netip.Addr) bool { return false }); ok {
		t.Error(a)
	}
}

// FuzzCheckSubnet: whatever subnet a client describes, its default pools and gateway fit it.
func FuzzCheckSubnet(f *testing.F) {
	f.Add([]byte{10, 0, 0, 0}, 24)
	f.Add([]byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 64)
	f.Fuzz(func(t *testing.T, raw []byte, bits int) {
		a, ok := netip.AddrFromSlice(raw)
		if !ok || a.Is4In6() {
			return
		}
		cidr, err := a.Prefix(bits)
		if err != nil {
			return
		}
		s := &resource.Subnet{CIDR: cidr, IPVersion: 6, EnableDHCP: true}
		if a.Is4() {
			s.IPVersion = 4
		}
		if !cidr.IsSingleIP() {
			s.GatewayIP = ipam.Gateway(cidr)
		}
		s.AllocationPools = ipam.Pools(cidr, s.GatewayIP)
		if ipam.CheckSubnet(s) != nil {
			return
		}
		for _, p := range s.AllocationPools {
			if !cidr.Contains(p.Start) || !cidr.Contains(p.End) || p.End.Less(p.Start) {
				t.Errorf("%s: pool %s", cidr, p)
			}
		}
	})
}
