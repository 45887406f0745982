package main

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

const (
	dhcpAtOnce = 32
	// firstGuest is the number of the first guest's port.
	firstGuest = 16
)

// dhcpSide is one of the two that are compared: guests behind a switch, and who serves them.
type dhcpSide struct {
	name   string
	sw     *private.Switch
	guests []*guest
	server int

	load                 dhcpLoad
	serverCPU, switchCPU time.Duration
}

// dhcpCase is a way of asking. The userspace switch looks at every port whenever it wakes, so that a
// request alone is measured behind a switch with few.
type dhcpCase struct {
	ports, atOnce, rounds int
}

// dhcpExchanges has guests get leases, from us and from dnsmasq, on switches of the same kind, in turns:
// one at a time, and many at once.
func dhcpExchanges(ctx context.Context, r *run) error {
	t := newTable("DHCPv4, two requests an exchange", "server CPU a request", "vswitchd CPU", "request p50", "p99", "exchange p50", "p99",
		"exchanges/s", "ours to peer's", "failed", "budget")
	cases := []dhcpCase{{ports: 40, atOnce: 1, rounds: 8}, {ports: 1000, atOnce: dhcpAtOnce, rounds: 1}}
	if r.full {
		cases[1].rounds = 10
	}
	for _, c := range cases {
		if err := c.measure(ctx, r, t); err != nil {
			return err
		}
		r.close()
	}
	r.print(t)
	return nil
}

