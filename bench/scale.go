package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// beside are the tables of the control planes side by side.
type beside struct{ change, grow, restart *table }

// sideBySide runs Dragonflow and OVN over the same racks of chassis, one after the other in the same run.
func sideBySide(ctx context.Context, r *run) error {
	version, err := ovnVersion(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.out, "%s; CPU is that of all processes but the switches'; ours includes the client that writes, OVN's does not\n", version)
	t := &beside{
		change:  newTable("one port more, of a network that is on every chassis", "CPU of all", "a chassis", "own p50", "own p95", "all p50", "all p95", "OVN's CPU", "budget"),
		grow:    newTable("ports from nothing", "CPU of all", "controllers", "central", "wall", "memory of all", "a controller", "flows there", "OVN's CPU", "budget"),
		restart: newTable("a controller restarted", "its CPU", "CPU of all", "wall", "flow changes", "OVN's CPU", "budget"),
	}
	chassis, sizes := []int{5}, []int{1000}
	if r.full {
		chassis, sizes = []int{5, 10, 20}, []int{1000, 5000}
	}
	if len(r.chassis) > 0 {
		chassis = r.chassis
	}
	if len(r.ports) > 0 {
		sizes = r.ports
	}
	for _, n := range chassis {
		for _, size := range sizes {
			if err := t.measure(ctx, r, n, size, size == sizes[0], size == sizes[len(sizes)-1]); err != nil {
				return fmt.Errorf("%d chassis, %d ports: %w", n, size, err)
			}
		}
	}
	r.print(t.change)
	r.print(t.grow)
	r.print(t.restart)
	return nil
}

// scaled is what one cloud took.
type scaled struct {
	empty, full perPort
	grown       growth
	restarted   restarted
}

// measure builds both clouds, one after the other, and compares them.
func (t *beside) measure(ctx context.Context, r *run, chassis, ports int, empty, again bool) error {
	var got [2]scaled
	first := 0
	if r.alone {
		first = 1
	}
	for i := first; i < len(got); i++ {
		s, err := r.oneCloud(ctx, i == 0, chassis, ports, empty, again)
		r.close()
		if err != nil {
			return err
		}
		got[i] = s
	}
	name := [2]string{"OVN", "dragonflow"}
	for i := first; i < len(got); i++ {
		where := fmt.Sprintf("%s, %d chassis", name[i], chassis)
		if empty {
			got[i].empty.row(t.change, where+", 0 ports there", &got[0].empty, chassis)
		}
		got[i].full.row(t.change, fmt.Sprintf("%s, %d ports there", where, ports), &got[0].full, chassis)
		got[i].grown.row(t.grow, fmt.Sprintf("%s, %d ports", where, ports), &got[0].grown, ports)
		if again {
			got[i].restarted.row(t.restart, fmt.Sprintf("%s, %d ports", where, ports), &got[0].restarted)
		}
	}
	return nil
}

// oneCloud measures one control plane over a rack of its own.
func (r *run) oneCloud(ctx context.Context, peer bool, chassis, ports int, empty, again bool) (s scaled, err error) {
	top := shape{networks: 20}
	k, err := r.rack(ctx, chassis, top)
	if err != nil {
		return s, err
	}
	var c cloud
	if peer {
		c, err = r.ovn(ctx, k, top)
	} else {
		c, err = r.ours(ctx, k, top)
	}
	if err != nil {
		return s, err
	}
	if err := k.plug(ctx, upTo(0, ports)); err != nil {
		return s, err
	}
	if err := c.base(ctx); err != nil {
		return s, err
	}
	var there []int // one port of the measured network on each chassis
	for i := range chassis {
		there = append(there, i*top.networks)
	}
	if !empty {
		there = nil
	} else if s.empty, err = measureChanges(ctx, k, c, there, probesAt(0), 100_000); err != nil {
		return s, err
	}
	rest := slices.DeleteFunc(upTo(0, ports), func(n int) bool { return slices.Contains(there, n) })
	present := ports
	if empty {
		present += warmChanges + probesAt(0)
	}
	if s.grown, err = measureGrowth(ctx, k, c, rest, present); err != nil {
		return s, err
	}
	if s.full, err = measureChanges(ctx, k, c, nil, probesAt(ports), 200_000); err != nil {
		return s, err
	}
	if again {
		s.restarted, err = measureRestart(ctx, k, c)
	}
	return s, err
}

