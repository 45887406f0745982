package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

const networksServed = 300

// served is what it took to serve the networks, and what it keeps.
type served struct {
	cpu, wall time.Duration
	memory    memory
	processes int
}

// manyNetworks starts what serves 300 networks with a port each on one chassis: one controller, the whole
// of Dragonflow in one process, and 300 dnsmasq, as Neutron's DHCP agent runs them (which has a
// namespace and further processes for each beside).
func manyNetworks(ctx context.Context, r *run) error {
	t := newTable("300 networks", "processes", "CPU to start", "wall", "memory", "of it resident", "peer's memory", "budget")
	theirs, err := manyDnsmasq(ctx, r)
	r.close()
	if err != nil {
		return err
	}
	ours, whole, err := oneDragonflow(ctx, r)
	if err != nil {
		return err
	}
	beside := func(s served) float64 { return float64(theirs.memory.proportional) / float64(s.memory.proportional) }
	ours.row(t, "dragonflow controller (etcd elsewhere)", beside(ours),
		verdict{}.atMost("resident", float64(ours.memory.resident)/(1<<20), 100, "MiB").atLeast("peer's memory", beside(ours), 1, "×"))
	whole.row(t, "dragonflow standalone: API, database, controller", beside(whole), verdict{}.atLeast("peer's memory", beside(whole), 1, "×"))
	t.row("dnsmasq, DHCP only", theirs.processes, theirs.cpu, theirs.wall, mebibytes(theirs.memory.proportional),
		mebibytes(theirs.memory.resident), "", verdict{})
	r.print(t)
	return nil
}

func (s *served) row(t *table, what string, beside float64, v verdict) {
	t.row(what, s.processes, s.cpu, s.wall, mebibytes(s.memory.proportional), mebibytes(s.memory.resident), showFloat(beside)+" ×", v)
}

// smallNetworks have one port each, which is here.
func smallNetworks() []model.Object {
	var objects []model.Object
	for n := range networksServed {
		objects = append(append(objects, network(n)...), defaultGroup(n)...)
		p, more := port(16+n, n, uuid(aGroup, n))
		objects = append(append(objects, more...), binding(p))
	}
	return objects
}

func oneDragonflow(ctx context.Context, r *run) (controller, standalone served, err error) {
	s, err := r.site(ctx, "etcd", smallNetworks())
	if err != nil {
		return controller, standalone, err
	}
	err = plugAll(ctx, s.sw, "br-int", networksServed, func(i int) string { return fmt.Sprint("tap", i) },
		func(i int) []string { return []string{"external_ids:iface-id=" + uuid(aPort, 16+i)} })
	if err != nil {
		return controller, standalone, err
	}
	dir, err := r.folder()
	if err != nil {
		return controller, standalone, err
	}
	own := []string{"--chassis", host, "--ovsdb", "unix:" + s.sw.OVSDB(), "--state-dir", dir}
	if controller, err = r.startServing(ctx, append(own, "--db", s.url), "controller"); err != nil {
		return controller, standalone, err
	}
	// The whole of it has a database of its own, and finds the switch empty, too.
	if _, err := s.sw.Ofctl(ctx, "-O", "OpenFlow14", "del-flows", "br-int"); err != nil {
		return controller, standalone, err
	}
	if dir, err = r.folder(); err != nil {
		return controller, standalone, err
	}
	url := "embedded://" + dir + "/db"
	conn, err := openDatabase(ctx, url)
	if err != nil {
		return controller, standalone, err
	}
	if err := write(ctx, northbound.NewStore(conn), smallNetworks()); err != nil {
		return controller, standalone, err
	}
	if err := conn.Close(); err != nil {
		return controller, standalone, err
	}
	own[len(own)-1] = dir // what the controller remembers of the other database would make it wait
	standalone, err = r.startServing(ctx, append(own, "--db", url, "--api-listen", "unix:"+dir+"/api"), "standalone")
	return controller, standalone, err
}

// startServing runs dragonflow until it is ready, and ends it.
func (r *run) startServing(ctx context.Context, args []string, command string) (served, error) {
	d, err := r.dragonflow(ctx, append([]string{command}, args...)...)
	if err != nil {
		return served{}, err
	}
	defer d.kill()
	s := served{wall: d.ready, processes: 1}
	if s.cpu, err = cpuOf(d.pid); err != nil {
		return s, err
	}
	s.memory, err = memoryOf(d.pid)
	return s, err
}

// manyDnsmasq starts a dnsmasq for each network with the options of Neutron's agent, in one namespace,
// which is easier on it than one each. It is ready when it has forked.
func manyDnsmasq(ctx context.Context, r *run) (served, error) {
	var all served
	host, err := lab.NewNamespace("dnsmasq")
	if err != nil {
		return all, err
	}
	r.atEnd(func() { _ = host.Close() })
	for n := range networksServed {
		name, address := fmt.Sprint("d", n), netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 2})
		for _, words := range [][]string{
			{"link", "add", name, "type", "veth", "peer", "name", fmt.Sprint("e", n)}, {"addr", "add", address.String() + "/24", "dev", name}, {"link", "set", name, "up"},
		} {
			if err := runIn(ctx, host, append([]string{"ip"}, words...)...); err != nil {
				return all, err
			}
		}
	}
	dir, err := r.folder()
	if err != nil {
		return all, err
	}
	began := time.Now()
	children := make([]*child, networksServed)
	for n := range children {
		if children[n], err = r.startDnsmasq(host, dir, n); err != nil {
			return all, err
		}
	}
	for _, c := range children {
		if err := c.until(ctx, "dnsmasq", func() bool { return c.mentions("DHCP, ") }); err != nil {
			return all, err
		}
	}
	all.wall, all.processes = time.Since(began), len(children)
	for _, c := range children {
		cpu, err := cpuOf(c.pid)
		if err != nil {
			return all, err
		}
		m, err := memoryOf(c.pid)
		if err != nil {
			return all, err
		}
		all.cpu += cpu
		all.memory.resident += m.resident
		all.memory.proportional += m.proportional
	}
	return all, nil
}

func (r *run) startDnsmasq(host *lab.Namespace, dir string, n int) (*child, error) {
	hosts, err := hostsFile(dir, fmt.Sprint("hosts", n), 1, func(int) (model.MAC, netip.Addr) {
		return mac(16 + n), netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 16})
	})
	if err != nil {
		return nil, err
	}
	subnet := netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0})
	return r.start(dnsmasq(host, fmt.Sprint("d", n), hosts, fmt.Sprintf("%s/leases%d", dir, n),
		subnet.String()+",static,255.255.255.0,86400s")...)
}

func runIn(ctx context.Context, ns *lab.Namespace, argv ...string) error {
	return ns.Do(func() error {
		if out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", argv, err, out)
		}
		return nil
	})
}
