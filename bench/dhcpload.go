package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// guest is a DHCP client behind a port of the dummy kind, whose frames come over a stream socket with
// their lengths before them.
type guest struct {
	conn net.Conn
	mac  model.MAC
	want netip.Addr
	xid  uint32
	buf  []byte
}

func dialGuest(ctx context.Context, socket string, m model.MAC, want netip.Addr) (*guest, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	return &guest{conn: conn, mac: m, want: want, buf: make([]byte, 1<<16)}, nil
}

const (
	answerTimeout = 2 * time.Second
	// mostFailures is after how many a worker gives up, since each takes long.
	mostFailures = 3
	ethernetIP   = 14
	udpHeader    = 8
)

// exchange gets a lease: DISCOVER, OFFER, REQUEST, ACK. It returns the times of the two halves.
func (g *guest) exchange() (offer, ack time.Duration, err error) {
	g.xid++
	xid := dhcpv4.TransactionID{0xdf, byte(g.xid >> 16), byte(g.xid >> 8), byte(g.xid)}
	discover, err := dhcpv4.NewDiscovery(g.mac[:], dhcpv4.WithTransactionID(xid), dhcpv4.WithBroadcast(false))
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	offered, err := g.ask(discover, dhcpv4.MessageTypeOffer)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: discover: %w", g.mac, err)
	}
	offer = time.Since(began)
	request, err := dhcpv4.NewRequestFromOffer(offered)
	if err != nil {
		return 0, 0, err
	}
	began = time.Now()
	acked, err := g.ask(request, dhcpv4.MessageTypeAck)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: request: %w", g.mac, err)
	}
	ack = time.Since(began)
	if a, _ := netip.AddrFromSlice(acked.YourIPAddr.To4()); a != g.want {
		err = fmt.Errorf("%s: got %s, want %s", g.mac, a, g.want)
	}
	return offer, ack, err
}

// ask sends a message and waits for its answer.
func (g *guest) ask(m *dhcpv4.DHCPv4, want dhcpv4.MessageType) (*dhcpv4.DHCPv4, error) {
	if err := g.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	payload := m.ToBytes()
	b := make([]byte, 2, 2+ethernetIP+packet.IPv4HeaderLength+udpHeader+len(payload))
	b = packet.Ethernet{Dst: packet.Broadcast(), Src: packet.MAC(g.mac), EtherType: packet.EtherTypeIPv4}.Append(b)
	b = packet.IPv4{TTL: 64, Protocol: 17, Src: netip.IPv4Unspecified(), Dst: netip.AddrFrom4([4]byte{255, 255, 255, 255})}.Append(b, udpHeader+len(payload))
	b = binary.BigEndian.AppendUint16(b, dhcpv4.ClientPort)
	b = binary.BigEndian.AppendUint16(b, dhcpv4.ServerPort)
	b = binary.BigEndian.AppendUint16(b, uint16(udpHeader+len(payload)))
	b = binary.BigEndian.AppendUint16(b, 0) // no checksum: RFC 768
	b = append(b, payload...)
	binary.BigEndian.PutUint16(b, uint16(len(b)-2))
	if _, err := g.conn.Write(b); err != nil {
		return nil, err
	}
	for {
		frame, err := g.read()
		if err != nil {
			return nil, err
		}
		a := dhcpOf(frame)
		if a == nil || a.TransactionID != m.TransactionID {
			continue
		}
		if a.MessageType() != want {
			return nil, fmt.Errorf("answered %v, want %v", a.MessageType(), want)
		}
		return a, nil
	}
}

func (g *guest) read() ([]byte, error) {
	if _, err := io.ReadFull(g.conn, g.buf[:2]); err != nil {
		return nil, err
	}
	frame := g.buf[:binary.BigEndian.Uint16(g.buf)]
	_, err := io.ReadFull(g.conn, frame)
	return frame, err
}

// dhcpOf returns the DHCP message for a client in a frame, nil if it is something else.
func dhcpOf(frame []byte) *dhcpv4.DHCPv4 {
	const start = ethernetIP + packet.IPv4HeaderLength
	if len(frame) < start+udpHeader || !bytes.Equal(frame[12:14], []byte{8, 0}) || frame[23] != 17 ||
		binary.BigEndian.Uint16(frame[start+2:]) != dhcpv4.ClientPort {
		return nil
	}
	m, err := dhcpv4.FromBytes(frame[start+udpHeader:])
	if err != nil {
		return nil
	}
	return m
}

// drain throws away what came meanwhile, such as router advertisements, so that it is not measured.
func (g *guest) drain() error {
	if err := g.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return err
	}
	for {
		if _, err := g.conn.Read(g.buf); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			return err
		}
	}
}

// load is what the guests met.
type dhcpLoad struct {
	halves, whole samples
	wall          time.Duration
	failed        int
	failure       error
}

func (l *dhcpLoad) add(more dhcpLoad) {
	l.halves, l.whole = append(l.halves, more.halves...), append(l.whole, more.whole...)
	l.wall += more.wall
	l.failed += more.failed
	l.failure = errors.Join(l.failure, more.failure)
}

// boot has all guests get a lease, so many at a time.
func boot(guests []*guest, atOnce int) dhcpLoad {
	var all dhcpLoad
	var mu sync.Mutex
	var work sync.WaitGroup
	began := time.Now()
	for w := range atOnce {
		work.Go(func() {
			var mine dhcpLoad
			for i := w; i < len(guests) && mine.failed < mostFailures; i += atOnce {
				offer, ack, err := guests[i].exchange()
				if err != nil {
					mine.failed++
					mine.failure = err
					continue
				}
				mine.halves, mine.whole = append(mine.halves, offer, ack), append(mine.whole, offer+ack)
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(mine)
		})
	}
	work.Wait()
	all.wall = time.Since(began)
	return all
}
