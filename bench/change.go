package main

import (
	"context"
	"fmt"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// changes is what many changes of one kind cost.
type changes struct {
	engine, barrier samples
	cpu, vswitchd   time.Duration
	mods            int
}

// portChange adds and removes one port again and again on a chassis with many in view, first with the
// engine alone, then through a real switch.
func portChange(ctx context.Context, r *run) error {
	t := newTable("one dual-stack port more", "our CPU", "engine p50", "p99", "flow-mods", "to barrier p50", "p99", "vswitchd CPU", "budget")
	for _, ports := range []int{100, 1000, 10_000} {
		c, err := crowd(ports, 10)
		if err != nil {
			return err
		}
		sw, err := r.vswitch(ctx, private.Config{})
		if err != nil {
			return err
		}
		if err := sw.AddBridge(ctx, "br0"); err != nil {
			return err
		}
		for _, here := range []bool{false, true} {
			alone, err := repeat(ctx, c, ports, here, 0)
			if err != nil {
				return err
			}
			if err := c.connect(ctx, r, sw, "br0"); err != nil {
				return err
			}
			wired, err := repeat(ctx, c, ports, here, sw.VswitchdPID())
			if err != nil {
				return err
			}
			c.writer = nil
			where, limit := "elsewhere", 8
			if here {
				where, limit = "here", 40
			}
			t.row(fmt.Sprintf("%s, %d in view", where, ports), alone.cpu, alone.engine.p50(), alone.engine.p99(), alone.mods,
				wired.barrier.p50(), wired.barrier.p99(), wired.vswitchd,
				verdict{}.within("engine", alone.engine.p50(), time.Millisecond).atMost("", float64(alone.mods), float64(limit), "mods"))
		}
		r.close()
	}
	r.print(t)
	return nil
}

const changesEach = 200

// repeat adds and removes a port changesEach times; only what it costs to add is told.
func repeat(ctx context.Context, c *chassis, ports int, here bool, vswitchd int) (changes, error) {
	var all changes
	n := 16 + ports + 1000
	p, objects := port(n, 0, uuid(aGroup, 0))
	for i := range changesEach + 1 {
		own, err := ownCPU()
		if err != nil {
			return all, err
		}
		their, err := cpuOrZero(vswitchd)
		if err != nil {
			return all, err
		}
		s, err := c.add(ctx, p, objects, here)
		if err != nil {
			return all, err
		}
		if i > 0 { // the first one warms up
			if err := all.note(s, own, their, vswitchd); err != nil {
				return all, err
			}
		}
		c.remove(objects...)
		if here {
			c.unplug(p)
		}
		if _, err := c.step(ctx); err != nil {
			return all, err
		}
	}
	all.cpu /= changesEach
	all.vswitchd /= changesEach
	return all, nil
}

func (c *chassis) add(ctx context.Context, p *model.Port, objects []model.Object, here bool) (spent, error) {
	c.place(objects...)
	if here {
		c.plug(p, 999)
	}
	return c.step(ctx)
}

func (all *changes) note(s spent, own, their time.Duration, vswitchd int) error {
	all.engine = append(all.engine, s.engine)
	all.barrier = append(all.barrier, s.barrier)
	all.mods = s.mods
	now, err := ownCPU()
	if err != nil {
		return err
	}
	all.cpu += now - own
	if now, err = cpuOrZero(vswitchd); err != nil {
		return err
	}
	all.vswitchd += now - their
	return nil
}

func cpuOrZero(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	return cpuOf(pid)
}
