package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// The bridges of a Chassis beside the integration bridge, which its controller makes.
const (
	// PhysicalBridge has the underlay. Its own address is that of the tunnels: the datapath in user space
	// finds the way of a tunnel's packets by the addresses of its bridges.
	PhysicalBridge = "br-phy"
	// ExternalBridge has the provider's network.
	ExternalBridge = "br-ex"
)

// The devices of a Chassis on the networks of the fabric.
const (
	underlayDevice   = "phy0"
	managementDevice = "mgmt0"
	externalDevice   = "ext0"
)

// ChassisSpec describes a hypervisor.
type ChassisSpec struct {
	// Name is what binding:host_id says.
	Name string
	// Dir is an empty directory for the switch, with a short path.
	Dir string
	// Tunnel is the address on the underlay, and Management that on the management network.
	Tunnel, Management netip.Prefix
}

// Chassis is a hypervisor: a namespace with an Open vSwitch in user space, and devices on the networks of a
// fabric. The controller is not part of it.
type Chassis struct {
	*Namespace
	OVS *private.Switch

	tunnel  netip.Prefix
	dummies int // interfaces so far
}

// NewChassis makes a hypervisor, with everything of it running. It ends with Close.
func NewChassis(ctx context.Context, f *Fabric, spec ChassisSpec) (*Chassis, error) {
	n, err := NewNamespace(spec.Name)
	if err != nil {
		return nil, err
	}
	c := &Chassis{Namespace: n}
	if err := c.build(ctx, f, spec); err != nil {
		return nil, errors.Join(fmt.Errorf("chassis %s: %w", spec.Name, err), c.Close())
	}
	return c, nil
}

func (c *Chassis) build(ctx context.Context, f *Fabric, spec ChassisSpec) error {
	for device, network := range map[string]string{underlayDevice: Underlay, managementDevice: Management, externalDevice: External} {
		if err := f.Connect(c.Namespace, device, network); err != nil {
			return err
		}
	}
	if err := c.addAddress(managementDevice, spec.Management); err != nil {
		return err
	}
	binaries, err := private.Find()
	if err != nil {
		return err
	}
	c.OVS, err = private.New(ctx, private.Config{
		Dir: spec.Dir, Datapath: private.Userspace, Binaries: binaries, Netns: c.Path(), SystemID: spec.Name,
	})
	if err != nil {
		return err
	}
	if err := c.OVS.Start(ctx); err != nil {
		return err
	}
	for bridge, device := range map[string]string{PhysicalBridge: underlayDevice, ExternalBridge: externalDevice} {
		if err := c.standalone(ctx, bridge, device); err != nil {
			return err
		}
	}
	return c.SetTunnel(spec.Tunnel)
}

// standalone makes a bridge that is an ordinary switch, with a device of the fabric.
func (c *Chassis) standalone(ctx context.Context, bridge, device string) error {
	err := c.OVS.AddBridge(ctx, bridge, "set-fail-mode", bridge, "standalone", "--", "add-port", bridge, device,
		"--", "set", "interface", bridge, fmt.Sprintf("mtu_request=%d", UnderlayMTU))
	if err != nil {
		return err
	}
	return errors.Join(c.Sysctl("net.ipv6.conf."+bridge+".disable_ipv6", "1"), c.up(bridge))
}

// Tunnel is the address of the chassis on the underlay.
func (c *Chassis) Tunnel() netip.Addr { return c.tunnel.Addr() }

// SetTunnel gives the chassis another address on the underlay.
func (c *Chassis) SetTunnel(p netip.Prefix) error {
	if c.tunnel == p {
		return nil
	}
	if c.tunnel.IsValid() {
		if err := c.removeAddress(PhysicalBridge, c.tunnel); err != nil {
			return err
		}
	}
	c.tunnel = p
	return c.addAddress(PhysicalBridge, p)
}

// SetUnderlay connects the chassis with the underlay or takes it off it.
func (c *Chassis) SetUnderlay(connected bool) error { return c.SetDevice(underlayDevice, connected) }

// SetManagement connects the chassis with the management network or takes it off it.
func (c *Chassis) SetManagement(connected bool) error {
	return c.SetDevice(managementDevice, connected)
}

// Boot makes a guest and plugs it into a bridge as Nova does: the interface knows its port and MAC.
func (c *Chassis) Boot(ctx context.Context, bridge, port string, spec Spec) (*Guest, error) {
	g, err := NewGuest(c.Namespace, spec)
	if err != nil {
		return nil, err
	}
	if err := c.OVS.Plug(ctx, bridge, spec.Port, map[string]string{"iface-id": port, "attached-mac": spec.MAC.String()}); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// PlugDummies gives ports interfaces with nobody behind them, which cost the machine no device. It returns when the
// switch has them all.
func (c *Chassis) PlugDummies(ctx context.Context, bridge string, ports []string) error {
	const batch = 100 // a command line has its limits
	for list := range slices.Chunk(ports, batch) {
		var words []string
		for _, id := range list {
			c.dummies++
			name := fmt.Sprint("dummy", c.dummies)
			words = append(words, "--", "add-port", bridge, name, "--", "set", "interface", name, "type=dummy", "external_ids:iface-id="+id)
		}
		if _, err := c.OVS.Vsctl(ctx, words[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// HasBridge tells whether the switch has a bridge of that name.
func (c *Chassis) HasBridge(ctx context.Context, name string) (bool, error) {
	out, err := c.OVS.Vsctl(ctx, "list-br")
	return strings.Contains("\n"+out, "\n"+name+"\n"), err
}

// Close ends the switch and everything else in the chassis.
func (c *Chassis) Close() error {
	if c.OVS != nil {
		c.OVS.KillVswitchd() // what is gone next needs no clean end
		c.OVS.KillOVSDB()
	}
	return c.Namespace.Close()
}
