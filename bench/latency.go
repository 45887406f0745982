package main

import (
	"context"
	"fmt"
	"time"
)

// Ports that a site has for the measurement; each is used once.
const (
	portsEach = 150
	warmUp    = 5
)

// requestToBarrier measures how long it takes until the switch has confirmed a new port's flows, by one
// clock, since everything but etcd and the switch is in this process.
func requestToBarrier(ctx context.Context, r *run) error {
	t := newTable("one port at a time", "CPU of all", "p50", "p99", "first: CPU", "wall", "budget")
	for _, kind := range []string{"embedded", "etcd"} {
		bases := []int{0, 1000, 5000}
		for _, base := range bases {
			if err := writeToBarrier(ctx, r, t, kind, base); err != nil {
				return fmt.Errorf("%s, %d ports there: %w", kind, base, err)
			}
			r.close()
		}
		if err := httpToBarrier(ctx, r, t, kind); err != nil {
			return fmt.Errorf("%s, API: %w", kind, err)
		}
		r.close()
	}
	r.print(t)
	return nil
}

// timed is what ports took, one after the other: the first one, which finds nothing there, and the others
// but for some that warm up. CPU is that of everything but the switch.
type timed struct {
	first, firstCPU time.Duration
	rest            samples
	cpu             time.Duration
}

// timeEach calls do for each port in turn and measures from the time that it tells to the confirmation.
func (s *site) timeEach(ctx context.Context, do func(i int) (id string, began time.Time, err error)) (timed, error) {
	var t timed
	for i := range portsEach {
		before, err := s.cpu()
		if err != nil {
			return t, err
		}
		id, began, err := do(i)
		if err != nil {
			return t, err
		}
		if err := s.wait(ctx, id); err != nil {
			return t, err
		}
		took := time.Since(began)
		after, err := s.cpu()
		if err != nil {
			return t, err
		}
		switch {
		case i == 0:
			t.first, t.firstCPU = took, after-before
		case i >= warmUp:
			t.rest = append(t.rest, took)
			t.cpu += (after - before) / (portsEach - warmUp)
		}
	}
	return t, nil
}

// writeToBarrier writes ports whose interfaces are plugged already into the database.
func writeToBarrier(ctx context.Context, r *run, t *table, kind string, base int) error {
	objects := append(network(0), defaultGroup(0)...)
	for n := range base {
		_, more := port(16+n, 0, uuid(aGroup, 0))
		objects = append(objects, more...)
	}
	s, err := r.site(ctx, kind, objects)
	if err != nil {
		return err
	}
	first := 16 + base
	err = plugAll(ctx, s.sw, "br-int", portsEach, func(i int) string { return fmt.Sprint("tap", i) },
		func(i int) []string { return []string{"external_ids:iface-id=" + uuid(aPort, first+i)} })
	if err != nil {
		return err
	}
	if err := s.control(ctx, r); err != nil {
		return err
	}
	got, err := s.timeEach(ctx, func(i int) (string, time.Time, error) {
		p, objects := port(first+i, 0, uuid(aGroup, 0))
		began := time.Now()
		return p.ID, began, write(ctx, s.store, append(objects, binding(p)))
	})
	if err != nil {
		return err
	}
	v := verdict{}.within("CPU", got.cpu, 5*time.Millisecond).within("p50", got.rest.p50(), 5*time.Millisecond).
		within("p99", got.rest.p99(), 50*time.Millisecond).within("first", got.first, 500*time.Millisecond)
	got.row(t, fmt.Sprintf("%s: NB write → barrier, %d ports there", kind, base), v)
	return nil
}

func (got *timed) row(t *table, what string, v verdict) {
	t.row(what, got.cpu, got.rest.p50(), got.rest.p99(), got.firstCPU, got.first, v)
}

// httpToBarrier creates ports by the API. A port's id is known only from the answer, so there are two
// ways: the port is bound to the host when its interface is plugged already, or it is created bound, and
// the interface gets its id afterwards, as Nova does it.
func httpToBarrier(ctx context.Context, r *run, t *table, kind string) error {
	s, err := r.site(ctx, kind, nil)
	if err != nil {
		return err
	}
	err = plugAll(ctx, s.sw, "br-int", 2*portsEach, func(i int) string { return fmt.Sprint("tap", i) },
		func(int) []string { return nil })
	if err != nil {
		return err
	}
	if err := s.control(ctx, r); err != nil {
		return err
	}
	client, err := s.serve(ctx, r)
	if err != nil {
		return err
	}
	plug, err := plugger(ctx, r, s.sw)
	if err != nil {
		return err
	}
	return bindAndCreate(ctx, t, s, client, plug, kind)
}

func bindAndCreate(ctx context.Context, t *table, s *site, client *neutron, plug func(name, id string) error, kind string) error {
	net, err := client.network(ctx)
	if err != nil {
		return err
	}
	bound, err := s.timeEach(ctx, func(i int) (string, time.Time, error) {
		id, err := client.call(ctx, "POST", "ports", "port", map[string]any{"network_id": net})
		if err != nil {
			return id, time.Time{}, err
		}
		if err := plug(fmt.Sprint("tap", i), id); err != nil {
			return id, time.Time{}, err
		}
		began := time.Now()
		_, err = client.call(ctx, "PUT", "ports/"+id, "port", map[string]any{"binding:host_id": host})
		return id, began, err
	})
	if err != nil {
		return err
	}
	created, err := s.timeEach(ctx, func(i int) (string, time.Time, error) {
		began := time.Now()
		id, err := client.call(ctx, "POST", "ports", "port", map[string]any{"network_id": net, "binding:host_id": host})
		if err != nil {
			return id, began, err
		}
		return id, began, plug(fmt.Sprint("tap", portsEach+i), id)
	})
	if err != nil {
		return err
	}
	limit := 10 * time.Millisecond
	bound.row(t, kind+": PUT host of a plugged port → barrier (CPU: with POST)", verdict{}.within("p50", bound.rest.p50(), limit))
	created.row(t, kind+": POST, then its id set in OVSDB → barrier", verdict{}.within("p50", created.rest.p50(), limit))
	return nil
}
