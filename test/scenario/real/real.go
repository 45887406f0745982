// Package real plays scenarios with real packets: machines are namespaces with real DHCP clients, and each chassis runs
// the dragonflow program. Needs root.
package real

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
	"github.com/dragonflow/dragonflow/test/scenario"
)

// Platform is a cloud for one scenario.
type Platform struct {
	Cloud  *cloud.Cloud
	guests map[string]*guest
	// flags are those of chassis that come.
	flags []string
	// deaf are the chassis that do not reach the database.
	deaf map[string]bool
	// virtual are the keepalived of guests, by name.
	virtual map[string]*lab.Process
	// beyond is where hosts outside are, made for the first; fdb tells what the provider's network learns.
	beyond *lab.Chassis
	fdb    *lab.Process
}

// New starts a database and a server of the dragonflow program.
func New(ctx context.Context, program string) (*Platform, error) {
	c, err := cloud.New(ctx, program)
	if err != nil {
		return nil, err
	}
	return On(c), nil
}

// On is a platform of a cloud without a chassis, which it closes.
func On(c *cloud.Cloud) *Platform {
	return &Platform{Cloud: c, guests: map[string]*guest{}, deaf: map[string]bool{}, virtual: map[string]*lab.Process{}}
}

// Close ends all of it.
func (p *Platform) Close() error {
	var errs []error
	for _, g := range p.guests {
		errs = append(errs, g.Close())
	}
	if p.beyond != nil {
		errs = append(errs, p.beyond.Close())
	}
	return errors.Join(append(errs, p.Cloud.Close())...)
}

// API is the server's.
func (p *Platform) API() *cloud.Client { return p.Cloud.API }

// AddChassis makes a hypervisor with its controller.
func (p *Platform) AddChassis(ctx context.Context, c scenario.Chassis) error {
	flags := append(slices.Clone(p.flags), "--bridge-mappings", c.Physical+":"+lab.ExternalBridge)
	if c.Tunnels != "" {
		flags = append(flags, "--tunnel-types", c.Tunnels)
	}
	if c.Gateway {
		flags = append(flags, "--gateway", "true")
	}
	_, err := p.Cloud.AddChassis(ctx, c.Name, flags...)
	return err
}

// Flows are those of a chassis' integration bridge.
func (p *Platform) Flows(ctx context.Context, chassis string) (string, error) {
	return p.Cloud.Chassis(chassis).Flows(ctx)
}

// Forget has the switches forget the flows of their datapaths.
func (p *Platform) Forget(ctx context.Context) (bool, error) {
	var switches []*private.Switch
	for _, c := range p.Cloud.All() {
		switches = append(switches, c.OVS)
	}
	return private.Forget(ctx, switches)
}

// SecurityLog is what the file of a chassis has.
func (p *Platform) SecurityLog(chassis string) ([]byte, error) {
	return os.ReadFile(p.Cloud.Chassis(chassis).SecurityLog)
}

// Why asks the dragonflow program on a chassis.
func (p *Platform) Why(ctx context.Context, chassis string, q operate.Question) (*operate.Answer, error) {
	args := []string{"why", q.Port, "-o", "json"}
	if q.Frame != "" {
		args = append(args, "--frame", q.Frame)
	} else {
		args = append(args, q.Dst, q.What)
	}
	text, err := p.Cloud.Chassis(chassis).Ask(ctx, args...)
	if err != nil {
		return nil, err
	}
	answer := &operate.Answer{}
	return answer, json.Unmarshal([]byte(text), answer)
}

// Boot starts a machine, or prepares it on a further chassis.
func (p *Platform) Boot(ctx context.Context, chassis string, m scenario.Machine) (scenario.Guest, error) {
	if m.Outside {
		return p.outside(ctx, m)
	}
	at := p.Cloud.Chassis(chassis)
	spec := lab.Spec{Name: m.Name, Port: "tap-" + m.Name, MAC: m.MAC, NoDAD: true, AcceptRA: m.AcceptRA}
	if m.Trunk != "" {
		g, err := p.guests[m.Trunk].VLAN(m.VLAN, spec)
		if err != nil {
			return nil, err
		}
		p.guests[m.Name] = &guest{Guest: g, close: g.Close}
		return p.guests[m.Name], nil
	}
	if g := p.guests[m.Name]; g != nil && !m.Mobile {
		return g, p.own(ctx, at, spec.Port, m)
	}
	if !m.Mobile {
		g, err := at.Boot(ctx, cloud.Bridge, m.Port, spec)
		if err != nil {
			return nil, err
		}
		p.guests[m.Name] = &guest{Guest: g, close: g.Close}
		return p.guests[m.Name], nil
	}
	g := p.guests[m.Name]
	first := g == nil
	if first {
		mobile, err := lab.NewMobile(spec)
		if err != nil {
			return nil, err
		}
		g = &guest{Guest: mobile.Guest, mobile: mobile, close: mobile.Close}
		p.guests[m.Name] = g
	}
	if err := g.mobile.Offer(at.Namespace, spec.Port); err != nil {
		return nil, err
	}
	if err := at.OVS.Plug(ctx, cloud.Bridge, spec.Port, map[string]string{"iface-id": m.Port, "attached-mac": m.MAC.String()}); err != nil {
		return nil, err
	}
	if first {
		return g, g.mobile.Connect(chassis)
	}
	return g, nil
}

