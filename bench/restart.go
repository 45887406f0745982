package main

import (
	"context"
	"fmt"
	"time"
)

// restart kills a controller and starts it again, with everything as before: the database, the switch
// with its flows, and many ports in view.
func restart(ctx context.Context, r *run) error {
	t := newTable("controller restarted, from exec to reconciled", "our CPU", "wall", "vswitchd CPU", "flow-mods", "flows", "resident", "budget")
	sizes := []int{5000}
	if r.full {
		sizes = append(sizes, 10_000)
	}
	for _, ports := range sizes {
		if err := restartWith(ctx, r, t, ports); err != nil {
			return fmt.Errorf("%d ports: %w", ports, err)
		}
		r.close()
	}
	r.print(t)
	return nil
}

// portsHere is how many of a restarted controller's ports are plugged.
const portsHere = 20

func restartWith(ctx context.Context, r *run, t *table, ports int) error {
	objects := append(network(0), defaultGroup(0)...)
	for n := range ports {
		p, more := port(16+n, 0, uuid(aGroup, 0))
		objects = append(objects, more...)
		if n < portsHere {
			objects = append(objects, binding(p))
		}
	}
	s, err := r.site(ctx, "etcd", objects)
	if err != nil {
		return err
	}
	err = plugAll(ctx, s.sw, "br-int", portsHere, func(i int) string { return fmt.Sprint("tap", i) },
		func(i int) []string { return []string{"external_ids:iface-id=" + uuid(aPort, 16+i)} })
	if err != nil {
		return err
	}
	dir, err := r.folder()
	if err != nil {
		return err
	}
	var walls, cpus, switches samples
	var mods, resident, total float64
	for i := range 6 {
		before, err := cpuOf(s.sw.VswitchdPID())
		if err != nil {
			return err
		}
		d, err := r.dragonflow(ctx, "controller", "--db", s.url, "--chassis", host, "--ovsdb", "unix:"+s.sw.OVSDB(), "--state-dir", dir)
		if err != nil {
			return err
		}
		cpu, err := cpuOf(d.pid)
		if err != nil {
			return err
		}
		after, err := cpuOf(s.sw.VswitchdPID())
		if err != nil {
			return err
		}
		sent, err := d.metric("dragonflow_controller_flow_mods_total")
		if err != nil {
			return err
		}
		if i == 0 {
			total = sent // it found an empty switch
		} else {
			walls, cpus, switches, mods = append(walls, d.ready), append(cpus, cpu), append(switches, after-before), max(mods, sent)
			m, err := memoryOf(d.pid)
			if err != nil {
				return err
			}
			resident = max(resident, float64(m.resident))
		}
		d.kill()
	}
	t.row(fmt.Sprintf("%d ports in view, %d here", ports, portsHere), cpus.p50(), walls.p50(), switches.p50(), mods, total, mebibytes(int64(resident)),
		verdict{}.within("CPU", cpus.p50(), 1500*time.Millisecond).within("wall", walls.p50(), 2*time.Second).
			atMost("flow-mods", mods, 0, "").atMost("resident", resident/(1<<20), 100, "MiB"))
	return nil
}
