package openflow_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// BenchmarkEncode encodes one flow-mod as it is in a bundle. Budget: no allocation, 1 µs.
func BenchmarkEncode(b *testing.B) {
	mods := adds(many(1000))
	buf := make([]byte, 0, 64<<10)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		buf = openflow.AppendFlowMod(buf[:0], 7, &mods[i%len(mods)])
		i++
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	mods := adds(many(10))
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = openflow.AppendFlowMod(buf[:0], 7, &mods[5]) }); n != 0 {
		t.Errorf("%v allocations to encode a flow-mod", n)
	}
}

// BenchmarkInstall10k installs 10,000 flows in one bundle into a switch that has none.
func BenchmarkInstall10k(b *testing.B) { install(b, 10000) }

// BenchmarkInstall100k installs 100,000.
func BenchmarkInstall100k(b *testing.B) { install(b, 100000) }

func install(b *testing.B, n int) {
	sw := ovs.Start(b)
	sw.AddBridge("br0")
	c := dial(b, sw, "br0", openflow.Options{})
	list := make([]flow.Flow, 0, n)
	for table := uint8(0); len(list) < n; table++ {
		for _, f := range many(min(n-len(list), 1<<14)) {
			f.Table = table
			list = append(list, f)
		}
	}
	mods := adds(list)
	gone := adds(list)
	for i := range gone {
		gone[i].Command = openflow.Delete
	}
	b.ReportAllocs()
	var cpu time.Duration
	for b.Loop() {
		start := used(b)
		if err := c.Apply(context.Background(), mods); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		cpu += used(b) - start
		if err := c.Apply(context.Background(), gone); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "flows/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(n)/float64(b.N), "ns-of-our-CPU/flow")
}

// used is the CPU time of this process, which is the client.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkOvsOfctlInstall10k is the peer: ovs-ofctl installs the same flows from text, in a bundle.
func BenchmarkOvsOfctlInstall10k(b *testing.B) {
	sw := ovs.Start(b)
	sw.AddBridge("br0")
	var text strings.Builder
	for _, f := range many(10000) {
		text.WriteString(f.String() + "\n")
	}
	file := filepath.Join(b.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		sw.Ofctl("-O", "OpenFlow14", "--bundle", "add-flows", "br0", file)
		b.StopTimer()
		sw.Ofctl("-O", "OpenFlow14", "del-flows", "br0")
		b.StartTimer()
	}
	b.ReportMetric(float64(10000*b.N)/b.Elapsed().Seconds(), "flows/s")
}

// BenchmarkDump10k reads 10,000 flows back as values.
func BenchmarkDump10k(b *testing.B) {
	sw := ovs.Start(b)
	sw.AddBridge("br0")
	c := dial(b, sw, "br0", openflow.Options{})
	if err := c.Apply(context.Background(), adds(many(10000))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range c.Flows(context.Background(), openflow.Filter{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 10000 {
			b.Fatal(n)
		}
	}
}
