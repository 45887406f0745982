package reconcile

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

const (
	ourMark = uint64(0xdf) << 56
	ourMask = uint64(0xff) << 56
)

// fakeSwitch behaves as Open vSwitch does: bundles are all or nothing, an entry in use takes its flows
// with it when deleted.
type fakeSwitch struct {
	flows  map[flow.Key]flow.Flow
	meters map[uint32]flow.MeterEntry
	groups map[uint32]flow.GroupEntry
	refuse map[flow.Key]bool
	sent   []int
	last   []FlowMod
}

func newFake() *fakeSwitch {
	return &fakeSwitch{flows: map[flow.Key]flow.Flow{}, meters: map[uint32]flow.MeterEntry{}, groups: map[uint32]flow.GroupEntry{}, refuse: map[flow.Key]bool{}}
}

func (s *fakeSwitch) DumpFlows(_ context.Context, f func(flow.Flow)) error {
	for _, x := range s.flows {
		f(x)
	}
	return nil
}

func (s *fakeSwitch) DumpMeters(context.Context) (out []flow.MeterEntry, _ error) {
	for _, m := range s.meters {
		out = append(out, m)
	}
	return out, nil
}

func (s *fakeSwitch) DumpGroups(context.Context) (out []flow.GroupEntry, _ error) {
	for _, g := range s.groups {
		out = append(out, g)
	}
	return out, nil
}

func (s *fakeSwitch) ModFlows(_ context.Context, mods []FlowMod) error {
	refused := map[int]error{}
	for i, m := range mods {
		if s.refuse[m.Flow.Key()] {
			refused[i] = errors.New("bad match")
		}
	}
	if len(refused) > 0 {
		return &RefusedError{refused}
	}
	s.sent, s.last = append(s.sent, len(mods)), mods
	for _, m := range mods {
		if m.Delete {
			delete(s.flows, m.Flow.Key())
		} else {
			s.flows[m.Flow.Key()] = m.Flow
		}
	}
	return nil
}

func (s *fakeSwitch) ModEntries(_ context.Context, mods []EntryMod) error {
	for _, m := range mods {
		if m.Meter == nil {
			continue
		}
		_, there := s.meters[m.Meter.ID]
		if there != (m.Verb != Add) {
			return errors.New("meter exists, or does not")
		}
		s.meters[m.Meter.ID] = *m.Meter
		if m.Verb == Delete {
			delete(s.meters, m.Meter.ID)
		}
	}
	return nil
}

func testFlow(port int, table uint8, cookie uint64) flow.Flow {
	return flow.Flow{
		Table: 0, Priority: 10, Match: flow.NewMatch(flow.InPort.Is(uint64(port))),
		Instructions: flow.Goto(table), Cookie: ourMark | cookie,
	}
}

func writer(s Switch) *Writer {
	return New(s, Options{Mark: ourMark, Mask: ourMask, MaxMeter: 1000, MaxGroup: 1000})
}

func TestASecondSyncSendsNothing(t *testing.T) {
	s := newFake()
	want := State{Meters: []flow.MeterEntry{flow.NewMeter(1, flow.PacketsPerSecond, 10, 10)}}
	for i := range 100 {
		want.Flows = append(want.Flows, testFlow(i+1, 5, 1))
	}
	out, err := writer(s).Sync(t.Context(), want, Full)
	if err != nil || out.FlowMods != 100 || out.Bundles != 1 || out.EntryMods != 1 {
		t.Fatalf("first sync: %+v, %v", out, err)
	}
	out, err = writer(s).Sync(t.Context(), want, Full)
	if err != nil || out.FlowMods != 0 || out.EntryMods != 0 {
		t.Errorf("second sync: %+v, %v; want nothing sent", out, err)
	}
}

func TestSyncReplacesWhatDiffersAndRemovesWhatIsStale(t *testing.T) {
	s := newFake()
	stale, changed, kept := testFlow(1, 5, 1), testFlow(2, 5, 1), testFlow(3, 5, 1)
	for _, f := range []flow.Flow{stale, changed, kept} {
		s.flows[f.Key()] = f
	}
	changed.Instructions = flow.Goto(6)
	out, err := writer(s).Sync(t.Context(), State{Flows: []flow.Flow{changed, kept}}, Full)
	if err != nil || out.FlowMods != 2 {
		t.Fatalf("%+v, %v; want 2 flow-mods", out, err)
	}
	if len(s.flows) != 2 || s.flows[changed.Key()] != changed {
		t.Errorf("the switch has %v", s.flows)
	}
}

