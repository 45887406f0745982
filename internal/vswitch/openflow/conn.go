package openflow

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a connection. The zero value suits one that changes flows and receives nothing by itself.
type Options struct {
	// ProbeInterval is how long the switch may be silent before it is asked whether it is there; after another such
	// interval without a byte the connection ends. 0: 15 s, because a switch that commits a large bundle is silent.
	ProbeInterval time.Duration
	// WriteTimeout is how long the switch may read nothing while there is something to send. 0: 60 s.
	WriteTimeout time.Duration
	// MaxReply bounds the bytes of the reply to one request, such as a dump. 0: 256 MiB, more than a million flows.
	MaxReply int
	// PacketIns is the length of the queue of packet-ins and port changes; what does not fit is dropped and counted. 0: the connection
	// asks the switch for none.
	PacketIns int
	// ControllerID is what a Controller action names; only that connection gets its packet-ins.
	ControllerID uint16
}

func (o Options) withDefaults() Options {
	if o.ProbeInterval == 0 {
		o.ProbeInterval = 15 * time.Second
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = time.Minute
	}
	if o.MaxReply == 0 {
		o.MaxReply = 256 << 20
	}
	return o
}

// Stats counts what a connection met.
type Stats struct {
	Received, Sent   uint64 // messages; Sent counts flow, group and meter changes and packet-outs only
	PacketIns        uint64 // delivered
	DroppedPacketIns uint64 // queue full
	DroppedEvents    uint64 // port changes, queue full
	StrayErrors      uint64 // errors about no request that waits: packet-outs, above all
	Malformed        uint64 // messages that could not be understood
}

type counters struct {
	received, sent, packetIns, droppedPins, droppedEvents, strays, malformed atomic.Uint64
}

// Conn is a connection to a switch. Its methods may be called from several goroutines at once.
type Conn struct {
	conn net.Conn
	opt  Options
	out  *outbox
	xid  atomic.Uint32

	done    chan struct{} // closed by fail
	once    sync.Once
	err     error // why; valid after done is closed
	closing error // what closing the socket said
	ends    sync.WaitGroup

	mu        sync.Mutex
	exchanges []*exchange

	pins  chan PacketIn
	ports chan PortChange
	stray atomic.Pointer[Error]
	count counters
}

// Dial connects to a bridge's management socket, such as /run/openvswitch/br-int.mgmt. The context bounds
// the connecting and the greeting only; end the connection with Close.
func Dial(ctx context.Context, path string, opt Options) (*Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("connect to the switch at %s: %w", path, err)
	}
	return Open(ctx, conn, opt)
}

// Open greets the switch at the other end of conn, which it owns from then on, also if it returns an error.
func Open(ctx context.Context, conn net.Conn, opt Options) (*Conn, error) {
	c := &Conn{conn: conn, opt: opt.withDefaults(), out: newOutbox(), done: make(chan struct{})}
	if opt.PacketIns > 0 {
		c.pins = make(chan PacketIn, opt.PacketIns)
		c.ports = make(chan PortChange, opt.PacketIns)
	}
	if err := greet(ctx, conn); err != nil {
		return nil, errors.Join(fmt.Errorf("greet the switch: %w", err), conn.Close())
	}
	c.ends.Go(func() { c.fail(c.out.write(c.conn, c.done, c.opt.WriteTimeout)) })
	c.ends.Go(func() { c.fail(c.read()) })
	if opt.PacketIns > 0 {
		if err := c.subscribe(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("ask the switch for packet-ins: %w", err), c.Close())
		}
	}
	return c, nil
}

// Close ends the connection and returns when its goroutines have ended. What waits fails with ErrClosed.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	c.ends.Wait()
	return c.closing
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection has ended, nil while it has not.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Stats returns the counters.
func (c *Conn) Stats() Stats {
	return Stats{
		Received: c.count.received.Load(), Sent: c.count.sent.Load(), PacketIns: c.count.packetIns.Load(),
		DroppedPacketIns: c.count.droppedPins.Load(), DroppedEvents: c.count.droppedEvents.Load(),
		StrayErrors: c.count.strays.Load(), Malformed: c.count.malformed.Load(),
	}
}

// LastStray returns the last error that the switch sent about no request that waits, nil if there was none.
func (c *Conn) LastStray() error {
	if e := c.stray.Load(); e != nil {
		return e
	}
	return nil
}

// fail ends the connection; the first reason counts.
func (c *Conn) fail(err error) {
	c.once.Do(func() {
		c.err = err
		c.closing = c.conn.Close()
		close(c.done)
	})
}

// ended wraps the reason why the connection has ended.
func (c *Conn) ended() error { return fmt.Errorf("connection to the switch ended: %w", c.err) }

func writeError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ErrStuck
	}
	return err
}

// send queues messages, waiting for room.
func (c *Conn) send(ctx context.Context, add func(b []byte) []byte) error {
	err := c.out.send(ctx, c.done, add)
	if errors.Is(err, ErrClosed) {
		return c.ended()
	}
	return err
}
