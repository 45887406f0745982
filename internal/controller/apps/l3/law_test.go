package l3_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

func TestHistoryDoesNotMatter(t *testing.T) {
	a, b, c := port("a", 1, 10, v4, v6), port("b", 2, 10, v4, v6), port("c", 3, 10, v4, v6)
	b.AllowedAddressPairs = []model.AddressPair{{IPAddress: apptest.Prefix("10.0.2.200/32"), MACAddress: b.MACAddress}}
	n2 := apptest.Net("n2")
	n2.MTU = 1400
	all := rows(net(1, v4, v6), net(2, v4, v6), []any{n2}, net(3, v4, v6),
		[]any{router("r", "10.0.3.0/24 via 10.0.2.2", "192.0.2.0/24 via 10.0.2.10", "192.0.2.0/24 via 10.0.1.10"), router("q", "10.0.1.0/24 via 10.0.2.1")},
		attach("r", 1, 1, v4, v6), attach("r", 2, 1, v4, v6), attach("q", 2, 2, v4, v6), attach("q", 3, 1, v4, v6),
		here(a, 1), []any{b, c})
	// Set twice, a row is the last one: n2 has one MTU only.
	all = slices.DeleteFunc(all, func(r any) bool { n, is := r.(*model.Network); return is && n.ID == "n2" && n != n2 })
	shared := port("d", 2, 20, v4)
	shared.AllowedAddressPairs = []model.AddressPair{{IPAddress: apptest.Prefix("10.0.2.200/32"), MACAddress: shared.MACAddress}}
	noise := rows([]any{shared, apptest.Bind(shared), apptest.Plug(shared, 2), router("s", "0.0.0.0/0 via 10.0.1.1")}, attach("s", 1, 3, v4))
	apptest.Histories(t, few, all, noise)
}

func TestARemotePortCostsTwoFlows(t *testing.T) {
	for _, n := range []int{1, 500} {
		w := apptest.New(t, few()...)
		a := port("a", 1, 10, v4, v6)
		w.Set(rows(two(v4, v6), here(a, 1))...)
		for i := range n {
			p := port(fmt.Sprintf("b%d", i), 2, 0)
			p.MACAddress[3] = byte(i >> 8)
			p.MACAddress[5] = byte(i)
			p.FixedIPs = []model.FixedIP{{SubnetID: subnetID(v4, 2), IPAddress: netip.AddrFrom4([4]byte{10, 0, 2, byte(10 + i%200)}).Next()}}
			p.FixedIPs[0].IPAddress = netip.AddrFrom4([4]byte{10, 0, byte(10 + i>>8), byte(i)})
			w.Set(p)
		}
		w.MustStep()
		w.Set(port("new", 2, 77, v4, v6))
		if d := w.MustStep(); len(d.Flows) != 2 || len(d.Meters) != 0 {
			t.Errorf("beside %d ports another costs %d flow-mods, want one for each address", n, len(d.Flows))
		}
	}
}

// TestTenantsWithTheSameAddresses has two tenants with the same addresses, and a router each.
func TestTenantsWithTheSameAddresses(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apps()...)
	var all []any
	var list []*model.Port
	for tenant := range byte(2) {
		first, second := 1+2*tenant, 2+2*tenant
		for k, id := range map[byte]string{first: "10.0.1.", second: "10.0.2."} {
			r := name("r", tenant)
			p := apptest.Port(name("p", k), name("n", k), k, id+"10")
			p.FixedIPs[0].SubnetID = subnetID(v4, k)
			at := apptest.Port(r+name("-n", k), name("n", k), 0x20+k, id+"1")
			at.FixedIPs[0].SubnetID = subnetID(v4, k)
			at.DeviceOwner, at.DeviceID = model.RouterInterfaceOwner, r
			all = append(all, apptest.Net(name("n", k)), apptest.Subnet(subnetID(v4, k), name("n", k), id+"0/24"), p, apptest.Bind(p), at,
				&model.RouterInterface{Meta: model.Meta{ID: at.ID}, RouterID: r, NetworkID: at.NetworkID, MACAddress: at.MACAddress, FixedIPs: at.FixedIPs, AdminStateUp: true})
			list = append(list, p)
		}
		all = append(all, router(name("r", tenant)))
	}
	slices.SortFunc(list, func(a, b *model.Port) int { return strings.Compare(a.ID, b.ID) })
	s := w.Switch(list...)
	w.Set(all...)
	w.MustStep()
	s.Install()
	for from, to := range map[int]string{0: "p2", 2: "p4"} {
		p := list[from]
		got := s.Send(p, packet.Build(packet.Ethernet(p.MACAddress, model.MAC{0xfa, 0x16, 0x3e, 0, 0, 0x21 + byte(from)}), packet.IP("10.0.1.10", "10.0.2.10"), packet.UDP(1, 2)))
		packet.Check(t, one(t, got, to), packet.IP("10.0.1.10", "10.0.2.10"), packet.TTL(63))
		// The other tenant's router is on another network, whatever its MAC address is.
		got = s.Send(p, packet.Build(packet.Ethernet(p.MACAddress, model.MAC{0xfa, 0x16, 0x3e, 0, 0, 0x21 + byte(2-from)}), packet.IP("10.0.1.10", "10.0.2.10"), packet.UDP(1, 2)))
		if len(got) != 0 {
			t.Errorf("%s reached %v by the other tenant's router", p.ID, got)
		}
	}
}

