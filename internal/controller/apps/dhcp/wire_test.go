package dhcp

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// The ends of the cable.
const guestInterface, serverInterface = "eth0", "s0"

// wire is a guest, in a network namespace, whose cable ends in our hands: what it sends is answered by
// ReplyV4, ReplyV6 and ReplyRS.
type wire struct {
	t      *testing.T
	guest  string // the namespace
	server string // that of the other end
	ra     *RAConfig
	fd     int

	mu      sync.Mutex
	cfg     *Config
	log     []string
	to      []string // where DHCPv4 messages went
	claimed []netip.Addr
}

// newWire makes the guest until the end of the test, and answers it.
func newWire(t *testing.T, cfg *Config, ra *RAConfig) *wire {
	t.Helper()
	w := newCable(t)
	w.cfg, w.ra = cfg, ra
	w.open()
	return w
}

// newCable makes the guest until the end of the test, with nobody at the other end of its cable.
func newCable(t *testing.T) *wire {
	t.Helper()
	if os.Geteuid() != 0 {
		ovs.Missing(t, "network namespaces need root")
	}
	base := filepath.Base(filepath.Dir(t.TempDir())) // unique in the machine's temporary directory
	name := "df" + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, base)
	w := &wire{t: t, guest: name + "g", server: name + "s"}
	for _, n := range []string{w.guest, w.server} {
		command(t, "ip", "netns", "add", n)
		t.Cleanup(func() { command(t, "ip", "netns", "del", n) })
	}
	command(t, "ip", "link", "add", guestInterface, "netns", w.guest, "type", "veth", "peer", "name", serverInterface, "netns", w.server)
	command(t, "ip", "netns", "exec", w.server, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
	w.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf."+guestInterface+".accept_dad=0")
	w.run("ethtool", "-K", guestInterface, "tx", "off")
	command(t, "ip", "netns", "exec", w.server, "ethtool", "-K", serverInterface, "tx", "off")
	command(t, "ip", "-n", w.server, "link", "set", serverInterface, "up")
	w.run("ip", "link", "set", guestInterface, "address", "fa:16:3e:00:00:05")
	w.run("ip", "link", "set", guestInterface, "up")
	until(t, "link-local address", func() string { return w.run("ip", "-6", "address", "show", "dev", guestInterface, "scope", "link") },
		func(s string) bool { return strings.Contains(s, "fe80::") && !strings.Contains(s, "tentative") })
	return w
}

// until waits until what the function tells is right.
func until(t *testing.T, what string, look func() string, right func(string) bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for got := look(); !right(got); got = look() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("no %s; last: %s", what, got)
		}
	}
}

func command(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// run runs a command in the guest.
func (w *wire) run(argv ...string) string {
	w.t.Helper()
	return command(w.t, append([]string{"ip", "netns", "exec", w.guest}, argv...)...)
}

// open takes the cable's end and answers on it until the end of the test.
func (w *wire) open() {
	w.t.Helper()
	w.fd = w.tap(w.server, serverInterface)
	done, stop := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); w.answer(stop) }()
	w.t.Cleanup(func() { close(stop); <-done })
}

// tap opens a packet socket on an interface in a namespace, until the end of the test.
func (w *wire) tap(namespace, device string) int {
	w.t.Helper()
	var fd int
	opened := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		var err error
		fd, err = socket("/var/run/netns/"+namespace, device)
		opened <- err
	}()
	if err := <-opened; err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func socket(namespace, device string) (int, error) {
	ns, err := unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(ns) }()
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		return 0, err
	}
	const allProtocols = 0x0300 // ETH_P_ALL in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, allProtocols)
	if err != nil {
		return 0, err
	}
	ifreq, err := unix.NewIfreq(device)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifreq); err != nil {
		return 0, err
	}
	patience := unix.NsecToTimeval(20e6)
	return fd, errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: allProtocols, Ifindex: int(ifreq.Uint32())}))
}

func (w *wire) answer(stop chan struct{}) {
	buf := make([]byte, 9000)
	for {
		select {
		case <-stop:
			return
		default:
		}
		n, from, err := unix.Recvfrom(w.fd, buf, 0)
		if ll, ok := from.(*unix.SockaddrLinklayer); err != nil || ok && ll.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		if out := w.reply(slices.Clone(buf[:n])); out != nil {
			if _, err := unix.Write(w.fd, out); err != nil && !errors.Is(err, syscall.ENETDOWN) && !errors.Is(err, syscall.ENOBUFS) {
				w.t.Errorf("send: %v", err)
			}
		}
	}
}

// reply does what flows and handlers do on a chassis.
func (w *wire) reply(frame []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, err := packet.ParseEthernet(frame)
	if err != nil {
		return nil
	}
	if a, err := packet.ParseARP(e.Payload); err == nil && e.EtherType == packet.EtherTypeARP {
		return w.arp(a)
	}
	if p, err := packet.ParseIPv4(e.Payload); err == nil && e.EtherType == packet.EtherTypeIPv4 {
		r, err := ReplyV4(w.cfg, frame)
		if err == nil {
			w.to = append(w.to, p.Dst.String())
		}
		return w.note(r, err)
	}
	r, err := ReplyV6(w.cfg, frame)
	if err != nil && w.ra != nil {
		r, err = ReplyRS(w.ra, w.cfg.MAC, frame)
	}
	return w.note(r, err)
}

func (w *wire) note(r Reply, err error) []byte {
	if err != nil {
		return nil
	}
	w.log = append(w.log, strings.TrimSpace(r.Request+" "+r.Answer))
	return r.Frame
}

func (w *wire) arp(a packet.ARP) []byte {
	if a.Operation != packet.ARPRequest || a.TargetIP != w.cfg.V4.ServerID() && !slices.Contains(w.claimed, a.TargetIP) {
		return nil
	}
	b := packet.Ethernet{Dst: a.SenderMAC, Src: w.cfg.ServerMAC, EtherType: packet.EtherTypeARP}.Append(nil)
	return packet.ARP{Operation: packet.ARPReply, SenderMAC: w.cfg.ServerMAC, SenderIP: a.TargetIP, TargetMAC: a.SenderMAC, TargetIP: a.SenderIP}.Append(b)
}

// serve answers with another configuration from now on.
func (w *wire) serve(cfg *Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cfg = cfg
}

// claim answers ARP for an address, as another host would.
func (w *wire) claim(a string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claimed = append(w.claimed, addr(a))
}

func (w *wire) destinations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.to)
}

// exchange returns the messages and answers since the last expect.
func (w *wire) exchange() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.log)
}

// expect compares the messages and answers since the last time with what should be; a repeated one counts
// once, and router solicitations do not.
func (w *wire) expect(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := slices.Compact(slices.DeleteFunc(w.log, func(s string) bool { return s == "RS RA" }))
	if !slices.Equal(got, want) {
		t.Errorf("exchange %q, want %q", got, want)
	}
	w.log = nil
}
