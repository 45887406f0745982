// Package cloud runs a whole Dragonflow on this machine: the real program as server and as one controller for
// each of several hypervisors out of network namespaces, and a real etcd between them. The demonstration and
// the tests of several chassis are built on it.
//
// Everything lies in a directory and in namespaces of its own, dies with the process, and is gone after Close.
// Needs root.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
)

// Bridge is the integration bridge of every chassis.
const Bridge = "br-int"

// Where things are. The addresses are those of namespaces: nobody else is there.
const (
	// APIAddress is the API server's, in the namespace of the fabric.
	APIAddress  = "127.0.0.1:9696"
	etcdAddress = "192.0.2.254:2379"
	etcdPeer    = "127.0.0.1:2380"
)

// Patience bounds what takes milliseconds: the machines that run this are shared.
const Patience = 60 * time.Second

// Cloud is one Dragonflow. Its methods must be called by one goroutine at a time; those of its parts say
// for themselves.
type Cloud struct {
	Fabric *lab.Fabric
	// Dir has the files of everything.
	Dir string
	// Database and Server run in the namespace of the fabric.
	Database, Server *Daemon
	// API is the server's, nil if that takes what a Neutron pushes.
	API *Client

	intake  string // the socket's path; empty: the server serves the API
	program string
	chassis []*Chassis
	nova    *nova     // nil if nobody started it
	more    []*Daemon // servers beside Server
}

// Chassis is a hypervisor with its controller.
type Chassis struct {
	*lab.Chassis
	Controller *Daemon
	// StateDir is where the operator's commands find the controller.
	StateDir string
	// SecurityLog is the file of the log of security groups.
	SecurityLog string

	program string
	flags   []string
}

// New makes a cloud without a chassis: a database and a server, which serve when it returns. program is the
// path of the dragonflow program.
func New(ctx context.Context, program string) (*Cloud, error) { return newCloud(ctx, program, nil) }

// NewOfNeutron makes a cloud whose server takes what a Neutron pushes, at Intake.
func NewOfNeutron(ctx context.Context, program string) (*Cloud, error) {
	return newCloud(ctx, program, func(c *Cloud) string { return filepath.Join(c.Dir, "neutron.sock") })
}

// NewAtSocket is NewOfNeutron with a socket that the Neutron knows already, from another cloud that is gone.
func NewAtSocket(ctx context.Context, program, socket string) (*Cloud, error) {
	return newCloud(ctx, program, func(*Cloud) string { return socket })
}

// Intake is the address at which the server takes what a Neutron pushes.
func (c *Cloud) Intake() string { return "unix:" + c.intake }

// newCloud makes a cloud; intake is the socket of its server if that takes what a Neutron pushes.
func newCloud(ctx context.Context, program string, intake func(*Cloud) string) (*Cloud, error) {
	dir, err := os.MkdirTemp("", "df-cloud") // short: there are sockets in it
	if err != nil {
		return nil, err
	}
	c := &Cloud{Dir: dir, program: program}
	if intake != nil {
		c.intake = intake(c)
	}
	if err := c.build(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cloud) build(ctx context.Context) (err error) {
	if c.Fabric, err = lab.NewFabric(); err != nil {
		return err
	}
	if err := c.Fabric.Address(lab.Management, netip.MustParsePrefix("192.0.2.254/24")); err != nil {
		return err
	}
	c.Database = newDaemon(c.Fabric.Namespace, "etcd", "--name=cloud", "--data-dir="+filepath.Join(c.Dir, "etcd"), "--log-level=error",
		"--listen-client-urls=http://"+etcdAddress, "--advertise-client-urls=http://"+etcdAddress,
		"--listen-peer-urls=http://"+etcdPeer, "--initial-advertise-peer-urls=http://"+etcdPeer, "--initial-cluster=cloud=http://"+etcdPeer)
	c.Database.ready = func(ctx context.Context) error {
		conn, err := c.Fabric.Dial(ctx, "tcp", etcdAddress)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	if err := c.Database.Start(ctx); err != nil {
		return err
	}
	if c.intake != "" {
		c.Server = c.behindNeutron(c.Intake())
		return c.Server.Start(ctx)
	}
	c.API = NewClient(func(ctx context.Context) (net.Conn, error) { return c.Fabric.Dial(ctx, "tcp", APIAddress) })
	c.Server = c.dragonflow(c.Fabric.Namespace, "server", "--api-listen", APIAddress)
	c.Server.ready = func(ctx context.Context) error { return c.API.Get(ctx, "/v2.0/networks?limit=1", nil) }
	return c.Server.Start(ctx)
}

// AddServer starts one more server that takes what a Neutron pushes, and returns it with its address.
func (c *Cloud) AddServer(ctx context.Context) (server *Daemon, intake string, err error) {
	intake = fmt.Sprintf("%s.%d", c.Intake(), len(c.more)+2)
	server = c.behindNeutron(intake)
	c.more = append(c.more, server)
	return server, intake, server.Start(ctx)
}

// behindNeutron is a server that takes what a Neutron pushes there. A Unix socket is reached from every namespace.
func (c *Cloud) behindNeutron(intake string) *Daemon {
	server := c.dragonflow(c.Fabric.Namespace, "server", "--neutron-listen", intake)
	client := NewClient(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(intake, "unix:"))
	})
	server.ready = func(ctx context.Context) error {
		var is struct{ Ready bool }
		err := client.Get(ctx, "/v1", &is)
		if err == nil && !is.Ready {
			err = errors.New("it is not in sync with its database")
		}
		return err
	}
	return server
}

