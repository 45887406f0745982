package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// The kinds of ids of what is outside.
const (
	aFloatingIP = iota + 100
	aGatewayPort
)

// outsideNetwork is the number of the external network.
const outsideNetwork = 900

// physicalPort is the port of the switch behind which the physical network lies.
const physicalPort = 60_000

// external is the external network, in a VLAN.
func external() []model.Object {
	id := uuid(aNetwork, outsideNetwork)
	return []model.Object{
		&model.Network{
			Meta: meta(aNetwork, outsideNetwork), AdminStateUp: true, MTU: 1500, External: true,
			Segments: []model.Segment{{NetworkType: model.VLAN, PhysicalNetwork: physicalNetwork, SegmentationID: 9}},
		},
		&model.Subnet{
			Meta: meta(aSubnet, 2*outsideNetwork), NetworkID: id, CIDR: netip.MustParsePrefix("203.0.0.0/16"), GatewayIP: netip.MustParseAddr("203.0.0.1"),
		},
	}
}

// uplink joins the first router to it, by a gateway on another chassis.
func uplink(chassis string) *model.RouterGateway {
	return &model.RouterGateway{
		Meta: meta(aGatewayPort, 0), RouterID: uuid(aRouter, 0), NetworkID: uuid(aNetwork, outsideNetwork), MACAddress: model.MAC{0xfa, 0x16, 0x3e, 0xff, 0, 1},
		FixedIPs:   []model.FixedIP{{SubnetID: uuid(aSubnet, 2*outsideNetwork), IPAddress: netip.AddrFrom4([4]byte{203, 0, 0, 2})}},
		EnableSNAT: true, TransitVNI: 0xff0000, Chassis: []model.GatewayChassis{{Name: chassis, Priority: 1}},
	}
}

// floatingAddress is the n-th floating IP.
func floatingAddress(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{203, 0, byte(1 + n>>8), byte(n)})
}

// floatingOf is the n-th floating IP, of a port behind the first router.
func floatingOf(n int, p *model.Port, chassis string) *model.FloatingIP {
	return &model.FloatingIP{
		Meta: meta(aFloatingIP, n), Host: chassis, FloatingIPAddress: floatingAddress(n), NetworkID: uuid(aNetwork, outsideNetwork),
		MACAddress: model.MAC{0xfa, 0x16, 0x3e, 0xfe, byte(n >> 8), byte(n)}, RouterID: uuid(aRouter, 0),
		PortID: p.ID, PortNetworkID: p.NetworkID, FixedIPAddress: p.FixedIPs[0].IPAddress,
	}
}

// behindRouter is a chassis with ports here, behind a router, each with a floating IP if it is to have one.
func behindRouter(ports int, floating bool) (*chassis, []*model.Port, error) {
	objects := append(append(routedNetwork(0), routedNetwork(1)...), router(0)...)
	objects = append(append(objects, external()...), uplink("c9"),
		&model.Chassis{Meta: model.Meta{ID: "c9", Revision: 1}, TunnelIP: netip.MustParseAddr("172.16.0.9"), TunnelTypes: []model.NetworkType{model.Geneve}})
	objects = append(objects, defaultGroup(0)...)
	c, err := newChassis(apps.All(), objects)
	if err != nil {
		return nil, nil, err
	}
	view.Set(c.db, view.ProviderPorts, view.ProviderPort{PhysicalNetwork: physicalNetwork, OFPort: physicalPort})
	view.Set(c.db, view.TunnelPorts, view.TunnelPort{Type: model.Geneve, OFPort: physicalPort + 1})
	var list []*model.Port
	for n := range ports {
		p, more := port(16+n, 0, uuid(aGroup, 0))
		p.Host = host
		c.place(more...)
		c.plug(p, 1+n)
		list = append(list, p)
		if floating {
			c.place(floatingOf(n, p, host))
		}
	}
	c.engine.Step()
	for _, p := range c.engine.Problems() {
		return nil, nil, fmt.Errorf("%v: %s %v", p.Owner, p.Text, p.Waiting)
	}
	return c, list, nil
}

// floatingIPs gives the ports of a chassis floating IPs, and then one more again and again.
func floatingIPs(ctx context.Context, r *run) error {
	t := newTable("floating IPs on one chassis, each of a port there", "flows each", "one more: our CPU", "engine p50", "p99", "flow-mods",
		"to barrier p50", "p99", "vswitchd CPU", "budget")
	for _, many := range []int{10, 100, 1000} {
		bare, _, err := behindRouter(many+1, false)
		if err != nil {
			return err
		}
		c, ports, err := behindRouter(many+1, true)
		if err != nil {
			return err
		}
		each := float64(c.engine.FlowCount()-bare.engine.FlowCount()) / float64(many+1)
		sw, err := r.vswitch(ctx, private.Config{})
		if err != nil {
			return err
		}
		if err := sw.AddBridge(ctx, "br0"); err != nil {
			return err
		}
		if err := c.connect(ctx, r, sw, "br0"); err != nil {
			return err
		}
		all, err := c.again(ctx, floatingOf(many, ports[many], host), sw.VswitchdPID())
		if err != nil {
			return err
		}
		t.row(fmt.Sprint(many), each, all.cpu, all.engine.p50(), all.engine.p99(), all.mods, all.barrier.p50(), all.barrier.p99(), all.vswitchd,
			verdict{}.within("engine", all.engine.p50(), time.Millisecond).atMost("", float64(all.mods), 16, "mods").atMost("", each, 16, "flows"))
		r.close()
	}
	r.print(t)
	return nil
}

// again takes an object away and adds it changesEach times; only what it costs to add is told.
func (c *chassis) again(ctx context.Context, o model.Object, vswitchd int) (all changes, err error) {
	for i := range changesEach + 1 {
		c.remove(o)
		if _, err := c.step(ctx); err != nil {
			return all, err
		}
		own, err := ownCPU()
		if err != nil {
			return all, err
		}
		their, err := cpuOf(vswitchd)
		if err != nil {
			return all, err
		}
		c.place(o)
		s, err := c.step(ctx)
		if err != nil {
			return all, err
		}
		if i > 0 { // the first one warms up
			if err := all.note(s, own, their, vswitchd); err != nil {
				return all, err
			}
		}
	}
	all.cpu /= changesEach
	all.vswitchd /= changesEach
	return all, nil
}