// plug makes a machine whose interface is on the switch and is no port's.
func (p *Platform) plug(ctx context.Context, a scenario.Action) error {
	at, port := p.Cloud.Chassis(a.To), "tap-"+a.Name
	g, err := lab.NewGuest(at.Namespace, lab.Spec{Name: a.Name, Port: port, MAC: a.MAC, NoDAD: true})
	if err != nil {
		return err
	}
	p.guests[a.Name] = &guest{Guest: g, close: g.Close}
	return at.OVS.Plug(ctx, cloud.Bridge, port, nil)
}

// own makes a plugged interface that of a machine's port.
func (p *Platform) own(ctx context.Context, at *cloud.Chassis, device string, m scenario.Machine) error {
	if m.AcceptRA {
		if err := p.guests[m.Name].Sysctl("net.ipv6.conf."+lab.Interface+".accept_ra", "1"); err != nil {
			return err
		}
	}
	_, err := at.OVS.Vsctl(ctx, "set", "interface", device, "external_ids:iface-id="+m.Port, fmt.Sprintf("external_ids:attached-mac=%q", m.MAC))
	return err
}

// Do does something to a part of the cloud.
func (p *Platform) Do(ctx context.Context, a scenario.Action) error {
	if a.Verb == scenario.Steady {
		return p.steady()
	}
	switch a.Part {
	case scenario.Server:
		return onDaemon(ctx, p.Cloud.Server, a.Verb)
	case scenario.Database:
		if a.Verb == scenario.Cut || a.Verb == scenario.Mend {
			return p.onManagement(p.Cloud.Chassis(a.Name), a.Verb == scenario.Mend)
		}
		if a.Verb == scenario.Stop {
			a.Verb = scenario.Kill // etcd's own end takes part in an election first
		}
		return onDaemon(ctx, p.Cloud.Database, a.Verb)
	case scenario.Controller:
		return p.onController(ctx, p.Cloud.Chassis(a.Name), a.Verb)
	case scenario.Switch:
		return onSwitch(ctx, p.Cloud.Chassis(a.Name), a.Verb)
	case scenario.Host:
		return p.onHost(ctx, a)
	case scenario.Guests:
		return p.onGuest(ctx, a)
	case scenario.Keepalived:
		return p.onKeepalived(ctx, a)
	case scenario.Nova:
		flags, err := p.Cloud.StartNova(ctx)
		p.flags = flags
		return err
	case scenario.Crowd:
		return p.Cloud.Chassis(a.Name).PlugDummies(ctx, cloud.Bridge, a.Ports)
	}
	return fmt.Errorf("%s %s: %w", a.Verb, a.Part, errors.ErrUnsupported)
}

func onDaemon(ctx context.Context, d *cloud.Daemon, verb scenario.Verb) error {
	switch verb {
	case scenario.Kill:
		d.Kill()
		return nil
	case scenario.Stop:
		return d.Terminate()
	case scenario.Start:
		return d.Start(ctx)
	}
	return fmt.Errorf("%s %s: %w", verb, d.Name(), errors.ErrUnsupported)
}

// onManagement connects a chassis with the network of the database, or takes it off.
func (p *Platform) onManagement(c *cloud.Chassis, connected bool) error {
	p.deaf[c.Name()] = !connected
	return c.SetManagement(connected)
}

// onController starts a controller also while there is no database, when it works from its snapshot.
func (p *Platform) onController(ctx context.Context, c *cloud.Chassis, verb scenario.Verb) error {
	if verb != scenario.Start || p.Cloud.Database.Running() && !p.deaf[c.Name()] {
		return onDaemon(ctx, c.Controller, verb)
	}
	if err := c.Controller.Launch(); err != nil {
		return err
	}
	return cloud.Eventually(ctx, cloud.Patience, c.Serves)
}

