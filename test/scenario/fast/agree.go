package fast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/oftrace"
)

// sample keeps one frame of each kind that the machines send.
type sample struct {
	mu    sync.Mutex
	known map[string]bool
	fresh []sent
}

// sent is a frame with who sent it, and where.
type sent struct {
	chassis, machine string
	frame            []byte
}

func newSample() *sample { return &sample{known: map[string]bool{}} }

// add keeps a frame unless one of its kind is known: of the same sender, addresses, protocol and well-known ports.
func (s *sample) add(chassis, machine string, frame []byte) {
	p := operate.FromFrame(1, frame)
	if !p.Get(flow.IPFrag).IsZero() {
		return // what the connection tracker tells of these no trace knows; the apps' own tests do
	}
	var key strings.Builder
	fmt.Fprint(&key, chassis, machine)
	for f := flow.InPort; f.Valid(); f++ {
		v := p.Get(f)
		switch f {
		case flow.TCPSrc, flow.TCPDst, flow.UDPSrc, flow.UDPDst:
			const chosen = 16000 // ports above it a machine picks for a connection
			if v.Lo >= chosen {
				v = flow.Uint(chosen)
			}
		case flow.TCPFlags, flow.IPv6Label, flow.IPECN, flow.IPDSCP:
			continue
		}
		fmt.Fprint(&key, " ", v)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known[key.String()] {
		s.known[key.String()] = true
		s.fresh = append(s.fresh, sent{chassis, machine, slices.Clone(frame)})
	}
}

// take returns the frames that were added since the last time.
func (s *sample) take() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.fresh
	s.fresh = nil
	return list
}

// agreement is how long flows may be on their way to a switch.
const agreement = 20 * time.Second

// Agree compares what dragonflow trace says of every kind of frame that was sent with what Open vSwitch says.
func (p *Platform) Agree(ctx context.Context) error {
	for _, s := range p.sent.take() {
		c := p.chassis[s.chassis]
		if c == nil || !c.controlled() {
			continue // there is nobody to ask
		}
		err := cloud.Eventually(ctx, agreement, func(ctx context.Context) error { return c.agrees(ctx, s) })
		if err != nil {
			return fmt.Errorf("dragonflow trace on %s about %x of %s: %w", s.chassis, s.frame[:min(len(s.frame), 64)], s.machine, err)
		}
	}
	return nil
}

// controlled reports whether controller and switch run.
func (c *chassis) controlled() bool {
	return c.ctl != nil && c.controller != nil && c.controller.ctx.Err() == nil && c.ovs.VswitchdPID() != 0
}

func (c *chassis) agrees(ctx context.Context, s sent) error {
	text, err := c.ovs.Vsctl(ctx, "--if-exists", "get", "interface", "tap-"+s.machine, "ofport")
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil {
		return nil // the machine has left
	}
	packet := operate.FromFrame(uint32(port), s.frame)
	tables, err := operate.Live(c.name, c.ctl.Inspect).Tables(ctx)
	if err != nil {
		return err
	}
	first := tables.Walk(packet, operate.Assumptions{})
	if first.Redirected {
		return nil
	}
	theirs, err := c.traced(ctx, packet, first.States)
	if err != nil {
		return err
	}
	ways := 1
	for way := 0; way < ways; way++ {
		var met, ports []string
		for _, size := range []int{0, 1 << 20} { // Open vSwitch's trace goes both ways after a check of the size
			t := tables.Walk(packet, operate.Assumptions{Way: way, Size: size})
			ways = max(ways, t.Ways)
			for _, k := range t.Keys() {
				met = append(met, fmt.Sprintf("%d. priority %d", k.Table, k.Priority))
			}
			for _, o := range t.Outcomes {
				if o.Kind == operate.Delivered || o.Kind == operate.Answered {
					ports = append(ports, fmt.Sprint(o.OFPort))
				}
			}
		}
		diff := cmp.Diff(set(priorities(theirs.Met())), set(met)) + cmp.Diff(set(theirs.Ports), set(ports))
		if diff == "" {
			return nil
		}
		err = fmt.Errorf("(-Open vSwitch +walk):\n%s", diff)
	}
	return err
}

// priorities leaves of flows their stages and priorities. Of two flows of one priority that do the same the switch may
// choose either: their matches say nothing.
func priorities(met []string) (list []string) {
	for _, m := range met {
		list = append(list, strings.Join(strings.SplitN(m, " ", 4)[:3], " "))
	}
	return list
}

func set(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// traced is what Open vSwitch's own trace says of a packet, of which the connection tracker says so.
func (c *chassis) traced(ctx context.Context, p operate.Packet, states []string) (*oftrace.Trace, error) {
	text, err := c.ovs.Appctl(ctx, "ofproto/trace", append([]string{cloud.Bridge, operate.TraceSyntax(p)}, operate.TraceStates(states)...)...)
	if err != nil {
		return nil, err
	}
	return oftrace.Parse(text, uint32(p.Get(flow.InPort).Lo))
}

// Why answers as the subcommand does on a chassis: its own flows are its controller's, what others do is computed from
// the database. Where copies are dropped is compared with the trace of each chassis' switch.
func (p *Platform) Why(ctx context.Context, at string, q operate.Question) (*operate.Answer, error) {
	c := p.chassis[at]
	if !c.controlled() {
		return nil, fmt.Errorf("%s has no controller to ask", at)
	}
	here := &operate.Cloud{Here: operate.Live(at, c.ctl.Inspect), Topology: operate.Stored(northbound.NewStore(p.conn)), Apps: apps.All()}
	ans, err := here.Why(ctx, q)
	if err != nil || ans.Journey == nil {
		return ans, err
	}
	for _, leg := range ans.Journey.Legs {
		if err := p.sameDrops(ctx, leg); err != nil {
			return nil, fmt.Errorf("%s: on %s %w", ans.Sentence, leg.Chassis, err)
		}
	}
	return ans, nil
}

// sameDrops compares where a leg's copies are dropped with what the switch of its chassis says.
func (p *Platform) sameDrops(ctx context.Context, leg *operate.Leg) error {
	c := p.chassis[leg.Chassis]
	if c == nil || !c.controlled() || len(leg.Outcomes) == 0 || leg.Redirected {
		return nil
	}
	packet := leg.Arrived()
	if leg.From >= 0 { // its flows were computed, so that the port's number is invented
		port, err := c.tunnelPort(ctx, leg.Tunnel)
		if err != nil {
			return err
		}
		packet = packet.With(flow.InPort.Is(port))
	}
	theirs, err := c.traced(ctx, packet, leg.States)
	if err != nil {
		return err
	}
	var want, got []string
	for _, d := range theirs.Drops() {
		want = append(want, pipeline.StageName(d.Table))
	}
	for _, o := range leg.Outcomes {
		if o.Kind == operate.Dropped {
			got = append(got, leg.Steps[o.Step].Stage)
		}
	}
	if diff := cmp.Diff(set(want), set(got)); diff != "" {
		return fmt.Errorf("Open vSwitch drops it elsewhere (-Open vSwitch +why):\n%s", diff)
	}
	return nil
}

var errNoTunnel = errors.New("has no such tunnel port")

// tunnelPort is the OpenFlow port of a kind of tunnel.
func (c *chassis) tunnelPort(ctx context.Context, t model.NetworkType) (uint64, error) {
	text, err := c.ovs.Vsctl(ctx, "--bare", "--columns=ofport", "find", "interface", "type="+string(t))
	if err != nil {
		return 0, err
	}
	port, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: %s", errNoTunnel, t)
	}
	return port, nil
}
