package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// patience is for what takes milliseconds: the machines that run tests are shared.
const patience = 30 * time.Second

// Run is a scenario that is being played.
type Run struct {
	platform  Platform
	forgetful bool
	log       func(format string, args ...any)

	routers, groups, logs map[string]string // name → id
	networks              map[string]*network
	scopes                map[scopeKey]string
	machines              map[string]*machine
	devices               map[string]net.HardwareAddr
	connections           map[string]net.Conn
	traffic               map[string]*lab.Traffic
	starts                map[string]time.Duration // of the switches of chassis, until they take flows
	memories              map[string]string
	floating              map[netip.Addr]*floating
	policies              map[string]*policy
	claimed               map[netip.Addr]*machine
	// gateways are the chassis that may be gateways; leaders those that a statement found to be a router's.
	gateways []string
	leaders  map[string]string
	closers  []func() error
}

// network is one of the scenario.
type network struct {
	name, id, project string
	// mode is how the machines get their IPv6 addresses.
	mode    string
	mtu     int
	vlan    uint16 // zero: without a tag
	scope   string // empty: in no address scope
	subnets []*subnet
}

type subnet struct {
	id      string
	pool    string // empty: of no pool
	prefix  netip.Prefix
	gateway netip.Addr
}

// machine is a guest of the scenario; without a Guest it is a port that keeps an address.
type machine struct {
	Guest
	name, port, chassis string
	mac                 net.HardwareAddr
	network             *network
	addresses           []netip.Addr
	echoes              map[string]bool
	// parent is the machine with the interface of a sub-port, trunk the trunk of such a machine.
	parent *machine
	trunk  string
}

func newRun(p Platform, log func(string, ...any)) *Run {
	return &Run{
		platform: p, log: log, routers: map[string]string{}, groups: map[string]string{}, logs: map[string]string{},
		networks: map[string]*network{}, scopes: map[scopeKey]string{}, machines: map[string]*machine{}, devices: map[string]net.HardwareAddr{}, connections: map[string]net.Conn{},
		traffic: map[string]*lab.Traffic{}, starts: map[string]time.Duration{}, memories: map[string]string{}, leaders: map[string]string{},
		floating: map[netip.Addr]*floating{}, claimed: map[netip.Addr]*machine{}, policies: map[string]*policy{},
	}
}

// end ends what the scenario left running.
func (r *Run) end() error {
	for _, t := range r.traffic {
		t.End()
	}
	var errs []error
	for i := len(r.closers) - 1; i >= 0; i-- {
		errs = append(errs, r.closers[i]())
	}
	return errors.Join(errs...)
}

func (r *Run) atEnd(f func() error) { r.closers = append(r.closers, f) }

// address is the machine's address of a family.
func (m *machine) address(v6 bool) (netip.Addr, error) {
	for _, a := range m.addresses {
		if a.Is6() == v6 {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%s has no address of this family", m.name)
}

// resolve says which addresses are meant: one, or one of each family that both ends have.
func (r *Run) resolve(from *machine, to target, families ...bool) ([]netip.Addr, error) {
	if to.guest == "" {
		return []netip.Addr{to.address}, nil
	}
	var list []netip.Addr
	for _, v6 := range families {
		if a, err := r.machines[to.guest].address(v6); err == nil {
			if _, err := from.address(v6); err == nil {
				list = append(list, a)
			}
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s and %s have no address in common families", from.name, to.guest)
	}
	return list, nil
}

// eventually tries until f succeeds.
func eventually(ctx context.Context, f func(context.Context) error) error {
	return cloud.Eventually(ctx, patience, f)
}

// echo has a machine serve a port of TCP, or of UDP.
func (r *Run) echo(ctx context.Context, m *machine, network string, port int) error {
	key := fmt.Sprint(network, port)
	if m.echoes[key] {
		return nil
	}
	m.echoes[key] = true
	if network == "tcp" {
		l, err := m.Listen(ctx, "tcp", fmt.Sprintf("[::]:%d", port))
		if err != nil {
			return err
		}
		r.atEnd(lab.NewEcho(l).Close)
		return nil
	}
	for _, a := range m.addresses {
		conn, err := m.ListenPacket(ctx, "udp", netip.AddrPortFrom(a, uint16(port)).String())
		if err != nil {
			return err
		}
		done := make(chan struct{})
		go func() { defer close(done); answer(conn) }()
		r.atEnd(func() error { err := conn.Close(); <-done; return err })
	}
	return nil
}

// answer sends every datagram back until the socket is closed.
func answer(conn net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(buf[:n], from) // the peer sees how it went
	}
}
