package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/testkit/fakeswitch"
)

// The shape of a fleet: each chassis has as many ports on each of its tenant's networks, and a tenant's
// chassis share these networks. So a port concerns as many chassis as its tenant has, and a chassis sees
// tenantChassis times the ports that it has.
const (
	tenantChassis  = 4
	tenantNetworks = 4
	portsOnNetwork = 25
	portsOnChassis = tenantNetworks * portsOnNetwork
	// startAtOnce is how many controllers start at the same time.
	startAtOnce = 16
)

// fleetMember is a controller of a fleet with its switch.
type fleetMember struct {
	name string
	conn *db.Connection
	sw   *fakeswitch.Switch
	ctl  *controller.Controller
	// heard are the probes of which the switch has a flow already.
	heard map[uint16]bool
}

// fleet is many controllers in this process, each with a connection of its own to one etcd.
type fleet struct {
	run     *run
	url     string
	etcd    *child
	members []*fleetMember
	ears    ears
	// every is the probe that is heard with any flow, 0 if none is.
	every atomic.Uint32
}

// ears note when a switch first has a flow that mentions a probe.
type ears struct {
	mu    sync.Mutex
	began map[uint16]time.Time
	took  map[uint16]samples
}

// probePrefix begins the IPv6 addresses of ports that are probes; two bytes follow.
const probePrefix = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\xf0"

// probeNumber is the port number whose address is that of the i-th probe.
func probeNumber(i int) int { return 0xf00000 + i }

// hear is called with each flow that a switch has got; one call at a time for each member.
func (f *fleet) hear(m *fleetMember, match string) {
	if every := f.every.Load(); every != 0 {
		f.note(m, uint16(every))
	}
	if _, after, ok := strings.Cut(match, probePrefix); ok && len(after) >= 2 {
		f.note(m, uint16(after[0])<<8|uint16(after[1]))
	}
}

// note notes the first time that a member hears of a probe.
func (f *fleet) note(m *fleetMember, probe uint16) {
	if m.heard[probe] {
		return
	}
	m.heard[probe] = true
	now := time.Now()
	f.ears.mu.Lock()
	defer f.ears.mu.Unlock()
	if began, ok := f.ears.began[probe]; ok {
		f.ears.took[probe] = append(f.ears.took[probe], now.Sub(began))
	}
}

// heardBy returns the times that it took all who have heard of a probe.
func (f *fleet) heardBy(probe uint16) samples {
	f.ears.mu.Lock()
	defer f.ears.mu.Unlock()
	return append(samples(nil), f.ears.took[probe]...)
}

// begin notes that a probe is written now.
func (f *fleet) begin(probe uint16) {
	f.ears.mu.Lock()
	defer f.ears.mu.Unlock()
	f.ears.began[probe] = time.Now()
}

// fleetGroup is a tenant's default group; sharedGroup is one that every port has.
func fleetGroup(chassis int) string { return uuid(aGroup, chassis/tenantChassis) }

const sharedGroup = 1 << 20

func fleetNetwork(chassis, n int) int { return chassis/tenantChassis*tenantNetworks + n }

// fleetPort is the n-th port of a chassis.
func fleetPort(chassis, n int) []model.Object {
	number := 16 + chassis*portsOnChassis + n
	return boundPort(number, fleetNetwork(chassis, n%tenantNetworks), fleetName(chassis), fleetGroup(chassis), uuid(aGroup, sharedGroup))
}

func boundPort(number, network int, host string, groups ...string) []model.Object {
	p, objects := port(number, network, groups...)
	return append(objects, bindTo(p, host))
}

func fleetName(i int) string { return fmt.Sprintf("chassis-%04d", i) }

