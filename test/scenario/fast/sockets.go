package fast

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/waiter"
)

func full(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{Addr: tcpip.AddrFromSlice(a.Addr().AsSlice()), Port: a.Port()}
}

// Dial connects from the machine.
func (g *guest) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	remote := full(to)
	if network == "udp" {
		conn, err := gonet.DialUDP(g.stack, nil, &remote, protocolOf(to.Addr()))
		if err != nil {
			return nil, err
		}
		return &datagrams{Conn: conn}, nil
	}
	conn, err := gonet.DialContextTCP(ctx, g.stack, remote, protocolOf(to.Addr()))
	if err != nil {
		return nil, err
	}
	return &connection{TCPConn: conn, syns: g.syns, port: uint16(conn.LocalAddr().(*net.TCPAddr).Port)}, nil
}

// Listen listens for TCP connections of both families.
func (g *guest) Listen(_ context.Context, _, address string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	return gonet.ListenTCP(g.stack, tcpip.FullAddress{Port: at.Port()}, ipv6.ProtocolNumber)
}

// ListenPacket opens a socket of UDP, or one for echo requests.
func (g *guest) ListenPacket(_ context.Context, network, address string) (net.PacketConn, error) {
	switch network {
	case "ip4:icmp":
		return newEchoConn(g, icmp.ProtocolNumber4, ipv4.ProtocolNumber)
	case "ip6:ipv6-icmp":
		return newEchoConn(g, icmp.ProtocolNumber6, ipv6.ProtocolNumber)
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	local := full(at)
	return gonet.DialUDP(g.stack, &local, nil, protocolOf(at.Addr()))
}

// echoConn sends echo requests and receives their replies. The stack chooses the identifier on the wire; who uses the
// connection sees its own.
type echoConn struct {
	net.PacketConn
	mu sync.Mutex
	id [2]byte
}

func newEchoConn(g *guest, protocol tcpip.TransportProtocolNumber, network tcpip.NetworkProtocolNumber) (*echoConn, error) {
	var queue waiter.Queue
	ep, err := g.stack.NewEndpoint(protocol, network, &queue)
	if err != nil {
		return nil, fmt.Errorf("echo socket of %s: %s", g.name, err)
	}
	if err := ep.Bind(tcpip.FullAddress{}); err != nil {
		ep.Close()
		return nil, fmt.Errorf("echo socket of %s: %s", g.name, err)
	}
	return &echoConn{PacketConn: gonet.NewUDPConn(&queue, ep)}, nil
}

var errShort = errors.New("shorter than an echo request")

// idAt is where an echo message has its identifier.
const idAt = 4

// WriteTo sends an echo request.
func (c *echoConn) WriteTo(b []byte, to net.Addr) (int, error) {
	ip, ok := to.(*net.IPAddr)
	if !ok || len(b) < header.ICMPv4MinimumSize {
		return 0, errShort
	}
	c.mu.Lock()
	c.id = [2]byte(b[idAt:])
	c.mu.Unlock()
	return c.PacketConn.WriteTo(b, &net.UDPAddr{IP: ip.IP})
}

// ReadFrom receives a reply.
func (c *echoConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(b)
	if n >= header.ICMPv4MinimumSize {
		c.mu.Lock()
		copy(b[idAt:], c.id[:])
		c.mu.Unlock()
	}
	return n, from, err
}

// datagrams is a connection of UDP whose reader hears of ICMP errors while it waits: the stack tells only who asks.
type datagrams struct {
	net.Conn
	deadline time.Time
}

// SetDeadline implements net.Conn.
func (d *datagrams) SetDeadline(t time.Time) error {
	d.deadline = t
	return d.Conn.SetDeadline(t)
}

// Read implements net.Conn.
func (d *datagrams) Read(b []byte) (int, error) {
	const ask = 20 * time.Millisecond
	for {
		next := time.Now().Add(ask)
		last := !d.deadline.IsZero() && next.After(d.deadline)
		if last {
			next = d.deadline
		}
		if err := d.SetReadDeadline(next); err != nil {
			return 0, err
		}
		n, err := d.Conn.Read(b)
		var timeout net.Error
		if last || !errors.As(err, &timeout) || !timeout.Timeout() {
			return n, err
		}
	}
}
