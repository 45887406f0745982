package lab

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Mobile is a guest that can move between chassis, as a virtual machine does in a live migration: its own interface
// stays as it is, and what it is connected to changes.
type Mobile struct {
	*Guest
	// shell is a namespace between the guest and the chassis, with a bridge to which the guest and at most one
	// chassis are connected.
	shell *Namespace
}

// The devices in the shell of a Mobile.
const (
	shellBridge = "shell"
	shellGuest  = "vm"
)

// NewMobile makes a guest that is connected to nothing. The port of the specification is not used.
func NewMobile(spec Spec) (*Mobile, error) {
	shell, err := NewNamespace(spec.Name + "'s shell")
	if err != nil {
		return nil, err
	}
	m := &Mobile{shell: shell}
	spec.Port = shellGuest
	if m.Guest, err = NewGuest(shell, spec); err == nil {
		err = m.bridge()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mobile guest %s: %w", spec.Name, err), m.Close())
	}
	return m, nil
}

func (m *Mobile) bridge() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = shellBridge
	snooping := false
	err := m.shell.links(func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping})
	})
	return errors.Join(err, m.shell.Sysctl("net.ipv6.conf."+shellBridge+".disable_ipv6", "1"), m.shell.up(shellBridge), m.join(shellGuest))
}

func (m *Mobile) join(device string) error {
	return m.shell.link(device, func(h *netlink.Handle, l netlink.Link) error {
		bridge, err := h.LinkByName(shellBridge)
		if err != nil {
			return err
		}
		return h.LinkSetMaster(l, bridge)
	})
}

// Offer makes an interface for the guest on a chassis, for the switch there. The guest is not connected to it yet.
func (m *Mobile) Offer(at *Namespace, port string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "at-" + at.Name()
	err := m.shell.links(func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: port, PeerNamespace: netlink.NsFd(at.handle)})
	})
	if err != nil {
		return fmt.Errorf("offer %s an interface on %s: %w", m.Name(), at.Name(), err)
	}
	return errors.Join(
		m.shell.Sysctl("net.ipv6.conf."+attrs.Name+".disable_ipv6", "1"), at.Sysctl("net.ipv6.conf."+port+".disable_ipv6", "1"),
		m.shell.up(attrs.Name), at.up(port))
}

// Withdraw removes the guest's interface on a chassis.
func (m *Mobile) Withdraw(at string) error {
	return m.shell.link("at-"+at, func(h *netlink.Handle, l netlink.Link) error { return h.LinkDel(l) })
}

// Connect connects the guest to the interface on a chassis, and with no other.
func (m *Mobile) Connect(at string) error {
	err := m.shell.links(func(h *netlink.Handle) error {
		all, err := h.LinkList()
		if err != nil {
			return err
		}
		for _, l := range all {
			if l.Attrs().MasterIndex != 0 && l.Attrs().Name != shellGuest {
				if err := h.LinkSetNoMaster(l); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		err = m.join("at-" + at)
	}
	if err != nil {
		return fmt.Errorf("connect %s on %s: %w", m.Name(), at, err)
	}
	return nil
}

// Announce says to the network where the guest is now, as QEMU does when a virtual machine goes on: by a reverse ARP
// request.
func (m *Mobile) Announce() error {
	mac := m.Spec().MAC
	everybody := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	frame := append(append(append([]byte{}, everybody...), mac...), 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3) // RARP, RFC 903: request reverse
	frame = append(append(append(append(frame, mac...), 0, 0, 0, 0), mac...), 0, 0, 0, 0)
	const shortest = 60
	frame = append(frame, make([]byte, shortest-len(frame))...)
	err := m.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }() // what was sent is sent
		i, err := net.InterfaceByName(Interface)
		if err != nil {
			return err
		}
		return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: i.Index})
	})
	if err != nil {
		return fmt.Errorf("announce %s: %w", m.Name(), err)
	}
	return nil
}

// Close ends the guest and what connects it.
func (m *Mobile) Close() error {
	var err error
	if m.Guest != nil {
		err = m.Guest.Close()
	}
	return errors.Join(err, m.shell.Close())
}
