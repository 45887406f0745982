package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
)

// cloud is a control plane over a rack of chassis: ours, or a peer's.
type cloud interface {
	northDoor
	// settle waits until the control plane itself says that every chassis has everything, if it can.
	settle(ctx context.Context) error
	// verify says whether as many ports are reported up.
	verify(ctx context.Context, ports int) error
	// restart kills the controller of a chassis, starts it again and returns when it says that it is done.
	restart(ctx context.Context, chassis int) (*child, error)
	// processes are all but those of the switches.
	processes() []process
}

// northDoor is where users write.
type northDoor interface {
	// base writes networks, routers and groups.
	base(ctx context.Context) error
	// ports writes ports with these numbers.
	ports(ctx context.Context, numbers []int) error
}

// process is one of a control plane's, with its part: "central", "controller" or "client".
type process struct {
	part string
	pid  int
}

// shape is the topology of a cloud: pairs of networks, each pair with a router and a group of its own;
// ports lie on the networks in turn, and fill the chassis after each round.
type shape struct{ networks int }

func (s shape) routers() int { return s.networks / 2 }
func (s shape) groups() int  { return s.networks / 2 }

func (s shape) networkOf(n int) int { return n % s.networks }
func (s shape) groupOf(n int) int   { return s.networkOf(n) / 2 }

// home is the chassis of the n-th port.
func (s shape) home(n, chassis int) int { return n / s.networks % chassis }

// first is the first number of an address that is a port's.
const firstHost = 16

func (s shape) address4(n int) netip.Addr {
	host := firstHost + n/s.networks
	return netip.AddrFrom4([4]byte{10, byte(s.networkOf(n)), byte(host >> 8), byte(host)})
}

func (s shape) address6(n int) netip.Addr {
	host := firstHost + n/s.networks
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: byte(s.networkOf(n)), 14: byte(host >> 8), 15: byte(host)})
}

func subnet4(n int) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n)}), 16) }

func subnet6(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 7: byte(n)}), 64)
}

func gateway4(n int) netip.Addr { return subnet4(n).Addr().Next() }
func gateway6(n int) netip.Addr { return subnet6(n).Addr().Next() }

// routerMAC is that of a router's interface on the n-th network.
func routerMAC(n int) model.MAC { return model.MAC{0xfa, 0x16, 0x3f, 0, 0, byte(n)} }

// upTo are the numbers from a to b, b excluded.
func upTo(a, b int) []int {
	var list []int
	for n := a; n < b; n++ {
		list = append(list, n)
	}
	return list
}

// totals is what processes have used.
type totals struct {
	cpu map[string]time.Duration
	all time.Duration
}

func cpuOfAll(list []process) (totals, error) {
	t := totals{cpu: map[string]time.Duration{}}
	for _, p := range list {
		d, err := cpuOf(p.pid)
		if err != nil {
			return t, fmt.Errorf("%s: %w", p.part, err)
		}
		t.cpu[p.part] += d
		t.all += d
	}
	return t, nil
}

// memoryOfAll is the memory of all processes, shared pages divided, and of the largest controller alone.
func memoryOfAll(list []process) (all, controller int64, err error) {
	for _, p := range list {
		m, err := memoryOf(p.pid)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", p.part, err)
		}
		all += m.proportional
		if p.part == "controller" {
			controller = max(controller, m.resident)
		}
	}
	return all, controller, nil
}
