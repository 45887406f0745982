package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// vlan carries frames between a guest's interface and a VLAN of another guest's (IEEE 802.1Q), since the kernel may have no
// devices for VLANs: with a tag in the one direction, without it in the other.
type vlan struct {
	id      uint16
	outside int // the socket at the interface with tags
	inside  int // that at the other end of the guest's
	ended   atomic.Bool
	work    sync.WaitGroup
}

// VLAN makes a guest whose interface is a VLAN of this one's, as of a machine with several of them, each of which has its
// own routes. The port of the specification is not used. It ends before this guest does.
func (g *Guest) VLAN(id uint16, spec Spec) (*Guest, error) {
	spec.Port = fmt.Sprint("vlan", id)
	within, err := NewGuest(g.Namespace, spec)
	if err != nil {
		return nil, err
	}
	v := &vlan{id: id, outside: -1, inside: -1}
	within.vlan = v
	err = g.Do(func() (err error) {
		if v.outside, err = openPacket(Interface); err == nil {
			v.inside, err = openPacket(spec.Port)
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("VLAN %d of guest %s: %w", id, g.Name(), err), within.Close())
	}
	v.work.Go(func() { v.carry(v.outside, v.inside, v.untag) })
	v.work.Go(func() { v.carry(v.inside, v.outside, v.tag) })
	return within, nil
}

// openPacket opens an interface of the thread's namespace for all frames that arrive there.
func openPacket(device string) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	const (
		wait   = 20 * 1000 // µs; the reader looks that often whether it shall end
		buffer = 8 << 20
	)
	request, err := unix.NewIfreq(device)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request)
	}
	if err == nil {
		err = errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
			unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: wait}),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer),
			unix.Bind(fd, &unix.SockaddrLinklayer{
				Protocol: binary.BigEndian.Uint16([]byte{unix.ETH_P_ALL & 0xff, unix.ETH_P_ALL >> 8}), Ifindex: int(request.Uint32()),
			}),
		)
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("open %s: %w", device, err), unix.Close(fd))
	}
	return fd, nil
}

// carry reads frames, and writes what change makes of them, until close.
func (v *vlan) carry(from, to int, change func(frame []byte, tag uint16, tagged bool) []byte) {
	frame, control := make([]byte, 1<<16), make([]byte, 256)
	for !v.ended.Load() {
		n, c, _, _, err := unix.Recvmsg(from, frame, control, 0)
		if err != nil || n < tagAt {
			continue // nothing came for a while, or the interface is down
		}
		tag, tagged := tagOf(control[:c])
		if out := change(frame[:n], tag, tagged); out != nil {
			_, _ = unix.Write(to, out) // a wire that is full loses frames
		}
	}
}

// Where a tag is in a frame, and the type that begins it.
const (
	tagAt   = 12
	tagType = 0x8100
)

// tagOf is the VLAN of a frame, whose tag the kernel has taken off.
func tagOf(control []byte) (id uint16, tagged bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		const status, tci, size = 0, 16, 20 // struct tpacket_auxdata
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < size {
			continue
		}
		if binary.NativeEndian.Uint32(m.Data[status:])&unix.TP_STATUS_VLAN_VALID != 0 {
			return binary.NativeEndian.Uint16(m.Data[tci:]) & 0xfff, true
		}
	}
	return 0, false
}

func (v *vlan) untag(frame []byte, id uint16, tagged bool) []byte {
	if !tagged || id != v.id {
		return nil
	}
	return frame
}

func (v *vlan) tag(frame []byte, _ uint16, tagged bool) []byte {
	if tagged {
		return nil
	}
	header := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tagType), v.id)
	return slices.Concat(frame[:tagAt], header, frame[tagAt:])
}

func (v *vlan) close() {
	v.ended.Store(true)
	v.work.Wait()
	for _, fd := range []int{v.outside, v.inside} {
		if fd >= 0 {
			_ = unix.Close(fd) // nothing is written behind it
		}
	}
}