func (p *Platform) onHost(ctx context.Context, a scenario.Action) error {
	c := p.Cloud.Chassis(a.Name)
	switch a.Verb {
	case scenario.Kill:
		c.PowerOff()
		return nil
	case scenario.Start:
		return startHost(ctx, c)
	case scenario.Cut, scenario.Mend:
		return c.SetUnderlay(a.Verb == scenario.Mend)
	case scenario.Address:
		return p.Cloud.MoveChassis(ctx, c, a.Prefix)
	}
	return fmt.Errorf("%s chassis %s: %w", a.Verb, a.Name, errors.ErrUnsupported)
}

// startHost does what a host does that has power again: Open vSwitch's own script removes the ports that are to be gone
// after that (ovs-ctl(8), other_config:transient), before it starts the switch.
func startHost(ctx context.Context, c *cloud.Chassis) error {
	if err := c.OVS.StartOVSDB(ctx); err != nil {
		return err
	}
	ports, err := c.OVS.Vsctl(ctx, "--bare", "--columns=name", "find", "port", "other_config:transient=true")
	if err != nil {
		return err
	}
	for _, port := range strings.Fields(ports) {
		if _, err := c.OVS.Vsctl(ctx, "--no-wait", "del-port", port); err != nil {
			return err
		}
	}
	if err := c.OVS.StartVswitchd(ctx); err != nil {
		return err
	}
	return c.Controller.Start(ctx)
}

func (p *Platform) onGuest(ctx context.Context, a scenario.Action) error {
	g := p.guests[a.Name]
	switch a.Verb {
	case scenario.Plug:
		return p.plug(ctx, a)
	case scenario.Resume:
		return errors.Join(g.mobile.Connect(a.To), g.mobile.Announce())
	case scenario.Unplug:
		_, err := p.Cloud.Chassis(a.To).OVS.Vsctl(ctx, "--if-exists", "del-port", cloud.Bridge, "tap-"+a.Name)
		if err == nil && g.mobile != nil {
			err = g.mobile.Withdraw(a.To)
		}
		return err
	}
	return fmt.Errorf("%s guest %s: %w", a.Verb, a.Name, errors.ErrUnsupported)
}

// guest is a machine that is a namespace.
type guest struct {
	*lab.Guest
	mobile *lab.Mobile
	close  func() error
}

// Close ends it.
func (g *guest) Close() error { return g.close() }

// Wire is the machine's interface.
func (g *guest) Wire(context.Context) (scenario.Wire, error) { return g.Guest.Wire(true) }

// Configure does what an administrator of the machine does.
func (g *guest) Configure(ctx context.Context, s scenario.Settings) error {
	var errs []error
	if s.MTU > 0 {
		errs = append(errs, g.SetMTU(s.MTU))
	}
	for _, a := range s.Addresses {
		errs = append(errs, g.AddAddress(a))
	}
	for _, a := range s.Without {
		errs = append(errs, g.RemoveAddress(a))
	}
	for _, route := range s.Routes {
		errs = append(errs, g.AddRoute(route.To, route.Via))
	}
	if s.Forward {
		errs = append(errs, g.Sysctl("net.ipv4.ip_forward", "1"), g.Sysctl("net.ipv6.conf.all.forwarding", "1"))
	}
	return errors.Join(errs...)
}

// Lease has a DHCP client configure the machine: udhcpc, and dhclient for IPv6.
func (g *guest) Lease(ctx context.Context, v6 bool) (scenario.Lease, error) {
	kind := lab.Udhcpc
	if v6 {
		kind = lab.Dhclient6
	}
	client, err := g.DHCP(ctx, kind)
	if err != nil {
		return scenario.Lease{}, err
	}
	l, err := client.Lease()
	return scenario.Lease{Address: l.Address.Addr(), MTU: l.MTU}, err
}

// Probe sends an echo request by ping(8).
func (g *guest) Probe(ctx context.Context, to netip.Addr, p scenario.Probe) (scenario.Answer, error) {
	o := lab.EchoOptions{TTL: p.TTL, Size: p.Size}
	reply, err := g.EchoRequest(ctx, to, o)
	return scenario.Answer{Outcome: outcome(reply), From: reply.From, MTU: reply.MTU}, err
}

func outcome(r lab.EchoReply) scenario.Outcome {
	switch {
	case r.Answered:
		return scenario.Answered
	case r.MTU > 0:
		return scenario.TooBig
	case r.Exceeded:
		return scenario.Exceeded
	case r.Unreachable:
		return scenario.Unreachable
	}
	return scenario.Silent
}
