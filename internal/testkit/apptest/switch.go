package apptest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/oftrace"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// Bridge is the name of a world's bridge.
const Bridge = "br-int"

// Switch is a real Open vSwitch that has a world's flows. Its devices are dummies.
type Switch struct {
	*ovs.Switch
	w *World
	// seen is how many packets Dropped has told about.
	seen map[flow.Key]uint64
	// answer is what dragonflow why said of the last frame that nobody received.
	answer *operate.Answer
	// firsts are the last first fragments, by port and addresses.
	firsts map[string][]byte
}

// Switch starts an Open vSwitch and plugs ports of the world into it, in this order.
func (w *World) Switch(ports ...*model.Port) *Switch {
	w.t.Helper()
	return w.SwitchWith(nil, ports...)
}

// SwitchWith is Switch with options.
func (w *World) SwitchWith(options []ovs.Option, ports ...*model.Port) *Switch {
	w.t.Helper()
	s := &Switch{Switch: ovs.Start(w.t, options...), w: w, seen: map[flow.Key]uint64{}, firsts: map[string][]byte{}}
	s.AddBridge(Bridge)
	for _, p := range ports {
		s.Plug(p)
	}
	return s
}

// Plug gives a port its interface, on the switch and in the world.
func (s *Switch) Plug(p *model.Port) {
	s.w.t.Helper()
	name := Plug(p, 0).Name
	number, err := strconv.ParseUint(s.AddPort(Bridge, name, "iface-id="+p.ID), 10, 32)
	if err != nil {
		s.w.t.Fatalf("OpenFlow port of %s: %v", name, err)
	}
	s.w.Set(Plug(p, uint32(number)))
}

// GrowTrees sets the prefix trees that the pipeline declares, which keep megaflows wide.
func (s *Switch) GrowTrees() {
	s.w.t.Helper()
	for _, stage := range pipeline.Stages() {
		if p := stage.Prefixes(); len(p) > 0 {
			s.Vsctl("--", "--id=@t", "create", "flow_table", "prefixes="+strings.Join(p, ","),
				"--", "set", "bridge", Bridge, fmt.Sprintf("flow_tables:%d=@t", stage.Table()))
		}
	}
}

// Install makes the switch have exactly the world's meters and flows, as Open vSwitch's own tool does it.
func (s *Switch) Install() {
	s.w.t.Helper()
	s.Ofctl("-O", "OpenFlow14", "del-meters", Bridge)
	for m := range s.w.Engine.Meters() {
		unit := map[flow.MeterUnit]string{flow.KilobitsPerSecond: "kbps", flow.PacketsPerSecond: "pktps"}[m.Unit]
		s.Ofctl("-O", "OpenFlow14", "add-meter", Bridge,
			fmt.Sprintf("meter=%d,%s,burst,band=type=drop,rate=%d,burst_size=%d", m.ID, unit, m.Rate, m.Burst))
	}
	for g := range s.w.Engine.Groups() {
		s.Ofctl("-O", "OpenFlow14", "--may-create", "mod-group", Bridge, groupText(g))
	}
	var text strings.Builder
	for f := range s.w.Engine.Flows() {
		fmt.Fprintln(&text, f)
	}
	file := filepath.Join(s.w.t.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		s.w.t.Fatal(err)
	}
	s.ForgetDecisions() // what went through the old flows counts for them
	s.Ofctl("-O", "OpenFlow14", "--bundle", "replace-flows", Bridge, file)
	s.ForgetDecisions()
}

// groupText is a group as ovs-ofctl wants it.
func groupText(g flow.GroupEntry) string {
	text := fmt.Sprintf("group_id=%d,type=%s", g.ID, map[flow.GroupType]string{
		flow.GroupAll: "all", flow.GroupSelect: "select", flow.GroupIndirect: "indirect", flow.GroupFastFailover: "ff",
	}[g.Type])
	for _, b := range g.Buckets.All() {
		text += ",bucket="
		if b.WatchPort != 0 {
			text += fmt.Sprintf("watch_port:%d,", b.WatchPort)
		}
		var do []string
		for _, a := range b.Actions {
			do = append(do, a.String())
		}
		text += "actions=" + strings.Join(do, ",")
	}
	return text
}

