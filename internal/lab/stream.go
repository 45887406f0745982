package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stream is a connection to an Echo on which something is always under way. What is sent must come back, all of it and
// in order.
type stream struct {
	conn net.Conn
	text []byte // what it says, over and over

	sent, received int
	gap            time.Duration // the longest in which nothing came back
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

// run sends a chunk each interval until the context ends, and waits for the rest to come back.
func (s *stream) run(ctx context.Context, interval time.Duration) error {
	back := make(chan error, 1)
	go func() { back <- s.read() }()
	var failed error
	every(ctx, interval, func() {
		if failed == nil {
			failed = s.write()
		}
	})
	// The Echo closes the connection when it has sent all of it.
	end, ok := s.conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.Join(fmt.Errorf("stream over %T: %w", s.conn, errors.ErrUnsupported), s.conn.Close(), <-back)
	}
	failed = errors.Join(failed, s.conn.SetReadDeadline(time.Now().Add(trafficPatience)), end.CloseWrite(), <-back)
	if failed == nil && s.received != s.sent {
		failed = fmt.Errorf("%d of %d bytes came back", s.received, s.sent)
	}
	return failed
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
		for done := 0; done < n; {
			at := (s.received + done) % len(s.text)
			part := min(n-done, len(s.text)-at)
			if !bytes.Equal(buf[done:done+part], s.text[at:at+part]) {
				return fmt.Errorf("something else came back after %d bytes", s.received)
			}
			done += part
		}
		s.received += n
		s.gap, last = max(s.gap, time.Since(last)), time.Now()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d bytes: %w", s.received, err)
		}
	}
}

// lostOn is how many segments were lost on a connection as its kernel knows: those that it sent again without hearing
// that the peer had them already (RFC 2883), and holes in what came. A connection of another stack tells it itself.
func lostOn(c net.Conn) (int, error) {
	if own, ok := c.(interface{ Lost() (int, error) }); ok {
		return own.Lost()
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("a %T does not tell what was lost on it", c)
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0, err
	}
	var info *unix.TCPInfo
	var got error
	err = raw.Control(func(fd uintptr) { info, got = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err = errors.Join(err, got); err != nil {
		return 0, fmt.Errorf("TCP_INFO: %w", err)
	}
	return max(0, int(info.Total_retrans)-int(info.Dsack_dups)) + int(info.Rcv_ooopack), nil
}

// lostAtLast is lostOn of an open connection, when the peer has had time to say what it got twice: that word is under way
// behind the answer.
func lostAtLast(c net.Conn) (lost int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), lastWord)
	defer cancel()
	for {
		if lost, err = lostOn(c); lost == 0 || err != nil {
			return lost, err
		}
		select {
		case <-ctx.Done():
			return lost, nil
		case <-time.After(lastLook):
		}
	}
}
