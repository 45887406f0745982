package l3_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l3"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/neighbour"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// apps are those that a routed packet passes.
func apps() []*app.App {
	return []*app.App{misses.New(), classifier.New(), portsecurity.New(), apptest.Open(), l2.New(), l3.New(), neighbour.New()}
}

func l3app() *app.App { return l3.New() }

// few are those without which routers have nothing to do.
func few() []*app.App { return []*app.App{misses.New(), classifier.New(), l3.New()} }

// ours is what the app emits.
func ours(w *apptest.World) string {
	var b strings.Builder
	keep := false
	for block := range strings.SplitSeq(w.Flows(), "\n  priority=") {
		stage := strings.LastIndex(block, "\n[")
		if keep = strings.Contains(block, "# l3."); keep {
			text, _, _ := strings.Cut(block, "\n[")
			b.WriteString("priority=" + strings.TrimRight(text, "\n") + "\n")
		}
		if stage >= 0 {
			b.WriteString(block[stage+1:] + "\n")
		}
	}
	return b.String()
}

// families are the subnets of tests: %d is the network's number, then the host's.
const (
	v4 = 4
	v6 = 6
)

// net is network n<k> with one subnet of each family.
func net(k byte, families ...int) []any {
	id := name("n", k)
	rows := []any{apptest.Net(id)}
	for _, f := range families {
		rows = append(rows, apptest.Subnet(subnetID(f, k), id, netip.PrefixFrom(address(f, k, 0), map[int]int{v4: 24, v6: 64}[f]).String()))
	}
	return rows
}

func name(prefix string, k byte) string { return prefix + strconv.Itoa(int(k)) }

func subnetID(f int, k byte) string { return name("s", byte(f)) + "-" + name("n", k) }

// address is host h of network k.
func address(f int, k, h byte) netip.Addr {
	if f == v4 {
		return netip.AddrFrom4([4]byte{10, 0, k, h})
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, k, 15: h})
}

// port is host h of network k.
func port(id string, k, h byte, families ...int) *model.Port {
	p := apptest.Port(id, name("n", k), 0)
	p.MACAddress = mac(k, h)
	for _, f := range families {
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: subnetID(f, k), IPAddress: address(f, k, h)})
	}
	return p
}

func mac(k, h byte) model.MAC { return model.MAC{0xfa, 0x16, 0x3e, 0, k, h} }

// attach is the interface of a router as host h of network k: its port and its copy in the router's scope.
func attach(router string, k, h byte, families ...int) []any {
	p := port(router+"-"+name("n", k), k, h, families...)
	p.DeviceOwner, p.DeviceID, p.PortSecurityEnabled = model.RouterInterfaceOwner, router, false
	return []any{p, &model.RouterInterface{
		Meta: model.Meta{ID: p.ID, Revision: 1}, RouterID: router, NetworkID: p.NetworkID,
		MACAddress: p.MACAddress, FixedIPs: p.FixedIPs, AdminStateUp: true,
	}}
}

func router(id string, routes ...string) *model.Router {
	r := &model.Router{Meta: model.Meta{ID: id, Revision: 1}, Name: id, AdminStateUp: true}
	for _, x := range routes {
		to, via, _ := strings.Cut(x, " via ")
		r.Routes = append(r.Routes, model.Route{Destination: netip.MustParsePrefix(to), NextHop: netip.MustParseAddr(via)})
	}
	return r
}

func rows(lists ...[]any) []any {
	var out []any
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// two is a router between networks n1 and n2.
func two(families ...int) []any {
	return rows(net(1, families...), net(2, families...), []any{router("r")},
		attach("r", 1, 1, families...), attach("r", 2, 1, families...))
}

func here(p *model.Port, ofport uint32) []any {
	return []any{p, apptest.Bind(p), apptest.Plug(p, ofport)}
}

func golden(t *testing.T, name string, rows ...any) {
	t.Helper()
	w := apptest.New(t, few()...)
	w.Set(rows...)
	w.MustStep()
	apptest.Golden(t, name, ours(w))
}

func TestFlows(t *testing.T) {
	for family, name := range map[int]string{v4: "v4", v6: "v6"} {
		a, b := port("a", 1, 10, family), port("b", 2, 10, family)
		golden(t, "connected-"+name, rows(two(family), here(a, 1), []any{b})...)
	}
}
