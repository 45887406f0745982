package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
)

// hubRouter has one router join many networks, and looks at it from a chassis with one port: by the design
// such a chassis follows all of them, since its port may send to each.
func hubRouter(ctx context.Context, r *run) error {
	networks, ports := 100, 10
	if r.full {
		networks = 500
	}
	k, err := r.rack(ctx, 1, shape{networks: networks})
	if err != nil {
		return err
	}
	url, etcd, err := r.etcd(ctx)
	if err != nil {
		return err
	}
	w, err := r.writer(url)
	if err != nil {
		return err
	}
	if err := w.write(ctx, hub(networks, ports)); err != nil {
		return err
	}
	if err := k.plug(ctx, []int{hubPort(0, 0)}); err != nil {
		return err
	}
	dir, err := r.folder()
	if err != nil {
		return err
	}
	before, err := cpuOf(etcd.pid)
	if err != nil {
		return err
	}
	began := time.Now()
	d, err := r.dragonflow(ctx, "controller", "--db", url, "--chassis", host, "--ovsdb", "unix:"+k.switches[0].OVSDB(),
		"--state-dir", dir, "--tunnel-ip", k.tunnels[0].String())
	if err != nil {
		return err
	}
	last, err := k.quiet(ctx, 3*time.Second)
	if err != nil {
		return err
	}
	return measureHub(ctx, r, k, w, d, etcd, hubRun{networks, ports, before, last.Sub(began)})
}

type hubRun struct {
	networks, ports int
	etcdBefore      time.Duration
	wall            time.Duration
}

// measureHub tells what the start took, and what one port more on another network of the router takes.
func measureHub(ctx context.Context, r *run, k *rack, w *writer, d *daemon, etcd *child, h hubRun) error {
	cpu, err := cpuOf(d.pid)
	if err != nil {
		return err
	}
	their, err := cpuOf(etcd.pid)
	if err != nil {
		return err
	}
	m, err := memoryOf(d.pid)
	if err != nil {
		return err
	}
	flows, err := k.flows(ctx, 0)
	if err != nil {
		return err
	}
	const more = 50
	changes, _ := k.changes()
	for i := range more {
		if err := w.write(ctx, hubMember(i%h.networks, h.ports+i/h.networks, "elsewhere")); err != nil {
			return err
		}
	}
	if _, err := k.quiet(ctx, time.Second); err != nil {
		return err
	}
	after, err := cpuOf(d.pid)
	if err != nil {
		return err
	}
	now, _ := k.changes()
	t := newTable("one port, on one of the networks of a router", "CPU to start", "etcd's CPU", "wall", "resident", "flows", "a port more: CPU", "flow-mods", "budget")
	t.row(fmt.Sprintf("%d networks with %d ports each", h.networks, h.ports), cpu, their-h.etcdBefore, h.wall, mebibytes(m.resident), flows,
		(after-cpu)/more, float64(now-changes)/more,
		verdict{}.atMost("resident", float64(m.resident)/(1<<20), 100, "MiB").atMost("flow-mods", float64(now-changes)/more, 8, ""))
	r.print(t)
	return nil
}

// hubPort is the number of the i-th port of a network.
func hubPort(network, i int) int { return 0x100000 + network*256 + i }

// hub is the router with its networks and their ports, of which the first is here.
func hub(networks, ports int) []model.Object {
	objects := append([]model.Object{&model.Router{Meta: meta(aRouter, 0), Name: "hub", AdminStateUp: true}}, defaultGroup(0)...)
	for n := range networks {
		objects = append(objects, hubNetwork(n)...)
		for i := range ports {
			where := "elsewhere"
			if n == 0 && i == 0 {
				where = host
			}
			objects = append(objects, hubMember(n, i, where)...)
		}
	}
	return objects
}

func hubPrefix4(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 24)
}

func hubPrefix6(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 6: byte(n >> 8), 7: byte(n)}), 64)
}

// hubNetwork is a network with its interface of the router.
func hubNetwork(n int) []model.Object {
	objects := tunnelled(n)
	for _, o := range objects {
		s, ok := o.(*model.Subnet)
		switch {
		case ok && s.CIDR.Addr().Is4():
			s.CIDR, s.GatewayIP = hubPrefix4(n), hubPrefix4(n).Addr().Next()
		case ok:
			s.CIDR, s.GatewayIP = hubPrefix6(n), hubPrefix6(n).Addr().Next()
		}
	}
	hw := model.MAC{0xfa, 0x16, 0x3f, 0, byte(n >> 8), byte(n)}
	addresses := []model.FixedIP{
		{SubnetID: uuid(aSubnet, 2*n), IPAddress: hubPrefix4(n).Addr().Next()}, {SubnetID: uuid(aSubnet, 2*n+1), IPAddress: hubPrefix6(n).Addr().Next()},
	}
	return append(objects,
		&model.RouterInterface{
			Meta: meta(aRouterPort, n), RouterID: uuid(aRouter, 0), NetworkID: uuid(aNetwork, n), MACAddress: hw, FixedIPs: addresses, AdminStateUp: true,
		},
		&model.Port{
			Meta: meta(aRouterPort, n), NetworkID: uuid(aNetwork, n), MACAddress: hw, FixedIPs: addresses, AdminStateUp: true,
			DeviceID: uuid(aRouter, 0), DeviceOwner: model.RouterInterfaceOwner,
		})
}

// hubMember is the i-th port of a network.
func hubMember(n, i int, where string) []model.Object {
	p, objects := port(hubPort(n, i), n, uuid(aGroup, 0))
	v4, v6 := hubPrefix4(n).Addr().As4(), hubPrefix6(n).Addr().As16()
	v4[3], v6[15] = byte(16+i), byte(16+i)
	p.FixedIPs[0].IPAddress, p.FixedIPs[1].IPAddress = netip.AddrFrom4(v4), netip.AddrFrom16(v6)
	for _, o := range objects {
		if m, ok := o.(*model.SecurityGroupMember); ok {
			m.Addresses = []netip.Prefix{netip.PrefixFrom(p.FixedIPs[0].IPAddress, 32), netip.PrefixFrom(p.FixedIPs[1].IPAddress, 128)}
		}
	}
	return append(objects, bindTo(p, where))
}