// topology is everything but the ports.
func fleetTopology(chassis int) []model.Object {
	objects := []model.Object{&model.SecurityGroup{Meta: meta(aGroup, sharedGroup), Name: "shared", Stateful: true}}
	for tenant := range chassis / tenantChassis {
		objects = append(objects, defaultGroup(tenant)...)
		for n := range tenantNetworks {
			objects = append(objects, tunnelled(tenant*tenantNetworks+n)...)
		}
	}
	return objects
}

// tunnelled is the n-th network with a segment.
func tunnelled(n int) []model.Object {
	objects := network(n)
	objects[0].(*model.Network).Segments = []model.Segment{{NetworkType: model.Geneve, SegmentationID: uint32(1000 + n)}}
	return objects
}

// start makes a member at work.
func (f *fleet) start(ctx context.Context, i int) (*fleetMember, error) {
	m := &fleetMember{name: fleetName(i), heard: map[uint16]bool{}}
	dir := filepath.Join(f.run.scratch, m.name)
	if err := mkdirs(dir, filepath.Join(dir, "state")); err != nil {
		return nil, err
	}
	var err error
	m.sw, err = fakeswitch.Start(fakeswitch.Config{Dir: dir, Committed: func(_ uint8, match string, gone bool) {
		if !gone {
			f.hear(m, match)
		}
	}})
	if err != nil {
		return nil, err
	}
	var plugs [][2]string
	for n := range portsOnChassis {
		number := 16 + i*portsOnChassis + n
		plugs = append(plugs, [2]string{fmt.Sprint("tap", n), uuid(aPort, number)})
	}
	if err := errors.Join(m.sw.AddBridge(), m.sw.Plug(plugs...)); err != nil {
		return nil, err
	}
	if m.conn, err = openDatabase(ctx, f.url); err != nil {
		return nil, err
	}
	m.ctl, err = controller.New(ctx, controller.Options{
		Chassis: m.name, DB: m.conn, OVSDB: "unix:" + m.sw.OVSDB(), Bridge: "br-int", StateDir: filepath.Join(dir, "state"),
		TunnelIP: netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), TunnelTypes: []model.NetworkType{model.Geneve},
		Apps: apps.All(), Self: view.Chassis{DHCPLeaseTime: leaseTime}, AuditEvery: time.Hour, Patience: 10 * time.Minute,
	})
	return m, err
}

// launch starts all members, some at a time, and returns when every switch has all that it shall have.
func (f *fleet) launch(ctx context.Context, chassis int) error {
	running, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	f.run.atEnd(func() {
		cancel()
		work.Wait()
		for _, m := range f.members {
			_ = errors.Join(m.conn.Close(), m.sw.Close()) // nothing is asked of them any more
		}
	})
	slots := make(chan struct{}, startAtOnce)
	failed := make(chan error, chassis)
	for i := range chassis {
		slots <- struct{}{}
		m, err := f.start(running, i)
		if err != nil {
			return fmt.Errorf("%s: %w", fleetName(i), err)
		}
		f.members = append(f.members, m)
		work.Go(func() { _ = m.ctl.Run(running) }) // until it is asked to end
		work.Go(func() {
			defer func() { <-slots }()
			limited, stop := context.WithTimeout(running, 20*time.Minute)
			defer stop()
			if err := m.complete(limited); err != nil {
				failed <- fmt.Errorf("%s is not in sync: %w", m.name, err)
			}
		})
	}
	for range startAtOnce {
		slots <- struct{}{}
	}
	close(failed)
	debug.FreeOSMemory()
	return <-failed
}

// complete waits until the switch has everything of a view that is in sync.
func (m *fleetMember) complete(ctx context.Context) error {
	if !m.ctl.WaitSynced(ctx) {
		return ctx.Err()
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var s controller.Status
		if err := m.ctl.Inspect(ctx, func(in controller.Inside) { s = in.Status }); err != nil {
			return err
		}
		if s.Complete && s.Phase == "idle" && s.Ports == portsOnChassis {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d ports, phase %s, complete %v: %w", s.Ports, s.Phase, s.Complete, ctx.Err())
		}
	}
}
