package flow_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

func BenchmarkNewMatch(b *testing.B) {
	src := netip.MustParsePrefix("10.0.0.0/24")
	b.ReportAllocs()
	for b.Loop() {
		flow.NewMatch(flow.Metadata.Is(5), flow.Reg6.Is(7), flow.IPv4(), flow.IPProto.Is(6), flow.TCPDst.Is(80), flow.IPv4Src.Prefix(src))
	}
}

func BenchmarkDo(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		flow.Do(flow.LoadReg(flow.Reg7, 5), flow.SetField(flow.EthDst.MAC(mac(1))), flow.Resubmit(64))
	}
}

func BenchmarkParseMatch(b *testing.B) {
	wire := []byte(flow.NewMatch(flow.Metadata.Is(5), flow.Reg6.Is(7), flow.IPv4(), flow.IPProto.Is(6), flow.TCPDst.Is(80)).Wire())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := flow.ParseMatch(wire); err != nil {
			b.Fatal(err)
		}
	}
}
