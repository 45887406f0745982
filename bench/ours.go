package main

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

// ourCloud is Dragonflow over a rack: etcd, a controller on every chassis, and a process that writes the
// objects, which is counted, too.
type ourCloud struct {
	run    *run
	rack   *rack
	shape  shape
	url    string
	etcd   *child
	writer *writer
	// store is for looking only.
	store       *northbound.Store
	controllers []*daemon
	state       []string
}

// ours starts Dragonflow over a rack.
func (r *run) ours(ctx context.Context, k *rack, s shape) (*ourCloud, error) {
	c := &ourCloud{run: r, rack: k, shape: s}
	var err error
	if c.url, c.etcd, err = r.etcd(ctx); err != nil {
		return nil, err
	}
	if c.writer, err = r.writer(c.url); err != nil {
		return nil, err
	}
	conn, err := openDatabase(ctx, c.url)
	if err != nil {
		return nil, err
	}
	r.atEnd(func() { _ = conn.Close() })
	c.store = northbound.NewStore(conn)
	for i := range k.switches {
		dir, err := r.folder()
		if err != nil {
			return nil, err
		}
		c.state = append(c.state, dir)
		d, err := c.controller(ctx, i)
		if err != nil {
			return nil, err
		}
		c.controllers = append(c.controllers, d)
	}
	return c, nil
}

func (c *ourCloud) controller(ctx context.Context, i int) (*daemon, error) {
	args := []string{"controller", "--db", c.url, "--chassis", chassisName(i), "--tunnel-ip", c.rack.tunnels[i].String(),
		"--ovsdb", "unix:" + c.rack.switches[i].OVSDB(), "--state-dir", c.state[i]}
	if c.rack.physical != "" {
		args = append(args, "--bridge-mappings", c.rack.physical+":"+lab.ExternalBridge)
	}
	return c.run.dragonflow(ctx, args...)
}

// processes implements cloud.
func (c *ourCloud) processes() []process {
	list := []process{{"central", c.etcd.pid}, {"client", c.writer.pid}}
	for _, d := range c.controllers {
		list = append(list, process{"controller", d.pid})
	}
	return list
}

// settle implements cloud: there is nobody who knows it of all chassis.
func (c *ourCloud) settle(context.Context) error { return nil }

// verify implements cloud.
func (c *ourCloud) verify(ctx context.Context, ports int) error {
	up := 0
	for i := range c.controllers {
		entries, _, err := c.store.List(ctx, model.ScopeChassis(chassisName(i)))
		if err != nil {
			return err
		}
		for _, s := range northbound.Of[model.PortStatus](entries) {
			if s.Up {
				up++
			}
		}
	}
	if up != ports {
		return fmt.Errorf("%d of %d ports are up", up, ports)
	}
	return nil
}

// restart implements cloud.
func (c *ourCloud) restart(ctx context.Context, i int) (*child, error) {
	c.controllers[i].kill()
	d, err := c.controller(ctx, i)
	if err != nil {
		return nil, err
	}
	c.controllers[i] = d
	return d.child, nil
}

// base implements cloud.
func (c *ourCloud) base(ctx context.Context) error {
	var objects []model.Object
	for n := range c.shape.networks {
		objects = append(objects, routedNetwork(n)...)
	}
	for n := range c.shape.routers() {
		objects = append(objects, router(n)...)
	}
	for n := range c.shape.groups() {
		objects = append(objects, sshGroup(n)...)
	}
	return c.writer.write(ctx, objects)
}

// routedNetwork is the n-th network, with addresses that no other has.
func routedNetwork(n int) []model.Object {
	objects := network(n)
	for _, o := range objects {
		if net, ok := o.(*model.Network); ok {
			net.Segments = []model.Segment{{NetworkType: model.Geneve, SegmentationID: uint32(1000 + n)}}
			net.MTU = guestMTU
		}
		s, ok := o.(*model.Subnet)
		switch {
		case ok && s.CIDR.Addr().Is4():
			s.CIDR, s.GatewayIP = subnet4(n), gateway4(n)
		case ok:
			s.CIDR, s.GatewayIP = subnet6(n), gateway6(n)
		}
	}
	return objects
}

// guestMTU leaves room for a tunnel's headers in an underlay of 1500 bytes.
const guestMTU = 1442

// router is the n-th router, which joins networks 2n and 2n+1.
func router(n int) []model.Object {
	objects := []model.Object{&model.Router{Meta: meta(aRouter, n), Name: fmt.Sprint("router", n), AdminStateUp: true}}
	for _, net := range []int{2 * n, 2*n + 1} {
		addresses := []model.FixedIP{
			{SubnetID: uuid(aSubnet, 2*net), IPAddress: gateway4(net)}, {SubnetID: uuid(aSubnet, 2*net+1), IPAddress: gateway6(net)},
		}
		objects = append(objects,
			&model.RouterInterface{
				Meta: meta(aRouterPort, net), RouterID: uuid(aRouter, n), NetworkID: uuid(aNetwork, net), MACAddress: routerMAC(net),
				FixedIPs: addresses, AdminStateUp: true,
			},
			&model.Port{
				Meta: meta(aRouterPort, net), NetworkID: uuid(aNetwork, net), MACAddress: routerMAC(net), FixedIPs: addresses, AdminStateUp: true,
				DeviceID: uuid(aRouter, n), DeviceOwner: model.RouterInterfaceOwner,
			})
	}
	return objects
}

// sshGroup is Neutron's default group with a fifth rule, for SSH from everywhere.
func sshGroup(n int) []model.Object {
	ssh := 22
	return append(defaultGroup(n), &model.SecurityGroupRule{
		Meta: meta(aRule, 1_000_000+n), SecurityGroupID: uuid(aGroup, n), Direction: model.Ingress, EtherType: model.IPv4,
		Protocol: 6, PortRangeMin: &ssh, PortRangeMax: &ssh,
	})
}

// ports implements cloud.
func (c *ourCloud) ports(ctx context.Context, numbers []int) error {
	var objects []model.Object
	for _, n := range numbers {
		objects = append(objects, c.shape.port(n, chassisName(c.rack.home(n)))...)
	}
	return c.writer.write(ctx, objects)
}

// port is a bound port with its membership.
func (s shape) port(n int, host string) []model.Object {
	net := s.networkOf(n)
	p, objects := port(n, net, uuid(aGroup, s.groupOf(n)))
	p.FixedIPs[0].IPAddress, p.FixedIPs[1].IPAddress = s.address4(n), s.address6(n)
	for _, o := range objects {
		if m, ok := o.(*model.SecurityGroupMember); ok {
			m.Addresses = []netip.Prefix{netip.PrefixFrom(s.address4(n), 32), netip.PrefixFrom(s.address6(n), 128)}
		}
	}
	return append(objects, bindTo(p, host))
}

// bindTo binds a port to a chassis.
func bindTo(p *model.Port, host string) *model.Binding {
	p.Host = host
	b := binding(p)
	b.Host = host
	return b
}
