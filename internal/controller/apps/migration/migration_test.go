package migration_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/migration"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/tunnel"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func apps() []*app.App {
	return []*app.App{
		misses.New(), classifier.New(), migration.New(), portsecurity.New(), tunnel.New(), l2.New(), apptest.Open(),
	}
}

func inactive(p *model.Port) *model.Binding {
	b := apptest.Bind(p)
	b.Status = model.BindingInactive
	return b
}

func addressOf(family string) string {
	return map[string]string{"v4": "10.0.0.1", "v6": "2001:db8::1"}[family]
}

// underlayOf is the address of another chassis' tunnels.
func underlayOf(family string) string {
	return map[string]string{"v4": "172.16.0.2", "v6": "fd00::2"}[family]
}

func TestGolden(t *testing.T) {
	for _, family := range []string{"v4", "v6"} {
		w := apptest.New(t, apps()...)
		p := apptest.At("c2", apptest.Port("a", "n", 1, addressOf(family)))
		w.Set(apptest.Overlay("n", model.Geneve, 5001), apptest.Peer("c1", "172.16.0.1"), apptest.Peer("c2", underlayOf(family)),
			view.TunnelPort{Type: model.Geneve, OFPort: 101}, p, inactive(p), apptest.Plug(p, 1))
		w.MustStep()
		text := func() string {
			return w.Engine.Text(func(o engine.Owner) bool {
				return o.App == "migration" || o.App == "tunnel" || o.App == "l2" || o.Rule == "classifier.port"
			})
		}
		apptest.Golden(t, "prepared-"+family, text())
		w.Remove(inactive(p), apptest.Plug(p, 1))
		w.Set(view.Departure{PortID: "a", NetworkID: "n"})
		w.MustStep()
		apptest.Golden(t, "departed-"+family, text())
		for _, scope := range []string{"network/n", "network/n/ports"} {
			if !w.DB.Has(view.Interests, scope) {
				t.Errorf("scope %s is not followed any more, so that nobody knows where the port is", scope)
			}
		}
	}
}

func TestHistoryDoesNotMatter(t *testing.T) {
	a, b, c := apptest.At("c2", apptest.Port("a", "n", 1, "10.0.0.1")), apptest.At("c1", apptest.Port("b", "n", 2)), apptest.At("c3", apptest.Port("c", "n", 3))
	apptest.Histories(t, apps, []any{
		apptest.Overlay("n", model.VXLAN, 5001), apptest.Peer("c1", "172.16.0.1"), apptest.Peer("c2", "172.16.0.2"), apptest.Peer("c3", "172.16.0.3"),
		view.TunnelPort{Type: model.VXLAN, OFPort: 101}, a, inactive(a), apptest.Plug(a, 1), b, apptest.Bind(b), apptest.Plug(b, 2), c,
		view.Departure{PortID: "c", NetworkID: "n"},
	}, []any{view.Arrival{PortID: "a", From: "c2", Revision: 1}, view.Departure{PortID: "b", NetworkID: "n"}})
}

// frame is one of an unknown protocol.
func frame(from *model.Port, to model.MAC, etherType ...byte) []byte {
	f := append(append(to[:], from.MACAddress[:]...), append(etherType, 0x88, 0xb5)[:2]...)
	return append(f, make([]byte, 46)...)
}

func broadcast() model.MAC { return model.MAC{255, 255, 255, 255, 255, 255} }

// rarp is what a hypervisor sends for a machine that it has resumed.
func rarp(p *model.Port) []byte {
	f := frame(p, broadcast(), 0x80, 0x35)
	copy(f[14:], []byte{0, 1, 8, 0, 6, 4, 0, 3})
	copy(f[22:], p.MACAddress[:])
	copy(f[32:], p.MACAddress[:])
	return f
}

// garp is what a guest sends that notices it was moved.
func garp(p *model.Port) []byte {
	f := frame(p, broadcast(), 0x08, 0x06)
	ip := p.FixedIPs[0].IPAddress.As4()
	copy(f[14:], []byte{0, 1, 8, 0, 6, 4, 0, 1})
	copy(f[22:], p.MACAddress[:])
	copy(f[28:], ip[:])
	copy(f[38:], ip[:])
	return f
}

// moving is port m, served on c1 and prepared on c2; p is on c3, a on c1 and b on c2.
func moving(t *testing.T) (*apptest.Cloud, map[string]*model.Port) {
	t.Helper()
	c := apptest.NewCloud(t, apps, 3, "172.16.0.1")
	c.Set(apptest.Overlay("n", model.Geneve, 5001))
	ports := map[string]*model.Port{}
	for i, p := range []struct{ id, host string }{{"m", "c1"}, {"a", "c1"}, {"b", "c2"}, {"p", "c3"}} {
		ports[p.id] = apptest.At(p.host, apptest.Port(p.id, "n", byte(i+1), "10.0.0."+string(rune('1'+i))))
		c.Boot(ports[p.id])
	}
	c.Prepare(ports["m"], "c2")
	c.Install()
	return c, ports
}

