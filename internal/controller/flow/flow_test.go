package flow_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

func mac(last byte) [6]byte { return [6]byte{0xfa, 0x16, 0x3e, 0, 0, last} }

func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		got, _ := recover().(string)
		if got == "" || !strings.Contains(got, want) {
			t.Errorf("panic %q, want one with %q", got, want)
		}
	}()
	f()
}

func TestMatchIsCanonical(t *testing.T) {
	a := flow.NewMatch(flow.TCPDst.Is(80), flow.IPProto.Is(6), flow.IPv4(), flow.Reg6.Is(5), flow.EthDst.MAC(mac(1)),
		flow.IPv4Src.Prefix(netip.MustParsePrefix("10.0.0.99/24")), flow.Metadata.Is(7))
	b := flow.NewMatch(flow.Metadata.Is(7), flow.IPv4Src.Masked(0x0a000000, 0xffffff00), flow.EthDst.MACMasked(mac(1), [6]byte{255, 255, 255, 255, 255, 255}),
		flow.Reg6.Part(16, 16).Is(0), flow.Reg6.Part(0, 16).Is(5), flow.IPv4(), flow.IPProto.Is(6), flow.TCPDst.Masked(80, 0xffff), flow.TCPSrc.Masked(0, 0))
	if a != b {
		t.Errorf("two ways to say the same differ:\n%x\n%x", a.Wire(), b.Wire())
	}
	want := "tcp,reg6=0x5,metadata=0x7,dl_dst=fa:16:3e:00:00:01,nw_src=10.0.0.0/24,tp_dst=80"
	if got := a.String(); got != want {
		t.Errorf("String:\n%s, want\n%s", got, want)
	}
	if c := flow.NewMatch(flow.Metadata.Is(7)).And(flow.Reg6.Is(5), flow.EthDst.MAC(mac(1)), flow.IPv4(), flow.IPProto.Is(6)).
		And(flow.TCPDst.Is(80), flow.IPv4Src.Masked(0x0a000000, 0xffffff00)); c != a {
		t.Errorf("And:\n%v, want\n%v", c, a)
	}
}

func TestMatchRefuses(t *testing.T) {
	mustPanic(t, "tcp_dst needs ip_proto=6", func() { flow.NewMatch(flow.TCPDst.Is(80), flow.IPv4()) })
	mustPanic(t, "nw_proto needs eth_type", func() { flow.NewMatch(flow.IPProto.Is(6)) })
	mustPanic(t, "reg0 is constrained twice", func() { flow.NewMatch(flow.Reg0.Is(1), flow.Reg0.Part(0, 8).Is(1)) })
	mustPanic(t, "outside the mask", func() { flow.Reg0.Masked(0xff, 0xf0) })
	mustPanic(t, "wider than 16 bits", func() { flow.TCPDst.Is(1 << 16) })
	mustPanic(t, "cannot be masked", func() { flow.IPProto.Masked(2, 2) })
	mustPanic(t, "eth_dst has 48 bits", func() { flow.EthDst.Addr(netip.MustParseAddr("10.0.0.1")) })
	mustPanic(t, "ip_src has 32 bits", func() { flow.IPv4Src.Addr(netip.MustParseAddr("fe80::1")) })
	mustPanic(t, "nw_proto needs", func() { flow.NewMatch(flow.IPv4(), flow.CTStateIs(flow.CTTrk, 0), flow.CTNwProto.Is(6)) })
	mustPanic(t, "ip_src has 32 bits", func() { flow.IPv4Src.Addr(netip.Addr{}) })
}

func TestInstructionsText(t *testing.T) {
	zone := flow.Reg6.Part(0, 16)
	i := flow.Do(
		flow.Load(flow.Reg7.Part(0, 32), 0x1f),
		flow.SetField(flow.EthSrc.MAC(mac(2))),
		flow.CT(flow.ConnTrack{Commit: true, ZoneFrom: zone, NAT: &flow.NAT{Src: true, Min: netip.MustParseAddr("10.0.0.1")},
			Exec: []flow.Action{flow.Load(flow.CTMark.All(), 1)}}),
		flow.Resubmit(64),
	).Goto(5).WriteMetadata(1, 0xff).Meter(3)
	want := "meter:3,load:0x1f->NXM_NX_REG7[],set_field:fa:16:3e:00:00:02->eth_src," +
		"ct(commit,zone=NXM_NX_REG6[0..15],nat(src=10.0.0.1),exec(load:0x1->NXM_NX_CT_MARK[])),resubmit(,64)," +
		"write_metadata:0x1/0xff,goto_table:5"
	if got := i.String(); got != want {
		t.Errorf("String:\n%s, want\n%s", got, want)
	}
	names := flow.Formatter{Table: func(n uint8) string { return map[uint8]string{5: "l2", 64: "out"}[n] }}
	if got := names.Instructions(i); !strings.HasSuffix(got, "resubmit(,out),write_metadata:0x1/0xff,goto_table:l2") {
		t.Errorf("with names: %s", got)
	}
}
