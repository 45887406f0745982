package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestColumnsAreAlignedAndOverspendingIsCounted(t *testing.T) {
	var out strings.Builder
	r := &run{out: &out}
	tb := newTable("what", "µs", "budget")
	tb.row("one", 1500*time.Nanosecond, verdict{}.atMost("mods", 8, 8, "").within("p50", 2*time.Second, time.Second))
	tb.row("a longer one", 12.345, verdict{}.atMost("", 3, 8, "mods").atLeast("ratio", 2, 1, "×"))
	r.print(tb)
	want := strings.Join([]string{
		"what               µs  budget",
		"one           1.50 µs  OVER BUDGET p50 ≤ 1s; within mods ≤ 8",
		"a longer one     12.3  within ≤ 8 mods, ratio ≥ 1 ×",
		"",
	}, "\n")
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
	if r.over != 1 {
		t.Errorf("%d numbers over budget, want 1", r.over)
	}
}

func TestQuantiles(t *testing.T) {
	var s samples
	for i := range 100 {
		s = append(s, time.Duration(100-i))
	}
	if s.p50() != 51 || s.p99() != 100 || (samples)(nil).p50() != 0 {
		t.Errorf("p50 %d, p99 %d", s.p50(), s.p99())
	}
}

func TestCPUAndMemoryOfAProcess(t *testing.T) {
	before, err := cpuOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for now := before; now < before+20*time.Millisecond; {
		if now, err = cpuOf(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := memoryOf(os.Getpid()); err != nil || m.resident < 1<<20 || m.proportional > m.resident {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := cpuOf(1 << 30); err == nil {
		t.Error("a process that is not there has CPU time")
	}
}
