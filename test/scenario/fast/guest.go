package fast

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/dragonflow/dragonflow/test/scenario"
)

// nic is the machine's only interface.
const nic = 1

// guest is a machine: a network stack, and the wire to the port of a switch.
type guest struct {
	name  string
	mac   net.HardwareAddr
	stack *stack.Stack
	link  *channel.Endpoint
	task  *task
	sent  *sample
	syns  *syns

	// forwards says that it hands on what is for others.
	forwards atomic.Bool

	mu       sync.Mutex
	offers   map[string]*port // by chassis
	at       *port            // connected to it; nil if to none
	taps     map[*tap]bool
	prefixes []netip.Prefix
	routes   []scenario.Route
	legs     []*leg
	vlans    map[uint16]*guest // those of its interface
	// via is the machine of whose interface this one is the VLAN id; nil if it has one of its own.
	via *guest
	id  uint16
}

func newGuest(m scenario.Machine, sent *sample) (*guest, error) {
	const queue, mtu = 1024, 1500
	g := &guest{
		name: m.Name, mac: m.MAC, sent: sent, syns: &syns{sent: map[uint16]syn{}}, offers: map[string]*port{}, taps: map[*tap]bool{},
		link: channel.New(queue, mtu+header.EthernetMinimumSize, tcpip.LinkAddress(m.MAC)),
		stack: stack.New(stack.Options{
			NetworkProtocols: []stack.NetworkProtocolFactory{
				arp.NewProtocol, ipv4.NewProtocol, ipv6.NewProtocolWithOptions(ipv6.Options{AutoGenLinkLocal: true}),
			},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
		}),
	}
	if err := g.stack.CreateNIC(nic, ethernet.New(g.link)); err != nil {
		return nil, fmt.Errorf("machine %s: %s", m.Name, err)
	}
	g.task = begin(g.transmit)
	return g, nil
}

// solicits has the machine configure itself by router advertisements.
func (g *guest) solicits() {
	g.task.also(g.solicit)
}

// transmit gives the switch what the stack sends.
func (g *guest) transmit(ctx context.Context) error {
	for {
		p := g.link.ReadContext(ctx)
		if p == nil {
			return ctx.Err()
		}
		frame := p.ToView()
		p.DecRef()
		g.syns.add(frame.AsSlice())
		_ = g.send(frame.AsSlice()) // a wire that was cut loses what is on it
		frame.Release()
	}
}

var errUnconnected = errors.New("the machine is connected to no switch")

func (g *guest) send(frame []byte) error {
	if g.via != nil {
		return g.via.send(tagged(g.id, frame))
	}
	g.mu.Lock()
	at := g.at
	g.mu.Unlock()
	if at == nil {
		return errUnconnected
	}
	g.sent.add(at.chassis, g.name, frame)
	return at.send(frame)
}

// offer gives the machine the wire to a port. It is not connected yet.
func (g *guest) offer(chassis string, conn net.Conn) {
	p := &port{conn: conn, chassis: chassis}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.offers[chassis] = p
	g.task.work.Go(func() { p.receive(func(frame []byte) { g.receive(p, frame) }) })
}

// connect connects the machine with the port on a chassis, and with no other.
func (g *guest) connect(chassis string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.offers[chassis] == nil {
		return fmt.Errorf("machine %s has no port on %s", g.name, chassis)
	}
	g.at = g.offers[chassis]
	return nil
}

// receive is told each frame that comes from a port.
func (g *guest) receive(from *port, frame []byte) {
	if len(frame) < header.EthernetMinimumSize {
		return
	}
	g.mu.Lock()
	if from != g.at {
		g.mu.Unlock()
		return
	}
	g.mu.Unlock()
	g.take(frame)
}

// take gives a frame that has arrived to the stack, or, if it is in a VLAN, to that of the VLAN.
func (g *guest) take(frame []byte) {
	g.mu.Lock()
	for t := range g.taps {
		t.frames = append(t.frames, frame)
	}
	within, id := untagged(frame)
	of := g.vlans[id]
	g.mu.Unlock()
	if within != nil {
		if of != nil {
			of.take(within)
		}
		return
	}
	if to := net.HardwareAddr(frame[:6]); to[0]&1 == 0 && to.String() != g.mac.String() {
		return // an interface does not take it
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: g.payload(frame)})
	g.link.InjectInbound(0, p)
	p.DecRef()
}

