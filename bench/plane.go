package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
)

// plane is two hypervisors with guests on a fabric of their own, under one control plane.
type plane struct {
	name   string
	fabric *lab.Fabric
	rack   *rack
	// guests are by the port's number, and the client is on chassis at.
	guests map[int]*lab.Guest
	at     int
}

// The guests of a plane: the first one talks to each other one. See shape for who is where.
const (
	client = 0 // on the first chassis and network
	near   = 4 // on the same chassis and network
	far    = 2 // on the second chassis, the same network
	behind = 3 // on the second chassis, the other network
)

// plane makes hypervisors and guests, with interfaces plugged; nobody controls them yet.
func (r *run) plane(ctx context.Context, name string) (*plane, error) {
	p := &plane{name: name, rack: &rack{shape: shape{networks: 2}}, guests: map[int]*lab.Guest{}}
	var err error
	if p.fabric, err = lab.NewFabric(); err != nil {
		return nil, err
	}
	r.atEnd(func() { _ = p.fabric.Close() }) // it goes with the process
	var chassis []*lab.Chassis
	for i := range 2 {
		c, err := r.hypervisor(ctx, p.fabric, i)
		if err != nil {
			return nil, err
		}
		chassis = append(chassis, c)
		p.rack.switches, p.rack.tunnels = append(p.rack.switches, c.OVS), append(p.rack.tunnels, c.Tunnel())
	}
	for _, n := range []int{client, near, far, behind} {
		g, err := chassis[p.rack.home(n)].Boot(ctx, "br-int", uuid(aPort, n), lab.Spec{
			Name: fmt.Sprintf("%s-%d", name, n), Port: fmt.Sprint("tap", n), MAC: hardware(n), MTU: guestMTU, NoDAD: true,
		})
		if err != nil {
			return nil, err
		}
		r.atEnd(func() { _ = g.Close() }) // likewise
		if err := p.configure(ctx, g, n); err != nil {
			return nil, err
		}
		p.guests[n] = g
	}
	return p, nil
}

func hardware(n int) net.HardwareAddr { m := mac(n); return m[:] }

func (r *run) hypervisor(ctx context.Context, f *lab.Fabric, i int) (*lab.Chassis, error) {
	dir, err := r.folder()
	if err != nil {
		return nil, err
	}
	c, err := lab.NewChassis(ctx, f, lab.ChassisSpec{
		Name: chassisName(i), Dir: dir, Tunnel: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, 0, byte(1 + i)}), 24),
		Management: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + i)}), 24),
	})
	if err != nil {
		return nil, err
	}
	r.atEnd(func() { _ = c.Close() }) // it goes with the process
	return c, c.OVS.AddBridge(ctx, "br-int")
}

// configure gives a guest its addresses and default route.
func (p *plane) configure(ctx context.Context, g *lab.Guest, n int) error {
	s := p.rack.shape
	net := s.networkOf(n)
	for _, argv := range [][]string{
		{"ip", "address", "add", s.address4(n).String() + "/16", "dev", lab.Interface},
		{"ip", "route", "add", "default", "via", gateway4(net).String()},
	} {
		if _, err := g.Run(ctx, argv...); err != nil {
			return err
		}
	}
	return nil
}

// raw makes the plane plain switches, joined by one tunnel: what the switch can do at best.
func (p *plane) raw(ctx context.Context) error {
	for i, sw := range p.rack.switches {
		_, err := sw.Vsctl(ctx, "set-fail-mode", "br-int", "standalone", "--", "add-port", "br-int", "tun0",
			"--", "set", "interface", "tun0", "type=geneve", "options:remote_ip="+p.rack.tunnels[1-i].String(), "options:key=7")
		if err != nil {
			return err
		}
	}
	return nil
}

// controlled puts a control plane over it, with the topology that the guests expect.
func (p *plane) controlled(ctx context.Context, c cloud) error {
	if err := c.base(ctx); err != nil {
		return err
	}
	if err := c.ports(ctx, []int{client, near, far, behind}); err != nil {
		return err
	}
	return c.settle(ctx)
}

// reach waits until the client reaches a guest.
func (p *plane) reach(ctx context.Context, to int) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	return p.guests[client].Reaches(ctx, p.address(to))
}

// vswitchd is the CPU time of both switches.
func (p *plane) vswitchd() (time.Duration, error) {
	var sum time.Duration
	for _, sw := range p.rack.switches {
		d, err := cpuOf(sw.VswitchdPID())
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

var pingTime = regexp.MustCompile(`time=([\d.]+) ms`)

// ping sends echo requests each 5 ms and returns the round trips.
func (p *plane) ping(ctx context.Context, to, count int) (samples, error) {
	out, err := p.guests[client].Run(ctx, "ping", "-n", "-i", "0.005", "-c", strconv.Itoa(count), p.address(to).String())
	if err != nil {
		return nil, err
	}
	var list samples
	for _, m := range pingTime.FindAllStringSubmatch(out, -1) {
		ms, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return nil, err
		}
		list = append(list, time.Duration(ms*float64(time.Millisecond)))
	}
	if len(list) < count {
		return nil, fmt.Errorf("%d of %d pings were answered", len(list), count)
	}
	return list, nil
}

// rate is what iperf3 measured, with what the switches used for it.
type rate struct {
	bits, packets float64
	wall          time.Duration
	cpu           time.Duration
}

// load has the client send to a guest for some time: TCP, or small packets of UDP as fast as it can.
func (p *plane) load(ctx context.Context, to int, d time.Duration, udp bool) (rate, error) {
	var m rate
	server, err := p.guests[to].Start(nil, "iperf3", "-s", "-1")
	if err != nil {
		return m, err
	}
	defer server.Kill()
	if err := p.listens(ctx, to); err != nil {
		return m, err
	}
	argv := []string{"iperf3", "-J", "-c", p.address(to).String(), "-t", strconv.FormatFloat(d.Seconds(), 'f', 0, 64)}
	if udp {
		argv = append(argv, "-u", "-b", "0", "-l", "64")
	}
	before, err := p.vswitchd()
	if err != nil {
		return m, err
	}
	out, err := p.guests[client].Run(ctx, argv...)
	if err != nil {
		return m, err
	}
	after, err := p.vswitchd()
	m.cpu = after - before
	return m, errors.Join(err, m.read(out))
}

// listens waits until a guest's server of iperf3 listens. It takes one client only, so it is not asked itself.
func (p *plane) listens(ctx context.Context, to int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		out, err := p.guests[to].Run(ctx, "ss", "-Hltn", "sport = :5201")
		if err != nil || len(out) > 0 {
			return err
		}
	}
}

// read takes the receiver's count from iperf3's report.
func (m *rate) read(out string) error {
	var report struct {
		Error string `json:"error"`
		End   struct {
			Received struct {
				Bits    float64 `json:"bits_per_second"`
				Seconds float64 `json:"seconds"`
			} `json:"sum_received"`
			Sum struct {
				Packets float64 `json:"packets"`
				Lost    float64 `json:"lost_packets"`
			} `json:"sum"`
		} `json:"end"`
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		return fmt.Errorf("iperf3: %w", err)
	}
	if report.Error != "" {
		return fmt.Errorf("iperf3: %s", report.Error)
	}
	r := report.End.Received
	m.bits, m.wall = r.Bits*r.Seconds, time.Duration(r.Seconds*float64(time.Second))
	m.packets = report.End.Sum.Packets - report.End.Sum.Lost
	return nil
}
