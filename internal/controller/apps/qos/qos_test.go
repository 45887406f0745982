package qos_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/qos"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

func apps() []*app.App {
	return []*app.App{misses.New(), classifier.New(), portsecurity.New(), l2.New(), apptest.Open(), qos.New()}
}

func policy(id string, change ...func(*model.QoSPolicy)) *model.QoSPolicy {
	p := &model.QoSPolicy{Meta: model.Meta{ID: id, Revision: 1}, Name: id}
	for _, c := range change {
		c(p)
	}
	return p
}

func bandwidth(d model.Direction, kbps, burst int) func(*model.QoSPolicy) {
	return func(p *model.QoSPolicy) {
		p.BandwidthLimits = append(p.BandwidthLimits, model.QoSLimit{Direction: d, Max: kbps, MaxBurst: burst})
	}
}

func packets(d model.Direction, kpps, burst int) func(*model.QoSPolicy) {
	return func(p *model.QoSPolicy) {
		p.PacketRateLimits = append(p.PacketRateLimits, model.QoSLimit{Direction: d, Max: kpps, MaxBurst: burst})
	}
}

func dscp(n int) func(*model.QoSPolicy) { return func(p *model.QoSPolicy) { p.DSCPMark = &n } }

func everything(id string) *model.QoSPolicy {
	return policy(id, bandwidth(model.Egress, 2000, 0), bandwidth(model.Ingress, 3000, 4000),
		packets(model.Egress, 5, 0), packets(model.Ingress, 6, 7), dscp(26))
}

// guest is the n-th port of network n, with the rows that it needs here, and a policy.
func guest(n byte, policy string) (*model.Port, []any) {
	p := apptest.Port(string('a'+rune(n-1)), "n", n, fmt.Sprint("10.0.0.", n), fmt.Sprint("2001:db8::", n))
	p.QoSPolicyID = policy
	return p, []any{p, apptest.Bind(p), apptest.Plug(p, uint32(n))}
}

// world is one with network n, ports of it, and policies.
func world(t *testing.T, rows ...any) *apptest.World {
	w := apptest.New(t, apps()...)
	w.Set(apptest.Net("n"))
	w.Set(rows...)
	w.MustStep()
	return w
}

func flows(w *apptest.World) string {
	return w.Engine.Text(func(o engine.Owner) bool { return o.App == "qos" })
}

func meters(w *apptest.World) string {
	var out []string
	for m := range w.Engine.Meters() {
		out = append(out, fmt.Sprintf("%d: unit %d, rate %d, burst %d", m.ID, m.Unit, m.Rate, m.Burst))
	}
	slices.Sort(out)
	return strings.Join(out, "\n") + "\n"
}

func TestFlows(t *testing.T) {
	t.Parallel()
	_, a := guest(1, "gold")
	w := world(t, append(a, everything("gold"))...)
	apptest.Golden(t, "everything", flows(w)+meters(w))
	_, a = guest(1, "slow")
	w = world(t, append(a, policy("slow", bandwidth(model.Egress, 100, 10)))...)
	apptest.Golden(t, "egress", flows(w)+meters(w))
}

func TestHistoryDoesNotMatter(t *testing.T) {
	t.Parallel()
	_, a := guest(1, "gold")
	_, b := guest(2, "slow")
	_, c := guest(3, "")
	_, gone := guest(4, "gold")
	n := apptest.Net("n")
	n.QoSPolicyID = "network"
	rows := slices.Concat([]any{n, everything("gold"), policy("slow", bandwidth(model.Ingress, 100, 0)), policy("network", dscp(8))}, a, b, c)
	apptest.Histories(t, apps, rows, gone)
}

// TestWhoHasNoPolicyCostsNothing, and neither does one without limits.
func TestWhoHasNoPolicyCostsNothing(t *testing.T) {
	t.Parallel()
	_, a := guest(1, "")
	_, b := guest(2, "empty")
	_, c := guest(3, "missing")
	w := apptest.New(t, apps()...)
	w.Sync(model.ScopeQoSPolicy("missing"))
	w.Set(slices.Concat([]any{apptest.Net("n"), policy("empty", bandwidth(model.Egress, 0, 5))}, a, b, c)...)
	w.MustStep()
	if got := flows(w); got != "" {
		t.Errorf("flows for ports that nothing limits:\n%s", got)
	}
}

