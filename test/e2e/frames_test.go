package e2e

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dragonflow/dragonflow/internal/lab"
)

// wire is a guest's interface, for frames that no honest kernel would send, and to see what arrives.
type wire struct {
	fd int

	mu   sync.Mutex
	seen [][]byte
	end  chan struct{} // closed when the reader has ended; nil if there is none
}

// wire opens the guest's interface until the end of the test. With listen, what arrives is kept.
func (g *guest) wire(listen bool) *wire {
	g.c.t.Helper()
	w := &wire{}
	if err := g.Do(func() error { return w.open(listen) }); err != nil {
		g.c.t.Fatalf("open the wire of %s: %v", g.Name(), err)
	}
	g.c.t.Cleanup(w.close)
	if listen {
		w.end = make(chan struct{})
		go w.read()
	}
	return w
}

func (w *wire) open(listen bool) error {
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
	const wait = 100 * 1000 // µs; the reader looks that often whether it shall end
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: wait}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: link}),
	)
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	return nil
}

func interfaceIndex(fd int) (int, error) {
	request, err := unix.NewIfreq(lab.Interface)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request)
	}
	if err != nil {
		return 0, fmt.Errorf("index of %s: %w", lab.Interface, err)
	}
	return int(request.Uint32()), nil
}

func (w *wire) send(frame []byte) error {
	_, err := unix.Write(w.fd, frame)
	return err
}

// flood sends frames by turns, as fast as the wire takes them, and returns how many it took.
func (w *wire) flood(d time.Duration, frames [][]byte) (sent int) {
	for deadline := time.Now().Add(d); time.Now().Before(deadline); {
		for _, f := range frames {
			if w.send(f) == nil { // a full queue is the wire's limit
				sent++
			}
		}
	}
	return sent
}

func (w *wire) read() {
	defer close(w.end)
	w.mu.Lock()
	fd := w.fd
	w.mu.Unlock()
	buf := make([]byte, 4096)
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

func (w *wire) close() {
	w.mu.Lock()
	fd := w.fd
	w.fd = -1
	w.mu.Unlock()
	if w.end != nil {
		<-w.end
	}
	_ = unix.Close(fd) // nothing is lost with it
}

// arrived says whether a frame has come that satisfies the condition.
func (w *wire) arrived(condition func([]byte) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.seen {
		if condition(f) {
			return true
		}
	}
	return false
}

// cpu is how much processor time a process has used.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may have spaces
	fields := strings.Fields(after)
	const user, system, perSecond = 11, 12, 100 // proc(5), from the state on; USER_HZ
	ticks := 0
	for _, i := range []int{user, system} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / perSecond
}
