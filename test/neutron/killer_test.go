//go:build neutron

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// victim is something that is killed again and again.
type victim struct {
	name string
	// every is how long it runs at most, and down how long it is away at most.
	every, down time.Duration
	kill        func() error
	// start is nil for what is started by its own parent, or by kill.
	start func() error
}

// events is what has happened, for people. It is safe for concurrent use.
type events struct {
	began time.Time

	mu     sync.Mutex
	lines  []string
	counts map[string]int
}

func (e *events) add(what, who string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, fmt.Sprintf("%7.1f %s %s", time.Since(e.began).Seconds(), what, who))
	e.counts[what+" "+who]++
}

func (e *events) log(t *testing.T, all bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if all {
		t.Log("events:\n" + strings.Join(e.lines, "\n"))
	}
	t.Log("events:", e.counts)
}

// haunt kills a victim at random times until ctx ends, and leaves it running.
func (v *victim) haunt(ctx context.Context, random *rand.Rand, log *events) error {
	for rest(ctx, random, v.every) {
		log.add("killed", v.name)
		if err := v.kill(); err != nil {
			return fmt.Errorf("kill %s: %w", v.name, err)
		}
		if v.start == nil {
			continue
		}
		rest(ctx, random, v.down)
		log.add("started", v.name)
		if err := v.start(); err != nil {
			return fmt.Errorf("start %s: %w", v.name, err)
		}
	}
	return nil
}

// rest waits for a random time, and tells whether that came to its end.
func rest(ctx context.Context, random *rand.Rand, most time.Duration) bool {
	alarm := time.NewTimer(time.Duration(random.Int64N(int64(most))))
	defer alarm.Stop()
	select {
	case <-alarm.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// victims are all that is killed: everything but MariaDB, which is Neutron's memory, and the switches.
func (s *site) victims(ctx context.Context, servers []*cloud.Daemon) []victim {
	list := []victim{daemon("database", s.Database, time.Minute, 8*time.Second)}
	for i, server := range servers {
		list = append(list, daemon(fmt.Sprint("server ", i+1), server, 30*time.Second, 6*time.Second))
	}
	for _, ch := range s.All() {
		list = append(list, daemon("controller of "+ch.Name(), ch.Controller, 40*time.Second, 25*time.Second))
	}
	var mu sync.Mutex // one at a time for what belongs to the Neutron
	one := func(f func() error) func() error {
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			return f()
		}
	}
	return append(list,
		victim{name: "worker of Neutron's API", every: 2 * time.Minute, kill: one(func() error { return killOne(s.Neutron.APIWorkers) })},
		victim{name: "periodic worker of Neutron", every: 2 * time.Minute, kill: one(func() error { return killOne(s.Neutron.PeriodicWorkers) })},
		victim{name: "Neutron's API", every: 20 * time.Minute, kill: one(func() error { return s.Neutron.RestartAPI(ctx) })},
		victim{name: "periodic workers of Neutron", every: 15 * time.Minute, kill: one(func() error { return s.Neutron.RestartPeriodic(ctx) })},
	)
}

// daemon is a program of ours or the database. That it has ended by itself is an error.
func daemon(name string, d *cloud.Daemon, every, down time.Duration) victim {
	kill := func() error {
		if !d.Running() {
			return errors.New("it ended by itself: " + d.Said())
		}
		d.Kill()
		return nil
	}
	return victim{name, every, down, kill, d.Launch}
}

// killOne kills one of the processes of a part, if there are any just now.
func killOne(list func() ([]int, error)) error {
	pids, err := list()
	if err != nil || len(pids) == 0 {
		return err
	}
	err = syscall.Kill(pids[rand.IntN(len(pids))], syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		err = nil
	}
	return err
}
