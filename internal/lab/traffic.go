package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// resent is what the kernel waits before it sends a SYN again: what takes as long has been lost.
	resent = time.Second
	// trafficPatience is for one thing to get through at last: the machines that run this are shared.
	trafficPatience = 30 * time.Second
	// lastAnswers is how long answers may take that are under way at the end.
	lastAnswers = 5 * time.Second
)

// Pace is how often Traffic does what it does.
type Pace struct {
	Ping, Stream, Connect time.Duration
}

// Usual is the pace of tests that ask whether something is lost: a ping every 20 ms, a chunk of the stream every 40 ms, a
// new connection every 100 ms, for each address. Of each device a switch in user space keeps less than 300 packets when the
// machine stands still, so that traffic of twice the pace is lost by a stall that this one survives.
func Usual() Pace {
	return Pace{Ping: 20 * time.Millisecond, Stream: 40 * time.Millisecond, Connect: 100 * time.Millisecond}
}

// Traffic is what goes on between machines while something is done to the network between them: pings, a stream of TCP,
// and new connections. All of it is counted. Its methods must be called by one goroutine at a time.
type Traffic struct {
	pace Pace
	stop []context.CancelFunc
	work sync.WaitGroup

	mu          sync.Mutex
	pings       int
	bytes       int
	connections int
	lost        []string // pings, and connections that did not come about
	broken      []string // streams
	late        []string // came, but had to be sent again
	gap         time.Duration
}

// NewTraffic is none at first.
func NewTraffic(p Pace) *Traffic { return &Traffic{pace: p} }

// Start adds traffic to an Echo. It returns when its stream is connected, which is tried until the context ends.
func (t *Traffic) Start(ctx context.Context, from Sockets, to netip.AddrPort) error {
	open, err := dialUntil(ctx, from, to)
	if err != nil {
		return fmt.Errorf("traffic to %s: %w", to, err)
	}
	running, err := t.pinging(ctx, from, to.Addr())
	if err != nil {
		return errors.Join(err, open.Close())
	}
	t.work.Go(func() { t.stream(running, open) })
	t.work.Go(func() { t.connect(running, from, to) })
	return nil
}

// StartPings adds pings alone, to an address that another machine may take over.
func (t *Traffic) StartPings(ctx context.Context, from Sockets, to netip.Addr) error {
	_, err := t.pinging(ctx, from, to)
	return err
}

// pinging pings until the traffic ends, and with it the context that it returns.
func (t *Traffic) pinging(ctx context.Context, from Sockets, to netip.Addr) (context.Context, error) {
	p, err := NewPinger(ctx, from, to)
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.Background())
	t.stop = append(t.stop, cancel)
	t.work.Go(func() { t.ping(running, p) })
	return running, nil
}

// dialUntil opens a connection to an Echo, when that is possible.
func dialUntil(ctx context.Context, from Sockets, to netip.AddrPort) (c net.Conn, err error) {
	var last error
	err = poll(ctx, func() (bool, error) {
		limited, cancel := context.WithTimeout(ctx, resent)
		defer cancel()
		c, last = from.Dial(limited, "tcp", to.String())
		return last == nil, nil
	})
	return c, errors.Join(err, last)
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
	return fmt.Sprintf("%d pings, %d KiB in streams, %d connections: %d lost, %d broken, %d late, longest gap %d ms",
		t.pings, t.bytes>>10, t.connections, len(t.lost), len(t.broken), len(t.late), t.gap.Milliseconds())
}

// Lost returns an error if anything of ended traffic was lost, or had to be sent again.
func (t *Traffic) Lost() error {
	wrong := append(append([]string{}, t.lost...), t.broken...)
	// A ping is not sent again. Where all were answered, and none for a while, the machine stood still.
	if stalled := t.gap >= resent/2; !stalled {
		wrong = append(wrong, t.late...)
	}
	return first(wrong)
}

// LostAtLast is like Lost, but all may have come as late as it likes.
func (t *Traffic) LostAtLast() error {
	return first(append(append([]string{}, t.lost...), t.broken...))
}

// Interrupted returns an error if a stream of ended traffic broke, or pings were unanswered for longer.
func (t *Traffic) Interrupted(most time.Duration) error {
	if err := first(t.broken); err != nil {
		return err
	}
	if t.gap > most {
		return fmt.Errorf("no ping was answered for %v", t.gap.Round(time.Millisecond))
	}
	return nil
}

// Gap is the longest time in which no ping of ended traffic was answered.
func (t *Traffic) Gap() time.Duration { return t.gap }

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

// ping sends until the context ends, and waits for the last answers.
func (t *Traffic) ping(ctx context.Context, p *Pinger) {
	began := time.Now()
	every(ctx, t.pace.Ping, func() {
		if err := p.Send(); err != nil {
			t.note(&t.lost, "%v", err)
		}
	})
	for _, at := range p.Close() {
		t.note(&t.lost, "ping %s sent after %v, at %s, has no answer", p.to, at.Sub(began).Round(time.Millisecond), clock(at))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pings += p.Sent()
	t.gap = max(t.gap, p.Gap())
}

func clock(at time.Time) string { return at.Format("15:04:05.000") }

// stream keeps an open connection busy.
func (t *Traffic) stream(ctx context.Context, c net.Conn) {
	s, to := newStream(c), c.RemoteAddr()
	lost, err := s.run(ctx, t.pace.Stream)
	switch {
	case err != nil:
		t.note(&t.broken, "stream to %s: %v", to, err)
	case lost.count() > 0:
		t.note(&t.late, "of the stream to %s %v, and nothing came back for %v", to, lost, s.gap.Round(time.Millisecond))
	case s.gap >= resent:
		t.note(&t.late, "nothing of the stream to %s came back for %v", to, s.gap.Round(time.Millisecond))
	}
	_ = c.Close() // it has said what it had to
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes += int(s.received.Load())
}

// connect opens new connections, each of which must come about with the first packets.
func (t *Traffic) connect(ctx context.Context, from Sockets, to netip.AddrPort) {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	every(ctx, t.pace.Connect, func() {
		attempts.Go(func() { t.attempt(from, to) })
	})
}

func (t *Traffic) attempt(from Sockets, to netip.AddrPort) {
	limited, cancel := context.WithTimeout(context.Background(), trafficPatience)
	defer cancel()
	began, lost := time.Now(), losses{}
	c, err := from.Dial(limited, "tcp", to.String())
	var took time.Duration
	if err == nil {
		err = Exchange(c, trafficPatience)
		took = time.Since(began)
		if err == nil {
			lost, err = lossesAtLast(c)
		}
		_ = c.Close() // it has said what it had to
	}
	switch {
	case err != nil:
		t.note(&t.lost, "new connection to %s at %s: %v", to, clock(began), err)
	case lost.count() > 0: // what only took long was on a slow machine
		t.note(&t.late, "new connection to %s at %s took %v, %v", to, clock(began), took.Round(time.Millisecond), lost)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connections++
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
