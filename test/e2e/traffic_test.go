package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

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
	late  []string // came, but as late as what had to be sent again
}

// resent is what the kernel waits before it sends a SYN again: what takes as long has been lost.
const resent = time.Second

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

// check ends the traffic and fails the test if anything of it was lost, or had to be sent again.
func (tr *traffic) check(what string) {
	tr.t.Helper()
	tr.checkDelayed(what)
	if len(tr.late) > 0 {
		tr.t.Errorf("%s: late:\n%s", what, strings.Join(tr.late[:min(20, len(tr.late))], "\n"))
	}
}

// checkDelayed ends the traffic and fails the test if anything of it was lost. It may have come late.
func (tr *traffic) checkDelayed(what string) {
	tr.t.Helper()
	tr.stop()
	tr.work.Wait()
	if len(tr.lost) > 0 {
		tr.t.Errorf("%s: lost:\n%s", what, strings.Join(tr.lost[:min(20, len(tr.lost))], "\n"))
	}
	tr.t.Logf("%s: pings %v, %d new connections, %d lost, %d late", what, tr.pings, tr.conns, len(tr.lost), len(tr.late))
}

func (tr *traffic) note(to *[]string, format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	*to = append(*to, fmt.Sprintf(format, args...))
}

// judge notes how an exchange went that began then.
func (tr *traffic) judge(what string, to net.Addr, began time.Time, err error) {
	switch took := time.Since(began); {
	case err != nil:
		tr.note(&tr.lost, "%s to %s: %v", what, to, err)
	case took >= resent:
		tr.note(&tr.late, "%s to %s took %v", what, to, took)
	}
}

// ping sends until the context ends, and waits for the last answers.
func (tr *traffic) ping(ctx context.Context, p *pinger) {
	began := time.Now()
	every(ctx, 10*time.Millisecond, func() {
		if err := p.send(); err != nil {
			tr.note(&tr.lost, "ping %s: %v", p.to, err)
		}
	})
	missing := p.close()
	for _, at := range missing {
		tr.note(&tr.lost, "ping %s sent after %v has no answer", p.to, at.Sub(began))
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.pings[p.to.String()] = int(p.sent)
}

// talk keeps an open connection talking.
func (tr *traffic) talk(ctx context.Context, c net.Conn) {
	every(ctx, 50*time.Millisecond, func() {
		began := time.Now()
		tr.judge("open connection", c.RemoteAddr(), began, lab.Exchange(c, patience))
	})
}

// connect opens new connections, each of which must come about with the first packets.
func (tr *traffic) connect(ctx context.Context, from *guest, to netip.AddrPort) {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	every(ctx, 50*time.Millisecond, func() {
		attempts.Go(func() {
			limited, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			began := time.Now()
			c, err := from.Namespace.Connect(limited, to)
			tr.judge("new connection", net.TCPAddrFromAddrPort(to), began, err)
			if err == nil {
				_ = c.Close() // it has said what it had to
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