// announce says to the network where the machine is now, by a reverse ARP request, as QEMU does.
func (g *guest) announce() error {
	frame := append(append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, g.mac...), 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3)
	frame = append(append(append(append(frame, g.mac...), 0, 0, 0, 0), g.mac...), 0, 0, 0, 0)
	return g.send(frame)
}

// Configure does what an administrator of the machine does.
func (g *guest) Configure(_ context.Context, s scenario.Settings) error {
	if s.MTU > 0 {
		g.link.SetMTU(uint32(s.MTU + header.EthernetMinimumSize))
	}
	for _, a := range s.Addresses {
		if err := g.addAddress(a); err != nil {
			return err
		}
	}
	for _, a := range s.Without {
		if err := g.stack.RemoveAddress(nic, tcpip.AddrFromSlice(a.Addr().AsSlice())); err != nil {
			return fmt.Errorf("address %s of %s: %s", a, g.name, err)
		}
		g.mu.Lock()
		g.prefixes = slices.DeleteFunc(g.prefixes, func(p netip.Prefix) bool { return p == a })
		g.mu.Unlock()
	}
	for _, r := range s.Routes {
		g.addRoute(r)
	}
	if s.Forward {
		g.forwards.Store(true)
		for _, protocol := range []tcpip.NetworkProtocolNumber{ipv4.ProtocolNumber, ipv6.ProtocolNumber} {
			if err := g.stack.SetForwardingDefaultAndAllNICs(protocol, true); err != nil {
				return fmt.Errorf("forwarding in %s: %s", g.name, err)
			}
		}
	}
	return nil
}

func (g *guest) addAddress(p netip.Prefix) error {
	err := g.stack.AddProtocolAddress(nic, tcpip.ProtocolAddress{
		Protocol:          protocolOf(p.Addr()),
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFromSlice(p.Addr().AsSlice()), PrefixLen: p.Bits()},
	}, stack.AddressProperties{})
	if err != nil {
		return fmt.Errorf("address %s of %s: %s", p, g.name, err)
	}
	g.mu.Lock()
	g.prefixes = append(g.prefixes, p)
	g.mu.Unlock()
	g.stack.AddRoute(tcpip.Route{Destination: subnet(p), NIC: nic})
	return nil
}

func (g *guest) addRoute(r scenario.Route) {
	g.mu.Lock()
	g.routes = append(g.routes, r)
	g.mu.Unlock()
	g.stack.AddRoute(tcpip.Route{Destination: subnet(r.To), Gateway: tcpip.AddrFromSlice(r.Via.AsSlice()), NIC: nic})
}

func subnet(p netip.Prefix) tcpip.Subnet {
	return tcpip.AddressWithPrefix{Address: tcpip.AddrFromSlice(p.Masked().Addr().AsSlice()), PrefixLen: p.Bits()}.Subnet()
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is6() {
		return ipv6.ProtocolNumber
	}
	return ipv4.ProtocolNumber
}

// tap is the machine's interface without its stack.
type tap struct {
	g      *guest
	frames [][]byte // guarded by the guest's mutex
}

// Wire is the machine's interface.
func (g *guest) Wire(context.Context) (scenario.Wire, error) { return g.tap(), nil }

func (g *guest) tap() *tap {
	t := &tap{g: g}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.taps[t] = true
	return t
}

// Send sends a frame as it is.
func (t *tap) Send(frame []byte) error { return t.g.send(frame) }

// Seen are the frames that have arrived.
func (t *tap) Seen() [][]byte {
	t.g.mu.Lock()
	defer t.g.mu.Unlock()
	return append([][]byte(nil), t.frames...)
}

// Close ends it.
func (t *tap) Close() error {
	t.g.mu.Lock()
	defer t.g.mu.Unlock()
	delete(t.g.taps, t)
	return nil
}

func (g *guest) close() {
	g.mu.Lock()
	for _, p := range g.offers {
		_ = p.conn.Close() // its switch may have gone
	}
	for _, l := range g.legs {
		_ = l.conn.Close() // its machine may have gone
	}
	g.mu.Unlock()
	_ = g.task.end() // it only moves frames
	g.stack.Destroy()
}
