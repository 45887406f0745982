package apptest

import (
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/oftrace"
)

// agree holds the walker behind dragonflow trace to what Open vSwitch's own trace says of a frame: the flows
// that it meets, and the ports at which it comes out. It is called for every frame that a test sends. Where
// the switch chooses by a hash, one of the ways must be the walker's. It returns what Open vSwitch says.
func (s *Switch) agree(ofport uint32, frame []byte) *oftrace.Trace {
	s.w.t.Helper()
	p := operate.FromFrame(ofport, frame)
	tables := operate.Snapshot(s.w.Engine, s.w.DB)
	var first *operate.Packet
	if f := s.firstOf(ofport, frame); f != nil {
		q := operate.FromFrame(ofport, f)
		first = &q
	}
	// The fields and not the frame: a trace of a frame counts as if it had come.
	text := ""
	if p.Get(flow.IPFrag).IsZero() {
		text = s.Appctl("ofproto/trace", append([]string{Bridge, operate.TraceSyntax(p)}, operate.TraceStates(tables.Walk(p, operate.Assumptions{}).States)...)...)
	} else {
		text = s.traceFragment(tables, p, first)
	}
	theirs, err := oftrace.Parse(text, ofport)
	if err != nil {
		s.w.t.Error(err)
		return nil
	}
	var diff string
	ways := 1
	for way := 0; way < ways; way++ {
		met, ports := []string{}, []string{}
		for _, size := range []int{0, 1 << 20} { // Open vSwitch's trace goes both ways after a check of the size
			t := tables.Walk(p, operate.Assumptions{Way: way, Size: size, First: first})
			ways = max(ways, t.Ways)
			m, o := walked(&t)
			met, ports = append(met, m...), append(ports, o...)
		}
		diff = cmp.Diff(distinct(s.alike(theirs.Met(), met)), distinct(met)) + cmp.Diff(distinct(theirs.Ports), distinct(ports))
		if diff == "" {
			return theirs
		}
	}
	s.w.t.Errorf("dragonflow trace does not agree with ofproto/trace (-Open vSwitch +walk) on %s:\n%s\n%s", short(frame), diff, text)
	return theirs
}

// short is the beginning of a frame, for messages.
func short(frame []byte) string {
	const most = 64
	return fmt.Sprintf("%x", frame[:min(len(frame), most)])
}

// alike takes the walker's name for each flow of the switch that the switch may have chosen as well: one of
// the same priority, with the same instructions, that a packet can meet together with the walker's. A rule
// for each of two groups makes two such flows for a member of both.
func (s *Switch) alike(theirs, ours []string) []string {
	flows := map[string]flow.Flow{}
	for f := range s.w.Engine.Flows() {
		flows[nameOf(f.Key())] = f
	}
	out := make([]string, 0, len(theirs))
	for _, name := range theirs {
		if f, known := flows[name]; known && !slices.Contains(ours, name) {
			i := slices.IndexFunc(ours, func(other string) bool {
				g := flows[other]
				return g.Table == f.Table && g.Priority == f.Priority && g.Instructions == f.Instructions && overlap(f.Match, g.Match)
			})
			if i >= 0 {
				name = ours[i]
			}
		}
		out = append(out, name)
	}
	return out
}

// overlap reports whether a packet can meet both.
func overlap(a, b flow.Match) bool {
	for c := range a.Fields() {
		if d, both := b.Get(c.Field); both && c.Value.And(d.Mask) != d.Value.And(c.Mask) {
			return false
		}
	}
	return true
}

func nameOf(k flow.Key) string {
	return fmt.Sprintf("%d. priority %d %s", k.Table, k.Priority, k.Match)
}

func distinct(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// walked lists the flows of a walk, without misses, and the ports that it reached.
func walked(t *operate.Trace) (met, ports []string) {
	for _, k := range t.Keys() {
		met = append(met, nameOf(k))
	}
	for _, o := range t.Outcomes {
		if o.Kind == operate.Delivered || o.Kind == operate.Answered {
			ports = append(ports, fmt.Sprint(o.OFPort))
		}
	}
	return met, ports
}
