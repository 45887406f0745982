package openflow

import (
	"context"
	"net"
	"sync"
	"time"
)

const (
	outboxSoft = 256 << 10 // callers wait above it
	outboxHard = 1 << 20   // replies to the switch's probes end the connection above it
	writeChunk = 64 << 10  // bytes that are encoded before the writer is woken
)

// outbox collects what is to be sent. The writer takes all of it at once, so that small messages travel together.
type outbox struct {
	mu   sync.Mutex
	buf  []byte
	room chan struct{} // closed when the writer has taken the buffer; nil if nobody waits
	wake chan struct{} // has one element when there is something to send
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1)} }

// send appends messages, after waiting for room.
func (o *outbox) send(ctx context.Context, done <-chan struct{}, add func(b []byte) []byte) error {
	for {
		o.mu.Lock()
		if len(o.buf) < outboxSoft {
			o.buf = add(o.buf)
			o.mu.Unlock()
			o.signal()
			return nil
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-done:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// push appends without waiting and reports false if far too much is waiting to be sent.
func (o *outbox) push(add func(b []byte) []byte) bool {
	o.mu.Lock()
	ok := len(o.buf) < outboxHard
	if ok {
		o.buf = add(o.buf)
	}
	o.mu.Unlock()
	o.signal()
	return ok
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take exchanges the buffer for an empty one.
func (o *outbox) take(empty []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.buf
	o.buf = empty[:0]
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
	return b
}

// write sends until done is closed or the switch does not read within patience.
func (o *outbox) write(conn net.Conn, done <-chan struct{}, patience time.Duration) error {
	spare := make([]byte, 0, writeChunk)
	for {
		select {
		case <-done:
			return ErrClosed
		case <-o.wake:
		}
		b := o.take(spare)
		if len(b) > 0 {
			if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
				return err
			}
			if _, err := conn.Write(b); err != nil {
				return writeError(err)
			}
		}
		spare = b
		if cap(spare) > 2*outboxSoft {
			spare = make([]byte, 0, writeChunk)
		}
	}
}
