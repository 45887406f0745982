package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
)

// mkdirs makes folders, each in one that is there.
func mkdirs(list ...string) error {
	for _, dir := range list {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// simulatedFleet runs many controllers with switches that are simulated, over one real etcd.
func simulatedFleet(ctx context.Context, r *run) error {
	chassis, idle := 24, 10*time.Second
	if r.full {
		chassis, idle = 1000, 30*time.Second
	}
	if len(r.chassis) > 0 {
		chassis = max(r.chassis[0]/tenantChassis, 1) * tenantChassis
	}
	f := &fleet{run: r, ears: ears{began: map[uint16]time.Time{}, took: map[uint16]samples{}}}
	var err error
	if f.url, f.etcd, err = r.etcd(ctx); err != nil {
		return err
	}
	w, err := r.writer(f.url)
	if err != nil {
		return err
	}
	t := newTable(fmt.Sprintf("%d controllers in one process, %d ports", chassis, chassis*portsOnChassis),
		"etcd's CPU", "a second", "our CPU", "a controller", "wall", "etcd's memory", "database", "our memory", "a controller")
	if err := f.phase(t, "the ports are written", func() error { return populate(ctx, w, chassis) }); err != nil {
		return err
	}
	if err := f.phase(t, "all controllers start", func() error { return f.launch(ctx, chassis) }); err != nil {
		return err
	}
	if err := f.phase(t, fmt.Sprint("nothing happens for ", idle), func() error { return pause(ctx, idle) }); err != nil {
		return err
	}
	h := newTable("from the write to a flow in a switch", "changes", "concerned, each", "heard", "p50", "p99", "last")
	if err := f.phase(t, "ports come, 20 a second", func() error { return f.ports(ctx, w, h, chassis) }); err != nil {
		return err
	}
	if err := f.phase(t, "a rule comes to a group that all ports have", func() error { return f.rule(ctx, w, h) }); err != nil {
		return err
	}
	r.print(t)
	r.print(h)
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// phase does something and notes what it cost.
func (f *fleet) phase(t *table, what string, do func() error) error {
	cpu := func() (own, their time.Duration, err error) {
		if own, err = ownCPU(); err == nil {
			their, err = cpuOf(f.etcd.pid)
		}
		return own, their, err
	}
	own, their, err := cpu()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	wall := time.Since(began)
	ownNow, theirNow, err := cpu()
	if err != nil {
		return err
	}
	own, their = ownNow-own, theirNow-their
	m, err := memoryOf(f.etcd.pid)
	if err != nil {
		return err
	}
	us, err := memoryOf(os.Getpid())
	if err != nil {
		return err
	}
	size, err := databaseSize(f.run.scratch)
	if err != nil {
		return err
	}
	n := max(len(f.members), 1)
	t.row(what, their, time.Duration(float64(their)/wall.Seconds()), own, own/time.Duration(n), wall, mebibytes(m.resident), mebibytes(size),
		mebibytes(us.resident), mebibytes(us.resident/int64(n)))
	return nil
}

// databaseSize is that of etcd's file.
func databaseSize(scratch string) (int64, error) {
	files, err := filepath.Glob(filepath.Join(scratch, "*", "member", "snap", "db"))
	if err != nil || len(files) != 1 {
		return 0, fmt.Errorf("etcd's database is not in %s (%w)", scratch, err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// populate writes the topology and all ports.
func populate(ctx context.Context, w *writer, chassis int) error {
	if err := w.write(ctx, fleetTopology(chassis)); err != nil {
		return err
	}
	for i := range chassis {
		var objects []model.Object
		for n := range portsOnChassis {
			objects = append(objects, fleetPort(i, n)...)
		}
		if err := w.write(ctx, objects); err != nil {
			return fmt.Errorf("ports of %s: %w", fleetName(i), err)
		}
	}
	return nil
}

// ports adds ports one after the other on networks all over the fleet, and waits until all whom they concern
// have a flow.
func (f *fleet) ports(ctx context.Context, w *writer, t *table, chassis int) error {
	const changes = 300
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := range changes {
		tenant := i * 7 % (chassis / tenantChassis)
		home := tenant*tenantChassis + i%tenantChassis
		objects := boundPort(probeNumber(i), fleetNetwork(home, i%tenantNetworks), fleetName(home), fleetGroup(home))
		f.begin(uint16(i))
		if err := w.write(ctx, objects); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var all samples
	for i := range changes {
		// The port's own chassis has no interface for it, and yet it hears of it as the others do.
		took, err := f.await(ctx, uint16(i), tenantChassis)
		if err != nil {
			return err
		}
		all = append(all, took...)
	}
	t.row("a port comes, 20 a second", changes, tenantChassis, len(all), all.p50(), all.p99(), all.quantile(1))
	return nil
}

// everyProbe is the first of the probes that are heard with any flow.
const everyProbe = 0xff00

// rule adds a rule to a group that every port has, so that every chassis needs new flows.
func (f *fleet) rule(ctx context.Context, w *writer, t *table) error {
	const changes = 3
	var all samples
	for i := range changes {
		probe := uint16(everyProbe + i)
		f.begin(probe)
		f.every.Store(uint32(probe))
		port := 8000 + i
		rule := &model.SecurityGroupRule{
			Meta: meta(aRule, 1<<30+i), SecurityGroupID: uuid(aGroup, sharedGroup), Direction: model.Ingress, EtherType: model.IPv4,
			Protocol: 6, PortRangeMin: &port, PortRangeMax: &port,
		}
		if err := w.write(ctx, []model.Object{rule}); err != nil {
			return err
		}
		took, err := f.await(ctx, probe, len(f.members))
		if err != nil {
			return err
		}
		all = append(all, took...)
	}
	t.row("a rule comes to a group that all ports have", changes, len(f.members), len(all), all.p50(), all.p99(), all.quantile(1))
	return nil
}

// await waits until as many members have heard of a probe.
func (f *fleet) await(ctx context.Context, probe uint16, members int) (samples, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		took := f.heardBy(probe)
		if len(took) >= members {
			return took, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d have heard of change %d: %w", len(took), members, probe, ctx.Err())
		}
	}
}
