package classifier_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/dhcp"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/migration"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/neighbour"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

func trunkApps() []*app.App {
	return []*app.App{misses.New(), classifier.New(), migration.New(), portsecurity.New(), apptest.Open(), l2.New(), dhcp.New(), neighbour.New()}
}

// trunk is a guest vm on network n with sub-ports red and red2 on network r, in VLANs 10 and 12, and open, without
// port security, on network o in VLAN 20; a guest wm with sub-port red3 on r in VLAN 11; and guests pn, pr and po with
// one port each.
type trunk struct {
	w     *apptest.World
	s     *apptest.Switch
	ports map[string]*model.Port
}

// addresses of the n-th port of a family: "4" or "6".
func address(family string, n byte) string {
	return map[string]string{"4": fmt.Sprintf("10.0.0.%d", n), "6": fmt.Sprintf("2001:db8::%d", n)}[family]
}

func newTrunk(t *testing.T) *trunk {
	t.Helper()
	x := &trunk{w: apptest.New(t, trunkApps()...), ports: map[string]*model.Port{}}
	for _, n := range []string{"n", "r", "o"} {
		x.w.Set(apptest.Net(n), apptest.Subnet("s-"+n, n, "10.0.0.0/24"))
	}
	for i, p := range []struct{ id, network string }{
		{"vm", "n"}, {"pn", "n"}, {"wm", "n"}, {"red", "r"}, {"red2", "r"}, {"red3", "r"}, {"pr", "r"}, {"open", "o"}, {"po", "o"},
	} {
		n := byte(i + 5)
		x.ports[p.id] = apptest.Port(p.id, p.network, n, address("4", n), address("6", n))
		x.w.Set(x.ports[p.id])
	}
	x.ports["red"].MACAddress = x.ports["vm"].MACAddress // as Linux has it for a VLAN of an interface
	x.ports["open"].PortSecurityEnabled = false
	for _, id := range []string{"vm", "pn", "wm", "pr", "po"} {
		x.w.Set(apptest.Bind(x.ports[id]))
	}
	x.w.Set(x.sub("red", "vm", 10), x.sub("red2", "vm", 12), x.sub("red3", "wm", 11), x.sub("open", "vm", 20))
	x.s = x.w.Switch(x.ports["vm"], x.ports["pn"], x.ports["wm"], x.ports["pr"], x.ports["po"])
	x.w.MustStep()
	x.s.Install()
	return x
}

func (x *trunk) sub(id, parent string, vlan uint16) *model.Binding {
	return apptest.Sub(x.ports[id], x.ports[parent], vlan)
}

// send has a guest send in a VLAN, or without a tag, and tells who receives it in which VLAN, such as "vm/10 pr".
func (x *trunk) send(from string, vlan uint16, layers ...packet.Layer) string {
	if vlan != 0 {
		layers = slices.Insert(layers, 1, packet.VLAN(vlan))
	}
	var got []string
	for id, frames := range x.s.Send(x.ports[from], packet.Build(layers...)) {
		for _, f := range frames {
			at := id
			for _, v := range []uint16{10, 11, 12, 20, 99} {
				if packet.Match(f, packet.VLAN(v)) == nil {
					at = fmt.Sprintf("%s/%d", id, v)
				}
			}
			got = append(got, at)
		}
	}
	slices.Sort(got)
	return strings.Join(got, " ")
}

// from is a datagram of one port to another, or, if to is empty, to everybody.
func (x *trunk) from(family, a, b string) []packet.Layer {
	src, dst := x.ports[a], x.ports[b]
	at := map[string]int{"4": 0, "6": 1}[family]
	if b == "" {
		to := map[string]string{"4": "255.255.255.255", "6": "ff02::1"}[family]
		return []packet.Layer{packet.Ethernet(src.MACAddress, packet.Broadcast), packet.IP(src.FixedIPs[at].IPAddress, to), packet.UDP(1, 2)}
	}
	return []packet.Layer{packet.Ethernet(src.MACAddress, dst.MACAddress), packet.IP(src.FixedIPs[at].IPAddress, dst.FixedIPs[at].IPAddress), packet.UDP(1, 2)}
}