// beside holds a number against OVN's, if that was measured.
func (v verdict) beside(measured, ahead bool) verdict {
	if !measured {
		return v
	}
	return v.limit(ahead, "ahead of OVN")
}

// settled waits until the cloud says so and no flow has changed for a while, and returns when the last did.
func settled(ctx context.Context, k *rack, c cloud, still time.Duration) (time.Time, error) {
	if err := c.settle(ctx); err != nil {
		return time.Time{}, err
	}
	return k.quiet(ctx, still)
}

// probesAt is how many ports are timed with so many there.
func probesAt(ports int) int {
	if ports > 1000 {
		return 10
	}
	return 20
}

// warmChanges are ports before the measured ones, which also tell how many flows a port has.
const warmChanges = 2

// perPort is what one port more took.
type perPort struct {
	cpu      time.Duration
	own, all samples
}

// measureChanges adds ports one after the other to the first network, whose interfaces are plugged, and
// waits each time until the last chassis has the last flow that mentions the port.
func measureChanges(ctx context.Context, k *rack, c cloud, there []int, probes, first int) (perPort, error) {
	var m perPort
	var numbers []int
	for i := range warmChanges + probes {
		numbers = append(numbers, first+i*k.shape.networks)
	}
	if err := k.plug(ctx, numbers); err != nil {
		return m, err
	}
	if err := c.ports(ctx, there); err != nil {
		return m, err
	}
	if _, err := settled(ctx, k, c, time.Second); err != nil {
		return m, err
	}
	local, remote, err := calibrate(ctx, k, c, numbers[:warmChanges])
	if err != nil {
		return m, err
	}
	before, err := cpuOfAll(c.processes())
	if err != nil {
		return m, err
	}
	for _, n := range numbers[warmChanges:] {
		k.look(n)
		began := time.Now()
		if err := c.ports(ctx, []int{n}); err != nil {
			return m, err
		}
		own, all, err := k.await(ctx, n, local, remote)
		if err != nil {
			return m, err
		}
		m.own, m.all = append(m.own, own.Sub(began)), append(m.all, all.Sub(began))
	}
	if _, err := settled(ctx, k, c, time.Second); err != nil {
		return m, err
	}
	after, err := cpuOfAll(c.processes())
	m.cpu = (after.all - before.all) / time.Duration(probes)
	return m, err
}

// calibrate learns how many flows that mention a port its own chassis and the others get.
func calibrate(ctx context.Context, k *rack, c cloud, numbers []int) (local, remote int, err error) {
	for _, n := range numbers {
		k.look(n)
		if err := c.ports(ctx, []int{n}); err != nil {
			return 0, 0, err
		}
		if _, err := settled(ctx, k, c, time.Second); err != nil {
			return 0, 0, err
		}
		remote = 1 << 30
		for i, hits := range k.hits() {
			if i == k.home(n) {
				local = hits
			} else {
				remote = min(remote, hits)
			}
		}
	}
	if local == 0 || remote == 0 {
		return 0, 0, fmt.Errorf("a port has %d flows on its chassis and %d on another", local, remote)
	}
	return local, remote, nil
}

func (m *perPort) row(t *table, what string, peer *perPort, chassis int) {
	var v verdict
	if chassis > 0 && m != peer {
		v = v.within("CPU a chassis", m.cpu/time.Duration(chassis), 5*time.Millisecond).within("own p50", m.own.p50(), 5*time.Millisecond).
			beside(peer.cpu > 0, m.cpu < peer.cpu && m.own.p50() < peer.own.p50() && m.all.p50() < peer.all.p50())
	}
	t.row(what, m.cpu, m.cpu/time.Duration(chassis), m.own.p50(), m.own.quantile(0.95), m.all.p50(), m.all.quantile(0.95), ratio(m.cpu, peer.cpu), v)
}

