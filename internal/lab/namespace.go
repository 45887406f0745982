package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Namespace is a network namespace of our own, with the loopback interface up.
// Its methods are safe for concurrent use.
type Namespace struct {
	name   string
	handle netns.NsHandle

	mu        sync.Mutex
	processes map[*Process]bool
}

// NewNamespace makes a network namespace. The name is for errors only.
func NewNamespace(name string) (*Namespace, error) {
	n := &Namespace{name: name, processes: map[*Process]bool{}}
	err := onThread(func() error {
		h, err := netns.New()
		n.handle = h
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", name, err)
	}
	err = n.links(func(h *netlink.Handle) error {
		lo, err := h.LinkByName("lo")
		if err != nil {
			return err
		}
		return h.LinkSetUp(lo)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("network namespace %s: %w", name, err), n.Close())
	}
	return n, nil
}

// Host is the network namespace that this process is in, for programs that people reach over loopback.
func Host() (*Namespace, error) {
	h, err := netns.Get()
	if err != nil {
		return nil, fmt.Errorf("network namespace of the host: %w", err)
	}
	return &Namespace{name: "host", handle: h, processes: map[*Process]bool{}}, nil
}

// Name is what the namespace was called when it was made.
func (n *Namespace) Name() string { return n.name }

// Path is a file that stands for the namespace as long as this process lives,
// in the form that nsenter(1) and private.Config take.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(n.handle)) }

// Close kills the processes that were started in the namespace and lets go of
// it. It and its interfaces are gone when nobody else holds on to it either.
func (n *Namespace) Close() error {
	n.mu.Lock()
	running := n.processes
	n.processes = nil // none can be started any more
	n.mu.Unlock()
	for p := range running {
		p.Kill()
	}
	if err := n.handle.Close(); err != nil {
		return fmt.Errorf("close network namespace %s: %w", n.name, err)
	}
	return nil
}

// Do calls f on a thread that is in the namespace. Sockets that f makes, and
// processes that it starts, stay there; f must not leave goroutines behind
// that count on it.
func (n *Namespace) Do(f func() error) error {
	err := onThread(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", n.name, err)
		}
		return f()
	})
	return err
}

// onThread calls f on a thread of its own, which may change its network
// namespace. The thread goes back where it was, or, if that fails, away.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			was, err := netns.Get()
			if err != nil {
				return err
			}
			defer func() { _ = was.Close() }() // only read
			err = f()
			if netns.Set(was) == nil {
				runtime.UnlockOSThread()
			}
			return err
		}()
	}()
	return <-done
}

// links calls f with a handle on the interfaces, addresses and routes of the namespace.
func (n *Namespace) links(f func(*netlink.Handle) error) error {
	h, err := netlink.NewHandleAt(n.handle)
	if err != nil {
		return fmt.Errorf("netlink in %s: %w", n.name, err)
	}
	defer h.Close()
	return f(h)
}

// Sysctl sets a key below net, such as "net.ipv6.conf.eth0.accept_dad". An
// interface's name in it must have no dot.
func (n *Namespace) Sysctl(key, value string) error {
	path := filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/"))
	err := n.Do(func() error { return os.WriteFile(path, []byte(value), 0) })
	if err != nil {
		return fmt.Errorf("sysctl %s=%s in %s: %w", key, value, n.name, err)
	}
	return nil
}

// Listen listens for connections from inside the namespace. The listener and
// its connections may be used anywhere.
func (n *Namespace) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var l net.Listener
	err := n.Do(func() (err error) {
		l, err = new(net.ListenConfig).Listen(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen in %s: %w", n.name, err)
	}
	return l, nil
}

// ListenPacket opens a socket for datagrams in the namespace.
func (n *Namespace) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	var c net.PacketConn
	err := n.Do(func() (err error) {
		c, err = new(net.ListenConfig).ListenPacket(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen in %s: %w", n.name, err)
	}
	return c, nil
}

// Dial connects from inside the namespace to an address and port in digits.
func (n *Namespace) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var c net.Conn
	err := n.Do(func() (err error) {
		// An address in digits is dialled on the calling thread.
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial from %s: %w", n.name, err)
	}
	return c, nil
}