// dragonflow is the program with what every daemon of it needs.
func (c *Cloud) dragonflow(at *lab.Namespace, name string, flags ...string) *Daemon {
	return newDaemon(at, append([]string{c.program, name, "--config", os.DevNull, "--metrics-listen", "off", "--db", "etcd://" + etcdAddress}, flags...)...)
}

// AddChassis makes a hypervisor and starts its controller, with further flags. It returns when the controller
// has its switch.
func (c *Cloud) AddChassis(ctx context.Context, name string, flags ...string) (*Chassis, error) {
	n := byte(len(c.chassis) + 1)
	dir := filepath.Join(c.Dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	host, err := lab.NewChassis(ctx, c.Fabric, lab.ChassisSpec{
		Name: name, Dir: dir,
		Tunnel:     netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, 0, n}), 24),
		Management: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, n}), 24),
	})
	if err != nil {
		return nil, err
	}
	ch := &Chassis{Chassis: host, StateDir: filepath.Join(dir, "state"), SecurityLog: filepath.Join(dir, "security.log"), program: c.program, flags: flags}
	c.chassis = append(c.chassis, ch)
	ch.Controller = c.controller(ch)
	return ch, ch.Controller.Start(ctx)
}

func (c *Cloud) controller(ch *Chassis) *Daemon {
	d := c.dragonflow(ch.Namespace, "controller", append([]string{
		"--chassis", ch.Name(), "--ovsdb", "unix:" + ch.OVS.OVSDB(), "--bridge", Bridge, "--datapath-type", "netdev",
		"--state-dir", ch.StateDir, "--tunnel-ip", ch.Tunnel().String(), "--security-log-file", ch.SecurityLog,
	}, ch.flags...)...)
	d.ready = ch.Settled
	return d
}

// MoveChassis gives a hypervisor another address on the underlay, and restarts its controller with it.
func (c *Cloud) MoveChassis(ctx context.Context, ch *Chassis, to netip.Prefix) error {
	if err := ch.Controller.Terminate(); err != nil {
		return err
	}
	if err := ch.SetTunnel(to); err != nil {
		return err
	}
	ch.Controller = c.controller(ch)
	return ch.Controller.Start(ctx)
}

// Chassis returns the hypervisor of that name, or nil.
func (c *Cloud) Chassis(name string) *Chassis {
	i := slices.IndexFunc(c.chassis, func(ch *Chassis) bool { return ch.Name() == name })
	if i < 0 {
		return nil
	}
	return c.chassis[i]
}

// All returns the hypervisors in the order in which they came.
func (c *Cloud) All() []*Chassis { return slices.Clone(c.chassis) }

// PowerOff ends all that runs there at once.
func (ch *Chassis) PowerOff() {
	ch.Controller.Kill()
	ch.OVS.KillVswitchd()
	ch.OVS.KillOVSDB()
}

// Ask runs one of the operator's commands about the controller and returns what it says.
func (ch *Chassis) Ask(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	out, err := ch.Run(ctx, append(append([]string{ch.program}, args...), "--state-dir", ch.StateDir)...)
	return strings.TrimSpace(out), err
}

// Ask runs one of the operator's commands about the database and returns what it says.
func (c *Cloud) Ask(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	out, err := c.Fabric.Run(ctx, append(append([]string{c.program}, args...), "--config", os.DevNull, "--db", "etcd://"+etcdAddress)...)
	return strings.TrimSpace(out), err
}

// Flows are the flows of the integration bridge without what counts packets or time.
func (ch *Chassis) Flows(ctx context.Context) (string, error) {
	return ch.OVS.Ofctl(ctx, "-O", "OpenFlow14", "--sort", "--no-stats", "dump-flows", Bridge)
}

// Close ends all of it.
func (c *Cloud) Close() error {
	var errs []error
	for _, ch := range c.chassis {
		if ch.Controller != nil {
			errs = append(errs, ch.Controller.Terminate())
		}
		errs = append(errs, ch.Chassis.Close())
	}
	if c.nova != nil {
		errs = append(errs, c.nova.close())
	}
	for _, server := range c.more {
		errs = append(errs, server.Terminate())
	}
	if c.Server != nil {
		errs = append(errs, c.Server.Terminate())
		c.Database.Kill()
	}
	if c.Fabric != nil {
		errs = append(errs, c.Fabric.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(c.Dir))...)
}

// Eventually tries until f succeeds, and returns its last error if that does not happen in time.
func Eventually(ctx context.Context, patience time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // an attempt that time cut short says less than the one before
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", patience, last)
		}
	}
}
