package dhcp

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// hostInterface is the other end of the guest's cable.
const hostInterface = "tap0"

// patience bounds every step of these tests; the machines that run them are shared.
const patience = 30 * time.Second

// wire is a guest, in a network namespace, whose cable ends in our hands: what it sends is answered by
// ReplyV4, ReplyV6 and ReplyRS.
type wire struct {
	t     *testing.T
	guest *lab.Guest
	host  *lab.Namespace // the cable's other end
	ra    *RAConfig
	fd    int

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
	host, err := lab.NewNamespace("host")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, host) })
	mac := guestMAC()
	guest, err := lab.NewGuest(host, lab.Spec{Name: "guest", Port: hostInterface, MAC: mac[:], NoDAD: true, AcceptRA: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closed(t, guest) })
	w := &wire{t: t, host: host, guest: guest}
	w.command(host, "ethtool", "-K", hostInterface, "tx", "off")
	until(t, "link-local address", func() string { return w.run("ip", "-6", "address", "show", "dev", lab.Interface, "scope", "link") },
		func(s string) bool { return strings.Contains(s, "fe80::") && !strings.Contains(s, "tentative") })
	return w
}

func closed(t *testing.T, c io.Closer) {
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// until waits until what the function tells is right.
func until(t *testing.T, what string, look func() string, right func(string) bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
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

// place is where commands run: the guest, or the other end.
type place interface {
	Run(ctx context.Context, argv ...string) (string, error)
	Do(f func() error) error
}

func (w *wire) command(at place, argv ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := at.Run(ctx, argv...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// run runs a command in the guest.
func (w *wire) run(argv ...string) string {
	w.t.Helper()
	return w.command(w.guest, argv...)
}

// open takes the cable's end and answers on it until the end of the test.
func (w *wire) open() {
	w.t.Helper()
	w.fd = w.tap(w.host, hostInterface)
	done, stop := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); w.answer(stop) }()
	w.t.Cleanup(func() { close(stop); <-done })
}

// tap opens a packet socket on an interface of a namespace, until the end of the test.
func (w *wire) tap(at place, device string) int {
	w.t.Helper()
	var fd int
	err := at.Do(func() (err error) {
		fd, err = socket(device)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func socket(device string) (int, error) {
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
	tick := unix.NsecToTimeval(20e6)
	return fd, errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tick),
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
