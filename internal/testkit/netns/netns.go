// Package netns gives a test a switch with real packets and guests that are
// network namespaces: package lab, which fails the test by itself and cleans
// up at its end.
package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// Lab is a hypervisor of its own: an Open vSwitch with the userspace datapath,
// in a namespace where nothing else is.
type Lab struct {
	*ovs.Switch
	// Host is the namespace that ovs-vswitchd runs in.
	Host *lab.Namespace

	t      testing.TB
	guests int
}

// Start makes a Lab until the end of the test. Without root the test is
// skipped, under CI=true it fails.
func Start(t testing.TB, opts ...ovs.Option) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		ovs.Missing(t, "network namespaces need root")
	}
	host, err := lab.NewNamespace("host")
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, host.Close)
	return &Lab{Switch: ovs.Start(t, append(opts, ovs.Userspace(), ovs.InNetns(host.Path()))...), Host: host, t: t}
}

func closeAtEnd(t testing.TB, closer func() error) {
	t.Cleanup(func() {
		if err := closer(); err != nil {
			t.Error(err)
		}
	})
}

// Need ends the test if a program is not installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			ovs.Missing(t, err.Error())
		}
	}
}

// Guest is a lab.Guest that belongs to a test.
type Guest struct {
	*lab.Guest
	t testing.TB
}

// Guest makes a guest and plugs it into the bridge with external_ids given as
// "key=value"; attached-mac is the guest's. Port and MAC are chosen where the
// spec has none.
func (l *Lab) Guest(bridge string, spec lab.Spec, externalIDs ...string) *Guest {
	l.t.Helper()
	l.guests++
	if spec.Port == "" {
		spec.Port = fmt.Sprintf("tap%d", l.guests)
	}
	if spec.MAC == nil {
		spec.MAC = net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 0, byte(l.guests)}
	}
	g, err := lab.NewGuest(l.Host, spec)
	if err != nil {
		l.t.Fatal(err)
	}
	closeAtEnd(l.t, g.Close)
	l.AddPort(bridge, spec.Port, append([]string{fmt.Sprintf("attached-mac=%q", spec.MAC)}, externalIDs...)...)
	return &Guest{Guest: g, t: l.t}
}

func deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), ovs.Deadline)
}

// Address gives the guest addresses in CIDR notation.
func (g *Guest) Address(prefixes ...string) *Guest {
	g.t.Helper()
	for _, p := range prefixes {
		if err := g.AddAddress(netip.MustParsePrefix(p)); err != nil {
			g.t.Fatal(err)
		}
	}
	return g
}

// Run runs a program in the guest and returns what it wrote.
func (g *Guest) Run(argv ...string) string {
	g.t.Helper()
	ctx, cancel := deadline()
	defer cancel()
	out, err := g.Guest.Run(ctx, argv...)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// Ping sends echo requests and returns how many were answered.
func (g *Guest) Ping(to string, count int) lab.PingStats {
	g.t.Helper()
	ctx, cancel := deadline()
	defer cancel()
	stats, err := g.Guest.Ping(ctx, netip.MustParseAddr(to), count)
	if err != nil {
		g.t.Fatal(err)
	}
	return stats
}

// Reaches waits until one echo request is answered.
func (g *Guest) Reaches(to string) {
	g.t.Helper()
	ctx, cancel := deadline()
	defer cancel()
	for {
		stats, err := g.Guest.Ping(ctx, netip.MustParseAddr(to), 1)
		if err == nil && stats.Lost() == 0 {
			return
		}
		if ctx.Err() != nil {
			g.t.Fatalf("%s does not reach %s: %v, %v", g.Name(), to, stats, err)
		}
	}
}

// Echo serves TCP on the port, of IPv4 and IPv6, until the end of the test.
func (g *Guest) Echo(port int) {
	g.t.Helper()
	ctx, cancel := deadline()
	defer cancel()
	e, err := g.ServeEcho(ctx, fmt.Sprintf("[::]:%d", port))
	if err != nil {
		g.t.Fatal(err)
	}
	closeAtEnd(g.t, e.Close)
}

// Connect opens a TCP connection to an Echo and checks that it works. Exchange
// says later whether it still does.
func (g *Guest) Connect(to string, port int) net.Conn {
	g.t.Helper()
	ctx, cancel := deadline()
	defer cancel()
	c, err := g.Guest.Connect(ctx, netip.AddrPortFrom(netip.MustParseAddr(to), uint16(port)))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close() }) // the test may have closed it
	return c
}

// Refuses checks that no TCP connection comes about within the patience.
func (g *Guest) Refuses(to string, port int, patience time.Duration) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := g.Guest.Connect(ctx, netip.AddrPortFrom(netip.MustParseAddr(to), uint16(port)))
	if err == nil {
		g.t.Errorf("%s has a connection to %s port %d: %v", g.Name(), to, port, errors.Join(c.Close()))
	}
}

// DHCP starts a client and returns when it has configured the guest.
func (g *Guest) DHCP(kind lab.Client) *lab.DHCP {
	g.t.Helper()
	ctx, cancel := deadline()
	defer cancel()
	d, err := g.Guest.DHCP(ctx, kind)
	if err != nil {
		g.t.Fatal(err)
	}
	return d
}

// Lease returns what a client was told last.
func (g *Guest) Lease(d *lab.DHCP) lab.Lease {
	g.t.Helper()
	l, err := d.Lease()
	if err != nil {
		g.t.Fatal(err)
	}
	return l
}

// LinkLocal waits for the guest's IPv6 link-local address.
func (g *Guest) LinkLocal() netip.Addr {
	g.t.Helper()
	ctx, cancel := deadline()
	defer cancel()
	a, err := g.Guest.LinkLocal(ctx)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}
