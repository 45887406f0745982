package netns_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/testkit/netns"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// normal is a lab whose one bridge is a learning switch.
func normal(t *testing.T) *netns.Lab {
	t.Helper()
	l := netns.Start(t)
	l.AddBridge("br-int")
	l.Ofctl("add-flow", "br-int", "actions=NORMAL")
	return l
}

func TestGuestsTalk(t *testing.T) {
	t.Parallel()
	l := normal(t)
	a := l.Guest("br-int", lab.Spec{Name: "a", NoDAD: true}, "iface-id=port-a").Address("10.0.0.1/24", "fd00::1/64")
	b := l.Guest("br-int", lab.Spec{Name: "b", NoDAD: true, MTU: 1400}).Address("10.0.0.2/24", "fd00::2/64")
	if got := l.Vsctl("get", "interface", "tap1", "external_ids"); strings.TrimSpace(got) !=
		`{attached-mac="fa:16:3e:00:00:01", iface-id=port-a}` {
		t.Errorf("external_ids %s", got)
	}
	for _, to := range []string{"10.0.0.2", "fd00::2"} {
		a.Reaches(to)
		if stats := a.Ping(to, 3); stats.Sent != 3 || stats.Lost() != 0 || stats.Avg <= 0 {
			t.Errorf("ping %s: %v", to, stats)
		}
	}
	if stats := a.Ping("10.0.0.77", 1); stats.Received != 0 || stats.Lost() != 1 {
		t.Errorf("ping of nobody: %v", stats)
	}
	b.Echo(80)
	for _, to := range []string{"10.0.0.2", "fd00::2"} {
		c := a.Connect(to, 80)
		if err := lab.Exchange(c, ovs.Deadline); err != nil {
			t.Errorf("connection to %s: %v", to, err)
		}
	}
	a.Refuses("10.0.0.2", 81, time.Second)
	if got := a.Run("cat", "/sys/class/net/eth0/mtu"); got == "" {
		t.Error("no output of a command")
	}
	if got := b.Run("ip", "-o", "link", "show", "eth0"); !strings.Contains(got, "mtu 1400") {
		t.Errorf("mtu: %s", got)
	}
}

// TestCutConnection sees an open connection die when its flows go.
func TestCutConnection(t *testing.T) {
	t.Parallel()
	l := normal(t)
	a := l.Guest("br-int", lab.Spec{Name: "a"}).Address("10.0.0.1/24")
	l.Guest("br-int", lab.Spec{Name: "b"}).Address("10.0.0.2/24").Echo(80)
	ping, err := a.StartPing(netip.MustParseAddr("10.0.0.2"), 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	c := a.Connect("10.0.0.2", 80)
	deadline, tick := time.After(ovs.Deadline), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !ping.Answered() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no ping was answered")
		}
	}
	l.Ofctl("del-flows", "br-int")
	l.ForgetDecisions()
	if err := lab.Exchange(c, 300*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection through a switch without flows: %v", err)
	}
	stats, err := ping.Stop(t.Context())
	if err != nil || stats.Received == 0 || stats.Lost() == 0 {
		t.Errorf("ping before and after: %v, %v", stats, err)
	}
}

