package main

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// path is a way that packets take through a plane.
type path struct {
	name string
	to   int
	// least is how many times the packets of OVN each CPU second of the switches shall carry.
	least float64
}

func paths() []path {
	return []path{{"same chassis", near, 1.1}, {"other chassis", far, 1}, {"routed to the other chassis", behind, 1}}
}

// measured is what one plane did on one path, a value for each run.
type measured struct {
	rtt                             samples
	bitsPerCPU, packetsPerCPU, mbit []float64
	passes, lookups                 []float64
}

// dataPlane compares what the switches carry under Dragonflow, under OVN and as plain switches. Runs are
// interleaved, so that the machine's other work falls on all of them.
func dataPlane(ctx context.Context, r *run) error {
	version, err := ovnVersion(ctx)
	if err != nil {
		return err
	}
	planes, err := r.planes(ctx)
	if err != nil {
		return err
	}
	runs, each := 5, time.Second
	if r.full {
		runs, each = 9, 3*time.Second
	}
	t := newTable(fmt.Sprintf("IPv4, security groups on but for plain switches; medians of %d interleaved runs; %s", runs, version),
		"RTT p50", "packets a CPU s", "Mbit a CPU s", "Mbit/s", "passes", "lookups a megaflow hit", "packets to OVN's", "Mbit to OVN's", "budget")
	for _, way := range paths() {
		if err := r.along(ctx, t, planes, way, runs, each); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	r.print(t)
	return nil
}

// The planes, in the order in which they are measured and shown.
const (
	oursPlane = iota
	ovnPlane
	rawPlane
)

// planes builds all three.
func (r *run) planes(ctx context.Context) ([]*plane, error) {
	var list []*plane
	for _, name := range []string{"dragonflow", "OVN", "plain switch"} {
		p, err := r.plane(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, p)
	}
	c, err := r.ours(ctx, list[oursPlane].rack, list[oursPlane].rack.shape)
	if err == nil {
		err = list[oursPlane].controlled(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	o, err := r.ovn(ctx, list[ovnPlane].rack, list[ovnPlane].rack.shape)
	if err == nil {
		err = list[ovnPlane].controlled(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	return list, list[rawPlane].raw(ctx)
}

// along measures one path on all planes that have it.
func (r *run) along(ctx context.Context, t *table, planes []*plane, way path, runs int, each time.Duration) error {
	got := make([]measured, len(planes))
	unreached := make([]error, len(planes))
	for i, p := range planes {
		if i != rawPlane || way.to != behind { // a plain switch does not route
			unreached[i] = p.reach(ctx, way.to)
		}
	}
	for range runs {
		for i, p := range planes {
			if i == rawPlane && way.to == behind || unreached[i] != nil {
				continue
			}
			if err := got[i].measure(ctx, p, way.to, each); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	for i, p := range planes {
		if unreached[i] != nil {
			t.row(way.name+": "+p.name, "-", "-", "-", "-", "-", "-", "-", "-", overBudget+" "+unreached[i].Error())
		} else if len(got[i].rtt) > 0 {
			got[i].row(t, way.name+": "+p.name, i == oursPlane, &got[ovnPlane], way.least)
		}
	}
	return nil
}

// measure is one run.
func (m *measured) measure(ctx context.Context, p *plane, to int, each time.Duration) error {
	trips, err := p.ping(ctx, to, 100)
	if err != nil {
		return err
	}
	if _, err := p.rack.switches[p.at].Appctl(ctx, "dpif-netdev/pmd-stats-clear"); err != nil {
		return err
	}
	udp, err := p.load(ctx, to, each, true)
	if err != nil {
		return err
	}
	stats, err := p.rack.switches[p.at].Appctl(ctx, "dpif-netdev/pmd-stats-show")
	if err != nil {
		return err
	}
	tcp, err := p.load(ctx, to, each, false)
	if err != nil {
		return err
	}
	m.rtt = append(m.rtt, trips.p50())
	m.packetsPerCPU = append(m.packetsPerCPU, udp.packets/udp.cpu.Seconds())
	m.bitsPerCPU = append(m.bitsPerCPU, tcp.bits/1e6/tcp.cpu.Seconds())
	m.mbit = append(m.mbit, tcp.bits/1e6/tcp.wall.Seconds())
	m.passes = append(m.passes, pmdStat(stats, "datapath passes per packet"))
	m.lookups = append(m.lookups, pmdStat(stats, "subtable lookups per megaflow hit"))
	return nil
}

// pmdStat reads an average of the userspace datapath's own statistics.
func pmdStat(text, name string) float64 {
	m := regexp.MustCompile(regexp.QuoteMeta(name) + `: ([\d.]+)`).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0
	}
	return v
}

func median[T cmp.Ordered](list []T) T {
	var zero T
	if len(list) == 0 {
		return zero
	}
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

func (m *measured) row(t *table, what string, ours bool, peer *measured, least float64) {
	packets, bits := median(m.packetsPerCPU)/median(peer.packetsPerCPU), median(m.bitsPerCPU)/median(peer.bitsPerCPU)
	var v verdict
	if ours && len(peer.rtt) > 0 {
		v = v.atLeast("packets", packets, least, "×").atLeast("Mbit", bits, least, "×").
			limit(median(m.rtt) <= median(peer.rtt), "RTT ≤ OVN's").limit(median(m.passes) <= median(peer.passes), "passes ≤ OVN's").
			limit(median(m.lookups) <= median(peer.lookups), "lookups ≤ OVN's")
	}
	t.row(what, median(m.rtt), median(m.packetsPerCPU), median(m.bitsPerCPU), median(m.mbit), median(m.passes), median(m.lookups),
		showFloat(packets)+" ×", showFloat(bits)+" ×", v)
}
