package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Wire is a guest's interface without its kernel: for frames that no honest kernel would send, and to see what arrives.
type Wire struct {
	fd int

	mu   sync.Mutex
	seen [][]byte
	end  chan struct{} // closed when the reader has ended; nil if there is none
}

// Wire opens the guest's interface. With listen, what arrives is kept until Close.
func (g *Guest) Wire(listen bool) (*Wire, error) {
	w := &Wire{}
	if err := g.Do(func() error { return w.open(listen) }); err != nil {
		return nil, fmt.Errorf("open the wire of %s: %w", g.Name(), err)
	}
	if listen {
		w.end = make(chan struct{})
		go w.read()
	}
	return w, nil
}

func (w *Wire) open(listen bool) error {
	protocol := uint16(0) // nothing arrives
	if listen {
		protocol = binary.BigEndian.Uint16([]byte{unix.ETH_P_ALL & 0xff, unix.ETH_P_ALL >> 8})
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	w.fd = fd
	link, err := interfaceIndex(fd)
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	const (
		wait   = 20 * 1000 // µs; the reader looks that often whether it shall end
		buffer = 8 << 20
	)
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: wait}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: link}),
	)
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	return nil
}

func interfaceIndex(fd int) (int, error) {
	request, err := unix.NewIfreq(Interface)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request)
	}
	if err != nil {
		return 0, fmt.Errorf("index of %s: %w", Interface, err)
	}
	return int(request.Uint32()), nil
}

// Send sends a frame as it is.
func (w *Wire) Send(frame []byte) error {
	_, err := unix.Write(w.fd, frame)
	return err
}

// Flood sends frames by turns for some time, at most so many in a second or, with 0, as fast as the wire takes them, and
// returns how many it took. What the time does not suffice for is not made up for later.
func (w *Wire) Flood(d time.Duration, perSecond int, frames [][]byte) (sent int) {
	if perSecond == 0 {
		for began, n := time.Now(), 0; time.Since(began) < d; {
			for range burst {
				sent, n = sent+w.took(frames[n%len(frames)]), n+1
			}
		}
		return sent
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began, n, due := time.Now(), 0, 0.0
	for last := began; last.Sub(began) < d; {
		<-tick.C
		now := time.Now()
		due = min(due+now.Sub(last).Seconds()*float64(perSecond), float64(perSecond)/mostBehind)
		last = now
		for ; due >= 1; due-- {
			sent, n = sent+w.took(frames[n%len(frames)]), n+1
		}
	}
	return sent
}

const (
	// burst is how many frames go between looks at the clock.
	burst = 32
	// mostBehind is the part of a second for which a flood may be behind.
	mostBehind = 10
)

// took sends a frame, and is 1 if the wire took it: a full queue is its limit.
func (w *Wire) took(frame []byte) int {
	if w.Send(frame) != nil {
		return 0
	}
	return 1
}

func (w *Wire) read() {
	defer close(w.end)
	w.mu.Lock()
	fd := w.fd
	w.mu.Unlock()
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(fd, buf)
		if err == unix.EAGAIN || err == unix.EINTR {
			n, err = 0, nil
		}
		w.mu.Lock()
		if err != nil || w.fd < 0 {
			w.mu.Unlock()
			return
		}
		if n > 0 {
			w.seen = append(w.seen, bytes.Clone(buf[:n]))
		}
		w.mu.Unlock()
	}
}

// Close ends it.
func (w *Wire) Close() error {
	w.mu.Lock()
	fd := w.fd
	w.fd = -1
	w.mu.Unlock()
	if fd < 0 {
		return nil
	}
	if w.end != nil {
		<-w.end
	}
	return unix.Close(fd)
}

// Seen are the frames that have arrived.
func (w *Wire) Seen() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([][]byte(nil), w.seen...)
}
