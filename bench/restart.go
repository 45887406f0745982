package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
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
	s, err := r.site(ctx, "etcd", portsOf(ports))
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
	first, err := startOnce(ctx, r, s, dir) // it finds an empty switch
	if err != nil {
		return err
	}
	var walls, cpus, switches samples
	var mods, resident float64
	for range 5 {
		again, err := startOnce(ctx, r, s, dir)
		if err != nil {
			return err
		}
		walls, cpus, switches = append(walls, again.wall), append(cpus, again.cpu), append(switches, again.vswitchd)
		mods, resident = max(mods, again.mods), max(resident, float64(again.memory.resident)/(1<<20))
	}
	t.row(fmt.Sprintf("%d ports in view, %d here", ports, portsHere), cpus.p50(), walls.p50(), switches.p50(), mods, first.mods,
		showFloat(resident)+" MiB",
		verdict{}.within("CPU", cpus.p50(), 1500*time.Millisecond).within("wall", walls.p50(), 2*time.Second).
			atMost("flow-mods", mods, 0, "").atMost("resident", resident, 100, "MiB"))
	return nil
}

// portsOf is one network with ports, the first of which are bound here.
func portsOf(ports int) []model.Object {
	objects := append(network(0), defaultGroup(0)...)
	for n := range ports {
		p, more := port(16+n, 0, uuid(aGroup, 0))
		objects = append(objects, more...)
		if n < portsHere {
			objects = append(objects, binding(p))
		}
	}
	return objects
}

// startUp is what it took a controller to start and to find the switch as it shall be.
type startUp struct {
	wall, cpu, vswitchd time.Duration
	mods                float64
	memory              memory
}

// startOnce starts a controller and kills it when it is ready.
func startOnce(ctx context.Context, r *run, s *site, dir string) (startUp, error) {
	var u startUp
	before, err := cpuOf(s.sw.VswitchdPID())
	if err != nil {
		return u, err
	}
	d, err := r.dragonflow(ctx, "controller", "--db", s.url, "--chassis", host, "--ovsdb", "unix:"+s.sw.OVSDB(), "--state-dir", dir)
	if err != nil {
		return u, err
	}
	defer d.kill()
	u.wall = d.ready
	if u.cpu, err = cpuOf(d.pid); err != nil {
		return u, err
	}
	after, err := cpuOf(s.sw.VswitchdPID())
	if err != nil {
		return u, err
	}
	u.vswitchd = after - before
	if u.mods, err = d.metric("dragonflow_controller_flow_mods_total"); err != nil {
		return u, err
	}
	u.memory, err = memoryOf(d.pid)
	return u, err
}
