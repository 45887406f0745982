package lab_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// TestHypervisor builds what a demonstration builds, without the help of a
// test's fixtures: a switch in a namespace, guests, their interfaces plugged as
// Nova does it.
func TestHypervisor(t *testing.T) {
	t.Parallel()
	bin, err := private.Find()
	if err != nil {
		ovs.Missing(t, err.Error())
	}
	if os.Geteuid() != 0 {
		ovs.Missing(t, "network namespaces need root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), ovs.Deadline)
	defer cancel()
	host, err := lab.NewNamespace("hv1")
	must(t, err)
	t.Cleanup(func() { must(t, host.Close()) })
	dir, err := os.MkdirTemp("/tmp", "df-lab")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	s, err := private.New(ctx, private.Config{Dir: dir, Datapath: private.Userspace, Binaries: bin, Netns: host.Path()})
	must(t, err)
	must(t, s.Start(ctx))
	t.Cleanup(s.Stop)
	must(t, s.AddBridge(ctx, "br-int"))
	if _, err := s.Ofctl(ctx, "add-flow", "br-int", "actions=NORMAL"); err != nil {
		t.Fatal(err)
	}
	var guests []*lab.Guest
	for i := range 2 {
		spec := lab.Spec{Name: fmt.Sprintf("vm%d", i), Port: fmt.Sprintf("tap%d", i), MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}}
		g, err := lab.NewGuest(host, spec)
		must(t, err)
		t.Cleanup(func() { must(t, g.Close()) })
		must(t, g.AddAddress(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)))
		must(t, s.Plug(ctx, "br-int", spec.Port, map[string]string{"iface-id": spec.Name, "attached-mac": spec.MAC.String()}))
		guests = append(guests, g)
	}
	if stats, err := guests[0].Ping(ctx, netip.MustParseAddr("10.0.0.2"), 3); err != nil || stats.Received == 0 {
		t.Errorf("%v, %v", stats, err)
	}
	got, err := s.Vsctl(ctx, "get", "interface", "tap1", "external_ids")
	if err != nil || strings.TrimSpace(got) != `{attached-mac="02:00:00:00:00:01", iface-id=vm1}` {
		t.Errorf("external_ids %s, %v", got, err)
	}
	if err := s.Plug(ctx, "br-int", "tap9", nil); err == nil || !strings.Contains(err.Error(), "tap9") {
		t.Errorf("a device that is not there: %v", err)
	}
	linkGoesDown(t, s, guests[1])
}

// linkGoesDown sees in the database that the guest's interface went down.
func linkGoesDown(t *testing.T, s *private.Switch, g *lab.Guest) {
	t.Helper()
	must(t, g.SetLink(false))
	ctx, cancel := context.WithTimeout(t.Context(), ovs.Deadline)
	defer cancel()
	if _, err := s.Vsctl(ctx, "--timeout=20", "wait-until", "interface", g.Spec().Port, "link_state=down"); err != nil {
		t.Error(err)
	}
	must(t, g.SetLink(true))
	if err := g.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("10.0.0.254")); err != nil {
		t.Error(err)
	}
	if out, err := g.Run(ctx, "ip", "route"); err != nil || !strings.Contains(out, "default via 10.0.0.254 dev eth0") {
		t.Errorf("routes %q, %v", out, err)
	}
}

// TestDatagrams sends one between two sockets of a namespace.
func TestDatagrams(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		ovs.Missing(t, "network namespaces need root")
	}
	n, err := lab.NewNamespace("n")
	must(t, err)
	t.Cleanup(func() { must(t, n.Close()) })
	c, err := n.ListenPacket(t.Context(), "udp", "127.0.0.1:5000")
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	d, err := n.Dial(t.Context(), "udp", "127.0.0.1:5000")
	must(t, err)
	t.Cleanup(func() { _ = d.Close() })
	if _, err := d.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	must(t, c.SetReadDeadline(time.Now().Add(ovs.Deadline)))
	b := make([]byte, 100)
	if k, _, err := c.ReadFrom(b); err != nil || string(b[:k]) != "hello" {
		t.Errorf("%q, %v", b[:k], err)
	}
	if _, err := n.Dial(t.Context(), "tcp", "127.0.0.1:5001"); err == nil || !strings.Contains(err.Error(), "dial from n") {
		t.Errorf("connection to nobody: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