// TestWhichPolicyHolds: the port's own, as a whole, else its network's. What is not held is not followed.
func TestWhichPolicyHolds(t *testing.T) {
	t.Parallel()
	n := apptest.Net("n")
	n.QoSPolicyID = "network"
	p, own := guest(1, "own")
	w := world(t, append(own, policy("own", dscp(10)), policy("network", dscp(20), bandwidth(model.Egress, 1000, 0)))...)
	w.Set(n)
	w.MustStep()
	follows := func(policy string) bool {
		_, found := view.Get(w.Reader(), view.Interests, model.ScopeQoSPolicy(policy))
		return found == view.Present
	}
	if f := flows(w); !strings.Contains(f, "ip_dscp") || strings.Contains(f, "meter:") || !follows("own") || follows("network") {
		t.Errorf("with a policy of its own the port has\n%s", f)
	}
	c := *p
	c.QoSPolicyID = ""
	w.Set(&c)
	w.MustStep()
	if f := flows(w); !strings.Contains(f, "meter:") || follows("own") || !follows("network") {
		t.Errorf("with its network's policy the port has\n%s", f)
	}
	w.Set(apptest.Net("n"))
	w.MustStep()
	if f := flows(w); f != "" || follows("network") {
		t.Errorf("without a policy the port has\n%s", f)
	}
}

// TestAnotherLimitChangesNoFlow: no packet meets a moment without the limit.
func TestAnotherLimitChangesNoFlow(t *testing.T) {
	t.Parallel()
	_, a := guest(1, "gold")
	w := world(t, append(a, policy("gold", bandwidth(model.Egress, 1000, 0)))...)
	w.Set(policy("gold", bandwidth(model.Egress, 5000, 0)))
	d := w.MustStep()
	if len(d.Flows) != 0 || len(d.Meters) != 1 || d.Meters[0].Old == nil || d.Meters[0].New == nil {
		t.Errorf("another limit changes %d flows and meters %+v", len(d.Flows), d.Meters)
	}
}

// TestLimitsFitTheWire whatever the database says, and a packet that a host has not cut fits the bucket.
func TestLimitsFitTheWire(t *testing.T) {
	t.Parallel()
	const most = 1<<31 - 1
	_, a := guest(1, "huge")
	w := world(t, append(a, policy("huge", bandwidth(model.Egress, most, most), packets(model.Egress, most, most),
		bandwidth(model.Ingress, 1, 1), packets(model.Ingress, 1, 0)))...)
	got := map[flow.MeterEntry]bool{}
	for m := range w.Engine.Meters() {
		m.ID = 0
		got[m] = true
	}
	for _, want := range []flow.MeterEntry{
		{Unit: flow.KilobitsPerSecond, Rate: most, Burst: most},
		{Unit: flow.PacketsPerSecond, Rate: 1<<32 - 1, Burst: 1<<32 - 1},
		{Unit: flow.KilobitsPerSecond, Rate: 1, Burst: 525},
		{Unit: flow.PacketsPerSecond, Rate: 1000, Burst: 1},
	} {
		if !got[want] {
			t.Errorf("no meter is %+v: %v", want, got)
		}
	}
}

// large is what a sends to a MAC address: 1,000 bytes.
func large(from *model.Port, to model.MAC) []byte {
	return packet.Build(packet.Ethernet(from.MACAddress, to), packet.IP("10.0.0.1", "10.0.0.2"), packet.UDP(1, 2),
		packet.Payload(strings.Repeat("x", 1000-42)))
}

// fits is how many of these the smallest bucket holds: 525,000 bits.
const fits = 525_000 / 8_000

// burst sends n copies of a frame and returns how many each port got.
func burst(s *apptest.Switch, from *model.Port, frame []byte, n int, to ...*model.Port) []int {
	for _, p := range to {
		s.Forget("tap-" + p.ID)
	}
	for range n {
		s.Inject("tap-"+from.ID, frame)
	}
	s.Settle()
	var got []int
	for _, p := range to {
		got = append(got, len(s.Sent("tap-"+p.ID)))
	}
	return got
}

// on is a switch with guests a, b and c, of which b has a policy.
func on(t *testing.T, secure bool, q *model.QoSPolicy) (w *apptest.World, s *apptest.Switch, a, b, c *model.Port) {
	w = world(t, q)
	var ports []*model.Port
	for n, policy := range []string{"", q.ID, ""} {
		p, _ := guest(byte(n+1), policy)
		p.PortSecurityEnabled = secure
		ports = append(ports, p)
		w.Set(p, apptest.Bind(p))
	}
	s = w.Switch(ports...)
	w.MustStep()
	s.Install()
	return w, s, ports[0], ports[1], ports[2]
}

var broadcast = model.MAC{255, 255, 255, 255, 255, 255}

