package metadata

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/dragonflow/dragonflow/internal/controller/view"
)

const (
	// nic is the stack's only interface.
	nic = 1
	// mtu is that of the packets which the stack sends and asks for: the least that any link has (RFC 8200 section 5),
	// since Open vSwitch gives the device that of whatever ports the bridge has.
	mtu = 1280
	// queue is how many packets may wait to be sent; what is more is lost, as on a full wire.
	queue = 1024
	// window is how much of a connection may be on its way to us: no request is larger than maxBody.
	window = 64 << 10
)

// The times and numbers by which a connection that its guest does not end well ends all the same.
const (
	timeWait = time.Second
	linger   = 5 * time.Second
	retries  = 5
	maxRTO   = 4 * time.Second
)

// netstack is the network stack of the service, and the listener for its connections.
type netstack struct {
	stack   *stack.Stack
	link    *channel.Endpoint
	clients *Directory
	places  *share
	metrics *Metrics
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
}

// device carries IP packets between the switch and the stack.
type device interface {
	// Receive fills b with a packet of one family and returns its length.
	Receive(v6 bool, b []byte) (int, error)
	// Send sends a packet.
	Send(v6 bool, packet []byte) error
	// Close ends both.
	Close() error
}

func newNetstack(clients *Directory, metrics *Metrics) (*netstack, error) {
	n := &netstack{
		clients: clients, metrics: metrics, places: newShare(guestConnections, allConnections),
		conns: make(chan net.Conn), done: make(chan struct{}), link: channel.New(queue, mtu, ""),
		stack: stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		}),
	}
	// Packets of guests on the same host may come with checksums that nobody has computed yet; nothing lies between.
	n.link.LinkEPCapabilities = stack.CapabilityRXChecksumOffload
	var errs []error
	check := func(what string, err tcpip.Error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("network stack: %s: %s", what, err))
		}
	}
	check("interface", n.stack.CreateNIC(nic, n.link))
	for protocol, a := range map[tcpip.NetworkProtocolNumber]netip.Addr{ipv4.ProtocolNumber: view.MetadataIPv4, ipv6.ProtocolNumber: view.MetadataIPv6} {
		address := tcpip.AddrFromSlice(a.AsSlice()).WithPrefix()
		check("address", n.stack.AddProtocolAddress(nic, tcpip.ProtocolAddress{Protocol: protocol, AddressWithPrefix: address}, stack.AddressProperties{}))
	}
	n.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	wait, close, again := tcpip.TCPTimeWaitTimeoutOption(timeWait), tcpip.TCPLingerTimeoutOption(linger), tcpip.TCPMaxRetriesOption(retries)
	rto := tcpip.TCPMaxRTOOption(maxRTO)
	moderate := tcpip.TCPModerateReceiveBufferOption(false)
	for _, option := range []tcpip.SettableTransportProtocolOption{&wait, &close, &again, &rto, &moderate} {
		check("TCP", n.stack.SetTransportProtocolOption(tcp.ProtocolNumber, option))
	}
	n.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(n.stack, window, allConnections, n.begin).HandlePacket)
	return n, errors.Join(errs...)
}

// begin makes a connection of a guest's first packet, or refuses it at once.
func (n *netstack) begin(r *tcp.ForwarderRequest) {
	id := r.ID()
	source, _ := netip.AddrFromSlice(id.RemoteAddress.AsSlice())
	c, known := n.clients.Lookup(source)
	switch {
	case !known || id.LocalPort != view.MetadataTCPPort:
		n.metrics.refuse("unknown")
		r.Complete(true)
		return
	case !n.places.try(c.Port):
		n.metrics.refuse("connections")
		r.Complete(true)
		return
	}
	n.metrics.connected(1)
	var events waiter.Queue
	end, err := r.CreateEndpoint(&events)
	r.Complete(err != nil)
	if err != nil {
		n.left(c.Port)
		return
	}
	conn := &conn{Conn: gonet.NewTCPConn(&events, end), leave: func() { n.left(c.Port) }}
	select {
	case n.conns <- conn:
	case <-n.done:
		_ = conn.Close() // the stack goes, too
	}
}

func (n *netstack) left(port string) {
	n.metrics.connected(-1)
	n.places.leave(port)
}

// conn is a connection that gives its guest's place back.
type conn struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}

// Accept implements net.Listener.
func (n *netstack) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.done:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (n *netstack) Addr() net.Addr {
	return &net.TCPAddr{IP: view.MetadataIPv4.AsSlice(), Port: view.MetadataTCPPort}
}

// Close ends the listener and, the first time, the stack.
func (n *netstack) Close() error {
	n.once.Do(func() {
		close(n.done)
		n.stack.Destroy()
	})
	return nil
}

// errGone says that the device is not there any more.
var errGone = errors.New("the device has gone")

// connect carries packets between the device and the stack until the device fails or ctx ends. It closes the device.
func (n *netstack) connect(ctx context.Context, d device) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() {
		<-ctx.Done()
		_ = d.Close() // who reads it or writes to it hears of that
	})
	for _, v6 := range []bool{false, true} {
		work.Go(func() { cancel(n.receive(d, v6)) })
	}
	work.Go(func() { cancel(n.transmit(ctx, d)) })
	<-ctx.Done()
	return context.Cause(ctx)
}

// maxPacket is the largest IP packet: a guest may leave it to its host to cut a request into segments.
const maxPacket = 1<<16 - 1

func (n *netstack) receive(d device, v6 bool) error {
	protocol := ipv4.ProtocolNumber
	if v6 {
		protocol = ipv6.ProtocolNumber
	}
	b := make([]byte, maxPacket)
	for {
		size, err := d.Receive(v6, b)
		if err != nil {
			return err
		}
		p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b[:size])})
		n.link.InjectInbound(protocol, p)
		p.DecRef()
	}
}

func (n *netstack) transmit(ctx context.Context, d device) error {
	for {
		p := n.link.ReadContext(ctx)
		if p == nil {
			return ctx.Err()
		}
		packet := p.ToView()
		err := d.Send(p.NetworkProtocolNumber == ipv6.ProtocolNumber, packet.AsSlice())
		packet.Release()
		p.DecRef()
		if err != nil {
			return err
		}
	}
}
