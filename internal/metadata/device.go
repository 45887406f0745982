package metadata

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// packetSockets is a device of the host's, through a packet socket for each family. The host's own stack has nothing
// to do with it: the device has no address and makes none, and what comes is addressed to a MAC address that it does not have.
type packetSockets struct {
	v4, v6 *os.File
	index  int
}

// addrGenNone is IN6_ADDR_GEN_MODE_NONE of the kernel: the device gets no link-local address.
const addrGenNone = 1

// openDevice sets a device up and opens it. It takes CAP_NET_ADMIN and CAP_NET_RAW.
func openDevice(name string) (device, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	// On a host without IPv6 there is no such mode.
	_ = netlink.LinkSetIP6AddrGenMode(link, addrGenNone)
	if err := errors.Join(netlink.LinkSetARPOff(link), netlink.LinkSetUp(link)); err != nil {
		return nil, fmt.Errorf("set up device %s: %w", name, err)
	}
	d := &packetSockets{index: link.Attrs().Index}
	if d.v4, err = d.open(name, unix.ETH_P_IP); err != nil {
		return nil, err
	}
	if d.v6, err = d.open(name, unix.ETH_P_IPV6); err != nil {
		return nil, errors.Join(err, d.v4.Close())
	}
	return d, nil
}

func (d *packetSockets) open(name string, protocol uint16) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0) // hears nothing before it is bound
	if err != nil {
		return nil, fmt.Errorf("packet socket on device %s: %w", name, err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: wire(protocol), Ifindex: d.index}); err != nil {
		return nil, errors.Join(fmt.Errorf("packet socket on device %s: %w", name, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}

// wire is a number in the order of bytes of the network, as the kernel has protocols.
func wire(n uint16) uint16 { return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, n)) }

func (d *packetSockets) of(v6 bool) (*os.File, uint16) {
	if v6 {
		return d.v6, unix.ETH_P_IPV6
	}
	return d.v4, unix.ETH_P_IP
}

// Receive implements device.
func (d *packetSockets) Receive(v6 bool, b []byte) (int, error) {
	f, _ := d.of(v6)
	n, err := f.Read(b)
	if errors.Is(err, unix.ENETDOWN) {
		err = errGone
	}
	return n, err
}

// Send implements device. A packet for which there is no room is lost, as on a full wire.
func (d *packetSockets) Send(v6 bool, packet []byte) error {
	f, protocol := d.of(v6)
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("send metadata: %w", err)
	}
	to := &unix.SockaddrLinklayer{Protocol: wire(protocol), Ifindex: d.index, Halen: uint8(len(view.ServiceMAC))}
	copy(to.Addr[:], view.ServiceMAC[:])
	var failed error
	if err := raw.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), packet, 0, to)
		return true
	}); err != nil {
		return fmt.Errorf("send metadata: %w", err)
	}
	switch {
	case errors.Is(failed, unix.ENETDOWN), errors.Is(failed, unix.ENXIO), errors.Is(failed, unix.ENODEV):
		return errGone
	}
	return nil
}

// Close implements device.
func (d *packetSockets) Close() error { return errors.Join(d.v4.Close(), d.v6.Close()) }
