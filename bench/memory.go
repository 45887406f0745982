package main

import (
	"context"
	"fmt"
	"runtime"
)

// memoryOfPorts measures the live heap that each port elsewhere costs a chassis that has its network, beside what
// the ports here cost.
func memoryOfPorts(_ context.Context, r *run) error {
	t := newTable("live heap of a view and its flows", "in all", "a port", "flows", "budget")
	const here = 10
	alone, _, err := heapOf(0, here)
	if err != nil {
		return err
	}
	for _, ports := range []int{1000, 10_000} {
		heap, flows, err := heapOf(ports, here)
		if err != nil {
			return err
		}
		each := float64(heap-alone) / float64(ports)
		t.row(fmt.Sprintf("%d dual-stack ports elsewhere, one group", ports), mebibytes(heap), fmt.Sprintf("%.0f B", each), flows,
			verdict{}.atMost("a port", each, 4096, "B"))
	}
	r.print(t)
	return nil
}

// heapOf measures the live heap of a view with its engine.
func heapOf(elsewhere, here int) (bytes int64, flows int, err error) {
	before := liveHeap()
	c, err := crowd(elsewhere, here)
	if err != nil {
		return 0, 0, err
	}
	bytes = liveHeap() - before
	flows = c.engine.FlowCount()
	runtime.KeepAlive(c)
	return bytes, flows, nil
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
