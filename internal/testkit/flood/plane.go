package flood

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// Plane is two hypervisors with guests on one network. The first has the hostile guest, Near and another one; Far is on
// the second.
type Plane struct {
	Name string
	// Hostile floods; Client talks to Near and to Far meanwhile.
	Hostile, Client, Near, Far *Guest
	// Stranger is on the first hypervisor, on another project's network with the same addresses; nil on plain switches.
	Stranger *Guest
	// Sender has the addresses for the frames.
	Sender Sender
	// Cloud is nil on plain switches.
	Cloud *cloud.Cloud

	chassis []*lab.Chassis
	closers []func() error
}

// Guest is one of a Plane, with its addresses.
type Guest struct {
	*lab.Guest
	Port   string // its id; empty on plain switches
	V4, V6 netip.Addr
}

// bits are those of the prefixes of all networks.
func bits(a netip.Addr) int {
	if a.Is4() {
		return 24
	}
	return 64
}

// configure gives a guest its addresses.
func (g *Guest) configure() error {
	var errs []error
	for _, a := range []netip.Addr{g.V4, g.V6} {
		errs = append(errs, g.AddAddress(netip.PrefixFrom(a, bits(a))))
	}
	return errors.Join(errs...)
}

// around fills in what is the same on all planes.
func (p *Plane) around(router net.HardwareAddr) {
	parse := netip.MustParseAddr
	p.Sender = Sender{
		MAC: p.Hostile.Spec().MAC, V4: p.Hostile.V4, V6: p.Hostile.V6, Peer: p.Near.Spec().MAC, Peer4: p.Near.V4, Peer6: p.Near.V6,
		Nobody4: parse("10.0.0.200"), Nobody6: parse("2001:db8::c8"), Router: router, Gateway4: parse("10.0.0.1"), Gateway6: parse("2001:db8::1"),
		Behind4: parse("10.0.1.9"), Behind6: parse("2001:db8:1::9"), Nowhere4: parse("203.0.113.9"), Nowhere6: parse("2001:db8:ffff::9"),
	}
}

// Close ends all of it.
func (p *Plane) Close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	p.closers = nil
	return errors.Join(errs...)
}

func (p *Plane) atEnd(f func() error) { p.closers = append(p.closers, f) }

// NewPlain makes a plane of ordinary switches, joined by one tunnel: they learn MAC addresses and flood what they do not
// know.
func NewPlain(ctx context.Context) (*Plane, error) {
	p := &Plane{Name: "plain switch"}
	if err := p.plain(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("plain switches: %w", err), p.Close())
	}
	return p, nil
}

func (p *Plane) plain(ctx context.Context) error {
	fabric, err := lab.NewFabric()
	if err != nil {
		return err
	}
	p.atEnd(fabric.Close)
	dir, err := os.MkdirTemp("", "df-plain") // short: there are sockets in it
	if err != nil {
		return err
	}
	p.atEnd(func() error { return os.RemoveAll(dir) })
	for n := range byte(2) {
		if err := p.plainChassis(ctx, fabric, dir, n); err != nil {
			return err
		}
	}
	for n, g := range []struct {
		to   **Guest
		name string
		at   int
	}{{&p.Hostile, "hostile", 0}, {&p.Client, "client", 0}, {&p.Near, "near", 0}, {&p.Far, "far", 1}} {
		last := byte(10 + n)
		booted, err := p.chassis[g.at].Boot(ctx, cloud.Bridge, g.name, spec(g.name, net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 0, last}))
		if err != nil {
			return err
		}
		p.atEnd(booted.Close)
		*g.to = &Guest{Guest: booted, V4: netip.AddrFrom4([4]byte{10, 0, 0, last}), V6: netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: last})}
		if err := (*g.to).configure(); err != nil {
			return err
		}
	}
	p.around(net.HardwareAddr{0xfa, 0x16, 0x3e, 0xff, 0, 1}) // nobody's
	return p.reach(ctx)
}

func spec(name string, mac net.HardwareAddr) lab.Spec {
	return lab.Spec{Name: name, Port: "tap-" + name, MAC: mac, MTU: 1400, NoDAD: true}
}

func (p *Plane) plainChassis(ctx context.Context, fabric *lab.Fabric, dir string, n byte) error {
	name := fmt.Sprint("p", n+1)
	if err := os.Mkdir(dir+"/"+name, 0o700); err != nil {
		return err
	}
	underlay := func(n byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, 0, 1 + n}), 24) }
	c, err := lab.NewChassis(ctx, fabric, lab.ChassisSpec{
		Name: name, Dir: dir + "/" + name, Tunnel: underlay(n), Management: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1 + n}), 24),
	})
	if err != nil {
		return err
	}
	p.atEnd(c.Close)
	p.chassis = append(p.chassis, c)
	return c.OVS.AddBridge(ctx, cloud.Bridge, "set-fail-mode", cloud.Bridge, "standalone", "--", "add-port", cloud.Bridge, "tun0",
		"--", "set", "interface", "tun0", "type=geneve", "options:remote_ip="+underlay(1-n).Addr().String(), "options:key=7")
}

// reach waits until the client reaches both.
func (p *Plane) reach(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cloud.Patience)
	defer cancel()
	for _, to := range []*Guest{p.Near, p.Far} {
		if err := errors.Join(p.Client.Reaches(ctx, to.V4), p.Client.Reaches(ctx, to.V6)); err != nil {
			return err
		}
	}
	return nil
}
