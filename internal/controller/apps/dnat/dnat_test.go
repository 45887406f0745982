package dnat_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

func TestGolden(t *testing.T) {
	w := apptest.New(t, apps()...)
	w.Set(topology()...)
	w.Set(here(guest(), 1)...)
	w.Set(floating(apptest.Host))
	w.MustStep()
	apptest.Golden(t, "floating-ip", ours(w))
}

func TestHistories(t *testing.T) {
	rows := append(append(topology(), here(guest(), 1)...), floating(apptest.Host))
	other := floating(apptest.Host)
	other.ID, other.PortID, other.FloatingIPAddress = "g", "b", netip.MustParseAddr("203.0.113.71")
	apptest.Histories(t, apps, rows, []any{other, apptest.Peer("c4", "172.16.0.4")})
}

// TestAFloatingIPStandsForAPort: what comes for it reaches the port, and what the port sends outside comes from it.
func TestAFloatingIPStandsForAPort(t *testing.T) {
	t.Parallel()
	s := newWired(t, append(append(topology(), here(guest(), 1)...), floating(apptest.Host))...)
	tag := packet.VLAN(9)
	in := only(t, s.send(wire, packet.Build(packet.Ethernet(hostMAC, floatingMAC), tag, packet.IP(farIP, floatingIP), packet.TTL(60), packet.EchoRequest(1, 1))), "tap-a")
	packet.Check(t, in, packet.EthSrc(insideMAC), packet.EthDst(guest().MACAddress), packet.Untagged(),
		packet.IP(farIP, fixedIP), packet.TTL(59), packet.EchoRequest(1, 1))
	out := only(t, s.send("tap-a", packet.Build(packet.Ethernet(guest().MACAddress, insideMAC), packet.IP(fixedIP, farIP), packet.TTL(64), packet.EchoReply(1, 1))), wire)
	packet.Check(t, out, packet.EthSrc(floatingMAC), packet.EthDst(hostMAC), tag, packet.IP(floatingIP, farIP), packet.TTL(63), packet.EchoReply(1, 1))
	asked := only(t, s.send(wire, packet.Build(packet.Ethernet(hostMAC, "ff:ff:ff:ff:ff:ff"), tag, packet.ARPRequest(hostMAC, hostIP, floatingIP))), wire)
	packet.Check(t, asked, packet.EthSrc(floatingMAC), packet.EthDst(hostMAC), tag, packet.ARPReply(floatingMAC, floatingIP, hostMAC, hostIP).(packet.Checker))
	if got := s.send(wire, packet.Build(packet.Ethernet(hostMAC, gatewayMAC), tag, packet.IP(farIP, floatingIP), packet.EchoRequest(1, 1))); len(got) > 0 {
		t.Errorf("a packet for the floating IP at another's MAC address reaches %x", got)
	}
}

// asked lists whom this chassis asks outside, and as whom.
func asked(w *apptest.World) string {
	var list []string
	w.DB.Each(view.Resolves, func(_ string, row any) {
		x := row.(view.Resolve)
		list = append(list, x.NextHop.String()+" as "+x.Address.String()+" "+x.MAC.String())
	})
	return strings.Join(list, ", ")
}

// TestWhereItIsNotServed: nothing is left of a floating IP whose port is not here, is prepared or down, or whose
// router is down, has left the external network or reaches it nowhere.
func TestWhereItIsNotServed(t *testing.T) {
	all := append(append(topology(), here(guest(), 1)...), floating(apptest.Host))
	w := apptest.New(t, apps()...)
	w.Sync(model.ScopeRouter("elsewhere"))
	w.Set(all...)
	w.MustStep()
	whole := ours(w)
	if got, want := asked(w), hostIP+" as "+floatingIP+" "+floatingMAC.String(); got != want {
		t.Errorf("outside the chassis asks for %q, want %q", got, want)
	}
	inactive, down, disabled, away := apptest.Bind(guest()), guest(), &model.Router{Meta: meta("r")}, floating(apptest.Host)
	inactive.Status, down.AdminStateUp, away.RouterID = model.BindingInactive, false, "elsewhere"
	elsewhere := guest()
	elsewhere.Host = "c2"
	for what, c := range map[string]struct{ set, remove []any }{
		"it is disassociated":                 {remove: []any{floating(apptest.Host)}},
		"its port is bound elsewhere":         {set: []any{elsewhere}, remove: []any{apptest.Bind(guest())}},
		"its port is only prepared":           {set: []any{elsewhere, inactive}},
		"its port is not plugged":             {remove: []any{apptest.Plug(guest(), 1)}},
		"its port is down":                    {set: []any{down}},
		"its router is down":                  {set: []any{disabled}},
		"its router has no gateway any more":  {remove: []any{gatewayOf(all)}},
		"it is another router's":              {set: []any{away}},
		"the chassis is connected to nothing": {remove: []any{physical}},
	} {
		w.Set(c.set...)
		w.Remove(c.remove...)
		w.Step()
		if got := ours(w); got != "" {
			t.Errorf("%s, and there is still:\n%s", what, got)
		}
		if w.DB.Len(view.ServedFloatingIPs) > 0 || strings.Contains(asked(w), floatingIP) {
			t.Errorf("%s, and it is still served, or asks: %s", what, asked(w))
		}
		w.Set(all...)
		w.Step()
		if got := ours(w); got != whole {
			t.Fatalf("%s no more, and there is not all again:\n%s", what, got)
		}
	}
}

func gatewayOf(rows []any) any {
	for _, r := range rows {
		if g, is := r.(*model.RouterGateway); is {
			return g
		}
	}
	return nil
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	s := newWired(t, append(append(topology(), here(guest(), 1)...), floating(apptest.Host))...)
	s.send(wire, packet.Build(packet.Ethernet(hostMAC, floatingMAC), packet.VLAN(9), packet.IP(farIP, floatingIP), packet.EchoRequest(1, 1)))
	s.send("tap-a", packet.Build(packet.Ethernet(guest().MACAddress, insideMAC), packet.IP(fixedIP, farIP), packet.EchoReply(1, 1)))
	apptest.Readme(t, "dump", s.Dump(func(owner string) bool {
		return strings.HasPrefix(owner, "dnat.") || strings.HasPrefix(owner, "gateway.floating") || strings.Contains(owner, "WireAddress/x/203.0.113.70")
	}))
}
