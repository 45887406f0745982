package fast

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// leg is an interface of a machine behind its first one: a network with one other machine.
type leg struct {
	port
	link *channel.Endpoint
}

// attach gives the machine a further interface, at the other end of which is a machine that it is the router of.
func (g *guest) attach(conn net.Conn, addresses []netip.Prefix) error {
	const queue, mtu = 1024, 1500
	g.mu.Lock()
	number := nic + 1 + len(g.legs)
	mac := append(net.HardwareAddr{}, g.mac...)
	mac[0], mac[1] = mac[0]^4, byte(number)
	l := &leg{port: port{conn: conn}, link: channel.New(queue, mtu+header.EthernetMinimumSize, tcpip.LinkAddress(mac))}
	g.legs = append(g.legs, l)
	g.mu.Unlock()
	id := tcpip.NICID(number)
	if err := g.stack.CreateNIC(id, ethernet.New(l.link)); err != nil {
		return fmt.Errorf("interface %d of %s: %s", number, g.name, err)
	}
	for _, p := range addresses {
		err := g.stack.AddProtocolAddress(id, tcpip.ProtocolAddress{
			Protocol:          protocolOf(p.Addr()),
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFromSlice(p.Addr().AsSlice()), PrefixLen: p.Bits()},
		}, stack.AddressProperties{})
		if err != nil {
			return fmt.Errorf("address %s of %s: %s", p, g.name, err)
		}
		g.stack.AddRoute(tcpip.Route{Destination: subnet(p), NIC: id})
	}
	g.task.also(l.transmit)
	g.task.work.Go(func() { l.receive(func(frame []byte) { g.takeFrom(l, frame) }) })
	return nil
}

// transmit gives the other end what the stack sends.
func (l *leg) transmit(ctx context.Context) error {
	for {
		p := l.link.ReadContext(ctx)
		if p == nil {
			return ctx.Err()
		}
		frame := p.ToView()
		p.DecRef()
		_ = l.send(frame.AsSlice()) // the other machine may have ended
		frame.Release()
	}
}

// takeFrom gives the stack what comes from the other end of a leg.
func (g *guest) takeFrom(l *leg, frame []byte) {
	if len(frame) < header.EthernetMinimumSize {
		return
	}
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: g.payload(frame)})
	l.link.InjectInbound(0, p)
	p.DecRef()
}

// payload is the memory in which the stack gets a frame. gVisor's forwarding reads the TTL from a chunk of memory that it
// has given back to the pool, where another stack may have taken it; a chunk of more than the pool's largest is in none.
func (g *guest) payload(frame []byte) buffer.Buffer {
	if !g.forwards.Load() {
		return buffer.MakeWithData(frame)
	}
	v := buffer.NewView(buffer.MaxChunkSize + 1)
	_, _ = v.Write(frame) // there is room
	return buffer.MakeWithView(v)
}
