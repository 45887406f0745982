package main

import (
	"context"
	"fmt"
	"runtime"
)

// memoryOfPorts measures the live heap that each port elsewhere costs a chassis that has its network.
func memoryOfPorts(_ context.Context, r *run) error {
	t := newTable("live heap of a view and its flows", "in all", "a port", "flows", "budget")
	for _, ports := range []int{1000, 10_000} {
		before := liveHeap()
		c, err := crowd(ports, 10)
		if err != nil {
			return err
		}
		heap := liveHeap() - before
		each := float64(heap) / float64(ports)
		t.row(fmt.Sprintf("%d dual-stack ports elsewhere, one group", ports), mebibytes(heap), fmt.Sprintf("%.0f B", each), c.engine.FlowCount(),
			verdict{}.atMost("a port", each, 4096, "B"))
		runtime.KeepAlive(c)
	}
	r.print(t)
	return nil
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