func (c dhcpCase) measure(ctx context.Context, r *run, t *table) error {
	ours, err := dragonflowServes(ctx, r, c.ports)
	if err != nil {
		return fmt.Errorf("dragonflow: %w", err)
	}
	theirs, err := dnsmasqServes(ctx, r, c.ports)
	if err != nil {
		return fmt.Errorf("dnsmasq: %w", err)
	}
	for range c.rounds {
		for _, s := range []*dhcpSide{ours, theirs} {
			if err := s.round(c.atOnce); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	rate := func(s *dhcpSide) float64 { return float64(len(s.load.whole)) / s.load.wall.Seconds() }
	for _, s := range []*dhcpSide{ours, theirs} {
		requests := time.Duration(max(1, len(s.load.halves)))
		cpu := s.serverCPU / requests
		v, beside := verdict{}, ""
		switch {
		case s == theirs:
		case c.atOnce == 1:
			v = v.within("request p50", s.load.halves.p50(), 700*time.Microsecond)
		default:
			v = v.within("CPU", cpu, 25*time.Microsecond)
			beside = ratio(rate(theirs), rate(ours))
		}
		t.row(fmt.Sprintf("%d at once, %d ports: %s", c.atOnce, c.ports, s.name), cpu, s.switchCPU/requests,
			s.load.halves.p50(), s.load.halves.p99(), s.load.whole.p50(), s.load.whole.p99(), rate(s), beside, s.load.failed, v)
	}
	return nil
}

// round has every guest get a lease.
func (s *dhcpSide) round(atOnce int) error {
	for _, g := range s.guests {
		if err := g.drain(); err != nil {
			return err
		}
	}
	server, err := cpuOf(s.server)
	if err != nil {
		return err
	}
	vswitchd, err := cpuOf(s.sw.VswitchdPID())
	if err != nil {
		return err
	}
	got := boot(s.guests, atOnce)
	if got.failed > len(s.guests)/20 {
		return fmt.Errorf("%d of %d exchanges failed: %w", got.failed, len(s.guests), got.failure)
	}
	s.load.add(got)
	after, err := cpuOf(s.server)
	if err != nil {
		return err
	}
	s.serverCPU += after - server
	if after, err = cpuOf(s.sw.VswitchdPID()); err != nil {
		return err
	}
	s.switchCPU += after - vswitchd
	return nil
}

// dhcpSwitch runs a switch with real devices and ports of the dummy kind, in a namespace of its own.
func dhcpSwitch(ctx context.Context, r *run, ports int, ids bool) (*private.Switch, *lab.Namespace, error) {
	ns, err := lab.NewNamespace("dhcp")
	if err != nil {
		return nil, nil, err
	}
	r.atEnd(func() { _ = ns.Close() })
	sw, err := r.vswitch(ctx, private.Config{Datapath: private.Userspace, Netns: ns.Path(), VswitchdArgs: []string{"--enable-dummy"}})
	if err != nil {
		return nil, nil, err
	}
	if err := sw.AddBridge(ctx, "br-int"); err != nil {
		return nil, nil, err
	}
	err = plugAll(ctx, sw, "br-int", ports, func(i int) string { return fmt.Sprint("g", i) }, func(i int) []string {
		s := []string{"type=dummy", "options:pstream=punix:" + socketOf(sw, i), fmt.Sprint("ofport_request=", i+1)}
		if ids {
			s = append(s, "external_ids:iface-id="+uuid(aPort, firstGuest+i))
		}
		return s
	})
	return sw, ns, err
}

func socketOf(sw *private.Switch, i int) string { return filepath.Join(sw.Dir(), fmt.Sprint("g", i)) }

func (s *dhcpSide) dialAll(ctx context.Context, r *run, ports int) error {
	for i := range ports {
		g, err := dialGuest(ctx, socketOf(s.sw, i), mac(firstGuest+i), address4(firstGuest+i))
		if err != nil {
			return err
		}
		r.atEnd(func() { _ = g.conn.Close() })
		s.guests = append(s.guests, g)
	}
	return nil
}

func dragonflowServes(ctx context.Context, r *run, ports int) (*dhcpSide, error) {
	sw, _, err := dhcpSwitch(ctx, r, ports, true)
	if err != nil {
		return nil, err
	}
	url, _, err := r.etcd(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := openDatabase(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // all is written
	objects := append(network(0), defaultGroup(0)...)
	for i := range ports {
		p, more := port(firstGuest+i, 0, uuid(aGroup, 0))
		objects = append(append(objects, more...), binding(p))
	}
	if err := write(ctx, northbound.NewStore(conn), objects); err != nil {
		return nil, err
	}
	dir, err := r.folder()
	if err != nil {
		return nil, err
	}
	d, err := r.dragonflow(ctx, "controller", "--db", url, "--chassis", host, "--ovsdb", "unix:"+sw.OVSDB(),
		"--datapath-type", "netdev", "--state-dir", dir)
	if err != nil {
		return nil, err
	}
	s := &dhcpSide{name: "dragonflow", sw: sw, server: d.pid}
	return s, s.dialAll(ctx, r, ports)
}

// dnsmasqServes has dnsmasq listen on an internal port of the bridge, with a flow for each way, so that
// nothing is flooded, which is for its good.
func dnsmasqServes(ctx context.Context, r *run, ports int) (*dhcpSide, error) {
	server := ports + 1
	sw, ns, err := dhcpSwitch(ctx, r, ports, false)
	if err != nil {
		return nil, err
	}
	if _, err := sw.Vsctl(ctx, "add-port", "br-int", "dhcp0", "--", "set", "interface", "dhcp0", "type=internal", fmt.Sprint("ofport_request=", server)); err != nil {
		return nil, err
	}
	for _, words := range [][]string{{"addr", "add", "10.0.0.2/8", "dev", "dhcp0"}, {"link", "set", "dhcp0", "up"}} {
		if err := runIn(ctx, ns, append([]string{"ip"}, words...)...); err != nil {
			return nil, err
		}
	}
	dir, err := r.folder()
	if err != nil {
		return nil, err
	}
	hosts, err := hostsFile(dir, "hosts", ports, func(i int) (model.MAC, netip.Addr) { return mac(firstGuest + i), address4(firstGuest + i) })
	if err != nil {
		return nil, err
	}
	flows := fmt.Sprintf("udp,tp_dst=67,actions=output:%d\n", server)
	for i := range ports {
		flows += fmt.Sprintf("in_port=%d,dl_dst=%s,actions=output:%d\n", server, mac(firstGuest+i), i+1)
	}
	if err := addFlows(ctx, sw, dir, flows); err != nil {
		return nil, err
	}
	c, err := r.start(dnsmasq(ns, "dhcp0", hosts, dir+"/leases", "10.0.0.0,static,255.0.0.0,86400s")...)
	if err != nil {
		return nil, err
	}
	if err := c.until(ctx, "dnsmasq", func() bool { return c.mentions("DHCP, ") }); err != nil {
		return nil, err
	}
	s := &dhcpSide{name: "dnsmasq", sw: sw, server: c.pid}
	return s, s.dialAll(ctx, r, ports)
}
