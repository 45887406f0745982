package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// twin is one of two guests that send from the same port.
type twin struct {
	name string
	conn net.PacketConn
	// seen is as whom its peer saw it.
	seen netip.AddrPort
}

func parseTwins(w *words) action {
	names := []string{w.name(aGuest), w.name(aGuest)}
	port := w.number("a port", 1, 65535)
	to := w.service()
	shared := w.accept("shared")
	return func(ctx context.Context, r *Run) (err error) {
		var both []*twin
		for _, name := range names {
			t, err := r.twin(ctx, name, port)
			if err != nil {
				return err
			}
			both = append(both, t)
			defer func() { err = errors.Join(err, t.conn.Close()) }()
		}
		list, err := r.resolve(r.machines[names[0]], to, false)
		if err != nil {
			return err
		}
		at := netip.AddrPortFrom(list[0], uint16(to.port))
		mirror, err := r.machines[to.guest].ListenPacket(ctx, "udp", at.String())
		if err != nil {
			return err
		}
		done := make(chan struct{})
		go func() { defer close(done); tell(mirror) }()
		defer func() { err = errors.Join(err, mirror.Close()); <-done }()
		for range probes { // in turns, so that each speaks after the other was translated
			for _, t := range both {
				if err := eventually(ctx, func(context.Context) error { return t.ask(at) }); err != nil {
					return fmt.Errorf("%s: %w", t.name, err)
				}
			}
		}
		return distinct(both[0].seen, both[1].seen, shared)
	}
}

func (r *Run) twin(ctx context.Context, name string, port int) (*twin, error) {
	m := r.machines[name]
	address, err := m.address(false)
	if err != nil {
		return nil, err
	}
	conn, err := m.ListenPacket(ctx, "udp", netip.AddrPortFrom(address, uint16(port)).String())
	return &twin{name: name, conn: conn}, err
}

// ask has the peer say as whom it sees the twin, which hears it with its own name, and nothing with another.
func (t *twin) ask(peer netip.AddrPort) error {
	if _, err := t.conn.WriteTo([]byte(t.name), net.UDPAddrFromAddrPort(peer)); err != nil {
		return err
	}
	if err := t.conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	buf := make([]byte, 256)
	n, _, err := t.conn.ReadFrom(buf)
	if err != nil {
		return err
	}
	var name, seen string
	if _, err := fmt.Sscan(string(buf[:n]), &name, &seen); err != nil {
		return err
	}
	if name != t.name {
		return fmt.Errorf("it hears what is for %s", name)
	}
	now, err := netip.ParseAddrPort(seen)
	if err == nil && t.seen.IsValid() && now != t.seen {
		err = fmt.Errorf("it was seen as %s, and then as %s", t.seen, now)
	}
	t.seen = now
	return err
}

// tell answers each datagram with its content and as whom its sender is seen, until the socket is closed.
func tell(conn net.PacketConn) {
	buf := make([]byte, 256)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(fmt.Appendf(nil, "%s %s", buf[:n], from), from) // the peer sees how it went
	}
}

func distinct(a, b netip.AddrPort, shared bool) error {
	switch {
	case a == b:
		return fmt.Errorf("both are seen as %s", a)
	case (a.Addr() == b.Addr()) != shared:
		return fmt.Errorf("they are seen as %s and %s", a, b)
	}
	return nil
}
