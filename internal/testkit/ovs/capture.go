package ovs

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

func trim(s string) string { return strings.TrimSpace(s) }

// capture follows one port's pcap file.
type capture struct {
	path    string
	offset  int64
	order   binary.ByteOrder
	frames  [][]byte
	matched []bool // by WaitSent or Forget
}

const (
	pcapHeader = 24
	pcapRecord = 16
	// A record longer than this is a broken file: OVS takes frames up to 64 KiB.
	pcapLongest = 256 << 10
)

func (s *Switch) pcap(port string) string {
	return filepath.Join(s.core.Dir(), "tx-"+port+".pcap")
}

// read takes over what was added to the file since the last time. A record that
// is only half there is left for the next time.
func (c *capture) read() error {
	f, err := os.Open(c.path)
	if err != nil {
		if os.IsNotExist(err) {
			return nil // nothing was sent, or the port is not there yet
		}
		return fmt.Errorf("read capture: %w", err)
	}
	defer func() { _ = f.Close() }() // read-only
	if info, err := f.Stat(); err == nil && info.Size() < c.offset {
		c.offset, c.order = 0, nil // the port was made anew, and the file with it
	}
	b, err := io.ReadAll(io.NewSectionReader(f, c.offset, 1<<40))
	if err != nil {
		return fmt.Errorf("read capture %s: %w", c.path, err)
	}
	rest, err := c.parse(b)
	if err != nil {
		return fmt.Errorf("read capture %s: %w", c.path, err)
	}
	c.offset += int64(len(b) - len(rest))
	return nil
}

// parse appends the whole records of b and returns what remains.
func (c *capture) parse(b []byte) (rest []byte, err error) {
	if c.order == nil {
		if len(b) < pcapHeader {
			return b, nil
		}
		switch {
		case binary.LittleEndian.Uint32(b) == 0xa1b2c3d4:
			c.order = binary.LittleEndian
		case binary.BigEndian.Uint32(b) == 0xa1b2c3d4:
			c.order = binary.BigEndian
		default:
			return b, fmt.Errorf("not a pcap file: magic %x", b[:4])
		}
		b = b[pcapHeader:]
	}
	for len(b) >= pcapRecord {
		n := int(c.order.Uint32(b[8:]))
		if n > pcapLongest {
			return b, fmt.Errorf("pcap record of %d bytes", n)
		}
		if len(b) < pcapRecord+n {
			break
		}
		c.frames = append(c.frames, b[pcapRecord:pcapRecord+n:pcapRecord+n])
		c.matched = append(c.matched, false)
		b = b[pcapRecord+n:]
	}
	return b, nil
}

// look brings the port's capture up to date and shows it to f, alone.
func (s *Switch) look(port string, f func(*capture)) {
	s.t.Helper()
	if !s.cfg.Datapath.Simulated() {
		s.t.Fatal(errNoDummy)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.captures[port]
	if c == nil {
		c = &capture{path: s.pcap(port)}
		s.captures[port] = c
	}
	if err := c.read(); err != nil {
		s.t.Fatal(err)
	}
	f(c)
}

// Sent returns all frames that the switch sent to the dummy port, oldest first,
// except those before the last Forget.
func (s *Switch) Sent(port string) [][]byte {
	s.t.Helper()
	var frames [][]byte
	s.look(port, func(c *capture) { frames = append(frames, c.frames...) })
	return frames
}

// Forget drops what was sent to the port so far: Sent and WaitSent see only
// what comes later.
func (s *Switch) Forget(port string) {
	s.t.Helper()
	s.look(port, func(c *capture) { c.frames, c.matched = nil, nil })
}

// WaitSent returns the first frame sent to the port that satisfies the
// predicate and was not returned by an earlier WaitSent, and waits for it until
// Deadline.
func (s *Switch) WaitSent(port string, predicate func(frame []byte) bool) []byte {
	s.t.Helper()
	deadline := time.NewTimer(Deadline)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		var found []byte
		s.look(port, func(c *capture) { found = c.match(predicate) })
		if found != nil {
			return found
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			s.t.Fatalf("no such frame was sent to %s within %v; sent:\n%s", port, Deadline, packet.Summaries(s.Sent(port)))
		}
	}
}

func (c *capture) match(predicate func([]byte) bool) []byte {
	for i, f := range c.frames {
		if !c.matched[i] && predicate(f) {
			c.matched[i] = true
			return f
		}
	}
	return nil
}
