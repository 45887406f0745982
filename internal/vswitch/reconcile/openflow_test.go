package reconcile_test

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
	"github.com/dragonflow/dragonflow/internal/vswitch/reconcile"
)

const realMark = 0xdf << 56

func realOptions() reconcile.Options {
	return reconcile.Options{Mark: realMark, Mask: 0xff << 56, MaxMeter: 1000, MaxGroup: 1000}
}

// real is a switch with a writer on it.
type real struct {
	*ovs.Switch
	t    *testing.T
	conn *openflow.Conn
	*reconcile.Writer
}

func newReal(t *testing.T) *real {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	r := &real{Switch: sw, t: t}
	r.connect()
	return r
}

// connect begins anew, as a restarted controller does.
func (r *real) connect() {
	r.t.Helper()
	c, err := openflow.Dial(r.ctx(), r.Mgmt("br0"), openflow.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			r.t.Error(err)
		}
	})
	r.conn, r.Writer = c, reconcile.New(reconcile.OpenFlow{Conn: c}, realOptions())
}

func (r *real) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), ovs.Deadline)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *real) sync(want reconcile.State) reconcile.Outcome {
	r.t.Helper()
	out, err := r.Sync(r.ctx(), want, reconcile.Full)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// has compares the switch with a state, leaving out what is not ours.
func (r *real) has(want reconcile.State) {
	r.t.Helper()
	var flows []flow.Flow
	d := reconcile.OpenFlow{Conn: r.conn}
	err := d.DumpFlows(r.ctx(), func(f flow.Flow) {
		if f.Cookie>>56 == 0xdf {
			flows = append(flows, f)
		}
	})
	groups, errG := d.DumpGroups(r.ctx())
	meters, errM := d.DumpMeters(r.ctx())
	if err := errors.Join(err, errG, errM); err != nil {
		r.t.Fatal(err)
	}
	byKey := func(a, b flow.Flow) int { return a.Key().Compare(b.Key()) }
	slices.SortFunc(flows, byKey)
	slices.SortFunc(groups, func(a, b flow.GroupEntry) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(meters, func(a, b flow.MeterEntry) int { return cmp.Compare(a.ID, b.ID) })
	wanted := slices.SortedFunc(slices.Values(want.Flows), byKey)
	if !slices.Equal(flows, wanted) || !slices.Equal(groups, want.Groups) || !slices.Equal(meters, want.Meters) {
		r.t.Fatalf("the switch has %d flows, %d groups and %d meters of ours, want %d, %d, %d (or their contents differ)",
			len(flows), len(groups), len(meters), len(want.Flows), len(want.Groups), len(want.Meters))
	}
}

// randomState has up to n flows, with the groups and meters that they use.
func randomState(r *rand.Rand, n int) reconcile.State {
	var s reconcile.State
	for id := range uint32(5) {
		if r.IntN(2) == 0 {
			s.Groups = append(s.Groups, flow.NewGroup(id+1, flow.GroupAll, flow.Bucket{Actions: []flow.Action{flow.Output(1 + r.Uint32N(2))}}))
		}
		if r.IntN(2) == 0 {
			s.Meters = append(s.Meters, flow.NewMeter(id+1, flow.PacketsPerSecond, 100+r.Uint32N(2), 0))
		}
	}
	for i := range r.IntN(n) {
		f := flow.Flow{Table: uint8(r.IntN(3)), Priority: 10, Cookie: realMark | r.Uint64N(4), Match: flow.NewMatch(flow.Reg6.Is(uint64(i)))}
		f.Instructions = flow.Do(flow.Output(1 + r.Uint32N(3)))
		if len(s.Groups) > 0 && r.IntN(3) == 0 {
			f.Instructions = flow.Do(flow.Group(s.Groups[r.IntN(len(s.Groups))].ID))
		}
		if len(s.Meters) > 0 && r.IntN(3) == 0 {
			f.Instructions = f.Instructions.Meter(s.Meters[r.IntN(len(s.Meters))].ID)
		}
		s.Flows = append(s.Flows, f)
	}
	return s
}

// TestRealSwitchConverges drives a switch from one random state to the next, each time over a new
// connection, and then shows that syncing again changes nothing and touches nothing of others.
func TestRealSwitchConverges(t *testing.T) {
	r := newReal(t)
	r.Ofctl("-O", "OpenFlow14", "add-flow", "br0", "table=1,priority=99,cookie=0x1234,tcp,tp_dst=80,actions=NORMAL")
	r.Ofctl("-O", "OpenFlow14", "add-flow", "br0", "table=1,priority=99,mpls,mpls_label=5,actions=drop") // which we cannot even read
	dice := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		want := randomState(dice, 300)
		if out := r.sync(want); len(out.Refused) != 0 || r.conn.Stats().Sent < uint64(out.FlowMods) {
			t.Fatalf("outcome: %+v with %d changes sent", out, r.conn.Stats().Sent)
		}
		r.has(want)
		r.connect()
		if out := r.sync(want); out.FlowMods != 0 || out.EntryMods != 0 || out.Bundles != 0 {
			t.Fatalf("syncing again: %+v", out)
		}
		if n := r.conn.Stats().Sent; n != 0 {
			t.Fatalf("syncing again sent %d changes", n)
		}
	}
	for _, foreign := range []string{"cookie=0x1234, table=1, priority=99,tcp,tp_dst=80 actions=NORMAL", "table=1, priority=99,mpls,mpls_label=5 actions=drop"} {
		if got := r.Ofctl("-O", "OpenFlow14", "--no-stats", "dump-flows", "br0", "table=1"); !strings.Contains(got, foreign) {
			t.Errorf("somebody else's flow %q is gone:\n%s", foreign, got)
		}
	}
}

// TestRealSwitchRefusesOne has one flow that the switch refuses among good ones, and one whose key is taken.
func TestRealSwitchRefusesOne(t *testing.T) {
	r := newReal(t)
	r.Ofctl("-O", "OpenFlow14", "add-flow", "br0", "table=1,priority=10,reg6=0,actions=drop")
	want := reconcile.State{}
	for i := range 100 {
		want.Flows = append(want.Flows, flow.Flow{Table: 1, Priority: 10, Cookie: realMark | 1, Match: flow.NewMatch(flow.Reg6.Is(uint64(i))), Instructions: flow.Do(flow.Output(1))})
	}
	want.Flows[50].Instructions = flow.Do(flow.PopVLAN())
	want.Flows[51].Instructions = flow.Do(flow.Group(900))
	out := r.sync(want)
	var refused []flow.Key
	for _, f := range out.Refused {
		refused = append(refused, f.Flow.Key())
		switch {
		case f.Flow == want.Flows[0] && errors.Is(f.Err, reconcile.ErrForeign):
		case f.Flow == want.Flows[50] && strings.Contains(f.Err.Error(), "MATCH_INCONSISTENT"):
		case f.Flow == want.Flows[51] && strings.Contains(f.Err.Error(), "BAD_OUT_GROUP"):
		default:
			t.Errorf("refused: %v: %v", f.Flow, f.Err)
		}
	}
	if len(refused) != 3 {
		t.Errorf("refused: %v", out.Refused)
	}
	want.Flows = slices.Delete(want.Flows, 50, 52)
	want.Flows = want.Flows[1:]
	r.has(want)
}

// TestRealSwitchRefusesAGroup has one group that the switch refuses, here because its number is taken: the others and
// the flows are there.
func TestRealSwitchRefusesAGroup(t *testing.T) {
	r := newReal(t)
	group := func(id, port uint32) flow.GroupEntry {
		return flow.NewGroup(id, flow.GroupAll, flow.Bucket{Actions: []flow.Action{flow.Output(port)}})
	}
	want := reconcile.State{
		Groups: []flow.GroupEntry{group(1, 1), group(1, 2), group(2, 1)},
		Meters: []flow.MeterEntry{flow.NewMeter(1, flow.PacketsPerSecond, 100, 0)},
		Flows:  []flow.Flow{{Table: 1, Priority: 10, Cookie: realMark | 1, Match: flow.NewMatch(flow.Reg6.Is(1)), Instructions: flow.Do(flow.Group(2))}},
	}
	out := r.sync(want)
	if len(out.Refused) != 1 || out.Refused[0].What != "group 1" || out.EntryMods != 3 {
		t.Errorf("%+v", out)
	}
	want.Groups = slices.Delete(want.Groups, 1, 2)
	r.has(want)
}