// serve runs dnsmasq in a guest of its own.
func serve(t *testing.T, l *netns.Lab, lines ...string) {
	t.Helper()
	netns.Need(t, "dnsmasq")
	g := l.Guest("br-int", lab.Spec{Name: "dnsmasq", NoDAD: true}).Address("10.0.0.254/24", "fd00::254/64")
	conf := "port=0\nno-ping\nlog-dhcp\nno-resolv\nno-hosts\nlog-facility=-\nuser=root\ngroup=root\n" +
		"leasefile-ro\ndhcp-authoritative\n" + strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(g.File("dnsmasq.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	g.LinkLocal()
	p, err := g.Start(nil, "dnsmasq", "--keep-in-foreground", "--pid-file", "--conf-file="+g.File("dnsmasq.conf"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("dnsmasq:\n%s", p.Output())
		}
	})
}

func TestDHCPClients(t *testing.T) {
	t.Parallel()
	netns.Need(t, "dhclient", "udhcpc")
	l := normal(t)
	serve(t, l, "dhcp-range=10.0.0.100,10.0.0.150,255.255.255.0,1h", "dhcp-option=3,10.0.0.254", "dhcp-option=6,10.0.0.53,10.0.0.54",
		"dhcp-option=26,1442", "dhcp-option=121,169.254.169.254/32,10.0.0.253,0.0.0.0/0,10.0.0.254,192.168.7.0/25,0.0.0.0", "domain=example.org")
	for _, kind := range []lab.Client{lab.Dhclient4, lab.Udhcpc} {
		t.Run(kind.String(), func(t *testing.T) {
			g := l.Guest("br-int", lab.Spec{Name: kind.String()})
			d := g.DHCP(kind)
			lease := g.Lease(d)
			if lease.Address.Bits() != 24 || !netip.MustParsePrefix("10.0.0.0/24").Contains(lease.Address.Addr()) || lease.MTU != 1442 ||
				len(lease.DNS) != 2 || lease.Domain != "example.org" || lease.Time() != time.Hour || lease.Server.String() != "10.0.0.254" ||
				len(lease.Routers) != 1 || lease.StaticRoutes == "" {
				t.Errorf("lease %+v", lease)
			}
			checkConfigured(t, g, lease)
			if kind == lab.Udhcpc {
				if renewed, err := d.Renew(t.Context()); err != nil || renewed.Reason != "renew" || renewed.Address != lease.Address {
					t.Errorf("renewed: %+v, %v", renewed, err)
				}
			}
			if err := d.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			if list := v4(t, g); len(list) != 0 {
				t.Errorf("after the release: %v", list)
			}
		})
	}
}

func v4(t *testing.T, g *netns.Guest) []netip.Prefix {
	t.Helper()
	list, err := g.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	var out []netip.Prefix
	for _, a := range list {
		if a.Addr().Is4() {
			out = append(out, a.Prefix)
		}
	}
	return out
}

func checkConfigured(t *testing.T, g *netns.Guest, lease lab.Lease) {
	t.Helper()
	if list := v4(t, g); len(list) != 1 || list[0] != lease.Address {
		t.Errorf("addresses %v, leased %v", list, lease.Address)
	}
	routes := g.Run("ip", "-4", "route")
	for _, want := range []string{"default via 10.0.0.254 ", "169.254.169.254 via 10.0.0.253 ", "192.168.7.0/25 dev eth0 scope link"} {
		if !strings.Contains(routes, want) {
			t.Errorf("no route %q in\n%s", want, routes)
		}
	}
	if got := g.Run("ip", "-o", "link", "show", "eth0"); !strings.Contains(got, "mtu 1442") {
		t.Errorf("mtu: %s", got)
	}
	if got, err := os.ReadFile(g.File("resolv.conf")); err != nil || string(got) != "nameserver 10.0.0.53\nnameserver 10.0.0.54\n" {
		t.Errorf("resolv.conf %q, %v", got, err)
	}
	g.Reaches("10.0.0.254")
}

func TestDHCPv6Clients(t *testing.T) {
	t.Parallel()
	netns.Need(t, "dhclient")
	l := normal(t)
	serve(t, l, "enable-ra", "dhcp-range=fd00::100,fd00::1ff,64,1h", "dhcp-option=option6:dns-server,[fd00::53]", "ra-param=*,mtu:1442,3")
	t.Run("stateful", func(t *testing.T) {
		g := l.Guest("br-int", lab.Spec{Name: "stateful"})
		lease := g.Lease(g.DHCP(lab.Dhclient6))
		if !netip.MustParsePrefix("fd00::/64").Contains(lease.Address.Addr()) || len(lease.DNS) != 1 || lease.Time() != time.Hour {
			t.Errorf("lease %+v", lease)
		}
		ctx, cancel := context.WithTimeout(t.Context(), ovs.Deadline)
		defer cancel()
		if _, err := g.WaitAddress(ctx, func(p netip.Prefix) bool { return p.Addr() == lease.Address.Addr() }); err != nil {
			t.Error(err)
		}
	})
	t.Run("stateless", func(t *testing.T) {
		g := l.Guest("br-int", lab.Spec{Name: "stateless"})
		lease := g.Lease(g.DHCP(lab.Dhclient6Stateless))
		if lease.Address.IsValid() || len(lease.DNS) != 1 || lease.DNS[0] != netip.MustParseAddr("fd00::53") {
			t.Errorf("lease %+v", lease)
		}
	})
	t.Run("router advertisement", func(t *testing.T) {
		g := l.Guest("br-int", lab.Spec{Name: "ra", AcceptRA: true})
		ctx, cancel := context.WithTimeout(t.Context(), ovs.Deadline)
		defer cancel()
		for !strings.Contains(g.Run("ip", "-6", "route"), "default via fe80:") {
			if ctx.Err() != nil {
				t.Fatal("no default route from the advertisement")
			}
		}
	})
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	netns.Need(t, "udhcpc")
	l := normal(t)
	g := l.Guest("br-int", lab.Spec{Name: "alone"})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := g.Guest.DHCP(ctx, lab.Udhcpc); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "udhcpc in alone") {
		t.Errorf("a lease from nobody: %v", err)
	}
}

