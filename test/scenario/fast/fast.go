// Package fast plays scenarios in one process: controllers, API and database are parts of the test, and the switches are
// Open vSwitch without devices. A machine is a network stack in user space behind a port of its switch; the underlay
// carries what the switches encapsulate. Needs no root, and takes a second where real machines take ten.
package fast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
	"github.com/dragonflow/dragonflow/test/scenario"
)

// Platform is a cloud for one scenario.
type Platform struct {
	dir      string
	log      *slog.Logger
	said     *record
	conn     *db.Connection
	server   *task
	client   *cloud.Client
	underlay *underlay
	external *external
	chassis  map[string]*chassis
	guests   map[string]*guest
	sent     *sample
	pulse    pulse
	pulsing  *task
}

// New starts an API server on a database in memory.
func New(ctx context.Context) (*Platform, error) {
	dir, err := os.MkdirTemp("", "df-fast") // short: there are sockets in it
	if err != nil {
		return nil, err
	}
	said := &record{}
	p := &Platform{
		dir: dir, said: said, log: slog.New(slog.NewTextHandler(said, nil)), underlay: newUnderlay(), external: newExternal(),
		chassis: map[string]*chassis{}, guests: map[string]*guest{}, sent: newSample(),
	}
	p.pulsing = begin(p.pulse.run)
	p.client = cloud.NewClient(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", p.path("api"))
	})
	if p.conn, err = northbound.Open(ctx, "memory://", northbound.Options{Prefix: "dragonflow"}); err == nil {
		err = p.serve(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Platform) path(elements ...string) string {
	return filepath.Join(append([]string{p.dir}, elements...)...)
}

// serve starts the API server.
func (p *Platform) serve(ctx context.Context) error {
	server, err := api.New(api.Options{DB: p.conn, Logger: p.log.With("process", "server")})
	if err != nil {
		return err
	}
	if err := os.Remove(p.path("api")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	door, err := server.Open(api.Access{Listen: "unix:" + p.path("api")})
	if err != nil {
		return err
	}
	p.server = begin(server.Run, door.Serve)
	return server.WaitReady(ctx)
}

// Close ends all of it.
func (p *Platform) Close() error {
	for _, g := range p.guests {
		g.close()
	}
	for _, c := range p.chassis {
		c.close()
	}
	p.underlay.close()
	p.external.close()
	errs := []error{p.pulsing.end()}
	if p.server != nil {
		errs = append(errs, p.server.end())
	}
	if p.conn != nil {
		errs = append(errs, p.conn.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}

// Said is what server and controllers logged.
func (p *Platform) Said() string { return p.said.String() }

// API is the server's.
func (p *Platform) API() *cloud.Client { return p.client }

// AddChassis makes a switch with a controller.
func (p *Platform) AddChassis(ctx context.Context, spec scenario.Chassis) error {
	c := &chassis{
		p: p, name: spec.Name, number: len(p.chassis) + 1, gateway: spec.Gateway, physical: spec.Physical,
		tunnels: strings.FieldsFunc(spec.Tunnels, func(r rune) bool { return r == ',' }),
	}
	p.chassis[spec.Name] = c
	return c.start(ctx)
}

// Flows are those of a chassis' integration bridge.
func (p *Platform) Flows(ctx context.Context, name string) (string, error) {
	return p.chassis[name].ovs.Ofctl(ctx, "-O", "OpenFlow14", "--sort", "--no-stats", "dump-flows", cloud.Bridge)
}

// Forget has the switches forget the flows of their datapaths.
func (p *Platform) Forget(ctx context.Context) (bool, error) {
	var switches []*private.Switch
	for _, c := range p.chassis {
		switches = append(switches, c.ovs)
	}
	return private.Forget(ctx, switches)
}

// Boot starts a machine, or prepares it on a further chassis.
func (p *Platform) Boot(ctx context.Context, at string, m scenario.Machine) (scenario.Guest, error) {
	if m.Outside {
		return p.outside(m)
	}
	if m.Trunk != "" {
		g, err := p.guests[m.Trunk].vlan(m, p.sent)
		if err == nil {
			p.guests[m.Name] = g
			if m.AcceptRA {
				g.solicits()
			}
		}
		return g, err
	}
	plug, err := p.chassis[at].plug(ctx, m)
	if err != nil {
		return nil, err
	}
	g := p.guests[m.Name]
	if g != nil {
		g.offer(at, plug)
		return g, nil
	}
	if g, err = newGuest(m, p.sent); err != nil {
		return nil, errors.Join(err, plug.Close())
	}
	p.guests[m.Name] = g
	g.offer(at, plug)
	if err := g.connect(at); err != nil {
		return nil, err
	}
	if m.AcceptRA {
		g.solicits()
	}
	return g, nil
}

// Do does something to a part of the cloud.
func (p *Platform) Do(ctx context.Context, a scenario.Action) error {
	isStart := a.Verb == scenario.Start
	switch {
	case a.Verb == scenario.Steady:
		return p.steady()
	case a.Part == scenario.Server && isStart:
		return p.serve(ctx)
	case a.Part == scenario.Server:
		return p.server.end()
	case a.Part == scenario.Controller && isStart:
		return p.chassis[a.Name].control(ctx)
	case a.Part == scenario.Controller:
		return p.chassis[a.Name].controller.end()
	case a.Part == scenario.Switch && isStart:
		return p.chassis[a.Name].startSwitch(ctx)
	case a.Part == scenario.Switch:
		p.chassis[a.Name].ovs.KillVswitchd()
		return nil
	case a.Part == scenario.Host && a.Verb == scenario.Kill:
		return p.chassis[a.Name].kill()
	case a.Part == scenario.Host && a.Verb == scenario.Cut:
		p.chassis[a.Name].link.close()
		return nil
	case a.Part == scenario.Host && a.Verb == scenario.Mend:
		return p.chassis[a.Name].join(ctx)
	case a.Part == scenario.Host && a.Verb == scenario.Address:
		return p.chassis[a.Name].move(ctx, a.Prefix)
	case a.Part == scenario.Guests && a.Verb == scenario.Resume:
		return errors.Join(p.guests[a.Name].connect(a.To), p.guests[a.Name].announce())
	case a.Part == scenario.Guests && a.Verb == scenario.Unplug:
		return p.chassis[a.To].unplug(ctx, a.Name)
	}
	return fmt.Errorf("%s %s: %w", a.Verb, a.Part, errors.ErrUnsupported)
}

// task is what runs until it is ended.
type task struct {
	ctx    context.Context // its own, which its functions get
	cancel context.CancelFunc
	work   sync.WaitGroup
	mu     sync.Mutex
	errs   []error
}

// begin runs functions until the end of the task.
func begin(all ...func(context.Context) error) *task {
	ctx, cancel := context.WithCancel(context.Background())
	t := &task{ctx: ctx, cancel: cancel}
	for _, f := range all {
		t.also(f)
	}
	return t
}

// also runs a further function.
func (t *task) also(f func(context.Context) error) {
	t.work.Go(func() {
		if err := f(t.ctx); err != nil && t.ctx.Err() == nil {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.errs = append(t.errs, err)
		}
	})
}

// end ends the task and returns what went wrong in it.
func (t *task) end() error {
	t.cancel()
	t.work.Wait()
	return errors.Join(t.errs...)
}

// record keeps what is logged.
type record struct {
	mu   sync.Mutex
	text strings.Builder
}

// maxRecord bounds it.
const maxRecord = 1 << 20

// Write implements io.Writer.
func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.text.Len() < maxRecord {
		r.text.Write(b)
	}
	return len(b), nil
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// tunnelAddress is the address of the n-th chassis on the underlay.
func tunnelAddress(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, 0, byte(n)}), 24)
}