func TestSubPortsArePortsInAVLAN(t *testing.T) {
	t.Parallel()
	x := newTrunk(t)
	for _, family := range []string{"4", "6"} {
		for _, c := range []struct {
			what, at string
			vlan     uint16
			src, dst string
			want     string
		}{
			{"a sub-port to a port", "vm", 10, "red", "pr", "pr"},
			{"a port to a sub-port", "pr", 0, "pr", "red", "vm/10"},
			{"a sub-port to one in another VLAN of another guest", "vm", 10, "red", "red3", "wm/11"},
			{"a sub-port to one of the same guest", "vm", 12, "red2", "red", "vm/10"},
			{"the parent, without a tag", "vm", 0, "vm", "pn", "pn"},
			{"to the parent", "pn", 0, "pn", "vm", "vm"},
			{"a broadcast of a port", "pr", 0, "pr", "", "vm/10 vm/12 wm/11"},
			{"a broadcast of a sub-port", "vm", 10, "red", "", "pr vm/12 wm/11"},
			{"a broadcast of the parent", "vm", 0, "vm", "", "pn wm"},
			{"without port security", "vm", 20, "open", "po", "po"},
			{"to one without port security", "po", 0, "po", "open", "vm/20"},
		} {
			if got := x.send(c.at, c.vlan, x.from(family, c.src, c.dst)...); got != c.want {
				t.Errorf("IPv%s, %s: received by %q, want %q", family, c.what, got, c.want)
			}
		}
	}
}

func TestNobodySendsInAVLANThatHeDoesNotHave(t *testing.T) {
	t.Parallel()
	x := newTrunk(t)
	drops := func(what, reason, at string, vlan uint16, layers ...packet.Layer) {
		t.Helper()
		x.s.Dropped()
		if got := x.send(at, vlan, layers...); got != "" {
			t.Errorf("%s: received by %s", what, got)
			return
		}
		x.s.Because(reason)
		if got := x.s.Dropped(); got[reason] != 1 {
			t.Errorf("%s: dropped are %v", what, got)
		}
	}
	for _, family := range []string{"4", "6"} {
		const nobodys = "the guest sends in a VLAN that no sub-port of the port has"
		drops("a VLAN of nobody", nobodys, "vm", 99, x.from(family, "red", "pr")...)
		drops("the VLAN of another guest's sub-port", nobodys, "vm", 11, x.from(family, "red3", "pr")...)
		drops("a guest without sub-ports", nobodys, "pr", 10, x.from(family, "pr", "red")...)
		for _, vlan := range []uint16{20, 10} {
			tags := slices.Insert(x.from(family, "open", "po"), 1, packet.VLAN(10))
			drops("a tag within another", "a VLAN tag within another", "vm", vlan, tags...)
		}
	}
	if got := x.send("vm", 10, x.from("4", "pr", "red3")...); got != "" {
		t.Errorf("a sub-port sends with another's MAC address, to %s", got)
	}
	x.w.Remove(x.sub("red", "vm", 10))
	x.w.MustStep()
	x.s.Install()
	if got := x.send("vm", 10, x.from("4", "red", "pr")...) + x.send("pr", 0, x.from("4", "pr", "red")...); got != "" {
		t.Errorf("a port that is not in the trunk any more is used by %s", got)
	}
	if got := x.send("vm", 12, x.from("4", "red2", "pr")...); got != "pr" {
		t.Errorf("the other sub-port reaches %q", got)
	}
}

func TestAnswersToSubPortsHaveTheirTag(t *testing.T) {
	t.Parallel()
	x := newTrunk(t)
	red, pr := x.ports["red"], x.ports["pr"]
	tagged := func(what string, layers ...packet.Layer) {
		t.Helper()
		if got := x.send("vm", 10, layers...); got != "vm/10" {
			t.Errorf("%s: answered to %q", what, got)
		}
	}
	tagged("ARP", packet.Ethernet(red.MACAddress, packet.Broadcast),
		packet.ARPRequest(red.MACAddress, red.FixedIPs[0].IPAddress, pr.FixedIPs[0].IPAddress))
	tagged("neighbour solicitation", packet.Ethernet(red.MACAddress, "33:33:ff:00:00:0b"),
		packet.IP(red.FixedIPs[1].IPAddress, "ff02::1:ff00:b"), packet.NeighborSolicitation(pr.FixedIPs[1].IPAddress, red.MACAddress))
	request := packet.DHCPv4Client(red.MACAddress)
	request = slices.Concat(request[:12], []byte{0x81, 0, 0, 10}, request[12:])
	asked := x.s.Controller().Ask(dhcp.New(), x.ports["vm"], request)
	if asked.Err != nil || asked.Frame == nil {
		t.Fatalf("DHCP: %+v", asked)
	}
	packet.Check(t, asked.Frame, packet.VLAN(10), packet.EthDst(red.MACAddress))
}

