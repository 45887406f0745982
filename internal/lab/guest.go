package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
)

// Interface is the name of a guest's interface inside the guest.
const Interface = "eth0"

// Spec describes a guest.
type Spec struct {
	// Name is for people. Errors have it.
	Name string
	// Port is the name of the interface's other end, the one for the switch, at
	// most 15 bytes.
	Port string
	MAC  net.HardwareAddr
	MTU  int // 0 leaves it at 1500
	// NoDAD lets IPv6 addresses be usable at once.
	NoDAD bool
	// AcceptRA lets the kernel configure itself by router advertisements, as most
	// guests do.
	AcceptRA bool
}

// Guest is a namespace with one interface, and a directory for its files.
type Guest struct {
	*Namespace
	spec Spec
	dir  string
	// vlan is what joins the guest to another's interface, if it is a VLAN of that.
	vlan *vlan
}

// NewGuest makes a guest whose interface's other end is in the namespace at,
// where the switch runs. Both ends are up. Plugging the other end into a bridge
// is left to the caller: that is what a hypervisor does.
func NewGuest(at *Namespace, spec Spec) (*Guest, error) {
	n, err := NewNamespace(spec.Name)
	if err != nil {
		return nil, fmt.Errorf("guest %s: %w", spec.Name, err)
	}
	g := &Guest{Namespace: n, spec: spec}
	if err = g.build(at); err == nil {
		g.dir, err = os.MkdirTemp("", "df-guest")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("guest %s: %w", spec.Name, err), g.Close())
	}
	return g, nil
}

func (g *Guest) build(at *Namespace) error {
	if err := g.connect(at); err != nil {
		return err
	}
	if err := g.withoutOffload(Interface); err != nil {
		return err
	}
	for key, on := range map[string]bool{"accept_ra": g.spec.AcceptRA, "accept_dad": !g.spec.NoDAD} {
		value := "0"
		if on {
			value = "1"
		}
		if err := g.Sysctl("net.ipv6.conf."+Interface+"."+key, value); err != nil {
			return err
		}
	}
	// The kernel's IPv6 of the switch's end would talk on the guest's wire.
	if err := at.Sysctl("net.ipv6.conf."+g.spec.Port+".disable_ipv6", "1"); err != nil {
		return err
	}
	if err := at.up(g.spec.Port); err != nil {
		return err
	}
	return g.up(Interface)
}

// connect makes the pair of interfaces, one end in each namespace.
func (g *Guest) connect(at *Namespace) error {
	return g.pair(Interface, g.spec.MAC, g.spec.MTU, at, g.spec.Port)
}

// pair makes a pair of interfaces: one here, its other end in another namespace.
func (n *Namespace) pair(device string, mac net.HardwareAddr, mtu int, at *Namespace, port string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr, attrs.MTU = device, mac, mtu
	err := n.links(func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: port, PeerNamespace: netlink.NsFd(at.handle)})
	})
	if err != nil {
		return fmt.Errorf("interface %s ↔ %s: %w", device, port, err)
	}
	return nil
}

// Link gives a namespace one more interface, whose other end is in the namespace at, for a switch there. Both are up,
// and only the first has IPv6.
func (n *Namespace) Link(device string, mac net.HardwareAddr, at *Namespace, port string) error {
	if err := n.pair(device, mac, 0, at, port); err != nil {
		return err
	}
	return errors.Join(at.Sysctl("net.ipv6.conf."+port+".disable_ipv6", "1"), n.Sysctl("net.ipv6.conf."+device+".disable_ipv6", "0"),
		at.withoutOffload(port), n.withoutOffload(device), at.up(port), n.up(device))
}

func (n *Namespace) up(name string) error {
	return n.link(name, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetUp(l) })
}

func (n *Namespace) link(name string, f func(*netlink.Handle, netlink.Link) error) error {
	return n.links(func(h *netlink.Handle) error {
		l, err := h.LinkByName(name)
		if err == nil {
			err = f(h, l)
		}
		if err != nil {
			return fmt.Errorf("interface %s of %s: %w", name, n.name, err)
		}
		return nil
	})
}

// Spec is what the guest was made of.
func (g *Guest) Spec() Spec { return g.spec }

// Close ends everything in the guest and removes it.
func (g *Guest) Close() error {
	if g.vlan != nil {
		g.vlan.close()
	}
	err := g.Namespace.Close()
	if g.dir == "" {
		return err
	}
	return errors.Join(err, os.RemoveAll(g.dir))
}

// SetLink takes the guest's interface up or down.
func (g *Guest) SetLink(up bool) error {
	return g.SetDevice(Interface, up)
}

// SetMTU sets the MTU of the guest's interface.
func (g *Guest) SetMTU(mtu int) error {
	return g.link(Interface, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, mtu) })
}

// AddAddress gives the interface an address, as an administrator would.
func (g *Guest) AddAddress(p netip.Prefix) error {
	return g.addAddress(Interface, p)
}

// RemoveAddress takes an address from the interface.
func (g *Guest) RemoveAddress(p netip.Prefix) error {
	return g.removeAddress(Interface, p)
}

// AddRoute adds a route through the interface; "0.0.0.0/0" or "::/0" is the
// default one.
func (g *Guest) AddRoute(to netip.Prefix, via netip.Addr) error {
	return g.link(Interface, func(h *netlink.Handle, l netlink.Link) error {
		return h.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: ipNet(to), Gw: via.AsSlice()})
	})
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// Address is one of an interface. A tentative one is not usable yet (duplicate
// address detection is going on), a duplicate one never will be.
type Address struct {
	netip.Prefix
	Tentative, Duplicate bool
}

// Addresses returns what the interface has now.
func (g *Guest) Addresses() ([]Address, error) {
	var out []Address
	err := g.link(Interface, func(h *netlink.Handle, l netlink.Link) error {
		list, err := h.AddrList(l, netlink.FAMILY_ALL)
		for _, a := range list {
			ip, ok := netip.AddrFromSlice(a.IP)
			bits, _ := a.Mask.Size()
			if ok {
				out = append(out, Address{
					Prefix:    netip.PrefixFrom(ip.Unmap(), bits),
					Tentative: a.Flags&syscall.IFA_F_TENTATIVE != 0, Duplicate: a.Flags&syscall.IFA_F_DADFAILED != 0,
				})
			}
		}
		return err
	})
	return out, err
}

// WaitAddress waits until the interface has a usable address that satisfies
// the condition, and returns it.
func (g *Guest) WaitAddress(ctx context.Context, condition func(netip.Prefix) bool) (netip.Prefix, error) {
	var found netip.Prefix
	err := poll(ctx, func() (bool, error) {
		list, err := g.Addresses()
		i := slices.IndexFunc(list, func(a Address) bool { return !a.Tentative && !a.Duplicate && condition(a.Prefix) })
		if i >= 0 {
			found = list[i].Prefix
		}
		return i >= 0, err
	})
	if err != nil {
		return found, fmt.Errorf("wait for an address of %s: %w", g.name, err)
	}
	return found, nil
}

// LinkLocal waits for the interface's IPv6 link-local address.
func (g *Guest) LinkLocal(ctx context.Context) (netip.Addr, error) {
	p, err := g.WaitAddress(ctx, func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() && p.Addr().Is6() })
	return p.Addr(), err
}
