package ovsdb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// A message may be as large as a database of some 100,000 interfaces, and no larger.
	maxMessage = 128 << 20
	// An echo is answered with what it said; ovsdb-server says nothing.
	maxEcho = 4 << 10
	// Messages that wait to be written. Who finds the queue full waits, until its deadline.
	writeQueue = 64
	// Notifications that wait to be worked off; then the peer waits.
	notifyQueue = 64
)

// message is JSON-RPC 1.0 as RFC 7047 section 4 uses it: request, notification
// or reply.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method *string         `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

type request struct {
	Method string `json:"method"`
	Params any    `json:"params"`
	ID     uint64 `json:"id"`
}

type echoReply struct {
	Result json.RawMessage `json:"result"`
	Error  any             `json:"error"`
	ID     json.RawMessage `json:"id"`
}

// conn is one connection: a goroutine that reads and one that writes. It ends
// once, with a reason, and then both end and all calls fail.
type conn struct {
	nc       net.Conn
	writes   chan []byte
	notify   chan message // update notifications, in order
	lastRead atomic.Int64 // time of the last byte, Unix nanoseconds

	dead chan struct{} // closed when the connection ended
	once sync.Once
	err  error // why; valid after dead

	running sync.WaitGroup

	mu      sync.Mutex // never held while anything waits
	nextID  uint64
	pending map[uint64]chan message
}

// errLost is what calls fail with when the connection ends before the reply.
var errLost = errors.New("connection lost")

func newConn(nc net.Conn, writeTimeout time.Duration) *conn {
	c := &conn{
		nc: nc, writes: make(chan []byte, writeQueue), notify: make(chan message, notifyQueue),
		dead: make(chan struct{}), pending: map[uint64]chan message{},
	}
	c.lastRead.Store(time.Now().UnixNano())
	c.running.Go(c.read)
	c.running.Go(func() { c.write(writeTimeout) })
	return c
}

// close ends the connection for the given reason; the first one counts.
func (c *conn) close(reason error) {
	c.once.Do(func() {
		c.err = reason
		close(c.dead)
		_ = c.nc.Close() // there is nothing to lose any more
	})
}

// wait returns when both goroutines are gone.
func (c *conn) wait() { c.running.Wait() }

func (c *conn) idle() time.Duration { return time.Duration(time.Now().UnixNano() - c.lastRead.Load()) }

// bounded lets one message take only so many bytes of the connection.
type bounded struct {
	c    *conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("message of more than %d bytes", maxMessage)
	}
	n, err := b.c.nc.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.c.lastRead.Store(time.Now().UnixNano())
	return n, err
}

func (c *conn) read() {
	in := &bounded{c: c}
	dec := json.NewDecoder(bufio.NewReaderSize(in, 64<<10))
	for {
		in.left = maxMessage
		var m message
		if err := dec.Decode(&m); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("closed by the server")
			}
			c.close(fmt.Errorf("read: %w", err))
			return
		}
		if err := c.dispatch(m); err != nil {
			c.close(err)
			return
		}
	}
}

func (c *conn) dispatch(m message) error {
	switch {
	case m.Method == nil:
		c.reply(m)
		return nil
	case *m.Method == "echo":
		return c.echo(m)
	default:
		select {
		case c.notify <- m:
			return nil
		case <-c.dead:
			return errLost
		}
	}
}

// reply hands a reply to who waits for it. One that nobody waits for any more
// (its deadline has passed) is dropped.
func (c *conn) reply(m message) {
	id, err := strconv.ParseUint(string(m.ID), 10, 64)
	if err != nil {
		return
	}
	c.mu.Lock()
	to := c.pending[id]
	delete(c.pending, id)
	c.mu.Unlock()
	if to != nil {
		to <- m // has room for the one reply
	}
}

func (c *conn) echo(m message) error {
	if len(m.Params)+len(m.ID) > maxEcho {
		return fmt.Errorf("echo request of %d bytes", len(m.Params)+len(m.ID))
	}
	if m.Params == nil {
		m.Params = json.RawMessage("[]")
	}
	if m.ID == nil {
		m.ID = json.RawMessage("null")
	}
	b, err := json.Marshal(echoReply{Result: m.Params, ID: m.ID})
	if err != nil {
		return fmt.Errorf("echo reply: %w", err)
	}
	select {
	case c.writes <- b:
		return nil
	default: // a peer that asks and does not read the answers
		return errors.New("the server does not read")
	}
}

func (c *conn) write(timeout time.Duration) {
	for {
		select {
		case b := <-c.writes:
			if err := c.nc.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
				c.close(fmt.Errorf("write: %w", err))
				return
			}
			if _, err := c.nc.Write(b); err != nil {
				c.close(fmt.Errorf("write: %w", err))
				return
			}
		case <-c.dead:
			return
		}
	}
}

// begin sends a request; the reply comes on the channel. forget must be called
// when nobody waits any more.
func (c *conn) begin(ctx context.Context, method string, params any) (reply <-chan message, forget func(), err error) {
	to := make(chan message, 1)
	c.mu.Lock()
	c.nextID++
	id := c.nextID
	c.pending[id] = to
	c.mu.Unlock()
	forget = func() {
		c.mu.Lock()
		delete(c.pending, id)
		c.mu.Unlock()
	}
	b, err := json.Marshal(request{Method: method, Params: params, ID: id})
	if err == nil {
		select {
		case c.writes <- b:
			return to, forget, nil
		case <-ctx.Done():
			err = context.Cause(ctx)
		case <-c.dead:
			err = errLost
		}
	}
	forget()
	return nil, nil, fmt.Errorf("%s: not sent: %w", method, err)
}

// call sends a request and waits for the reply's result, at most until the
// context ends; the caller sees to it that it does. sent says whether the
// server may have got the request although there is an error.
func (c *conn) call(ctx context.Context, method string, params any) (result json.RawMessage, sent bool, err error) {
	reply, forget, err := c.begin(ctx, method, params)
	if err != nil {
		return nil, false, err
	}
	defer forget()
	select {
	case m := <-reply:
		if len(m.Error) > 0 && string(m.Error) != "null" {
			return nil, true, &rpcError{Method: method, Message: m.Error}
		}
		return m.Result, true, nil
	case <-ctx.Done():
		return nil, true, fmt.Errorf("%s: %w", method, context.Cause(ctx))
	case <-c.dead:
		return nil, true, fmt.Errorf("%s: %w: %w", method, errLost, c.err)
	}
}

// rpcError is a request refused as a whole.
type rpcError struct {
	Method  string
	Message json.RawMessage
}

func (e *rpcError) Error() string {
	return fmt.Sprintf("%s: refused: %s", e.Method, short(e.Message))
}
