package openflow

import (
	"bytes"
	"context"
	"slices"
)

// maxFaults bounds the errors of one exchange that are kept; the rest is counted.
const maxFaults = 1000

// replyCost is about what it costs to keep a reply beside its bytes.
const replyCost = 64

// exchange is a conversation that this side began: a range of transaction ids and what the switch said about them. Its
// fields from faults on are guarded by the connection's mutex.
type exchange struct {
	first, n uint32
	wake     chan struct{} // has one element when something came

	faults   []fault
	unkept   int // faults beyond maxFaults
	replies  []reply
	size     int // bytes of all replies so far
	overflow bool
}

// fault is an error about one message of an exchange.
type fault struct {
	index uint32 // xid - first
	err   *Error
}

type reply struct {
	index uint32
	msg   []byte
}

// begin reserves n transaction ids. Finish must follow.
func (c *Conn) begin(n int) *exchange {
	last := c.xid.Add(uint32(n))
	e := &exchange{first: last - uint32(n) + 2, n: uint32(n), wake: make(chan struct{}, 1)} // 1 was the greeting
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchanges = append(c.exchanges, e)
	return e
}

func (c *Conn) finish(e *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchanges = slices.DeleteFunc(c.exchanges, func(x *exchange) bool { return x == e })
}

// find returns the exchange of a transaction id. The mutex must be held.
func (c *Conn) find(xid uint32) *exchange {
	for _, e := range c.exchanges {
		if xid-e.first < e.n {
			return e
		}
	}
	return nil
}

// fault notes an error from the switch.
func (c *Conn) fault(xid uint32, err *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.find(xid)
	if e == nil {
		c.count.strays.Add(1)
		c.stray.Store(err)
		return
	}
	if len(e.faults) < maxFaults {
		e.faults = append(e.faults, fault{xid - e.first, err})
	} else {
		e.unkept++
	}
	e.notify()
}

// answer notes a reply.
func (c *Conn) answer(xid uint32, msg []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.find(xid)
	if e == nil || e.overflow {
		return
	}
	if e.size += len(msg) + replyCost; e.size > c.opt.MaxReply {
		e.overflow, e.replies = true, nil
	} else {
		e.replies = append(e.replies, reply{xid - e.first, bytes.Clone(msg)})
	}
	e.notify()
}

func (e *exchange) notify() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// news waits for something to come and takes the replies.
func (c *Conn) news(ctx context.Context, e *exchange) ([]reply, error) {
	select {
	case <-e.wake:
	case <-c.done:
		return nil, c.ended()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.overflow {
		return nil, ErrTooMuch
	}
	replies := e.replies
	e.replies = nil
	return replies, nil
}

// faulty returns the errors so far and how many more there were.
func (c *Conn) faulty(e *exchange) ([]fault, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(e.faults), e.unkept
}

// await waits for the reply, or an error, to message index.
func (c *Conn) await(ctx context.Context, e *exchange, index uint32) error {
	for {
		replies, err := c.news(ctx, e)
		if err != nil {
			return err
		}
		for _, r := range replies {
			if r.index == index {
				return nil
			}
		}
		faults, _ := c.faulty(e)
		for _, f := range faults {
			if f.index == index {
				return f.err
			}
		}
	}
}
