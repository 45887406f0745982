package operate_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// onSwitch gives the cloud a real switch.
func (c *cloud) onSwitch(rows ...any) *apptest.Switch {
	for i, p := range c.ports() {
		c.Remove(apptest.Plug(p, uint32(i)+1))
	}
	c.Set(rows...)
	s := c.Switch(c.ports()...)
	c.MustStep()
	s.Install()
	return s
}

func counted(s *apptest.Switch) []operate.Counted {
	var out []operate.Counted
	for _, c := range s.Counters() {
		out = append(out, operate.Counted{Flow: c.Flow, Packets: c.Packets, Bytes: 60 * c.Packets})
	}
	return out
}

// TestWhyIsTrue sends the packets that it asks about, and sees whether they arrive.
func TestWhyIsTrue(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.onSwitch(
		rule("web-dns", "g-web", model.Egress, flow.ProtoUDP, 53, 53, "10.0.0.2/32", ""),
		rule("web-any", "g-web", model.Egress, flow.ProtoUDP, 100, 200, "", "g-web"),
		rule("web-udp", "g-web", model.Ingress, flow.ProtoUDP, 53, 150, "10.0.0.3/32", ""),
		rule("db-dns", "g-db", model.Ingress, flow.ProtoUDP, 53, 53, "", "g-web"),
		rule("db-out", "g-db", model.Egress, model.AnyProtocol, -1, -1, "", ""),
	)
	passed := 0
	for _, from := range []*model.Port{c.web, c.db, c.open} {
		for _, to := range []*model.Port{c.web, c.db, c.open} {
			for _, port := range []uint16{53, 54, 150, 151, 250} {
				if from == to {
					continue
				}
				src, dst := from.FixedIPs[0].IPAddress, to.FixedIPs[0].IPAddress
				u := packet.UDP{SrcPort: 49152, DstPort: port}.Append(nil, src, dst)
				frame := packet.Ethernet{Dst: to.MACAddress, Src: from.MACAddress, EtherType: packet.EtherTypeIPv4}.Append(nil)
				frame = packet.IPv4{TTL: 64, Protocol: packet.ProtocolUDP, Src: src, Dst: dst}.Append(frame, len(u))
				arrived := len(s.Send(from, append(frame, u...))[to.ID]) == 1
				ans, err := operate.Why(c.world(), operate.Question{Port: from.ID, Dst: dst.String(), What: fmt.Sprint("udp/", port)})
				if err != nil {
					t.Fatal(err)
				}
				if ans.Passes != arrived {
					t.Errorf("%s to %s udp/%d: arrives: %v, but %s", from.Name, to.Name, port, arrived, ans.Sentence)
				}
				if arrived {
					passed++
				}
			}
		}
	}
	if passed < 5 || passed > 25 {
		t.Errorf("%d packets arrived: the test says little", passed)
	}
}