// Send gives a frame to the switch as the port's guest would, and returns what each plugged port then
// received, by port id. What dragonflow trace and why say of the frame must be what the switch does.
func (s *Switch) Send(from *model.Port, frame []byte) map[string][][]byte {
	s.w.t.Helper()
	s.answer = nil
	var plugged []view.Interface
	s.w.DB.Each(view.Interfaces, func(_ string, row any) { plugged = append(plugged, row.(view.Interface)) })
	for _, i := range plugged {
		s.Forget(i.Name)
	}
	var theirs *oftrace.Trace
	ofport := uint32(0)
	for _, i := range plugged {
		if i.PortID == from.ID {
			ofport = i.OFPort
			theirs = s.agree(ofport, frame)
		}
	}
	s.Inject(Plug(from, 0).Name, frame)
	s.Settle()
	got := map[string][][]byte{}
	for _, i := range plugged {
		if frames := s.Sent(i.Name); len(frames) > 0 {
			got[i.PortID] = frames
		}
	}
	if len(got) == 0 && theirs != nil {
		hears := func(port string) bool {
			return slices.ContainsFunc(plugged, func(i view.Interface) bool { return fmt.Sprint(i.OFPort) == port })
		}
		const large = 1200 // what the walk takes for within all limits
		if !theirs.Tracked && len(frame) < large && slices.ContainsFunc(theirs.Ports, hears) {
			s.w.t.Errorf("nobody receives %s from %s, which ofproto/trace sends to %v: the frame is not what it was taken for",
				short(frame), from.ID, theirs.Ports)
		}
		s.answer = s.explained(from, frame, s.firstOf(ofport, frame), theirs)
	}
	return got
}

// Open is an app that stands in for security groups where a test is about something else: it lets
// everything through.
func Open() *app.App {
	return &app.App{
		Name: "secgroup", ID: 250,
		Rules: []app.Rule{app.For("secgroup.open", view.Self, func(_ *view.Reader, _ view.Chassis, out *app.Output) {
			pass := func(from, to pipeline.Stage) {
				out.Flow(from, pipeline.Low, flow.Match{}, flow.Goto(to.Table()), "this test has no security groups")
			}
			pass(pipeline.EgressConntrack, pipeline.EgressBandwidth)
			pass(pipeline.IngressConntrack, pipeline.IngressPortSecurity)
		})},
	}
}

// Counted is a flow of the world that packets met on the switch.
type Counted struct {
	Flow    flow.Flow
	Owners  []string
	Reason  string
	Packets uint64
}

// Dropped returns the reason of each drop flow that packets met since the last Dropped, with their number.
func (s *Switch) Dropped() map[string]uint64 {
	s.w.t.Helper()
	got := map[string]uint64{}
	for _, c := range s.Counters() {
		if news := c.Packets - s.seen[c.Flow.Key()]; c.Flow.Instructions.IsDrop() && news > 0 {
			got[c.Reason] += news
		}
		s.seen[c.Flow.Key()] = c.Packets
	}
	return got
}

// Counters returns every flow of the world with the number of packets that met it, as Open vSwitch's own
// tool tells.
func (s *Switch) Counters() []Counted {
	s.w.t.Helper()
	s.ForgetDecisions() // else counters lag behind the datapath's by up to a second
	desired := map[string]flow.Flow{}
	for f := range s.w.Engine.Flows() {
		f.Cookie = 0
		desired[selector(f.String())] = f
	}
	var out []Counted
	for line := range strings.Lines(s.Ofctl("-O", "OpenFlow14", "--no-names", "dump-flows", Bridge)) {
		_, rest, ok := strings.Cut(line, "n_packets=")
		if !ok {
			continue
		}
		number, rest, _ := strings.Cut(rest, ",")
		packets, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			s.w.t.Fatalf("counter in %q: %v", line, err)
		}
		_, table, _ := strings.Cut(line, "table=")
		table, _, _ = strings.Cut(table, ",")
		_, rest, _ = strings.Cut(rest, "priority=")
		f, known := desired[selector("table="+table+", priority="+rest)]
		if !known {
			s.w.t.Fatalf("the switch has a flow that the world does not want: %s", line)
		}
		x, _ := s.w.Engine.Explain(f.Key())
		c := Counted{Flow: x.Flow, Reason: x.Reason, Packets: packets}
		for _, o := range x.Owners {
			c.Owners = append(c.Owners, o.String())
		}
		out = append(out, c)
	}
	return out
}

// selector is what of a flow's text identifies it.
func selector(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), " actions=")
	if !strings.HasPrefix(text, "table=") {
		text = "table=0, " + text
	}
	return text
}
