package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
)

// The networks of a Fabric, each a bridge of the kernel.
const (
	// Underlay carries the tunnels between chassis.
	Underlay = "underlay"
	// Management is where the database and the API are reached.
	Management = "management"
	// External is the provider's network, beyond the external bridge of each chassis.
	External = "external"
)

// UnderlayMTU leaves room for the headers of a tunnel (58 bytes, 78 over IPv6) around a guest's packet of 1500 bytes.
const UnderlayMTU = 1600

// Fabric is what lies between hypervisors: three networks without a host on them but the fabric itself.
type Fabric struct {
	*Namespace

	mu    sync.Mutex
	ports int
}

// NewFabric makes the networks.
func NewFabric() (*Fabric, error) {
	n, err := NewNamespace("fabric")
	if err != nil {
		return nil, err
	}
	f := &Fabric{Namespace: n}
	for _, name := range []string{Underlay, Management, External} {
		if err := f.bridge(name); err != nil {
			return nil, errors.Join(fmt.Errorf("fabric: %w", err), f.Close())
		}
	}
	return f, nil
}

func (f *Fabric) bridge(name string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, UnderlayMTU
	snooping := false // a chassis says nothing of the groups that its guests listen to
	err := f.links(func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping})
	})
	if err != nil {
		return fmt.Errorf("bridge %s: %w", name, err)
	}
	if err := f.Sysctl("net.ipv6.conf."+name+".disable_ipv6", "1"); err != nil {
		return err
	}
	return f.up(name)
}

// Address gives the fabric itself an address on one of its networks.
func (f *Fabric) Address(network string, p netip.Prefix) error {
	return f.addAddress(network, p)
}

// Connect gives a namespace a device on one of the fabric's networks: up, without addresses.
func (f *Fabric) Connect(n *Namespace, device, network string) error {
	f.mu.Lock()
	f.ports++
	peer := fmt.Sprintf("p%d", f.ports)
	f.mu.Unlock()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = device, UnderlayMTU
	err := n.links(func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peer, PeerMTU: UnderlayMTU, PeerNamespace: netlink.NsFd(f.handle)})
	})
	if err != nil {
		return fmt.Errorf("connect %s of %s to %s: %w", device, n.name, network, err)
	}
	err = f.link(peer, func(h *netlink.Handle, l netlink.Link) error {
		bridge, err := h.LinkByName(network)
		if err != nil {
			return err
		}
		return h.LinkSetMaster(l, bridge)
	})
	return errors.Join(err,
		n.Sysctl("net.ipv6.conf."+device+".disable_ipv6", "1"), f.Sysctl("net.ipv6.conf."+peer+".disable_ipv6", "1"),
		n.withoutOffload(device), f.up(peer), n.up(device))
}

// SetDevice takes a device of a namespace up or down, as a cable that is pulled does.
func (n *Namespace) SetDevice(name string, up bool) error {
	if up {
		return n.up(name)
	}
	return n.link(name, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetDown(l) })
}

// AddressOn gives a device of the namespace an address.
func (n *Namespace) AddressOn(device string, p netip.Prefix) error { return n.addAddress(device, p) }

func (n *Namespace) addAddress(device string, p netip.Prefix) error {
	return n.link(device, func(h *netlink.Handle, l netlink.Link) error {
		return h.AddrAdd(l, &netlink.Addr{IPNet: ipNet(p)})
	})
}

func (n *Namespace) removeAddress(device string, p netip.Prefix) error {
	return n.link(device, func(h *netlink.Handle, l netlink.Link) error {
		return h.AddrDel(l, &netlink.Addr{IPNet: ipNet(p)})
	})
}

// withoutOffload lets the kernel compute checksums and cut segments by itself: on a veth it leaves both to a
// device that does not exist, and a switch in user space would hand on packets with wrong checksums.
func (n *Namespace) withoutOffload(device string) error {
	return n.Do(func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return fmt.Errorf("offload: %w", err)
		}
		defer e.Close()
		err = e.Change(device, map[string]bool{
			"tx-checksum-ip-generic": false, "tx-checksum-sctp": false,
			"tx-tcp-segmentation": false, "tx-tcp6-segmentation": false, "tx-tcp-ecn-segmentation": false,
			"tx-tcp-mangleid-segmentation": false, "tx-udp-segmentation": false,
			"tx-generic-segmentation": false, "tx-scatter-gather": false,
		})
		if err != nil {
			return fmt.Errorf("offload of %s: %w", device, err)
		}
		return nil
	})
}

// Reaches waits until the address answers an echo request from the namespace.
func (n *Namespace) Reaches(ctx context.Context, to netip.Addr) error {
	err := poll(ctx, func() (bool, error) {
		stats, err := n.Ping(ctx, to, 1)
		return stats.Received > 0, err
	})
	if err != nil {
		return fmt.Errorf("%s does not reach %s: %w", n.name, to, err)
	}
	return nil
}