func TestDropsTellReasonAndObject(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.onSwitch()
	spoof := func(src, dst [6]byte, from, to int) []byte {
		b := packet.Ethernet{Dst: dst, Src: src, EtherType: packet.EtherTypeIPv4}.Append(nil)
		u := packet.UDP{SrcPort: 9, DstPort: 9}.Append(nil, c.web.FixedIPs[0].IPAddress, c.db.FixedIPs[0].IPAddress)
		return append(packet.IPv4{TTL: 64, Protocol: packet.ProtocolUDP, Src: apptest.Prefix(fmt.Sprintf("10.0.0.%d/32", from)).Addr(),
			Dst: apptest.Prefix(fmt.Sprintf("10.0.0.%d/32", to)).Addr()}.Append(b, len(u)), u...)
	}
	s.Send(c.web, spoof(c.db.MACAddress, c.db.MACAddress, 1, 2))
	s.Send(c.web, spoof(c.db.MACAddress, c.db.MACAddress, 1, 2))
	s.Send(c.web, spoof(c.web.MACAddress, c.db.MACAddress, 9, 2))
	s.Send(c.web, spoof(c.web.MACAddress, c.db.MACAddress, 1, 2)) // no rule allows UDP
	list := operate.Drops(c.world(), operate.Dump{Flows: counted(s)}, false)
	var out bytes.Buffer
	if err := list.Write(&out); err != nil {
		t.Fatal(err)
	}
	apptest.Page(t, "../../docs/operate/questions.md", "drops", "$ dragonflow drops\n"+out.String())
	if all := operate.Drops(c.world(), operate.Dump{Flows: counted(s)}, true); len(all) < 20 {
		t.Errorf("with those that nothing met there are only %d reasons", len(all))
	}
	out.Reset()
	if err := operate.Drops(c.world(), operate.Dump{}, false).Write(&out); err != nil || out.String() != "nothing was dropped\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestFloodsAreNamed: what a meter dropped is its port's.
func TestFloodsAreNamed(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.onSwitch()
	dump := operate.Dump{Flows: counted(s), Metered: []operate.Metered{{ID: pipeline.MeterNumbers.Max, Dropped: 7}}} // not ours
	for m := range c.Engine.Meters() {
		_, owner, ok := c.Engine.ExplainMeter(m.ID)
		if !ok {
			t.Fatalf("meter %d is nobody's", m.ID)
		}
		n := uint64(0)
		if owner.Rule == "dhcp.port" && owner.Key == c.web.ID {
			n = 1000
		}
		dump.Metered = append(dump.Metered, operate.Metered{ID: m.ID, Dropped: n})
	}
	want := operate.DropList{{
		Stage: "dhcp", Reason: "flood: more than 20 packets a second for the controller", Object: "port " + c.web.Name, ID: c.web.ID, Packets: 1000,
	}}
	if diff := cmp.Diff(want, operate.Drops(c.world(), dump, false)); diff != "" {
		t.Error(diff)
	}
	if all := operate.Drops(c.world(), operate.Dump{Metered: dump.Metered}, true); len(all) != len(dump.Metered)-1 {
		t.Errorf("%d meters, %d listed: %v", len(dump.Metered)-1, len(all), all)
	}
}

// TestDropsOfRoutersAreNamed: a flow that one router has counts for it.
func TestDropsOfRoutersAreNamed(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	gateway := func(id, network string, n byte, addr string) []any {
		p := apptest.Port(id, network, n, addr)
		p.DeviceOwner, p.DeviceID = model.RouterInterfaceOwner, "11-edge"
		return []any{p, &model.RouterInterface{Meta: model.Meta{ID: id, Revision: 1}, RouterID: "11-edge", NetworkID: network,
			MACAddress: p.MACAddress, FixedIPs: p.FixedIPs, AdminStateUp: true}}
	}
	c.Set(&model.Router{Meta: model.Meta{ID: "11-edge", Revision: 1}, Name: "edge", AdminStateUp: true})
	c.Set(gateway("gw-n", "n", 0xf1, "10.0.0.254")...)
	c.Set(gateway("gw-m", "m", 0xf2, "10.1.0.254")...)
	c.MustStep()
	var all []operate.Counted
	for f := range c.Engine.Flows() {
		f.Instructions = flow.Drop() // what matters is whose it is
		all = append(all, operate.Counted{Flow: f, Packets: 1})
	}
	named := map[string]bool{}
	for _, d := range operate.Drops(c.world(), operate.Dump{Flows: all}, false) {
		named[d.Object] = true
	}
	for _, want := range []string{"router edge", "network n", "router edge, 10.1.0.0/24"} {
		if !named[want] {
			t.Errorf("nothing is counted for %q: %v", want, named)
		}
	}
}

func TestFlowsOfAPort(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.onSwitch()
	s.Ofctl("-O", "OpenFlow14", "--strict", "del-flows", apptest.Bridge, "table=0,priority=200,in_port=3,vlan_tci=0x1000/0x1000")
	all, err := operate.Flows(c.world(), counted(s), "")
	if err != nil || len(all) != c.Engine.FlowCount() {
		t.Fatalf("%d flows of %d, %v", len(all), c.Engine.FlowCount(), err)
	}
	list, err := operate.Flows(c.world(), counted(s), "open1")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := list.Write(&out); err != nil {
		t.Fatal(err)
	}
	missing := 0
	for _, f := range list {
		if !f.OnSwitch {
			missing++
		}
		if !strings.Contains(f.Source, ".go:") || f.Reason == "" {
			t.Errorf("flow without source or reason: %+v", f)
		}
	}
	if missing != 1 {
		t.Errorf("%d flows are said not to be on the switch, want the one that was deleted", missing)
	}
	for _, want := range []string{
		"classify (table 0)\n  200 in_port=3,vlan_tci=0x0000/0x1fff -> load:0x3->source_port,load:0x1->network,goto_table:egress-port-security\n" +
			"      classifier.port LocalPort/33333333-open: the port sends through its interface\n      0 packets, 0 bytes; classifier/classifier.go:",
		"  200 in_port=3,vlan_tci=0x1000/0x1000 -> drop  NOT ON THE SWITCH\n",
		"  200 network=0x1,dl_dst=fa:16:3e:00:00:03 -> load:0x3->dest_port,goto_table:l2-horizon\n",
		"  200 dest_port=0x3 -> output:3\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("missing:\n%s\nin:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "source_port=0x1,") {
		t.Errorf("flows of another port are listed:\n%s", out.String())
	}
	if _, err := operate.Flows(c.world(), nil, "nobody"); err == nil {
		t.Error("an unknown port has flows")
	}
}

func TestDiffFindsEveryKindOfDifference(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.onSwitch()
	have, meters := counted(s), slices.Collect(c.Engine.Meters())
	if l := operate.Diff(c.world(), operate.Dump{Flows: have, Meters: meters}); len(l) != 0 {
		t.Fatalf("nothing was changed: %+v", l)
	}
	have[0].Flow.Instructions = flow.Goto(99)
	stale, foreign := have[1].Flow, have[1].Flow
	stale.Priority, foreign.Priority, foreign.Cookie = 7, 8, 1
	have[2] = operate.Counted{Flow: stale}
	have = append(have, operate.Counted{Flow: foreign})
	kinds := map[operate.DifferenceKind]int{}
	for _, d := range operate.Diff(c.world(), operate.Dump{Flows: have, Meters: append(meters[1:], flow.NewMeter(9999, flow.PacketsPerSecond, 1, 0))}) {
		kinds[d.Kind]++
		if d.Kind != operate.Stale && d.Where != "meter" && (d.Object == "" || d.Reason == "") {
			t.Errorf("whose is it? %+v", d)
		}
	}
	if kinds[operate.Missing] != 2 || kinds[operate.Different] != 1 || kinds[operate.Stale] != 2 || len(kinds) != 3 {
		t.Errorf("%v", kinds)
	}
}

// TestPage keeps the examples of docs/operate/questions.md real.
func TestPage(t *testing.T) {
	t.Parallel()
	const page = "../../docs/operate/questions.md"
	c := newCloud(t)
	var out, trace bytes.Buffer
	for _, q := range []operate.Question{
		{Port: "web1", Dst: "db1", What: "tcp/5432"}, {Port: "web1", Dst: "db1", What: "tcp/5433"},
		{Port: "web1", Dst: "10.0.0.2", What: "udp/53"}, {Port: "open1", Dst: "web1", What: "tcp/443"},
		{Port: "web1", Dst: "10.0.0.77"}, {Port: "web1", Dst: "stranger1"},
	} {
		fmt.Fprintln(&out, strings.TrimSpace(fmt.Sprintf("$ dragonflow why %s %s %s", q.Port, q.Dst, q.What)))
		ans, err := operate.Why(c.world(), q)
		if err != nil {
			t.Fatal(err)
		}
		if err := ans.Write(&out); err != nil {
			t.Fatal(err)
		}
		if trace.Len() == 0 {
			if err := ans.Journey.Write(&trace); err != nil {
				t.Fatal(err)
			}
		}
	}
	apptest.Page(t, page, "why", out.String())
	apptest.Page(t, page, "trace", trace.String())
}
