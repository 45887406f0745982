package fast

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// port is one end of a wire to a switch: a stream of frames with their lengths before them.
type port struct {
	conn net.Conn
	// chassis is where a machine's port is.
	chassis string
	mu      sync.Mutex // of writing
}

var errLongFrame = errors.New("a frame of more than 65535 bytes")

func (p *port) send(frame []byte) error {
	const longest = 1<<16 - 1
	if len(frame) > longest {
		return errLongFrame
	}
	b := append(binary.BigEndian.AppendUint16(make([]byte, 0, len(frame)+2), uint16(len(frame))), frame...)
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.conn.Write(b)
	return err
}

// receive calls f with each frame until the wire is cut.
func (p *port) receive(f func(frame []byte)) {
	var length [2]byte
	for {
		if _, err := io.ReadFull(p.conn, length[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(p.conn, frame); err != nil {
			return
		}
		f(frame)
	}
}

// underlay is the network between chassis: a switch, and the part of each host's kernel that answers ARP.
type underlay struct {
	work sync.WaitGroup

	mu    sync.Mutex
	links map[string]*link // by MAC
	owner map[netip.Addr]net.HardwareAddr
}

func newUnderlay() *underlay {
	return &underlay{links: map[string]*link{}, owner: map[netip.Addr]net.HardwareAddr{}}
}

// link is a chassis' connection to the underlay.
type link struct {
	port
	mac net.HardwareAddr
}

// add connects a chassis that has the MAC address.
func (u *underlay) add(conn net.Conn, mac net.HardwareAddr) *link {
	l := &link{port: port{conn: conn}, mac: mac}
	u.mu.Lock()
	u.links[mac.String()] = l
	u.mu.Unlock()
	u.work.Go(func() { l.receive(func(frame []byte) { u.forward(l, frame) }) })
	return l
}

func (l *link) close() { _ = l.conn.Close() } // it may be closed

// own has the host with the MAC address answer for an address.
func (u *underlay) own(a netip.Addr, mac net.HardwareAddr) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.owner[a] = mac
}

func (u *underlay) disown(a netip.Addr) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.owner, a)
}

// forward does with a frame what a switch does, and answers ARP requests.
func (u *underlay) forward(from *link, frame []byte) {
	const header = 14
	if len(frame) < header {
		return
	}
	if reply := u.answer(frame); reply != nil {
		_ = from.send(reply) // a wire that was cut loses what is on it
		return
	}
	for _, l := range u.others(from, net.HardwareAddr(frame[:6])) {
		_ = l.send(frame)
	}
}

func (u *underlay) others(from *link, to net.HardwareAddr) (list []*link) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for mac, l := range u.links {
		if l != from && (to[0]&1 != 0 || mac == to.String()) {
			list = append(list, l)
		}
	}
	return list
}

// answer is the reply to an ARP request for an address that somebody owns, or nil.
func (u *underlay) answer(frame []byte) []byte {
	request, ok := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy).Layer(layers.LayerTypeARP).(*layers.ARP)
	if !ok || request.Operation != layers.ARPRequest {
		return nil
	}
	target, _ := netip.AddrFromSlice(request.DstProtAddress)
	u.mu.Lock()
	mac := u.owner[target]
	u.mu.Unlock()
	if mac == nil {
		return nil
	}
	buf := gopacket.NewSerializeBuffer()
	reply := *request
	reply.Operation = layers.ARPReply
	reply.SourceHwAddress, reply.SourceProtAddress = mac, request.DstProtAddress
	reply.DstHwAddress, reply.DstProtAddress = request.SourceHwAddress, request.SourceProtAddress
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{},
		&layers.Ethernet{SrcMAC: mac, DstMAC: request.SourceHwAddress, EthernetType: layers.EthernetTypeARP}, &reply)
	if err != nil {
		return nil
	}
	return buf.Bytes()
}

// close cuts all wires.
func (u *underlay) close() {
	u.mu.Lock()
	for _, l := range u.links {
		l.close()
	}
	u.mu.Unlock()
	u.work.Wait()
}
