package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/model"
)

// beyond is the number of the host outside, on a physical network that both chassis are connected to.
const beyond = -1

// physicalNetwork is what it is called; the gateway of the router is on the second chassis.
const (
	physicalNetwork = "physnet1"
	gatewayHome     = 1
)

var (
	outsideNet  = netip.MustParsePrefix("203.0.113.0/24")
	outsideIP   = netip.MustParseAddr("203.0.113.1")
	gatewayIP   = netip.MustParseAddr("203.0.113.5")
	floatingIP  = netip.MustParseAddr("203.0.113.70")
	gatewayMAC  = model.MAC{0xfa, 0x16, 0x3f, 0xff, 0, 5}
	floatingMAC = model.MAC{0xfa, 0x16, 0x3f, 0xff, 0, 70}
)

// northSouth compares what the switches carry between guests and a host outside: by the address of the router's gateway,
// on the guest's chassis and on another, and by a floating IP.
func northSouth(ctx context.Context, r *run) error {
	version, err := ovnVersion(ctx)
	if err != nil {
		return err
	}
	planes, err := r.openPlanes(ctx)
	if err != nil {
		return err
	}
	runs, each := 5, time.Second
	if r.full {
		runs, each = 9, 3*time.Second
	}
	t := newTable(fmt.Sprintf("IPv4 to a host outside, security groups on; medians of %d interleaved runs; %s", runs, version),
		"RTT p50", "packets a CPU s", "Mbit a CPU s", "Mbit/s", "passes", "lookups a megaflow hit", "packets to OVN's", "Mbit to OVN's", "budget")
	for _, way := range []struct {
		path
		from int
	}{
		{path{"SNAT, gateway on the other chassis", beyond, 1}, client},
		{path{"SNAT, gateway on the guest's chassis", beyond, 1}, far},
		{path{"floating IP", beyond, 1}, near},
	} {
		var seen []*plane
		for _, p := range planes {
			seen = append(seen, p.as(way.from))
		}
		if err := r.along(ctx, t, seen, way.path, runs, each); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	r.print(t)
	return nil
}

// as is the plane with another guest for the client.
func (p *plane) as(n int) *plane {
	q := *p
	q.guests = maps.Clone(p.guests)
	q.guests[client], q.at = p.guests[n], p.rack.home(n)
	return &q
}

// address is that of a guest, or of the host outside.
func (p *plane) address(n int) netip.Addr {
	if n == beyond {
		return outsideIP
	}
	return p.rack.shape.address4(n)
}

// openPlanes builds Dragonflow's plane and OVN's, with a host outside.
func (r *run) openPlanes(ctx context.Context) ([]*plane, error) {
	var list []*plane
	for _, name := range []string{"dragonflow", "OVN"} {
		p, err := r.plane(ctx, name)
		if err == nil {
			err = p.open(r)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, p)
	}
	ours, err := r.ours(ctx, list[oursPlane].rack, list[oursPlane].rack.shape)
	if err != nil {
		return nil, err
	}
	if err := list[oursPlane].controlled(ctx, ours); err != nil {
		return nil, err
	}
	if err := ours.outside(ctx); err != nil {
		return nil, err
	}
	ovn, err := r.ovn(ctx, list[ovnPlane].rack, list[ovnPlane].rack.shape)
	if err != nil {
		return nil, err
	}
	if err := list[ovnPlane].controlled(ctx, ovn); err != nil {
		return nil, err
	}
	return list, ovn.outside(ctx)
}

// open connects the chassis of a plane to a physical network, and a host.
func (p *plane) open(r *run) error {
	p.rack.physical = physicalNetwork
	host, err := lab.NewNamespace(p.name + "-outside")
	if err != nil {
		return err
	}
	r.atEnd(func() { _ = host.Close() }) // it goes with the process
	const device = "ext0"
	if err := p.fabric.Connect(host, device, lab.External); err != nil {
		return err
	}
	p.guests[beyond] = &lab.Guest{Namespace: host}
	return host.AddressOn(device, netip.PrefixFrom(outsideIP, outsideNet.Bits()))
}

// outside writes the external network, the router's gateway there, and a floating IP.
func (c *ourCloud) outside(ctx context.Context) error {
	const n = 1000 // as no other network
	fixed := []model.FixedIP{{SubnetID: uuid(aSubnet, n), IPAddress: gatewayIP}}
	return c.writer.write(ctx, []model.Object{
		&model.Network{
			Meta: meta(aNetwork, n), Name: "outside", AdminStateUp: true, External: true, MTU: 1500,
			Segments: []model.Segment{{ID: uuid(aNetwork, n), NetworkType: model.Flat, PhysicalNetwork: physicalNetwork}},
		},
		&model.Subnet{Meta: meta(aSubnet, n), NetworkID: uuid(aNetwork, n), CIDR: outsideNet, GatewayIP: outsideIP},
		&model.RouterGateway{
			Meta: meta(aRouterPort, n), RouterID: uuid(aRouter, 0), NetworkID: uuid(aNetwork, n), MACAddress: gatewayMAC, FixedIPs: fixed,
			EnableSNAT: true, Chassis: []model.GatewayChassis{{Name: chassisName(gatewayHome), Priority: 1}}, TransitVNI: 0xff0000,
		},
		&model.GatewayDuty{Meta: meta(aRouter, 0), Host: chassisName(gatewayHome)},
		&model.FloatingIP{
			Meta: meta(aPort, n), Host: chassisName(c.rack.home(near)), FloatingIPAddress: floatingIP, NetworkID: uuid(aNetwork, n), MACAddress: floatingMAC,
			RouterID: uuid(aRouter, 0), PortID: uuid(aPort, near), PortNetworkID: uuid(aNetwork, c.shape.networkOf(near)), FixedIPAddress: c.shape.address4(near),
		},
	})
}

// outside writes the same for OVN, as Neutron's driver does.
func (c *ovnCloud) outside(ctx context.Context) error {
	router := []any{[]any{"name", "==", "neutron-router0"}}
	insert := func(name, table string, row map[string]any) ovsdbOp {
		return ovsdbOp{"op": "insert", "table": table, "uuid-name": name, "row": row}
	}
	nat := map[string]map[string]any{"floating": {
		"type": "dnat_and_snat", "external_ip": floatingIP.String(), "logical_ip": c.shape.address4(near).String(),
		"logical_port": uuid(aPort, near), "external_mac": floatingMAC.String(),
	}}
	for n := range c.shape.networks {
		nat[fmt.Sprint("snat", n)] = map[string]any{"type": "snat", "external_ip": gatewayIP.String(), "logical_ip": subnet4(n).Masked().String()}
	}
	var ops []ovsdbOp
	var rules []any
	for _, name := range slices.Sorted(maps.Keys(nat)) {
		ops = append(ops, insert(name, "NAT", nat[name]))
		rules = append(rules, named(name))
	}
	_, err := c.nb.transact(ctx, append(ops,
		insert("wire", "Logical_Switch_Port", map[string]any{
			"name": "provnet", "type": "localnet", "addresses": "unknown", "options": ovsdbMap("network_name", physicalNetwork),
		}),
		insert("peer", "Logical_Switch_Port", map[string]any{
			"name": "gateway", "type": "router", "addresses": "router", "options": ovsdbMap("router-port", "lrp-gateway", "nat-addresses", "router"),
		}),
		insert("outside", "Logical_Switch", map[string]any{"name": "neutron-outside", "ports": ovsdbSet(any(named("wire")), any(named("peer")))}),
		insert("place", "Gateway_Chassis", map[string]any{"name": "gateway-place", "chassis_name": chassisName(gatewayHome), "priority": 1}),
		insert("leg", "Logical_Router_Port", map[string]any{
			"name": "lrp-gateway", "mac": gatewayMAC.String(), "networks": netip.PrefixFrom(gatewayIP, outsideNet.Bits()).String(),
			"gateway_chassis": ovsdbSet(any(named("place"))),
		}),
		ovsdbOp{"op": "mutate", "table": "Logical_Router", "where": router, "mutations": []any{
			[]any{"ports", "insert", ovsdbSet(any(named("leg")))}, []any{"nat", "insert", ovsdbSet(rules...)},
		}})...)
	if err != nil {
		return fmt.Errorf("write OVN's external network: %w", err)
	}
	return c.settle(ctx)
}