func TestASubPortIsWhereAndAsItsParentIs(t *testing.T) {
	served := func(w *apptest.World) (got string) {
		for _, id := range []string{"vm", "red"} {
			if row, ok := w.DB.Row(view.LocalPorts, id); ok {
				got += fmt.Sprintf("%s %v ", id, row.(view.LocalPort).Prepared)
			}
		}
		return got
	}
	for name, c := range map[string]struct {
		change func(vm, red *model.Port, bvm, bred *model.Binding) []any
		want   string
	}{
		"here":              {nil, "vm false red false "},
		"parent down":       {func(vm, _ *model.Port, _, _ *model.Binding) []any { vm.AdminStateUp = false; return nil }, ""},
		"sub-port down":     {func(_, red *model.Port, _, _ *model.Binding) []any { red.AdminStateUp = false; return nil }, "vm false "},
		"parent not bound":  {func(_, _ *model.Port, bvm, _ *model.Binding) []any { bvm.ID = "other"; return nil }, ""},
		"parent elsewhere":  {func(vm, _ *model.Port, _, _ *model.Binding) []any { vm.Host = "c2"; return nil }, "vm true red true "},
		"only the sub-port": {func(_, red *model.Port, _, _ *model.Binding) []any { red.Host = "c2"; return nil }, "vm false red false "},
		"heard": {func(vm, red *model.Port, _, _ *model.Binding) []any {
			vm.Host, red.Host = "c2", "c2"
			return []any{view.Arrival{PortID: "vm", From: "c2", Revision: 1}}
		}, "vm false red false "},
		"of a sub-port": {func(_, _ *model.Port, bvm, _ *model.Binding) []any {
			bvm.ParentPortID, bvm.SegmentationID = "x", 3
			return nil
		}, ""},
	} {
		w := apptest.New(t, apps()...)
		vm, red := apptest.At(apptest.Host, apptest.Port("vm", "n", 1)), apptest.At(apptest.Host, apptest.Port("red", "r", 2))
		bvm, bred := apptest.Bind(vm), apptest.Sub(red, vm, 10)
		w.Set(apptest.Net("n"), apptest.Net("r"), apptest.Plug(vm, 1))
		if c.change != nil {
			w.Set(c.change(vm, red, bvm, bred)...)
		}
		w.Set(vm, red, bvm, bred)
		w.Step() // status tells of a parent that is not bound
		if got := served(w); got != c.want {
			t.Errorf("%s: served are %q (and whether only prepared), want %q", name, got, c.want)
		}
	}
}

// TestATaggedAnnouncementMovesTheParent has the guest say on a sub-port first that it was resumed here.
func TestATaggedAnnouncementMovesTheParent(t *testing.T) {
	t.Parallel()
	x := newTrunk(t)
	vm, red := *x.ports["vm"], *x.ports["red"]
	vm.Host, red.Host = "c2", "c2"
	x.w.Set(&vm, &red)
	x.w.MustStep()
	x.s.Install()
	garp := packet.Build(packet.Ethernet(red.MACAddress, packet.Broadcast), packet.VLAN(10),
		packet.ARPRequest(red.MACAddress, red.FixedIPs[0].IPAddress, red.FixedIPs[0].IPAddress))
	asked := x.s.Controller().Ask(migration.New(), &vm, garp)
	if asked.Err != nil || len(asked.Reply.Facts) != 1 || asked.Reply.Facts[0].Row != (view.Arrival{PortID: "vm", From: "c2", Revision: 1}) {
		t.Errorf("%+v", asked)
	}
}

func TestAnInterfaceOfASubPortIsNamed(t *testing.T) {
	w := apptest.New(t, apps()...)
	vm, red := apptest.Port("vm", "n", 1), apptest.Port("red", "r", 2)
	w.Set(apptest.Net("n"), apptest.Net("r"), vm, red, apptest.Bind(vm), apptest.Sub(red, vm, 10), apptest.Plug(vm, 1), apptest.Plug(red, 2))
	w.Step()
	if ps := w.Engine.Problems(); len(ps) != 1 || !strings.Contains(ps[0].Text, "tap-red") {
		t.Errorf("problems = %v", ps)
	}
}

func TestHistoryOfTrunksDoesNotMatter(t *testing.T) {
	vm, wm, red, blue := apptest.Port("vm", "n", 1), apptest.Port("wm", "n", 2), apptest.Port("red", "r", 3), apptest.Port("blue", "r", 4)
	apptest.Histories(t, apps, []any{
		apptest.Net("n"), apptest.Net("r"), vm, red, apptest.Bind(vm), apptest.Sub(red, vm, 10), apptest.Plug(vm, 1),
	}, []any{wm, apptest.Bind(wm), apptest.Plug(wm, 3), blue, apptest.Sub(blue, wm, 10)})
}

// TestReadmeOfTrunks keeps the dump of a port and its sub-port in the README real.
func TestReadmeOfTrunks(t *testing.T) {
	w := apptest.New(t, append(apps(), apptest.Open())...)
	vm, red := apptest.Port("vm", "n", 1), apptest.Port("red", "r", 2)
	w.Set(apptest.Net("n"), apptest.Net("r"), vm, red, apptest.Bind(vm), apptest.Sub(red, vm, 10))
	s := w.Switch(vm)
	w.MustStep()
	s.Install()
	apptest.Readme(t, "trunk", s.Dump(func(owner string) bool {
		return strings.HasPrefix(owner, "classifier.port") || strings.HasPrefix(owner, "classifier.nested")
	}))
}