// growth is what many ports at once took.
type growth struct {
	cpu                totals
	wall               time.Duration
	memory, controller int64
	flows              int
}

// measureGrowth writes ports whose interfaces are plugged as fast as they can be written.
func measureGrowth(ctx context.Context, k *rack, c cloud, numbers []int, present int) (growth, error) {
	var g growth
	before, err := cpuOfAll(c.processes())
	if err != nil {
		return g, err
	}
	began := time.Now()
	if err := c.ports(ctx, numbers); err != nil {
		return g, err
	}
	last, err := settled(ctx, k, c, 3*time.Second)
	if err != nil {
		return g, err
	}
	g.wall = last.Sub(began)
	after, err := cpuOfAll(c.processes())
	if err != nil {
		return g, err
	}
	g.cpu = totals{map[string]time.Duration{}, after.all - before.all}
	for part := range after.cpu {
		g.cpu.cpu[part] = after.cpu[part] - before.cpu[part]
	}
	if g.memory, g.controller, err = memoryOfAll(c.processes()); err != nil {
		return g, err
	}
	if g.flows, err = k.flows(ctx, 0); err != nil {
		return g, err
	}
	return g, c.verify(ctx, present)
}

func (g *growth) row(t *table, what string, peer *growth, ports int) {
	var v verdict
	if g != peer {
		if ports >= 5000 && peer.wall > 0 { // smaller ones are ruled by what is the same for both
			v = v.limit(g.cpu.all <= peer.cpu.all/10, "CPU of all ≤ 1/10 of OVN's")
		}
		v = v.atMost("a controller", float64(g.controller)/(1<<20), 100, "MiB").
			beside(peer.wall > 0, g.cpu.all < peer.cpu.all && g.wall < peer.wall && g.memory < peer.memory)
	}
	t.row(what, g.cpu.all, g.cpu.cpu["controller"], g.cpu.cpu["central"]+g.cpu.cpu["client"], g.wall, mebibytes(g.memory), mebibytes(g.controller),
		g.flows, ratio(g.cpu.all, peer.cpu.all), v)
}

// restarted is what it took a controller to start again.
type restarted struct {
	own, all, wall time.Duration
	changes        int
}

// measureRestart kills the first chassis' controller and starts it again, with nothing changed.
func measureRestart(ctx context.Context, k *rack, c cloud) (restarted, error) {
	var m restarted
	var others []process
	first := true
	for _, p := range c.processes() {
		if p.part == "controller" && first {
			first = false
			continue
		}
		others = append(others, p)
	}
	before, err := cpuOfAll(others)
	if err != nil {
		return m, err
	}
	changes, _ := k.watches[0].count()
	began := time.Now()
	started, err := c.restart(ctx, 0)
	if err != nil {
		return m, err
	}
	ready := time.Now()
	if _, err := k.quiet(ctx, 3*time.Second); err != nil {
		return m, err
	}
	now, last := k.watches[0].count()
	m.changes = now - changes
	if m.wall = ready.Sub(began); m.changes > 0 {
		m.wall = max(m.wall, last.Sub(began))
	}
	if m.own, err = cpuOf(started.pid); err != nil {
		return m, err
	}
	after, err := cpuOfAll(others)
	m.all = m.own + after.all - before.all
	return m, err
}

func (m *restarted) row(t *table, what string, peer *restarted) {
	var v verdict
	if m != peer {
		v = v.within("its CPU", m.own, 1500*time.Millisecond).within("wall", m.wall, 2*time.Second).atMost("flow changes", float64(m.changes), 0, "").
			beside(peer.wall > 0, m.all < peer.all && m.wall < peer.wall)
	}
	t.row(what, m.own, m.all, m.wall, m.changes, ratio(m.all, peer.all), v)
}