func TestDuplicateAddressDetection(t *testing.T) {
	t.Parallel()
	l := normal(t)
	l.Guest("br-int", lab.Spec{Name: "first", NoDAD: true}).Address("fd00::1/64")
	second := l.Guest("br-int", lab.Spec{Name: "second"}).Address("fd00::1/64")
	ctx, cancel := context.WithTimeout(t.Context(), ovs.Deadline)
	defer cancel()
	for {
		list, err := second.Addresses()
		if err != nil || ctx.Err() != nil {
			t.Fatalf("no duplicate found: %+v, %v", list, err)
		}
		for _, a := range list {
			if a.Addr() == netip.MustParseAddr("fd00::1") && a.Duplicate {
				return
			}
		}
	}
}

// TestNothingStaysBehind kills a test in the middle of its work, and looks for
// its processes.
func TestNothingStaysBehind(t *testing.T) {
	if dir := os.Getenv("LAB_CRASH_TEST_DIR"); dir != "" {
		l := normal(t)
		g := l.Guest("br-int", lab.Spec{Name: "a"})
		p, err := g.Start(nil, "sleep", "1000")
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintln(p.PID(), l.VswitchdPID(), l.Dir(), filepath.Dir(g.File("x")))
		if err := os.WriteFile(filepath.Join(dir, "left"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	t.Parallel()
	netns.Start(t)
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingStaysBehind$")
	cmd.Env = append(os.Environ(), "LAB_CRASH_TEST_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Fatalf("the inner test was not killed: %s", out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "left"))
	if err != nil {
		t.Fatal(err)
	}
	left := strings.Fields(string(text))
	t.Cleanup(func() { _, _ = os.RemoveAll(left[2]), os.RemoveAll(left[3]) })
	deadline := time.Now().Add(ovs.Deadline)
	for _, pid := range left[:2] {
		if _, err := strconv.Atoi(pid); err != nil {
			t.Fatal(err)
		}
		for {
			stat, err := os.ReadFile("/proc/" + pid + "/stat")
			if errors.Is(err, fs.ErrNotExist) || strings.Contains(string(stat), ") Z ") || errors.Is(err, syscall.ESRCH) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("process %s outlives the test: %s, %v", pid, stat, err)
			}
		}
	}
}
