package flow_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// each returns an action of each kind.
func each() []flow.Action {
	addr := netip.MustParseAddr
	zone := flow.Reg6.Part(0, 16)
	return []flow.Action{
		flow.Output(1), flow.OutputInPort(), flow.OutputLocal(), flow.Group(7), flow.SetQueue(9), flow.PopQueue(), flow.DecTTL(), flow.PushVLAN(), flow.PopVLAN(), flow.SetVLAN(9),
		flow.SetField(flow.EthSrc.MAC(mac(1))), flow.SetField(flow.IPv6Dst.Addr(addr("fd00::1"))), flow.Load(flow.Reg7.Part(4, 8), 0xab), flow.LoadReg(flow.Reg0, 1),
		flow.Move(flow.XXReg0.All(), flow.IPv6Src.All()), flow.Resubmit(5), flow.ResubmitPort(3, 5), flow.CTClear(), flow.Exit(),
		flow.Clone(flow.Output(1), flow.Clone(flow.DecTTL())), flow.Note([]byte("abcdef")), flow.Conjunction(5, 2, 3), flow.Push(flow.Reg0.All()), flow.Pop(flow.XXReg1.Part(3, 100)),
		flow.Multipath(flow.HashSymmetricL4, 5, flow.HRW, 4, flow.Reg3.Part(0, 16)), flow.CheckPktLarger(1500, flow.Reg0.Part(5, 1)),
		flow.Controller(flow.Punt{}), flow.Controller(flow.Punt{ID: 5, MaxLen: 99}), flow.Controller(flow.Punt{ID: 5, Userdata: []byte("x"), Pause: true, Meter: 4, MaxLen: 128}),
		flow.CT(flow.ConnTrack{}), flow.CT(flow.ConnTrack{Commit: true, Force: true, ZoneFrom: zone, NAT: &flow.NAT{Src: true, Min: addr("10.0.0.1"), Max: addr("10.0.0.9"), MinPort: 5, MaxPort: 9, Random: true},
			Exec: []flow.Action{flow.Load(flow.CTMark.All(), 1), flow.Move(flow.Reg0.All(), flow.CTLabel.Part(32, 32))}}),
		flow.CT(flow.ConnTrack{HasTable: true, Table: 4, Zone: 9, NAT: &flow.NAT{}}), flow.CT(flow.ConnTrack{Commit: true, ALG: 21, NAT: &flow.NAT{Dst: true, Min: addr("fd00::1"), MinPort: 80, Persistent: true}}),
		flow.Learn(flow.LearnFlow{Table: 3, Priority: 7, Cookie: 8, IdleTimeout: 9, HardTimeout: 10, DeleteLearned: true, Limit: 11, Specs: []flow.LearnSpec{
			flow.LearnMatch(flow.EthDst.All(), flow.EthSrc.All()), flow.LearnMatchValue(flow.EthType.All(), 0x800), flow.LearnLoad(flow.Reg0.All(), flow.Reg1.All()), flow.LearnLoadValue(flow.Reg2.Part(0, 17), 1), flow.LearnOutput(flow.InPort.Part(0, 16))}}),
	}
}

// rebuild makes the action again from what Decode says.
func rebuild(t *testing.T, a flow.Action) flow.Action {
	t.Helper()
	switch d := a.Decode().(type) {
	case flow.OutputAction:
		return flow.Output(d.Port)
	case flow.GroupAction:
		return flow.Group(d.ID)
	case flow.SetQueueAction:
		return flow.SetQueue(d.ID)
	case flow.PopQueueAction:
		return flow.PopQueue()
	case flow.DecTTLAction:
		return flow.DecTTL()
	case flow.PushVLANAction:
		return flow.PushVLAN()
	case flow.PopVLANAction:
		return flow.PopVLAN()
	case flow.SetFieldAction:
		return flow.SetField(d.Constraint)
	case flow.LoadAction:
		return flow.Load(d.Dst, d.Value)
	case flow.MoveAction:
		return flow.Move(d.Src, d.Dst)
	case flow.ResubmitAction:
		if d.Port != 0 {
			return flow.ResubmitPort(d.Port, d.Table)
		}
		return flow.Resubmit(d.Table)
	case flow.CTClearAction:
		return flow.CTClear()
	case flow.ExitAction:
		return flow.Exit()
	case flow.CloneAction:
		return flow.Clone(d.Actions...)
	case flow.NoteAction:
		return flow.Note([]byte(d.Data))
	case flow.ConjunctionAction:
		return flow.Conjunction(d.ID, d.N, d.K)
	case flow.PushAction:
		return flow.Push(d.Src)
	case flow.PopAction:
		return flow.Pop(d.Dst)
	case flow.MultipathAction:
		return flow.Multipath(d.What, d.Basis, d.How, d.Links, d.Dst)
	case flow.CheckPktLargerAction:
		return flow.CheckPktLarger(d.Size, d.Dst)
	case flow.Punt:
		return flow.Controller(d)
	case flow.ConnTrack:
		return flow.CT(d)
	case flow.LearnFlow:
		return flow.Learn(d)
	}
	t.Errorf("%v decodes as %T", a, a.Decode())
	return flow.Action{}
}

func TestDecodeSaysEverything(t *testing.T) {
	for _, a := range each() {
		if got := rebuild(t, a); got != a {
			t.Errorf("%v\n%x, rebuilt from %+v:\n%x", a, a.Wire(), a.Decode(), got.Wire())
		}
	}
	all := flow.Do(each()...).Goto(9).Meter(3)
	if got := slices.Collect(all.Actions()); !slices.Equal(got, each()) {
		t.Errorf("Actions: %v", got)
	}
	parsed, err := flow.ParseInstructions([]byte(all.Wire()))
	if err != nil || parsed != all {
		t.Errorf("ParseInstructions: %v, %v", parsed, err)
	}
	if table, ok := all.Next(); !ok || table != 9 {
		t.Errorf("Next: %d, %v", table, ok)
	}
}

