package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dragonflow/dragonflow/internal/lab"
)

// traffic is what goes on between two guests while something is broken: a ping every 10 ms and new TCP connections
// every 50 ms of both families, and a connection of each that stays open.
type traffic struct {
	t    *testing.T
	stop context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	pings map[string]int
	conns int
	lost  []string
}

const tcpPort = 7000

// traffic starts; it ends by check.
func (c *cloud) traffic(from, to *guest) *traffic {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tr := &traffic{t: c.t, stop: cancel, pings: map[string]int{}}
	to.Echo(tcpPort)
	for _, a := range []netip.Addr{to.v4, to.v6} {
		p, err := newPinger(from.Namespace, a)
		if err != nil {
			c.t.Fatal(err)
		}
		open := from.Connect(a.String(), tcpPort)
		tr.work.Go(func() { tr.ping(ctx, p) })
		tr.work.Go(func() { tr.talk(ctx, open) })
		tr.work.Go(func() { tr.connect(ctx, from, netip.AddrPortFrom(a, tcpPort)) })
	}
	c.t.Cleanup(func() { cancel(); tr.work.Wait() })
	return tr
}

// check ends the traffic and fails the test if anything of it was lost.
func (tr *traffic) check(what string) {
	tr.t.Helper()
	tr.stop()
	tr.work.Wait()
	if len(tr.lost) > 0 {
		tr.t.Errorf("%s: lost %d of pings %v and of %d connections:\n%s", what, len(tr.lost), tr.pings, tr.conns, strings.Join(tr.lost[:min(20, len(tr.lost))], "\n"))
	}
	tr.t.Logf("%s: pings %v, %d new connections, %d lost", what, tr.pings, tr.conns, len(tr.lost))
}

func (tr *traffic) note(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.lost = append(tr.lost, fmt.Sprintf(format, args...))
}

// ping sends until the context ends, and waits for the last answers.
func (tr *traffic) ping(ctx context.Context, p *pinger) {
	began := time.Now()
	every(ctx, 10*time.Millisecond, func() {
		if err := p.send(); err != nil {
			tr.note("ping %s: %v", p.to, err)
		}
	})
	missing := p.close()
	for _, at := range missing {
		tr.note("ping %s sent after %v has no answer", p.to, at.Sub(began))
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.pings[p.to.String()] = int(p.sent)
}

// talk keeps an open connection talking.
func (tr *traffic) talk(ctx context.Context, c net.Conn) {
	every(ctx, 50*time.Millisecond, func() {
		if err := lab.Exchange(c, patience); err != nil {
			tr.note("open connection to %s: %v", c.RemoteAddr(), err)
		}
	})
	if n, err := retransmitted(c); err != nil || n > 0 {
		tr.note("open connection to %s: %d segments sent again, %v", c.RemoteAddr(), n, err)
	}
}

// connect opens new connections, each of which must come about with the first packets.
func (tr *traffic) connect(ctx context.Context, from *guest, to netip.AddrPort) {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	began := time.Now()
	every(ctx, 50*time.Millisecond, func() {
		at := time.Since(began)
		attempts.Go(func() {
			limited, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			c, err := from.Namespace.Connect(limited, to)
			n := 0
			if err == nil {
				n, err = retransmitted(c)
				err = errors.Join(err, c.Close())
			}
			if err != nil || n > 0 {
				tr.note("connection to %s after %v: %d segments sent again, %v", to, at, n, err)
			}
			tr.mu.Lock()
			defer tr.mu.Unlock()
			tr.conns++
		})
	})
}

func every(ctx context.Context, interval time.Duration, f func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f()
		}
	}
}

// retransmitted is how many segments of a connection, its SYN included, had to be sent again.
func retransmitted(c net.Conn) (int, error) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	var info *unix.TCPInfo
	controlErr := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err = errors.Join(controlErr, err); err != nil {
		return 0, err
	}
	return int(info.Total_retrans), nil
}

// pinger sends echo requests and knows which of them were answered.
type pinger struct {
	to     netip.Addr
	conn   net.PacketConn
	id     uint16
	reader chan struct{} // closed when it has ended

	mu   sync.Mutex
	sent uint16
	open map[uint16]time.Time // without an answer yet
}

func newPinger(from *lab.Namespace, to netip.Addr) (*pinger, error) {
	network, address := "ip4:icmp", "0.0.0.0"
	if to.Is6() {
		network, address = "ip6:ipv6-icmp", "::"
	}
	conn, err := from.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	p := &pinger{to: to, conn: conn, id: uint16(rand.Uint32()), reader: make(chan struct{}), open: map[uint16]time.Time{}}
	go p.read()
	return p, nil
}

// kinds are the types of request and reply.
func (p *pinger) kinds() (request, reply byte) {
	if p.to.Is6() {
		return 128, 129
	}
	return 8, 0
}

func (p *pinger) send() error {
	p.mu.Lock()
	p.sent++
	seq := p.sent
	p.open[seq] = time.Now()
	p.mu.Unlock()
	m := make([]byte, 8)
	m[0], _ = p.kinds()
	binary.BigEndian.PutUint16(m[4:], p.id)
	binary.BigEndian.PutUint16(m[6:], seq)
	if !p.to.Is6() { // of ICMPv6 the kernel makes it
		sum := uint32(m[0])<<8 + uint32(p.id) + uint32(seq)
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		binary.BigEndian.PutUint16(m[2:], ^uint16(sum))
	}
	_, err := p.conn.WriteTo(m, &net.IPAddr{IP: p.to.AsSlice()})
	return err
}

func (p *pinger) read() {
	defer close(p.reader)
	buf := make([]byte, 2000)
	_, reply := p.kinds()
	for {
		n, _, err := p.conn.ReadFrom(buf)
		if err != nil {
			return // closed, or patience is over
		}
		if n < 8 || buf[0] != reply || binary.BigEndian.Uint16(buf[4:]) != p.id {
			continue
		}
		p.mu.Lock()
		delete(p.open, binary.BigEndian.Uint16(buf[6:]))
		p.mu.Unlock()
	}
}

// close waits for answers under way and returns when the requests were sent that have none.
func (p *pinger) close() []time.Time {
	deadline, tick := time.After(5*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for waiting := true; waiting; {
		p.mu.Lock()
		waiting = len(p.open) > 0
		p.mu.Unlock()
		select {
		case <-deadline:
			waiting = false
		case <-tick.C:
		}
	}
	_ = p.conn.Close() // ends the reader
	<-p.reader
	var missing []time.Time
	for _, at := range p.open {
		missing = append(missing, at)
	}
	return missing
}
