package l3_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// reaches sends from the host on network k to host 10 of another, over the router that is host 1.
func reaches(s *apptest.Switch, p *model.Port, f int, k, to byte, l packet.Layer, host byte) map[string][][]byte {
	return s.Send(p, packet.Build(packet.Ethernet(mac(k, 10), mac(k, 1)), packet.IP(address(f, k, 10), address(f, to, host)), l))
}

// scoped puts the subnets of network n<k> into an address scope, or into none.
func scoped(k byte, scope string, families ...int) []any {
	var out []any
	for _, row := range net(k, families...) {
		if s, ok := row.(*model.Subnet); ok {
			s.AddressScopeID = scope
			out = append(out, s)
		}
	}
	return out
}

const fromAnotherScope = "router: the packet came from another address scope than that of the network to which it goes; only NAT leads there"

// TestRoutersKeepToTheAddressScope has a router between two networks, whose subnets come into address scopes and go.
func TestRoutersKeepToTheAddressScope(t *testing.T) {
	t.Parallel()
	s, w, a, _ := routed(t)
	// As the API makes them, interfaces of IPv6 are ports of their own. Of the router's other networks one is of a third scope.
	w.Set(rows(net(3, v4, v6), scoped(3, "third", v4, v6), attach("r", 3, 1, v4, v6))...)
	for k := range byte(2) {
		w.Set(attach("r", k+1, 1, v4)...)
		v := port("r6-"+name("n", k+1), k+1, 1, v6)
		v.MACAddress[1]++
		v.DeviceOwner, v.DeviceID, v.PortSecurityEnabled = model.RouterInterfaceOwner, "r", false
		w.Set(v, &model.RouterInterface{Meta: model.Meta{ID: v.ID, Revision: 1}, RouterID: "r", NetworkID: v.NetworkID,
			MACAddress: v.MACAddress, FixedIPs: v.FixedIPs, AdminStateUp: true})
	}
	for _, x := range []struct {
		what string
		rows []any
		pass [2]bool
	}{
		{"none", nil, [2]bool{true, true}},
		{"one of them, IPv4", scoped(1, "blue", v4), [2]bool{false, true}},
		{"both the same, IPv4", scoped(2, "blue", v4), [2]bool{true, true}},
		{"two, IPv4", scoped(2, "red", v4), [2]bool{false, true}},
		{"two, both families", rows(scoped(1, "blue6", v6), scoped(2, "red6", v6)), [2]bool{false, false}},
		{"IPv4 has none any more", rows(scoped(1, "", v4), scoped(2, "", v4)), [2]bool{true, false}},
		{"none any more", rows(scoped(1, "", v6), scoped(2, "", v6)), [2]bool{true, true}},
	} {
		w.Set(x.rows...)
		w.MustStep()
		s.Install()
		for n, f := range []int{v4, v6} {
			s.Dropped()
			if got := len(reaches(s, a, f, 1, 2, packet.UDP(1, 2), 10)["b"]) == 1; got != x.pass[n] {
				t.Errorf("%s: IPv%d arrives is %v", x.what, f, got)
			}
			if dropped := s.Dropped()[fromAnotherScope] == 1; dropped == x.pass[n] {
				t.Errorf("%s: IPv%d is dropped for that reason is %v", x.what, f, dropped)
			}
			// The router itself answers from whatever scope it is asked.
			if got := reaches(s, a, f, 1, 2, packet.EchoRequest(1, 1), 1); len(got["a"]) != 1 {
				t.Errorf("%s: the router does not answer IPv%d", x.what, f)
			}
		}
	}
}

// TestRoutersHandOverWithinTheAddressScope has two routers one behind the other, of which the first reaches two scopes.
func TestRoutersHandOverWithinTheAddressScope(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apps()...)
	a, d, b := port("a", 1, 10, v4, v6), port("d", 4, 10, v4, v6), port("b", 3, 10, v4, v6)
	s := w.Switch(a, d, b)
	w.Set(rows(net(1, v4, v6), net(2, v4, v6), net(3, v4, v6), net(4, v4, v6), []any{a, d, b, apptest.Bind(a), apptest.Bind(d), apptest.Bind(b),
		router("r", "10.0.3.0/24 via 10.0.2.2", "2001:db8:0:3::/64 via 2001:db8:0:2::2"), router("q")},
		attach("r", 1, 1, v4, v6), attach("r", 2, 1, v4, v6), attach("r", 4, 1, v4, v6), attach("q", 2, 2, v4, v6), attach("q", 3, 1, v4, v6))...)
	for _, x := range []struct {
		what string
		rows []any
		a, d bool
	}{
		{"no scopes", nil, true, true},
		{"one network of the first router is of another", rows(scoped(4, "red", v4, v6)), true, false},
		{"the network between them is of that, too", rows(scoped(2, "red", v4, v6)), false, false},
		{"so is what lies behind", rows(scoped(3, "red", v4, v6)), false, true},
	} {
		w.Set(x.rows...)
		w.MustStep()
		s.Install()
		for _, f := range []int{v4, v6} {
			if got := len(reaches(s, a, f, 1, 3, packet.UDP(1, 2), 10)["b"]) == 1; got != x.a {
				t.Errorf("%s: IPv%d from a arrives is %v: %v", x.what, f, got, s.Dropped())
			}
			if got := len(reaches(s, d, f, 4, 3, packet.UDP(1, 2), 10)["b"]) == 1; got != x.d {
				t.Errorf("%s: IPv%d from d arrives is %v: %v", x.what, f, got, s.Dropped())
			}
		}
	}
}
