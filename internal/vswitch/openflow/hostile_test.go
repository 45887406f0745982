package openflow_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// hello is the greeting of a switch that allows the versions of the bitmap.
func hello(bitmap uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{6, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8}, bitmap)
}

// message frames a body.
func message(kind byte, xid uint32, body ...byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{5, kind}, uint16(8+len(body)))
	return append(binary.BigEndian.AppendUint32(b, xid), body...)
}

// peer plays the switch: it greets, reads the greeting, and goes on with play.
func peer(t *testing.T, greeting []byte, play func(net.Conn)) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		if _, err := io.ReadFull(theirs, make([]byte, 16)); err != nil {
			return
		}
		if _, err := theirs.Write(greeting); err != nil {
			return
		}
		play(theirs)
	}()
	t.Cleanup(func() {
		_ = ours.Close()
		_ = theirs.Close()
		<-done
	})
	return ours
}

func open(t *testing.T, play func(net.Conn), opt openflow.Options) *openflow.Conn {
	t.Helper()
	c, err := openflow.Open(deadline(t), peer(t, hello(1<<5), play), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ended waits for the end of a connection and checks why.
func ended(t *testing.T, c *openflow.Conn, want error) {
	t.Helper()
	select {
	case <-c.Done():
		if !errors.Is(c.Err(), want) {
			t.Errorf("connection ended with %v, want %v", c.Err(), want)
		}
	case <-deadline(t).Done():
		t.Fatalf("connection goes on, want it to end with %v", want)
	}
}

func swallow(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func TestGreeting(t *testing.T) {
	silence := func(net.Conn) {}
	for _, c := range []struct {
		name, want string
		greeting   []byte
	}{
		{"1.0 to 1.3", "OpenFlow 1.4", hello(0x1e)},
		{"old without bitmap", "OpenFlow 1.4", []byte{4, 0, 0, 8, 0, 0, 0, 1}},
		{"an error", "breaks the protocol", message(1, 1, 0, 0, 0, 0)},
		{"endless", "breaks the protocol", []byte{5, 0, 0xff, 0xff, 0, 0, 0, 1}},
		{"too short", "breaks the protocol", []byte{5, 0, 0, 7, 0, 0, 0, 1}},
		{"broken element", "OpenFlow 1.4", []byte{6, 0, 0, 12, 0, 0, 0, 1, 0, 1, 0, 0}},
		{"nothing", "EOF", nil},
	} {
		_, err := openflow.Open(deadline(t), peer(t, c.greeting, silence), openflow.Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	// Without bitmap a later version allows 1.4, and unknown elements are skipped.
	for _, greeting := range [][]byte{{6, 0, 0, 8, 0, 0, 0, 1}, {4, 0, 0, 24, 0, 0, 0, 1, 0, 9, 0, 5, 1, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0x20}} {
		c, err := openflow.Open(deadline(t), peer(t, greeting, swallow), openflow.Options{})
		if err != nil {
			t.Errorf("greeting %x: %v", greeting, err)
			continue
		}
		_ = c.Close()
	}
	// A switch that says nothing at all costs no more than the context allows.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	if _, err := openflow.Open(ctx, ours, openflow.Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silent switch: %v", err)
	}
}

func TestGarbageEndsTheConnection(t *testing.T) {
	for name, garbage := range map[string][]byte{
		"text":           []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"short length":   {5, 3, 0, 7, 0, 0, 0, 0},
		"zero length":    {5, 3, 0, 0, 0, 0, 0, 0},
		"other version":  {4, 3, 0, 8, 0, 0, 0, 0},
		"good, then bad": append(message(3, 9), 0, 0, 0, 0, 0, 0, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, func(n net.Conn) {
				_, _ = n.Write(garbage)
				swallow(n)
			}, openflow.Options{})
			ended(t, c, openflow.ErrProtocol)
			if err := c.Barrier(deadline(t)); !errors.Is(err, openflow.ErrProtocol) {
				t.Errorf("Barrier on an ended connection: %v", err)
			}
		})
	}
}

func TestMalformedIsCounted(t *testing.T) {
	pin := message(4, 0, 0, 0, 0x23, 0x20, 0, 0, 0, 30)
	bad := [][]byte{
		message(1, 77), message(1, 77, 1), message(12, 0, 1, 2, 3), message(12, 0, make([]byte, 100)...),
		append(message(4, 0), 0), // fixed below
		message(19, 1), message(19, 1, 0, 1, 0, 0), message(33, 1), message(21, 1), message(4, 0), message(4, 0, 0, 0, 0x23, 0x20),
		message(200, 5), message(11, 5, 1), message(10, 5),
	}
	bad[4] = append(pin[:len(pin):len(pin)], 0, 0, 0, 99)
	binary.BigEndian.PutUint16(bad[4][2:], uint16(len(bad[4])))
	c := open(t, func(n net.Conn) {
		go swallow(n)
		for _, b := range bad {
			_, _ = n.Write(b)
		}
		_, _ = n.Write(message(2, 0, 'h', 'i'))
		swallow(n)
	}, openflow.Options{})
	for c.Stats().Received < uint64(len(bad))+1 {
		select {
		case <-c.Done():
			t.Fatal(c.Err())
		case <-time.After(time.Millisecond):
		}
	}
	if s := c.Stats(); s.StrayErrors != 2 {
		t.Errorf("stats: %+v", s)
	}
}

func TestSilentSwitchIsProbed(t *testing.T) {
	asked := make(chan byte, 10)
	c := open(t, func(n net.Conn) {
		head := make([]byte, 8)
		for {
			if _, err := io.ReadFull(n, head); err != nil {
				return
			}
			asked <- head[1]
			if len(asked) < 3 { // alive for two probes
				_, _ = n.Write(message(3, binary.BigEndian.Uint32(head[4:])))
			}
		}
	}, openflow.Options{ProbeInterval: 20 * time.Millisecond})
	ended(t, c, openflow.ErrSilent)
	if len(asked) != 3 || <-asked != 2 {
		t.Errorf("%d probes, want 3 echo requests", len(asked))
	}
}

func TestHalfAMessageIsSilence(t *testing.T) {
	c := open(t, func(n net.Conn) {
		_, _ = n.Write([]byte{5, 19, 0xff, 0xff, 0, 0, 0, 9, 1, 2, 3})
		swallow(n)
	}, openflow.Options{ProbeInterval: 20 * time.Millisecond})
	ended(t, c, openflow.ErrSilent)
}

func TestSwitchThatReadsNothing(t *testing.T) {
	mods := adds(many(20000))
	release := make(chan struct{})
	defer close(release)
	stop := func(n net.Conn) { <-release }
	c := open(t, stop, openflow.Options{WriteTimeout: 50 * time.Millisecond})
	if err := c.Apply(deadline(t), mods); !errors.Is(err, openflow.ErrStuck) {
		t.Errorf("Apply: %v", err)
	}
	ended(t, c, openflow.ErrStuck)

	c = open(t, stop, openflow.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Apply(ctx, mods); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Apply: %v, want the context's error", err)
	}
	if err := c.PacketOut(ctx, openflow.PacketOut{Data: []byte{1}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("PacketOut: %v, want the context's error", err)
	}
}

func TestEchoFloodByASwitchThatReadsNothing(t *testing.T) {
	c := open(t, func(n net.Conn) {
		flood := message(2, 0, make([]byte, 60000)...)
		for {
			if _, err := n.Write(flood); err != nil {
				return
			}
		}
	}, openflow.Options{})
	ended(t, c, openflow.ErrStuck)
}

// replier answers the first message of a kind.
func replier(kind byte, reply func(xid uint32) []byte, times int) func(net.Conn) {
	return func(n net.Conn) {
		head := make([]byte, 8)
		for {
			if _, err := io.ReadFull(n, head); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, n, int64(binary.BigEndian.Uint16(head[2:]))-8); err != nil {
				return
			}
			if head[1] != kind {
				continue
			}
			go swallow(n)
			for range times {
				if _, err := n.Write(reply(binary.BigEndian.Uint32(head[4:]))); err != nil {
					return
				}
			}
		}
	}
}

func TestEndlessDumpIsBounded(t *testing.T) {
	more := func(xid uint32) []byte {
		return message(19, xid, append([]byte{0, 7, 0, 1, 0, 0, 0, 0}, make([]byte, 0)...)...)
	}
	c := open(t, replier(18, more, 1<<30), openflow.Options{MaxReply: 1 << 20})
	if _, err := c.Groups(deadline(t)); !errors.Is(err, openflow.ErrTooMuch) {
		t.Errorf("endless dump: %v", err)
	}
}

func TestBrokenDumps(t *testing.T) {
	for name, body := range map[string][]byte{
		"other type":         {0, 7, 0, 0, 0, 0, 0, 0},
		"no header":          {0, 1},
		"record of 0 bytes":  {0, 1, 0, 0, 0, 0, 0, 0, 0, 0},
		"one byte":           {0, 1, 0, 0, 0, 0, 0, 0, 0},
		"record cut off":     {0, 1, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0},
		"match beyond it":    append(append([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 56}, make([]byte, 46)...), 0, 1, 0, 100, 0, 0, 0, 0),
		"match of no length": append(append([]byte{0, 1, 0, 0, 0, 0, 0, 0, 0, 56}, make([]byte, 46)...), 0, 1, 0, 0, 0, 0, 0, 0),
	} {
		c := open(t, replier(18, func(xid uint32) []byte { return message(19, xid, body...) }, 1), openflow.Options{})
		n := 0
		for _, err := range c.Flows(deadline(t), openflow.Filter{}) {
			if n++; !errors.Is(err, openflow.ErrProtocol) {
				t.Errorf("%s: %v, want an error of the protocol", name, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d elements, want one with the error", name, n)
		}
	}
}

func TestCloseEndsWhatWaits(t *testing.T) {
	c := open(t, swallow, openflow.Options{})
	waiting := make(chan error, 3)
	go func() { waiting <- c.Barrier(context.Background()) }()
	go func() { waiting <- c.Apply(context.Background(), adds(many(3))) }()
	go func() { _, err := c.Groups(context.Background()); waiting <- err }()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for range 3 {
		if err := <-waiting; !errors.Is(err, openflow.ErrClosed) {
			t.Errorf("what waits when the connection is closed: %v", err)
		}
	}
	if err := c.Close(); err != nil || !errors.Is(c.Err(), openflow.ErrClosed) {
		t.Errorf("closed again: %v, %v", err, c.Err())
	}
}

// TestEchoIsAnswered also while nobody calls anything.
func TestEchoIsAnswered(t *testing.T) {
	got := make(chan []byte, 1)
	open(t, func(n net.Conn) {
		_, _ = n.Write(message(2, 0xabcdef, 'h', 'i'))
		answer := make([]byte, 10)
		if _, err := io.ReadFull(n, answer); err == nil {
			got <- answer
		}
		swallow(n)
	}, openflow.Options{})
	select {
	case answer := <-got:
		if string(answer) != string(message(3, 0xabcdef, 'h', 'i')) {
			t.Errorf("answer: %x", answer)
		}
	case <-deadline(t).Done():
		t.Error("no answer")
	}
}