func TestAdministrativelyDown(t *testing.T) {
	t.Parallel()
	s, w, a, _ := routed(t)
	down := router("r")
	down.AdminStateUp = false
	link := attach("r", 2, 1, v4, v6)
	link[0].(*model.Port).AdminStateUp, link[1].(*model.RouterInterface).AdminStateUp = false, false
	n2 := apptest.Net("n2")
	n2.AdminStateUp = false
	for name, x := range map[string]struct{ rows, back []any }{
		"router":    {[]any{down}, []any{router("r")}},
		"interface": {link, attach("r", 2, 1, v4, v6)},
		"network":   {[]any{n2}, []any{apptest.Net("n2")}},
	} {
		for _, f := range []int{v4, v6} {
			frame := packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)), packet.IP(address(f, 1, 10), address(f, 2, 10)), packet.UDP(1, 2))
			w.Set(x.rows...)
			w.Step()
			s.Install()
			if got := s.Send(a, frame); len(got) != 0 {
				t.Errorf("%s down, IPv%d: %v", name, f, got)
			}
			w.Set(x.back...)
			w.MustStep()
			s.Install()
			one(t, s.Send(a, frame), "b")
		}
	}
}

// TestAddressesOfPairs has guests with allowed address pairs behind the router.
func TestAddressesOfPairs(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apps()...)
	a, b, c := port("a", 1, 10, v4, v6), port("b", 2, 10, v4, v6), port("c", 2, 11, v4, v6)
	s := w.Switch(a, b, c)
	w.Set(rows(two(v4, v6), []any{a, b, c, apptest.Bind(a), apptest.Bind(b), apptest.Bind(c)})...)
	own := model.MAC{0, 0, 0x5e, 0, 1, 7}
	may := func(p *model.Port, mac model.MAC, prefixes ...string) *model.Port {
		q := *p
		for _, x := range prefixes {
			q.AllowedAddressPairs = append(q.AllowedAddressPairs, model.AddressPair{IPAddress: apptest.Prefix(x), MACAddress: mac})
		}
		return &q
	}
	reaches := func(what, want string, to byte) {
		t.Helper()
		w.MustStep()
		s.Install()
		for _, f := range []int{v4, v6} {
			if got := send(t, s, a, address(f, 1, 10), address(f, 2, to), 1); got != want {
				t.Errorf("%s, IPv%d: went to %q, want %q", what, f, got, want)
			}
		}
	}
	reaches("nobody's", "", 99)
	w.Set(may(b, own, "10.0.2.99/32", "2001:db8:0:2::63/128"))
	reaches("one port's", "b", 99)
	vip := port("vip", 2, 99, v4, v6) // bound nowhere, it keeps the address for others
	w.Set(vip)
	reaches("one port's, kept by another", "b", 99)
	w.Set(may(c, own, "10.0.2.99/32", "2001:db8:0:2::63/128"))
	reaches("two ports'", "", 99)
	w.Set(b, may(c, c.MACAddress, "10.0.2.0/24", "2001:db8:0:2::/64"))
	reaches("covered by a wide pair of another", "b", 10)
}

// TestMegaflowsStayWide sends to many addresses behind one route: what the switch remembers must not know
// more of a destination than its route asks for.
func TestMegaflowsStayWide(t *testing.T) {
	t.Parallel()
	s, _, a := guests(t, "192.0.2.0/24 via 10.0.2.10", "2001:db8:ffff::/48 via 2001:db8:0:2::a")
	s.GrowTrees()
	for _, f := range []int{v4, v6} {
		s.Appctl("dpctl/del-flows")
		for h := range byte(50) {
			send(t, s, a, address(f, 1, 10), outside(f, 1+h), 1000)
		}
		var flows []string
		for line := range strings.Lines(s.Appctl("dpctl/dump-flows")) {
			if strings.Contains(line, "ip") && !strings.Contains(line, "ipv6(frag") {
				flows = append(flows, line)
			}
		}
		if len(flows) == 0 || len(flows) > 3 {
			t.Errorf("IPv%d: 50 destinations of one route made %d megaflows, such as\n%s", f, len(flows), strings.Join(flows[:min(len(flows), 3)], ""))
		}
	}
}
