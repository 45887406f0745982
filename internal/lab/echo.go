package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Echo is a TCP server in a namespace that sends back what it gets.
type Echo struct {
	l  net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // nil when closed
}

// ServeEcho starts an Echo at the address, such as "[::]:80", which takes
// IPv4, too.
func (n *Namespace) ServeEcho(ctx context.Context, address string) (*Echo, error) {
	l, err := n.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return NewEcho(l), nil
}

// NewEcho starts an Echo that takes over the listener.
func NewEcho(l net.Listener) *Echo {
	e := &Echo{l: l, conns: map[net.Conn]bool{}}
	e.wg.Go(e.accept)
	return e
}

func (e *Echo) accept() {
	for {
		c, err := e.l.Accept()
		if err != nil {
			return // closed
		}
		if !e.keep(c) {
			_ = c.Close()
			return
		}
		e.wg.Go(func() {
			_, _ = io.Copy(c, c) // the peer sees how it went
			e.forget(c)
		})
	}
}

func (e *Echo) keep(c net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conns == nil {
		return false
	}
	e.conns[c] = true
	return true
}

func (e *Echo) forget(c net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
	_ = c.Close() // nothing more to say
}

// Close ends the server and its connections.
func (e *Echo) Close() error {
	err := e.l.Close()
	e.mu.Lock()
	conns := e.conns
	e.conns = nil
	e.mu.Unlock()
	for c := range conns {
		_ = c.Close()
	}
	e.wg.Wait()
	return err
}

// Connect opens a TCP connection from the namespace to an Echo and sends one
// word there and back.
func (n *Namespace) Connect(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	c, err := n.Dial(ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	patience := time.Minute
	if deadline, ok := ctx.Deadline(); ok {
		patience = time.Until(deadline)
	}
	if err := Exchange(c, patience); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Exchange sends a word over a connection to an Echo and waits for it to come
// back: whether an open connection still lives.
func Exchange(c net.Conn, patience time.Duration) error {
	const word = "dragonflow\n"
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("exchange: %w", err)
	}
	if _, err := io.WriteString(c, word); err != nil {
		return fmt.Errorf("exchange: %w", err)
	}
	got := make([]byte, len(word))
	if _, err := io.ReadFull(c, got); err != nil {
		return fmt.Errorf("exchange: %w", err)
	}
	if string(got) != word {
		return fmt.Errorf("exchange: sent %q, got %q", word, got)
	}
	return nil
}