// TestWhatOneMayNotReceiveOthersStillDo: a meter that drops takes nobody else's copy with it.
func TestWhatOneMayNotReceiveOthersStillDo(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		_, s, a, b, c := on(t, secure, policy("slow", bandwidth(model.Ingress, 1, 1)))
		got := burst(s, a, large(a, broadcast), 2*fits, b, c)
		if got[0] < fits || got[0] > fits+2 || got[1] != 2*fits {
			t.Errorf("port security %v: of %d broadcasts the limited port gets %d, want %d, and the other %d, want all", secure, 2*fits, got[0], fits, got[1])
		}
	}
}

func TestWhatOneSendsIsLimited(t *testing.T) {
	t.Parallel()
	w, s, a, b, c := on(t, true, policy("slow", bandwidth(model.Egress, 1, 1)))
	frame := packet.Build(packet.Ethernet(b.MACAddress, c.MACAddress), packet.IP("10.0.0.2", "10.0.0.3"), packet.UDP(1, 2),
		packet.Payload(strings.Repeat("x", 1000-42)))
	if got := burst(s, b, frame, 2*fits, c); got[0] < fits || got[0] > fits+2 {
		t.Errorf("of %d packets %d leave, want %d", 2*fits, got[0], fits)
	}
	if got := burst(s, a, large(a, c.MACAddress), 2*fits, c); got[0] != 2*fits {
		t.Errorf("another port sends %d of %d", got[0], 2*fits)
	}
	p := *b
	p.QoSPolicyID = ""
	w.Set(&p)
	w.MustStep()
	s.Install()
	if got := burst(s, b, frame, 2*fits, c); got[0] != 2*fits {
		t.Errorf("without the policy %d of %d leave", got[0], 2*fits)
	}
}

func TestPacketsAreCounted(t *testing.T) {
	t.Parallel()
	_, s, a, b, _ := on(t, true, policy("few", packets(model.Ingress, 1, 1)))
	frame := packet.Build(packet.Ethernet(a.MACAddress, b.MACAddress), packet.IP("10.0.0.1", "10.0.0.2"), packet.UDP(1, 2))
	const n = 10
	if got := burst(s, a, frame, n, b); got[0] != n {
		t.Errorf("of %d packets within the limit %d arrive", n, got[0])
	}
	if stats := s.Ofctl("-O", "OpenFlow14", "meter-stats", apptest.Bridge); !strings.Contains(stats, fmt.Sprintf("packet_in_count:%d ", n)) {
		t.Errorf("the meter has seen\n%s", stats)
	}
}

// TestTheMarkIsOnTheWire, in both families; congestion is still told.
func TestTheMarkIsOnTheWire(t *testing.T) {
	t.Parallel()
	_, s, _, b, c := on(t, true, policy("marked", dscp(46)))
	const ce = 3 // RFC 3168 section 5
	for family, ips := range map[string][2]string{"IPv4": {"10.0.0.2", "10.0.0.3"}, "IPv6": {"2001:db8::2", "2001:db8::3"}} {
		frame := packet.Build(packet.Ethernet(b.MACAddress, c.MACAddress), packet.IP(ips[0], ips[1]), packet.UDP(1, 2))
		want := 46 << 2
		if family == "IPv6" {
			frame[15] |= ce << 4
			want |= ce
		}
		got := s.Send(b, frame)["c"]
		if len(got) != 1 || tos(got[0]) != want {
			t.Errorf("%s: %s with %#x, want %#x", family, packet.Summaries(got), tos(got[0]), want)
		}
	}
	if got := s.Send(b, packet.Build(packet.Ethernet(b.MACAddress, broadcast), packet.ARPRequest(b.MACAddress, "10.0.0.2", "10.0.0.3"))); len(got) != 2 {
		t.Errorf("ARP reaches %d ports", len(got))
	}
}

// tos is the byte with codepoint and congestion: RFC 791 section 3.1, RFC 8200 section 3.
func tos(frame []byte) int {
	if frame[12] == 0x08 {
		return int(frame[15])
	}
	return int(frame[14]&0xf)<<4 | int(frame[15]>>4)
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	_, s, a, b, _ := on(t, true, everything("gold"))
	s.Send(a, large(a, b.MACAddress))
	s.Send(b, packet.Build(packet.Ethernet(b.MACAddress, a.MACAddress), packet.IP("10.0.0.2", "10.0.0.1"), packet.UDP(2, 1)))
	apptest.Readme(t, "dump", s.Dump(func(owner string) bool { return strings.HasPrefix(owner, "qos.") }))
}