func TestFlowsOfOthersAreLeftAlone(t *testing.T) {
	s := newFake()
	foreign := testFlow(1, 9, 0)
	foreign.Cookie = 0x77
	s.flows[foreign.Key()] = foreign
	mine := testFlow(1, 5, 1)
	w := writer(s)
	out, err := w.Sync(t.Context(), State{Flows: []flow.Flow{mine}}, Full)
	if err != nil || out.FlowMods != 0 || len(out.Refused) != 1 || !errors.Is(out.Refused[0].Err, ErrForeign) {
		t.Fatalf("%+v, %v; want the foreign key refused", out, err)
	}
	if out, err = w.Apply(t.Context(), Change{Flows: []FlowChange{{Old: &mine}}}); err != nil || out.FlowMods != 0 {
		t.Errorf("deleting what we never had sent %d mods, %v", out.FlowMods, err)
	}
	if s.flows[foreign.Key()] != foreign {
		t.Error("the foreign flow was changed")
	}
}

func TestARefusedFlowDoesNotTakeTheOthersWithIt(t *testing.T) {
	s := newFake()
	bad, good := testFlow(1, 5, 1), testFlow(2, 5, 1)
	s.refuse[bad.Key()] = true
	out, err := writer(s).Sync(t.Context(), State{Flows: []flow.Flow{bad, good}}, Full)
	if err != nil || len(out.Refused) != 1 || out.Refused[0].Flow != bad || out.FlowMods != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if s.flows[good.Key()] != good {
		t.Error("the good flow is missing")
	}
}

func TestARefusedFlowIsNoDriftOfTheNextSync(t *testing.T) {
	s := newFake()
	bad, good := testFlow(1, 5, 1), testFlow(2, 5, 1)
	s.refuse[bad.Key()] = true
	want := State{Flows: []flow.Flow{bad, good},
		Marker: &flow.Flow{Table: 99, Priority: 1, Instructions: flow.Do(flow.Note([]byte{1})), Cookie: ourMark}}
	w := writer(s)
	if _, err := w.Sync(t.Context(), want, Full); err != nil {
		t.Fatal(err)
	}
	out, err := w.Sync(t.Context(), want, Full)
	if err != nil || out.FlowMods != 0 || len(out.Refused) != 1 {
		t.Errorf("%+v, %v; want nothing sent but the refused flow tried again", out, err)
	}
	delete(s.refuse, bad.Key())
	if out, err = w.Sync(t.Context(), want, Full); err != nil || len(out.Refused) != 0 || s.flows[bad.Key()] != bad {
		t.Errorf("%+v, %v; want the flow there as soon as the switch takes it", out, err)
	}
}

func TestAddOnlyChangesNoMeter(t *testing.T) {
	s := newFake()
	newer, older := flow.NewMeter(1, flow.PacketsPerSecond, 50, 50), flow.NewMeter(1, flow.PacketsPerSecond, 10, 10)
	missing := flow.NewMeter(2, flow.PacketsPerSecond, 10, 10)
	s.meters[1] = newer
	if _, err := writer(s).Sync(t.Context(), State{Meters: []flow.MeterEntry{older, missing}}, AddOnly); err != nil {
		t.Fatal(err)
	}
	if s.meters[1] != newer || s.meters[2] != missing {
		t.Errorf("the switch has %v; want the meter that may be newer left alone, and the missing one added", s.meters)
	}
}

func TestAddOnlyTouchesNoOwnerThatHasFlows(t *testing.T) {
	s := newFake()
	newer := testFlow(1, 7, 1)
	s.flows[newer.Key()] = newer
	old, missing := testFlow(1, 5, 1), testFlow(2, 5, 2)
	sibling := testFlow(3, 5, 1)
	out, err := writer(s).Sync(t.Context(), State{Flows: []flow.Flow{old, missing, sibling}}, AddOnly)
	if err != nil || out.FlowMods != 1 {
		t.Fatalf("%+v, %v; want only the owner without flows added", out, err)
	}
	if s.flows[newer.Key()] != newer || s.flows[missing.Key()] != missing {
		t.Errorf("the switch has %v", s.flows)
	}
}

