package scenario

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
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
)

const (
	trafficPort = 7000
	// resent is what the kernel waits before it sends a SYN again: what takes as long has been lost.
	resent       = time.Second
	pingEvery    = 10 * time.Millisecond
	connectEvery = 50 * time.Millisecond
	// lastAnswers is how long answers may take that are under way at the end.
	lastAnswers = 5 * time.Second
)

// Traffic is what goes on between two machines while something is done to the cloud: a ping every 10 ms and new
// connections every 50 ms of both families, and a connection of each that stays open.
type Traffic struct {
	stop []context.CancelFunc
	work sync.WaitGroup

	mu          sync.Mutex
	pings       int
	connections int
	exchanges   int
	lost        []string // pings, and connections that did not come about
	broken      []string // open connections
	late        []string // came, but as late as what had to be sent again
	gap         time.Duration
}

// start adds traffic to an address.
func (t *Traffic) start(ctx context.Context, from *machine, to netip.Addr) error {
	open, err := from.connect(ctx, netip.AddrPortFrom(to, trafficPort))
	if err != nil {
		return err
	}
	p, err := newPinger(ctx, from, to)
	if err != nil {
		return errors.Join(err, open.Close())
	}
	running, cancel := context.WithCancel(context.Background())
	t.stop = append(t.stop, cancel)
	t.work.Go(func() { t.ping(running, p) })
	t.work.Go(func() { t.talk(running, open) })
	t.work.Go(func() { t.connect(running, from, netip.AddrPortFrom(to, trafficPort)) })
	return nil
}

// End ends the traffic and waits for the last answers. A second call does nothing.
func (t *Traffic) End() {
	for _, stop := range t.stop {
		stop()
	}
	t.work.Wait()
}

// String is what there was.
func (t *Traffic) String() string {
	return fmt.Sprintf("%d pings, %d exchanges, %d connections: %d lost, %d broken, %d late, longest gap %d ms",
		t.pings, t.exchanges, t.connections, len(t.lost), len(t.broken), len(t.late), t.gap.Milliseconds())
}

// check returns an error if anything was lost, or, unless that is allowed, took as long as what had to be sent again.
func (t *Traffic) check(lateAllowed bool) error {
	wrong := append(append([]string{}, t.lost...), t.broken...)
	// A ping is not sent again. Where all were answered, and none for a while, the machine stood still.
	if stalled := t.gap >= resent/2; !lateAllowed && !stalled {
		wrong = append(wrong, t.late...)
	}
	return first(wrong)
}

// checkGap returns an error if an open connection broke, or pings were unanswered for longer.
func (t *Traffic) checkGap(most time.Duration) error {
	if err := first(t.broken); err != nil {
		return err
	}
	if t.gap > most {
		return fmt.Errorf("no ping was answered for %v", t.gap.Round(time.Millisecond))
	}
	return nil
}

// first is an error that has some of what is wrong, or nil.
func first(wrong []string) error {
	const most = 10
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%d times:\n%s", len(wrong), strings.Join(wrong[:min(most, len(wrong))], "\n"))
}

func (t *Traffic) note(to *[]string, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*to = append(*to, fmt.Sprintf(format, args...))
}

// judge notes how an exchange went that began then.
func (t *Traffic) judge(failed *[]string, what, to string, began time.Time, err error) {
	switch took := time.Since(began); {
	case err != nil:
		t.note(failed, "%s to %s: %v", what, to, err)
	case took >= resent:
		t.note(&t.late, "%s to %s took %v", what, to, took)
	}
}

// ping sends until the context ends, and waits for the last answers.
func (t *Traffic) ping(ctx context.Context, p *pinger) {
	began := time.Now()
	every(ctx, pingEvery, func() {
		if err := p.send(); err != nil {
			t.note(&t.lost, "ping %s: %v", p.to, err)
		}
	})
	missing := p.close()
	for _, at := range missing {
		t.note(&t.lost, "ping %s sent after %v has no answer", p.to, at.Sub(began).Round(time.Millisecond))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pings += int(p.sent)
	t.gap = max(t.gap, p.gap)
}

// talk keeps an open connection talking.
func (t *Traffic) talk(ctx context.Context, c net.Conn) {
	every(ctx, connectEvery, func() {
		began := time.Now()
		t.judge(&t.broken, "open connection", c.RemoteAddr().String(), began, lab.Exchange(c, patience))
		t.mu.Lock()
		defer t.mu.Unlock()
		t.exchanges++
	})
	_ = c.Close() // it has said what it had to
}

// connect opens new connections, each of which must come about with the first packets.
func (t *Traffic) connect(ctx context.Context, from *machine, to netip.AddrPort) {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	every(ctx, connectEvery, func() {
		attempts.Go(func() {
			limited, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			began := time.Now()
			c, err := from.Dial(limited, "tcp", to.String())
			if err == nil {
				err = lab.Exchange(c, patience)
				_ = c.Close() // it has said what it had to
			}
			t.judge(&t.lost, "new connection", to.String(), began, err)
			t.mu.Lock()
			defer t.mu.Unlock()
			t.connections++
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
	sent uint32
	open map[uint16]time.Time // without an answer yet
	last time.Time            // when an answer came
	gap  time.Duration        // longest between answers
}

func newPinger(ctx context.Context, from Sockets, to netip.Addr) (*pinger, error) {
	network, address := "ip4:icmp", "0.0.0.0"
	if to.Is6() {
		network, address = "ip6:ipv6-icmp", "::"
	}
	conn, err := from.ListenPacket(ctx, network, address)
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
	seq := uint16(p.sent)
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
			return // closed
		}
		if n < 8 || buf[0] != reply || binary.BigEndian.Uint16(buf[4:]) != p.id {
			continue
		}
		p.mu.Lock()
		now := time.Now()
		if !p.last.IsZero() {
			p.gap = max(p.gap, now.Sub(p.last))
		}
		p.last = now
		delete(p.open, binary.BigEndian.Uint16(buf[6:]))
		p.mu.Unlock()
	}
}

// close waits for answers under way and returns when the requests were sent that have none.
func (p *pinger) close() []time.Time {
	deadline, tick := time.After(lastAnswers), time.NewTicker(5*time.Millisecond)
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
