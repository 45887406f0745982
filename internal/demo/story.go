// Package demo builds a small cloud out of network namespaces on this machine and shows Dragonflow at
// work in it: real Open vSwitch, real DHCP clients, real packets. It needs root, disturbs nothing on the
// host and leaves nothing behind.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Options say how to run the demo.
type Options struct {
	// Binary is the dragonflow program to show.
	Binary string
	// Out is where the story goes.
	Out io.Writer
	// Keep leaves the cloud running after the story until ctx ends.
	Keep bool
}

// ErrBroken says that a step did not turn out as promised.
var ErrBroken = errors.New("a promise of the demo was broken")

// story tells what happens, one line a step.
type story struct {
	out     io.Writer
	start   time.Time
	results []result
}

type result struct {
	promise, measured string
	kept              bool
}

// chapter begins a part of the story.
func (s *story) chapter(format string, args ...any) {
	fmt.Fprintf(s.out, "\n%5.1fs  %s\n", time.Since(s.start).Seconds(), fmt.Sprintf(format, args...))
}

// tell adds a line that is no promise.
func (s *story) tell(format string, args ...any) {
	fmt.Fprintf(s.out, "        %s\n", fmt.Sprintf(format, args...))
}

// step carries out a promise and tells what was measured, or what went wrong.
func (s *story) step(promise string, do func() (measured string, err error)) {
	measured, err := do()
	r := result{promise: promise, measured: measured, kept: err == nil}
	mark := "ok  "
	if err != nil {
		mark, r.measured = "FAIL", strings.TrimSpace(measured+" "+err.Error())
	}
	s.results = append(s.results, r)
	fmt.Fprintf(s.out, "  %s  %-84s %s\n", mark, r.promise, r.measured)
}

// table ends the story with all promises, and returns ErrBroken if one was not kept.
func (s *story) table() error {
	fmt.Fprintf(s.out, "\n%s\n", strings.Repeat("─", 124))
	broken := 0
	for _, r := range s.results {
		mark := "kept  "
		if !r.kept {
			mark = "BROKEN"
			broken++
		}
		fmt.Fprintf(s.out, "%s  %-84s %s\n", mark, r.promise, short(r.measured))
	}
	fmt.Fprintf(s.out, "%s\n%d promises, %d broken, %.1f s\n", strings.Repeat("─", 124), len(s.results), broken, time.Since(s.start).Seconds())
	if broken > 0 {
		return fmt.Errorf("%w: %d of %d", ErrBroken, broken, len(s.results))
	}
	return nil
}

// Run tells the story. It cleans up also when ctx ends in the middle.
func Run(ctx context.Context, o Options) (err error) {
	t := &story{out: o.Out, start: time.Now()}
	s, err := newSite(ctx, o.Binary)
	defer func() { err = errors.Join(err, s.close()) }()
	if err != nil {
		return fmt.Errorf("build the demo's cloud: %w", err)
	}
	t.chapter("Three hypervisors and two gateways, each with a private Open vSwitch and a controller; one API server; etcd")
	t.tell("directory %s; your own switch, network and services are not touched", s.Dir)
	for _, part := range []func(context.Context, *story, *site){topology, addresses, reach, identity, rules, outside, survive, migrate, failover} {
		if part(ctx, t, s); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if o.Keep {
		t.chapter("The cloud stays until you press Ctrl-C. Its API: nsenter --net=%s curl http://127.0.0.1:9696/v2.0/networks", s.Fabric.Path())
		<-ctx.Done()
	}
	return t.table()
}

// short keeps the table's lines on one line; the story above has the whole.
func short(text string) string {
	const most = 60
	if line, _, more := strings.Cut(text, "\n"); more || len([]rune(line)) > most {
		return string([]rune(line)[:min(most, len([]rune(line)))]) + "…"
	}
	return text
}
