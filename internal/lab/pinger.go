package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Sockets are those of a machine: a Namespace, or something that is as good. "ip4:icmp" and "ip6:ipv6-icmp" are networks
// of ListenPacket.
type Sockets interface {
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error)
}

// Pinger sends echo requests when it is told to, and knows which of them were answered.
type Pinger struct {
	to     netip.Addr
	conn   net.PacketConn
	id     uint16
	reader chan struct{} // closed when it has ended

	mu      sync.Mutex
	sent    int
	open    map[uint16]time.Time // without an answer yet
	missing []time.Time          // without one when their number was used again
	last    time.Time            // when an answer came, or the first request was sent
	gap     time.Duration        // longest without an answer
}

// The types of echo requests and replies (RFC 792, RFC 4443 section 4).
const (
	echoRequest4 = 8
	echoReply4   = 0
	echoRequest6 = 128
	echoReply6   = 129
)

// echoHeader is the length of type, code, checksum, identifier and number, which is all that a request has.
const echoHeader = 8

// NewPinger opens a socket for echo requests to an address. It ends with Close.
func NewPinger(ctx context.Context, from Sockets, to netip.Addr) (*Pinger, error) {
	network, address := "ip4:icmp", "0.0.0.0"
	if to.Is6() {
		network, address = "ip6:ipv6-icmp", "::"
	}
	conn, err := from.ListenPacket(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("ping %s: %w", to, err)
	}
	if c, ok := conn.(*net.IPConn); ok {
		if err := onlyReplies(c, to.Is6()); err != nil {
			_ = conn.Close() // nothing was sent
			return nil, fmt.Errorf("ping %s: %w", to, err)
		}
	}
	p := &Pinger{to: to, conn: conn, id: uint16(rand.Uint32()), reader: make(chan struct{}), open: map[uint16]time.Time{}}
	go p.read()
	return p, nil
}

// onlyReplies has the kernel keep the answers for seconds in which nobody reads, and nothing else: what a socket has no
// room for would count as lost by the network.
func onlyReplies(c *net.IPConn, v6 bool) error {
	const room = 4 << 20
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(handle uintptr) {
		fd := int(handle)
		if set = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room); set != nil {
			return
		}
		if !v6 {
			block := ^uint32(1 << echoReply4)
			set = unix.SetsockoptInt(fd, unix.SOL_RAW, unix.ICMP_FILTER, int(int32(block)))
			return
		}
		var filter unix.ICMPv6Filter
		for i := range filter.Data {
			filter.Data[i] = ^uint32(0)
		}
		filter.Data[echoReply6/32] &^= 1 << (echoReply6 % 32)
		set = unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &filter)
	})
	if err == nil {
		err = set
	}
	return err
}

// Send sends one request.
func (p *Pinger) Send() error {
	p.mu.Lock()
	p.sent++
	number := uint16(p.sent)
	if at, ok := p.open[number]; ok {
		p.missing = append(p.missing, at)
	}
	now := time.Now()
	p.open[number] = now
	if p.last.IsZero() {
		p.last = now
	}
	p.mu.Unlock()
	if _, err := p.conn.WriteTo(p.request(number), &net.IPAddr{IP: p.to.AsSlice()}); err != nil {
		return fmt.Errorf("ping %s: %w", p.to, err)
	}
	return nil
}

func (p *Pinger) request(number uint16) []byte {
	m := make([]byte, echoHeader)
	m[0] = echoRequest4
	if p.to.Is6() {
		m[0] = echoRequest6
	}
	binary.BigEndian.PutUint16(m[4:], p.id)
	binary.BigEndian.PutUint16(m[6:], number)
	if !p.to.Is6() { // of ICMPv6 the kernel makes it
		sum := uint32(m[0])<<8 + uint32(p.id) + uint32(number)
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		binary.BigEndian.PutUint16(m[2:], ^uint16(sum))
	}
	return m
}

func (p *Pinger) read() {
	defer close(p.reader)
	buf := make([]byte, 2000)
	reply := byte(echoReply4)
	if p.to.Is6() {
		reply = echoReply6
	}
	for {
		n, _, err := p.conn.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		if n >= echoHeader && buf[0] == reply && binary.BigEndian.Uint16(buf[4:]) == p.id {
			p.answered(binary.BigEndian.Uint16(buf[6:]))
		}
	}
}

func (p *Pinger) answered(number uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.gap = max(p.gap, now.Sub(p.last))
	p.last = now
	delete(p.open, number)
}

// Sent is how many requests there were.
func (p *Pinger) Sent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// Gap is the longest time in which requests were sent and no answer came.
func (p *Pinger) Gap() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.gap
}

// waits reports whether a request may still be answered.
func (p *Pinger) waits() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.open {
		if time.Since(at) < lastAnswers {
			return true
		}
	}
	return false
}

// Close waits for answers under way, ends the pinger, and returns when the requests were sent that have none.
func (p *Pinger) Close() []time.Time {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for p.waits() {
		<-tick.C
	}
	_ = p.conn.Close() // ends the reader
	<-p.reader
	missing := p.missing
	for _, at := range p.open {
		missing = append(missing, at)
		p.gap = max(p.gap, at.Sub(p.last)) // no answer came any more
	}
	return missing
}