func TestMaskedSetFieldIsLoads(t *testing.T) {
	got := flow.SetField(flow.XXReg0.Bytes([]byte{0: 0x80, 15: 1}, []byte{0: 0x80, 1: 0xff, 15: 0x0f}))
	want := "load:0x1->NXM_NX_XXREG0[0..3],load:0->NXM_NX_XXREG0[112..119],load:0x1->NXM_NX_XXREG0[127]"
	if got.String() != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func TestBuildersRefuse(t *testing.T) {
	for want, build := range map[string]func(){
		"cannot be written":         func() { flow.Load(flow.CTState.All(), 1) },
		"too wide":                  func() { flow.Load(flow.Reg0.Part(0, 4), 16) },
		"no bits 30 to 33":          func() { flow.Reg0.Part(30, 4) },
		"different widths":          func() { flow.Move(flow.Reg0.All(), flow.Metadata.All()) },
		"exec without commit":       func() { flow.CT(flow.ConnTrack{Exec: []flow.Action{flow.LoadReg(flow.CTMark, 1)}}) },
		"neither ct_mark":           func() { flow.CT(flow.ConnTrack{Commit: true, Exec: []flow.Action{flow.Output(1)}}) },
		"want 16 bits":              func() { flow.CT(flow.ConnTrack{ZoneFrom: flow.Reg0.All()}) },
		"without HasTable":          func() { flow.CT(flow.ConnTrack{Table: 4}) },
		"force without commit":      func() { flow.CT(flow.ConnTrack{Force: true}) },
		"of both source":            func() { flow.CT(flow.ConnTrack{NAT: &flow.NAT{Src: true, Dst: true}}) },
		"without an address":        func() { flow.CT(flow.ConnTrack{NAT: &flow.NAT{Src: true, MinPort: 4}}) },
		"one bit":                   func() { flow.CheckPktLarger(5, flow.Reg0.Part(0, 2)) },
		"links do not fit":          func() { flow.Multipath(0, 0, 0, 5, flow.Reg0.Part(0, 2)) },
		"goto table 255":            func() { flow.Goto(255) },
		"is there already":          func() { flow.Goto(1).Goto(2) },
		"use Controller":            func() { flow.Output(flow.PortController) },
		"cannot exist":              func() { flow.Output(0x10000) },
		"actions of":                func() { flow.Do(slices.Repeat([]flow.Action{flow.Output(1)}, 4000)...) },
		"clone of no actions":       func() { flow.Clone() },
		"conjunction 3 of 2":        func() { flow.Conjunction(1, 3, 2) },
		"both set and clear":        func() { flow.CTStateIs(1, 1) },
		"register 16":               func() { flow.Reg(16) },
		"indirect group":            func() { flow.NewGroup(1, flow.GroupIndirect) },
		"watches nothing":           func() { flow.NewGroup(1, flow.GroupFastFailover, flow.Bucket{}) },
		"only a select group":       func() { flow.NewGroup(1, flow.GroupAll, flow.Bucket{Weight: 1}) },
		"rate 0":                    func() { flow.NewMeter(1, flow.PacketsPerSecond, 0, 0) },
		"write_metadata:0x2/0x1":    func() { flow.Drop().WriteMetadata(2, 1) },
		"without VLANPresent":       func() { flow.SetField(flow.VLANVID.Is(5)) },
		"learn in table 255":        func() { flow.Learn(flow.LearnFlow{Table: 255}) },
		"field 0 does not exist":    func() { flow.Field(0).Is(1) },
		"has 16 bytes":              func() { flow.CTLabel.Bytes([]byte{1}, nil) },
		"a match on vlan_pcp needs": func() { flow.NewMatch(flow.VLANPCP.Is(1)) },
	} {
		mustPanic(t, want, build)
	}
}

func TestBuckets(t *testing.T) {
	b := []flow.Bucket{{Weight: 5, Actions: []flow.Action{flow.Output(1), flow.DecTTL()}}, {Weight: 1, WatchGroup: 3}}
	g := flow.NewGroup(1, flow.GroupSelect, b...)
	got := g.Buckets.All()
	if len(got) != 2 || got[0].Weight != 5 || !slices.Equal(got[0].Actions, b[0].Actions) || got[1].WatchGroup != 3 || got[1].WatchPort != 0 {
		t.Errorf("buckets: %+v", got)
	}
	if parsed, err := flow.ParseBuckets([]byte(g.Buckets.Wire())); err != nil || parsed != g.Buckets {
		t.Errorf("ParseBuckets: %v", err)
	}
}

func TestNamesInText(t *testing.T) {
	x := flow.Formatter{
		Table:  func(t uint8) string { return []string{"classify", "l2"}[t] },
		Cookie: func(c uint64) string { return "port-1" },
		Port:   func(p uint32) string { return "tap1" },
		Field: func(s flow.SubField) string {
			if s == flow.Reg7.All() {
				return "dst_key"
			}
			return ""
		},
	}
	f := flow.Flow{Table: 0, Priority: 5, Cookie: 9, Match: flow.NewMatch(flow.InPort.Is(3), flow.Reg7.Is(1)), Instructions: flow.Do(flow.LoadReg(flow.Reg7, 2), flow.Output(3)).Goto(1)}
	want := "cookie=port-1, table=classify, priority=5,dst_key=0x1,in_port=tap1 actions=load:0x2->dst_key,output:tap1,goto_table:l2"
	if got := x.Flow(f); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
