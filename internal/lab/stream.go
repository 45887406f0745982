package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stream is a connection to an Echo on which something is always under way. What is sent must come back, all of it and
// in order.
type stream struct {
	conn net.Conn
	text []byte // what it says, over and over

	sent     int
	received atomic.Int64
	gap      time.Duration // the longest in which nothing came back
}

// lastLook is how often is asked whether the peer has said more, lastWord for how long: on a slow line, or beside a machine
// that stands still, its word comes long after the answer.
const (
	lastLook = 20 * time.Millisecond
	lastWord = 4 * time.Second
)

// A stream sends so much at a time, which fits a segment.
const streamChunk = 512

func newStream(c net.Conn) *stream {
	s := &stream{conn: c, text: make([]byte, 509)} // no factor in common with the length of a chunk
	for i := range s.text {
		s.text[i] = byte(i + i/256)
	}
	return s
}

// run sends a chunk each interval until the context ends, and waits for the rest to come back. It returns what
// was lost.
func (s *stream) run(ctx context.Context, interval time.Duration) (lost losses, err error) {
	back, ended := make(chan error, 1), make(chan struct{})
	go func() {
		back <- s.read()
		close(ended)
	}()
	var failed error
	every(ctx, interval, func() {
		if failed == nil {
			failed = s.write()
		}
	})
	end, ok := s.conn.(interface{ CloseWrite() error })
	if !ok {
		return lost, errors.Join(fmt.Errorf("stream over %T: %w", s.conn, errors.ErrUnsupported), s.conn.Close(), <-back)
	}
	patience := time.Duration(0)
	if s.drained(ended) {
		// Before the end: what the peer says of an end that it got twice comes to a connection that is no more.
		lost, err = lossesAtLast(s.conn)
		patience = trafficPatience
	}
	// The Echo closes the connection when it has sent all of it.
	failed = errors.Join(failed, err, s.conn.SetReadDeadline(time.Now().Add(patience)), end.CloseWrite(), <-back)
	if received := int(s.received.Load()); failed == nil && received != s.sent {
		failed = fmt.Errorf("%d of %d bytes came back", received, s.sent)
	}
	return lost, failed
}

// drained waits until all has come back, and tells whether it has.
func (s *stream) drained(ended <-chan struct{}) bool {
	look := time.NewTicker(lastLook)
	defer look.Stop()
	patience := time.After(trafficPatience)
	for int(s.received.Load()) < s.sent {
		select {
		case <-ended:
			return false
		case <-patience:
			return false
		case <-look.C:
		}
	}
	return true
}

func (s *stream) write() error {
	chunk := make([]byte, streamChunk)
	for i := range chunk {
		chunk[i] = s.text[(s.sent+i)%len(s.text)]
	}
	s.sent += len(chunk)
	if err := s.conn.SetWriteDeadline(time.Now().Add(trafficPatience)); err != nil {
		return err
	}
	_, err := s.conn.Write(chunk)
	return err
}

// read reads until the end.
func (s *stream) read() error {
	buf, last := make([]byte, 4*streamChunk), time.Now()
	for {
		n, err := s.conn.Read(buf)
		before := int(s.received.Load())
		for done := 0; done < n; {
			at := (before + done) % len(s.text)
			part := min(n-done, len(s.text)-at)
			if !bytes.Equal(buf[done:done+part], s.text[at:at+part]) {
				return fmt.Errorf("something else came back after %d bytes", before)
			}
			done += part
		}
		s.received.Add(int64(n))
		if n > 0 {
			s.gap, last = max(s.gap, time.Since(last)), time.Now()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", before+n, err)
		}
	}
}

// losses are what a connection's kernel knows of segments: those that it sent again, those of which the peer said that it
// had them already (RFC 2883), and those that came behind a hole.
type losses struct{ again, had, holes int }

// count is how many were lost. Beside a machine that stands still for a moment much is sent again at once and without need,
// and not every word about it comes: a tenth of such words may be missing (1 of 14 was seen). Pings go the same way.
func (l losses) count() int {
	lost := max(0, l.again-l.had)
	if 10*lost <= l.had {
		lost = 0
	}
	return lost + l.holes
}

func (l losses) String() string {
	return fmt.Sprintf("%d segments were lost (%d sent again, of which the peer had %d; %d came behind a hole)", l.count(), l.again, l.had, l.holes)
}

// lossesOf asks a connection. One of another stack tells how many it sent again in vain.
func lossesOf(c net.Conn) (losses, error) {
	if own, ok := c.(interface{ Lost() (int, error) }); ok {
		lost, err := own.Lost()
		return losses{again: lost}, err
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return losses{}, fmt.Errorf("a %T does not tell what was lost on it", c)
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return losses{}, err
	}
	var info *unix.TCPInfo
	var got error
	err = raw.Control(func(fd uintptr) { info, got = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err = errors.Join(err, got); err != nil {
		return losses{}, fmt.Errorf("TCP_INFO: %w", err)
	}
	return losses{int(info.Total_retrans), int(info.Dsack_dups), int(info.Rcv_ooopack)}, nil
}

// lossesAtLast are lossesOf an open connection, when the peer has had time to say what it got twice: that word is under way
// behind the answer.
func lossesAtLast(c net.Conn) (lost losses, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), lastWord)
	defer cancel()
	for {
		if lost, err = lossesOf(c); lost.count() == 0 || err != nil {
			return lost, err
		}
		select {
		case <-ctx.Done():
			return lost, nil
		case <-time.After(lastLook):
		}
	}
}