// reach tells who receives what each port sends to m, and what m sends as a broadcast from a chassis.
func reach(c *apptest.Cloud, p map[string]*model.Port) string {
	var got []string
	for _, from := range []string{"a", "b", "p"} {
		got = append(got, from+"→"+c.Send(p[from], frame(p[from], p["m"].MACAddress)))
	}
	for _, at := range []string{"c1", "c2"} {
		got = append(got, at+": "+c.SendAt(at, p["m"], frame(p["m"], broadcast())))
	}
	return strings.Join(got, ", ")
}

func TestAPreparedPortIsNeitherHeardNorUsed(t *testing.T) {
	t.Parallel()
	c, p := moving(t)
	const before = "a→m@c1, b→m@c1, p→m@c1, c1: a b p, c2: "
	if got := reach(c, p); got != before {
		t.Errorf("before: %s, want %s", got, before)
	}
}

func TestTheFirstThatIsHeardOfAGuestMovesIt(t *testing.T) {
	t.Parallel()
	c, p := moving(t)
	target := c.At("c2")
	for what, f := range map[string][]byte{"RARP": rarp(p["m"]), "gratuitous ARP": garp(p["m"])} {
		asked := target.Controller().Ask(migration.New(), p["m"], f)
		if asked.Err != nil || len(asked.Reply.Facts) != 1 || asked.Reply.Facts[0].Row != (view.Arrival{PortID: "m", From: "c1", Revision: 1}) {
			t.Fatalf("%s: %+v", what, asked)
		}
	}
	other := rarp(p["m"])
	other[11] = 0x77 // not from the port's MAC address
	if !target.Controller().Quiet(p["m"], other) || !target.Controller().Quiet(p["m"], frame(p["m"], broadcast())) {
		t.Error("something else than the guest's announcement was heard")
	}
	target.Set(view.Arrival{PortID: "m", From: "c1", Revision: 1})
	c.Install()
	// The others do not know yet; whoever is on the target does.
	const arrived = "a→m@c1, b→m@c2, p→m@c1, c1: a b m@c2 p, c2: a b m@c1 p"
	if got := reach(c, p); got != arrived {
		t.Errorf("arrived: %s, want %s", got, arrived)
	}
}

func TestActivationMovesAPortAndTheLastChassisSendsOn(t *testing.T) {
	t.Parallel()
	c, p := moving(t)
	m := apptest.Port("m", "n", 1, "10.0.0.1")
	m.Host = "c2"
	c.At("c1").Set(m, view.Departure{PortID: "m", NetworkID: "n"})
	c.At("c2").Set(m)
	c.Install() // c3 has not heard
	const known = "a→m@c2, b→m@c2, p→m@c2, c1: , c2: a b p"
	if got := reach(c, p); got != known {
		t.Errorf("activated: %s, want %s", got, known)
	}
	if got := c.At("c1").Dropped(); len(got) == 0 {
		t.Error("no drop of the source is counted")
	}
	// After its time the last chassis does not send on any more.
	c.At("c1").Remove(view.Departure{PortID: "m", NetworkID: "n"})
	c.Install()
	if got := c.Send(p["p"], frame(p["p"], m.MACAddress)); got != "" {
		t.Errorf("p reaches %q by a chassis that has forgotten the port", got)
	}
	c.At("c3").Set(m)
	c.Install()
	const after = "a→m@c2, b→m@c2, p→m@c2, c1: , c2: a b p"
	if got := reach(c, p); got != after {
		t.Errorf("after: %s, want %s", got, after)
	}
}

// TestTwoChassisThatEachSendOnDoNotPlayPingPong: after a port went there and back, each may for a moment
// hold the other for its chassis.
func TestTwoChassisThatEachSendOnDoNotPlayPingPong(t *testing.T) {
	t.Parallel()
	c, p := moving(t)
	there, back := apptest.Port("m", "n", 1, "10.0.0.1"), apptest.Port("m", "n", 1, "10.0.0.1")
	there.Host, back.Host = "c2", "c1"
	c.At("c1").Set(there, view.Departure{PortID: "m", NetworkID: "n"})
	c.At("c2").Set(back, view.Departure{PortID: "m", NetworkID: "n"})
	c.Install()
	if got := c.Send(p["p"], frame(p["p"], there.MACAddress)); got != "" { // Send fails on a loop
		t.Errorf("p reaches %q", got)
	}
}

