package fast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/telemetry"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
	"github.com/dragonflow/dragonflow/test/scenario"
)

// chassis is a switch with its controller.
type chassis struct {
	p          *Platform
	name       string
	number     int
	tunnels    []string
	gateway    bool
	physical   string
	ovs        *private.Switch
	tunnel     netip.Prefix
	link       *link
	outlet     *outlet
	controller *task
	ctl        *controller.Controller
}

func (c *chassis) start(ctx context.Context) error {
	binaries, err := private.Find()
	if err != nil {
		return err
	}
	if err := os.Mkdir(c.p.path(c.name), 0o700); err != nil {
		return err
	}
	c.ovs, err = private.New(ctx, private.Config{Dir: c.p.path(c.name), Datapath: private.DummyTunnels, Binaries: binaries, SystemID: c.name})
	if err != nil {
		return err
	}
	if err := c.ovs.Start(ctx); err != nil {
		return err
	}
	c.tunnel = tunnelAddress(c.number)
	if err := c.bridges(ctx); err != nil {
		return err
	}
	if err := c.join(ctx); err != nil {
		return err
	}
	return c.control(ctx)
}

// mac is that of the bridge of the underlay.
func (c *chassis) mac() net.HardwareAddr { return net.HardwareAddr{0xaa, 0, 0, 0, 0, byte(c.number)} }

// join connects the switch with the underlay.
func (c *chassis) join(ctx context.Context) error {
	conn, err := dial(ctx, c.p.path(c.name, "phy0"))
	if err != nil {
		return err
	}
	c.link = c.p.underlay.add(conn, c.mac())
	return errors.Join(c.address(ctx), c.reach(ctx))
}

// address has the switch know its address and the way to those of others, as the kernel's tables tell it elsewhere.
func (c *chassis) address(ctx context.Context) error {
	c.p.underlay.own(c.tunnel.Addr(), c.mac())
	_, err := c.ovs.Appctl(ctx, "netdev-dummy/ip4addr", lab.PhysicalBridge, c.tunnel.String())
	if err != nil {
		return err
	}
	_, err = c.ovs.Appctl(ctx, "ovs/route/add", c.tunnel.Masked().String(), lab.PhysicalBridge)
	return err
}

// startSwitch starts ovs-vswitchd after it was killed.
func (c *chassis) startSwitch(ctx context.Context) error {
	if err := c.ovs.StartVswitchd(ctx); err != nil {
		return err
	}
	c.link.close()
	return c.join(ctx)
}

// securityLog is the path of the log of security groups.
func (c *chassis) securityLog() string { return c.p.path(c.name, "security.log") }

// SecurityLog is what the file of a chassis has.
func (p *Platform) SecurityLog(name string) ([]byte, error) {
	return os.ReadFile(p.chassis[name].securityLog())
}

// control starts the controller.
func (c *chassis) control(ctx context.Context) error {
	var types []model.NetworkType
	for _, t := range c.tunnels {
		types = append(types, model.NetworkType(t))
	}
	if types == nil {
		types = []model.NetworkType{model.Geneve, model.VXLAN}
	}
	const leaseTime = 86400
	file, err := telemetry.OpenLogFile(c.securityLog(), func() {})
	if err != nil {
		return err
	}
	var ctl *controller.Controller
	started := make(chan error, 1)
	c.controller = begin(func(ctx context.Context) (err error) {
		ctl, err = controller.New(ctx, controller.Options{
			Chassis: c.name, DB: c.p.conn, OVSDB: "unix:" + c.ovs.OVSDB(), Bridge: cloud.Bridge, StateDir: c.p.path(c.name, "state"),
			DatapathType: private.DummyTunnels.Type(), Apps: apps.All(), Self: view.Chassis{DHCPLeaseTime: leaseTime},
			TunnelIP: c.tunnel.Addr(), TunnelTypes: types, Gateway: c.gateway, Log: c.p.log, SecurityLog: slog.New(slog.NewJSONHandler(file, nil)),
			BridgeMappings: map[string]string{c.physical: lab.ExternalBridge},
		})
		started <- err
		if err != nil {
			return err
		}
		return ctl.Run(ctx)
	}, func(ctx context.Context) error { file.Run(ctx, c.p.log); return nil })
	if err := <-started; err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, cloud.Patience)
	defer cancel()
	if !ctl.WaitSynced(limited) {
		return fmt.Errorf("the controller of %s does not get in sync: %w", c.name, context.Cause(limited))
	}
	c.ctl = ctl
	return nil
}

// move gives the chassis another address, and its controller with it.
func (c *chassis) move(ctx context.Context, to netip.Prefix) error {
	if err := c.controller.end(); err != nil {
		return err
	}
	c.p.underlay.disown(c.tunnel.Addr())
	c.tunnel = to
	if err := c.address(ctx); err != nil {
		return err
	}
	return c.control(ctx)
}

// plug gives a machine a port of the switch, as Nova does, and returns the other end.
func (c *chassis) plug(ctx context.Context, m scenario.Machine) (net.Conn, error) {
	device := "tap-" + m.Name
	socket := c.p.path(c.name, m.Name)
	_, err := c.ovs.Vsctl(ctx, "add-port", cloud.Bridge, device, "--", "set", "interface", device, "type=dummy", "options:pstream=punix:"+socket,
		"external_ids:iface-id="+m.Port, fmt.Sprintf("external_ids:attached-mac=%q", m.MAC))
	if err != nil {
		return nil, err
	}
	return dial(ctx, socket)
}

func (c *chassis) unplug(ctx context.Context, machine string) error {
	_, err := c.ovs.Vsctl(ctx, "--if-exists", "del-port", cloud.Bridge, "tap-"+machine)
	return err
}

// kill ends all of the chassis, as a loss of power does but for the controller, which ends well.
func (c *chassis) kill() error {
	err := c.controller.end()
	c.controller = nil
	c.ovs.KillVswitchd()
	c.ovs.KillOVSDB()
	return err
}

func (c *chassis) close() {
	if c.controller != nil {
		_ = c.controller.end() // what it could not do shows in what it logged
	}
	if c.ovs != nil {
		c.ovs.KillVswitchd()
		c.ovs.KillOVSDB()
	}
}

// dial connects to the socket of a port, which ovs-vswitchd opens after it has the port.
func dial(ctx context.Context, socket string) (conn net.Conn, err error) {
	err = cloud.Eventually(ctx, cloud.Patience, func(ctx context.Context) error {
		conn, err = new(net.Dialer).DialContext(ctx, "unix", socket)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("port %s", socket), err)
	}
	return conn, nil
}