func TestMetersComeBeforeTheirFlowsAndGoAfterThem(t *testing.T) {
	s := newFake()
	w := writer(s)
	m1, m2 := flow.NewMeter(1, flow.PacketsPerSecond, 10, 0), flow.NewMeter(2, flow.PacketsPerSecond, 10, 0)
	if _, err := w.Sync(t.Context(), State{Meters: []flow.MeterEntry{m1}}, Full); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Apply(t.Context(), Change{Meters: []MeterChange{{&m1, nil}, {nil, &m2}}}); err != nil {
		t.Fatal(err)
	}
	if _, there := s.meters[1]; there || s.meters[2] != m2 {
		t.Errorf("meters = %v", s.meters)
	}
	s.meters[5000] = m2
	if _, err := w.Sync(t.Context(), State{}, Full); err != nil {
		t.Fatal(err)
	}
	if _, there := s.meters[5000]; !there || len(s.meters) != 1 {
		t.Errorf("meters = %v, want only the one beyond our numbers", s.meters)
	}
}

func TestLaterBundlesAreShort(t *testing.T) {
	s := newFake()
	first := testFlow(1, 5, 1)
	s.flows[first.Key()] = first
	want := State{}
	for i := range 5000 {
		want.Flows = append(want.Flows, testFlow(i+1, 5, 1))
	}
	if _, err := writer(s).Sync(t.Context(), want, Full); err != nil {
		t.Fatal(err)
	}
	for _, n := range s.sent {
		if n > MaxBundle+1 {
			t.Errorf("a bundle of %d flow-mods while traffic flows", n)
		}
	}
}

func TestRandomStatesConverge(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := newFake()
	w := writer(s)
	for range 200 {
		var want State
		for p := range 20 {
			if r.IntN(2) == 0 {
				want.Flows = append(want.Flows, testFlow(p+1, uint8(1+r.IntN(3)), uint64(r.IntN(3))))
			}
		}
		if _, err := w.Sync(t.Context(), want, Full); err != nil {
			t.Fatal(err)
		}
		if len(s.flows) != len(want.Flows) {
			t.Fatalf("the switch has %d flows, want %d", len(s.flows), len(want.Flows))
		}
		for _, f := range want.Flows {
			if s.flows[f.Key()] != f {
				t.Fatalf("%v is missing", f)
			}
		}
	}
}

func TestTheMarkerGoesWithWhatItMarksAndNeverAlone(t *testing.T) {
	s := newFake()
	w := writer(s)
	marker := func(n uint8) *flow.Flow {
		return &flow.Flow{Table: 99, Priority: 1, Instructions: flow.Do(flow.Note([]byte{n})), Cookie: ourMark}
	}
	f, g := testFlow(1, 5, 1), testFlow(2, 5, 1)
	if out, err := w.Sync(t.Context(), State{Flows: []flow.Flow{f}, Marker: marker(1)}, Full); err != nil || out.Bundles != 1 {
		t.Fatalf("%+v, %v; want the marker in the same bundle", out, err)
	}
	if out, err := w.Sync(t.Context(), State{Flows: []flow.Flow{f}, Marker: marker(2)}, Full); err != nil || out.FlowMods != 0 {
		t.Errorf("%+v, %v; the marker was written alone", out, err)
	}
	if s.flows[marker(1).Key()] != *marker(1) {
		t.Error("the marker was removed as stale")
	}
	if _, err := w.Apply(t.Context(), Change{Flows: []FlowChange{{nil, &g}}, Marker: marker(3)}); err != nil {
		t.Fatal(err)
	}
	if s.flows[marker(3).Key()] != *marker(3) {
		t.Error("the change did not bring its marker")
	}
	if _, err := w.Sync(t.Context(), State{Flows: []flow.Flow{testFlow(7, 5, 9)}, Marker: marker(4)}, AddOnly); err != nil {
		t.Fatal(err)
	}
	if s.flows[marker(3).Key()] != *marker(3) {
		t.Error("adding only must not claim that the switch has nothing newer")
	}
}

func TestWhatIsAddedComesFromTheLastTableBackwards(t *testing.T) {
	s := newFake()
	w := writer(s)
	if _, err := w.Sync(t.Context(), State{}, Full); err != nil {
		t.Fatal(err)
	}
	at := func(table uint8) *flow.Flow {
		return &flow.Flow{Table: table, Priority: 1, Instructions: flow.Drop(), Cookie: ourMark}
	}
	change := Change{Flows: []FlowChange{{New: at(3)}, {New: at(9)}, {New: at(1)}, {Old: at(4)}, {Old: at(2)}}}
	if _, err := w.Apply(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	var got []uint8
	for _, m := range s.last {
		got = append(got, m.Flow.Table)
	}
	if want := []uint8{9, 3, 1, 2, 4}; !slices.Equal(got, want) {
		t.Errorf("tables in order %v, want %v", got, want)
	}
}