func TestTheLastPacketsOfALeavingGuestDoNotCallItBack(t *testing.T) {
	t.Parallel()
	c, p := moving(t)
	m := apptest.Port("m", "n", 1, "10.0.0.1")
	m.Host = "c2"
	source := c.At("c1")
	source.Set(m, view.Departure{PortID: "m", NetworkID: "n"})
	c.Install()
	asked := source.Controller().Ask(migration.New(), p["m"], rarp(p["m"]))
	if asked.Err != nil || len(asked.Reply.Facts) != 0 || asked.Reply.Event != "leaving" {
		t.Errorf("%+v", asked)
	}
}

// TestAGuestThatComesBackIsHeard: it has left a moment ago, and what is sent to it still goes on.
func TestAGuestThatComesBackIsHeard(t *testing.T) {
	t.Parallel()
	c, p := moving(t)
	m := apptest.Port("m", "n", 1, "10.0.0.1")
	m.Host = "c2"
	source := c.At("c1")
	source.Set(m, view.Departure{PortID: "m", NetworkID: "n", Gone: true})
	c.Install()
	asked := source.Controller().Ask(migration.New(), p["m"], rarp(p["m"]))
	if asked.Err != nil || len(asked.Reply.Facts) != 1 || asked.Reply.Event != "arrival" {
		t.Errorf("%+v", asked)
	}
}

// TestAnArrivalIsOverWhenThePortMovesOn has the API tell something newer than what was heard.
func TestAnArrivalIsOverWhenThePortMovesOn(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*model.Port, *model.Binding){
		"to a third":                 func(p *model.Port, _ *model.Binding) { p.Host = "c3" },
		"by way of here and back":    func(_ *model.Port, b *model.Binding) { b.Revision++ },
		"nowhere: it has a new name": nil,
	} {
		w := apptest.New(t, apps()...)
		p := apptest.At("c2", apptest.Port("a", "n", 1, "10.0.0.1"))
		heard := view.Arrival{PortID: "a", From: "c2", Revision: p.Revision}
		w.Set(apptest.Overlay("n", model.Geneve, 5001), apptest.Peer("c1", "172.16.0.1"), apptest.Peer("c2", "172.16.0.2"),
			apptest.Peer("c3", "172.16.0.3"), view.TunnelPort{Type: model.Geneve, OFPort: 101}, p, inactive(p), apptest.Plug(p, 1), heard)
		w.MustStep()
		q, b := *p, inactive(p)
		q.Name, q.Revision = "b", p.Revision+1
		if change != nil {
			change(&q, b)
		}
		w.Set(&q, b)
		w.MustStep()
		row, _ := w.DB.Row(view.LocalPorts, "a")
		if got := row.(view.LocalPort).Prepared; got != (change != nil) {
			t.Errorf("%s: prepared %v", name, got)
		}
	}
}

// TestAnArrivalHoldsUntilThePortTells has the database tell of the completed migration in two parts, in each order: they are
// in different scopes. In between the guest is served on.
func TestAnArrivalHoldsUntilThePortTells(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"port", "binding"} {
		w := apptest.New(t, apps()...)
		p := apptest.At("c2", apptest.Port("a", "n", 1, "10.0.0.1"))
		heard := view.Arrival{PortID: "a", From: "c2", Revision: p.Revision}
		w.Set(apptest.Overlay("n", model.Geneve, 5001), apptest.Peer("c1", "172.16.0.1"), apptest.Peer("c2", "172.16.0.2"),
			view.TunnelPort{Type: model.Geneve, OFPort: 101}, p, inactive(p), apptest.Plug(p, 1), heard)
		w.MustStep()
		q, b := *p, inactive(p)
		q.Host, q.Revision = apptest.Host, p.Revision+1
		b.Status, b.Revision = model.BindingActive, q.Revision
		told := map[string]any{"port": &q, "binding": b}
		w.Set(told[first])
		w.MustStep()
		if row, _ := w.DB.Row(view.LocalPorts, "a"); row.(view.LocalPort).Prepared {
			t.Errorf("the %s is told first: the guest is not served", first)
		}
	}
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	c, p := moving(t)
	m := apptest.Port("m", "n", 1, "10.0.0.1")
	m.Host = "c2"
	source := c.At("c1")
	source.Set(m, view.Departure{PortID: "m", NetworkID: "n"})
	c.At("c2").Set(m)
	c.Install()
	c.Send(p["p"], frame(p["p"], m.MACAddress))
	apptest.Readme(t, "dump", source.Dump(func(owner string) bool {
		return strings.HasPrefix(owner, "migration.") || strings.HasPrefix(owner, "tunnel.forward") || owner == "classifier.port LocalPort/m"
	}))
}
