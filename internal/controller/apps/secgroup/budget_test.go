package secgroup_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/secgroup"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// plain is a world of only this app, without the recomputation after each step, for large numbers.
func plain(t testing.TB, rows []any) *apptest.World {
	w := apptest.New(t, []*app.App{classifier.New(), secgroup.New()}...)
	w.Set(apptest.Net("n"))
	w.Set(rows...)
	w.Engine.Step()
	for _, p := range w.Engine.Problems() {
		t.Errorf("%s: %s %v", p.Owner, p.Text, p.Waiting)
	}
	return w
}

// farMember is a member on another chassis, with an address of each family.
func farMember(group string, n int) *model.SecurityGroupMember {
	v4 := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	v6 := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
	return &model.SecurityGroupMember{
		Meta: model.Meta{ID: fmt.Sprint("far", n), Revision: 1}, SecurityGroupID: group, NetworkID: fmt.Sprint("net", n%20),
		Addresses: []netip.Prefix{netip.PrefixFrom(v4, 32), netip.PrefixFrom(v6, 128)},
	}
}

// largeGroup is a group that ten rules name, with a local port on each of some networks and 1,000 far
// members.
func largeGroup(networks int) []any {
	rows := []any{group("g")}
	for i := range 10 {
		for _, e := range []model.EtherType{model.IPv4, model.IPv6} {
			rows = append(rows, rule(fmt.Sprint("r", i, e), "g", model.Ingress, e, proto(6), ports(1000+10*i, 1000+10*i), remote("g")))
		}
	}
	for i := range networks {
		id := fmt.Sprint("net", i)
		p := apptest.Port(fmt.Sprint("p", i), id, byte(i+1))
		p.SecurityGroups = []string{"g"}
		rows = append(rows, apptest.Net(id), p, apptest.Bind(p), apptest.Plug(p, uint32(i+1)))
	}
	for n := range 1000 {
		rows = append(rows, farMember("g", n))
	}
	return rows
}

func TestALargeGroupIsLinear(t *testing.T) {
	for _, networks := range []int{1, 20} {
		t.Run(fmt.Sprint(networks, " networks"), func(t *testing.T) {
			w := plain(t, largeGroup(networks))
			// Both families and directions: for each port 2; for the profile 2 a direction, and in each family 10
			// rules with 3 flows (whole packets, first and later fragments; the last is shared by all rules);
			// for each member one a family.
			want := 2*networks + 2*2 + 2*(10*2+1) + 2*1000
			if got := count(w); got != want {
				t.Errorf("%d flows, want %d", got, want)
			}
			w.Set(farMember("g", 70000))
			if d := w.Engine.Step(); len(d.Flows) != 2 {
				t.Errorf("a new member with an address of each family costs %d flow-mods, want 2", len(d.Flows))
			}
			w.Remove(farMember("g", 70000))
			if d := w.Engine.Step(); len(d.Flows) != 2 {
				t.Errorf("a member less costs %d flow-mods, want 2", len(d.Flows))
			}
		})
	}
}

func TestTenantsWithTheSameAddressesAreLinear(t *testing.T) {
	const tenants, far = 100, 20
	var rows []any
	for i := range tenants {
		id := fmt.Sprint("tenant", i)
		rows = append(rows, defaultGroup(id)...)
		p, placed := local(byte(i+1), []string{id}, "10.0.0.1")
		rows = append(rows, placed...)
		rows = append(rows, memberOf(id, p))
		for n := range far {
			rows = append(rows, farMember(id, 1000+n))
		}
	}
	w := plain(t, rows)
	// For each tenant: 2 for its port; 2 a direction, 2 rules a direction; its own address, two a far member.
	if got, want := count(w), tenants*(2+2*(2+2)+1+2*far); got != want {
		t.Errorf("%d flows, want %d", got, want)
	}
	w.Set(farMember("tenant7", 3))
	if d := w.Engine.Step(); len(d.Flows) != 2 {
		t.Errorf("a new member of one tenant costs %d flow-mods, want 2", len(d.Flows))
	}
}

func TestMembersOfRandomGroupsAreLinear(t *testing.T) {
	const groups, members, ports = 50, 1000, 20
	r := rand.New(rand.NewPCG(1, 2))
	pick := func() []string {
		var out []string
		for _, g := range r.Perm(groups)[:3] {
			out = append(out, fmt.Sprint("g", g))
		}
		return out
	}
	var rows []any
	for g := range groups {
		rows = append(rows, defaultGroup(fmt.Sprint("g", g))...)
	}
	in := map[string]map[int]bool{}
	for n := range members {
		for _, g := range pick() {
			rows = append(rows, farMember(g, n))
			if in[g] == nil {
				in[g] = map[int]bool{}
			}
			in[g][n] = true
		}
	}
	want := 0
	profiles := map[string]bool{}
	for i := range ports {
		mine := pick()
		p := apptest.Port(fmt.Sprint("p", i), "n", byte(i+1))
		p.SecurityGroups = mine
		rows = append(rows, p, apptest.Bind(p), apptest.Plug(p, uint32(i+1)))
		profiles[fmt.Sprint(mine)] = true
		addresses := map[int]bool{}
		for _, g := range mine {
			for n := range in[g] {
				addresses[n] = true
			}
		}
		// The port; the states; two rules out and one a group and family in; one flow an address and family.
		want += 2 + 2*2 + 2 + 2*3 + 2*len(addresses)
	}
	if len(profiles) != ports {
		t.Fatal("two ports have the same groups: choose another seed")
	}
	if got := count(plain(t, rows)); got != want {
		t.Errorf("%d flows, want %d", got, want)
	}
}

// Nested prefixes cost one flow each, and carry the bits of what covers them.
func TestNestedAddressPairsAreLinear(t *testing.T) {
	p, rows := local(1, []string{"g"}, "10.0.0.1")
	rows = append(rows, group("g"), rule("a", "g", model.Ingress, model.IPv4, remote("a")),
		rule("b", "g", model.Ingress, model.IPv4, remote("b")), memberOf("g", p))
	for bits := 8; bits <= 32; bits++ {
		m := farMember([]string{"a", "b"}[bits%2], bits)
		m.Addresses = []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("10.9.9.9"), bits).Masked()}
		rows = append(rows, m)
	}
	w := plain(t, rows)
	if got, want := count(w), 2+2*2+2+25; got != want {
		t.Errorf("%d flows, want %d", got, want)
	}
	m := farMember("b", 7)
	m.Addresses = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/7")}
	w.Set(m)
	// Only the /8 lacked a covering member of b.
	if d := w.Engine.Step(); len(d.Flows) != 2 {
		t.Errorf("a prefix that covers all others costs %d flow-mods, want 2", len(d.Flows))
	}
}

func BenchmarkNewMember(b *testing.B) {
	for _, networks := range []int{1, 20} {
		b.Run(fmt.Sprintf("networks=%d", networks), func(b *testing.B) {
			w := plain(b, largeGroup(networks))
			mods := 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				w.Set(farMember("g", 70000+i))
				d := w.Engine.Step()
				mods += len(d.Flows)
			}
			b.ReportMetric(float64(mods)/float64(b.N), "flow-mods/op")
			b.ReportMetric(float64(count(w)-mods), "flows")
		})
	}
}
