package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
)

// counted passes a database's connections on and counts what comes back from it.
type counted struct {
	address string
	bytes   atomic.Int64
}

// counted stands between a client and a server until the end of the experiment.
func (r *run) counted(server string) (*counted, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &counted{address: l.Addr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			near, err := l.Accept()
			if err != nil {
				return // closed
			}
			far, err := net.Dial("tcp", server)
			if err != nil {
				_ = near.Close() // the client tries again
				continue
			}
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go func() { _, _ = io.Copy(io.MultiWriter(near, c), far); _ = near.Close() }()
		}
	}()
	r.atEnd(func() { _ = l.Close(); <-done })
	return c, nil
}

// Write implements io.Writer for what comes back.
func (c *counted) Write(p []byte) (int, error) {
	c.bytes.Add(int64(len(p)))
	return len(p), nil
}

// seen is what a controller noticed in a time.
type seen struct {
	bytes       int64
	steps, mods float64
	cpu         time.Duration
}

// watched is a controller whose connection to the database is counted.
type watched struct {
	d     *daemon
	proxy *counted
}

func (w *watched) now() (seen, error) {
	cpu, err := cpuOf(w.d.pid)
	if err != nil {
		return seen{}, err
	}
	s := seen{bytes: w.proxy.bytes.Load(), cpu: cpu}
	if s.steps, err = w.d.metric("dragonflow_controller_steps_total"); err != nil {
		return s, err
	}
	s.mods, err = w.d.metric("dragonflow_controller_flow_mods_total")
	return s, err
}

func (s seen) since(was seen) seen {
	return seen{s.bytes - was.bytes, s.steps - was.steps, s.mods - was.mods, s.cpu - was.cpu}
}

// unseen writes ports of networks that a chassis has no port of, and looks what that costs the chassis,
// beside a time in which nothing is written.
func unseen(ctx context.Context, r *run) error {
	ports := 2000
	if r.full {
		ports = 10_000
	}
	k, err := r.rack(ctx, 1, shape{networks: 20})
	if err != nil {
		return err
	}
	url, _, err := r.etcd(ctx)
	if err != nil {
		return err
	}
	w, err := r.writer(url)
	if err != nil {
		return err
	}
	local := append(tunnelled(1000), defaultGroup(1000)...)
	local = append(local, boundPort(0x700000, 1000, host, uuid(aGroup, 1000))...)
	if err := w.write(ctx, local); err != nil {
		return err
	}
	if err := k.plug(ctx, []int{0x700000}); err != nil {
		return err
	}
	proxy, err := r.counted(strings.TrimPrefix(url, "etcd://"))
	if err != nil {
		return err
	}
	dir, err := r.folder()
	if err != nil {
		return err
	}
	d, err := r.dragonflow(ctx, "controller", "--db", "etcd://"+proxy.address, "--chassis", host, "--ovsdb", "unix:"+k.switches[0].OVSDB(),
		"--state-dir", dir, "--tunnel-ip", k.tunnels[0].String())
	if err != nil {
		return err
	}
	if _, err := k.quiet(ctx, 2*time.Second); err != nil {
		return err
	}
	return compareUnseen(ctx, r, w, &watched{d, proxy}, ports)
}

// compareUnseen measures while ports are written, and then as long while none are.
func compareUnseen(ctx context.Context, r *run, w *writer, c *watched, ports int) error {
	top := shape{networks: 20}
	var objects []model.Object
	for n := range top.networks {
		objects = append(objects, routedNetwork(n)...)
	}
	for n := range top.routers() {
		objects = append(append(objects, router(n)...), sshGroup(n)...)
	}
	for n := range ports {
		objects = append(objects, top.port(n, "elsewhere")...)
	}
	before, err := c.now()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := w.write(ctx, objects); err != nil {
		return err
	}
	took := time.Since(began)
	busy, err := c.now()
	if err != nil {
		return err
	}
	if err := pause(ctx, took); err != nil {
		return err
	}
	idle, err := c.now()
	if err != nil {
		return err
	}
	t := newTable("a controller with one port", "wall", "steps of the engine", "flow-mods", "bytes from etcd", "its CPU", "budget")
	got := busy.since(before)
	t.row(fmt.Sprintf("while %d ports and %d routers come elsewhere", ports, top.routers()), took, got.steps, got.mods, got.bytes, got.cpu,
		verdict{}.atMost("steps", got.steps, 0, "").atMost("flow-mods", got.mods, 0, "").
			atMost("bytes", float64(got.bytes), 2000+float64(idle.since(busy).bytes)*3/2, ""))
	quiet := idle.since(busy)
	t.row("as long with nothing written", took, quiet.steps, quiet.mods, quiet.bytes, quiet.cpu, verdict{})
	r.print(t)
	return nil
}
