package operate

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// asked is a question with everything found that it names.
type asked struct {
	Probe
	src view.LocalPort
	// dst is the port that shall get the packet; nil if only an address is known, of which the routers
	// may know more.
	dst *model.Port
	// router is the name of the router whose own address the destination is.
	router string
	// copied says that the packet is for everybody.
	copied bool
	// frame is the packet itself, if the question has it.
	frame []byte
}

// sent is the packet as it comes in at the sender's port.
func (a *asked) sent() Packet {
	if a.frame != nil {
		return FromFrame(a.src.OFPort, a.frame).in(a.src.VLAN)
	}
	return a.Packet(a.src.OFPort).in(a.src.VLAN)
}

// describe says what the packet is.
func (a *asked) describe() string {
	if a.Src.IsValid() {
		return fmt.Sprintf("%s from %s to %s", a.what(), a.Src, a.Dst)
	}
	return fmt.Sprintf("%s from %s to %s", describe(a.frame), a.SrcMAC, a.DstMAC)
}

// unanswerable is a question whose packet is never sent.
type unanswerable struct{ sentence string }

func (u *unanswerable) Error() string { return u.sentence }

// resolve finds the ports and addresses of a question at the sender's chassis. far is the port that Dst
// names, if this chassis does not know it.
func (w World) resolve(q Question, from, far *model.Port) (*asked, error) {
	a := &asked{}
	var served bool
	if a.src, served = w.local(from); !served {
		return nil, &unanswerable{fmt.Sprintf("nothing passes at %s: %s", portName(from), w.unserved(from))}
	}
	if q.Frame != "" { // it was checked
		var err error
		a.frame, err = bytesOf(q.Frame)
		w.addressed(a)
		return a, err
	}
	dst, err := w.destination(a, q.Dst, far)
	if err != nil {
		return nil, err
	}
	probe, err := parseWhat(q.What, dst.Is6())
	if err != nil {
		return nil, err
	}
	probe.SrcMAC, probe.DstMAC, probe.Dst, probe.TTL = from.MACAddress, a.DstMAC, dst, q.TTL
	if probe.Src, err = sourceFor(from, dst); err != nil {
		return nil, err
	}
	a.Probe = probe
	return a, nil
}

// destination finds who has the address asked about, or which address the port asked about has.
func (w World) destination(a *asked, word string, far *model.Port) (netip.Addr, error) {
	if strings.EqualFold(word, "broadcast") {
		word = "255.255.255.255"
	}
	if ip, err := netip.ParseAddr(word); err == nil {
		return ip, w.address(a, ip.WithZone(""))
	}
	to := far
	if to == nil {
		var err error
		if to, err = w.port(word); err != nil {
			return netip.Addr{}, err
		}
	}
	from := a.src.Port
	if to.ID == from.ID {
		return netip.Addr{}, aboutItself(from)
	}
	failure := fmt.Errorf("%s and %s have no addresses of one family", portName(from), portName(to))
	for _, f := range to.FixedIPs {
		if _, err := sourceFor(from, f.IPAddress); err != nil {
			continue
		}
		if to.NetworkID == from.NetworkID {
			a.dst, a.DstMAC = to, to.MACAddress
		}
		err := w.address(a, f.IPAddress)
		if a.dst = to; err == nil {
			return f.IPAddress, nil
		}
		failure = err
	}
	var never *unanswerable
	if errors.As(failure, &never) && to.NetworkID != from.NetworkID {
		failure = &unanswerable{fmt.Sprintf("%s is on network %s and %s on network %s, and nothing routes between them",
			portName(from), named(w.network(from).Name, from.NetworkID), portName(to), named(w.network(to).Name, to.NetworkID))}
	}
	return netip.Addr{}, failure
}

func aboutItself(p *model.Port) error {
	return &unanswerable{fmt.Sprintf("%s asks about itself: a guest does not send that to the switch", portName(p))}
}

// address finds to which Ethernet address the guest sends a packet for an IP address, and who has it.
func (w World) address(a *asked, ip netip.Addr) error {
	from := a.src.Port
	a.router = w.routerWith(from.NetworkID, ip)
	if ip == view.MetadataIPv4 || ip == view.MetadataIPv6 {
		return w.metadata(a, ip)
	}
	switch {
	case w.isBroadcast(from, ip):
		a.copied, a.DstMAC = true, packet.Broadcast()
		return nil
	case ip.IsMulticast():
		a.copied, a.DstMAC = true, packet.MulticastMAC(ip)
		return nil
	case a.dst != nil: // a port on the same network
		if w.onLink(from, ip) {
			return nil
		}
	}
	to, mac, found := w.holder(from.NetworkID, ip)
	if found && to.ID == from.ID {
		return aboutItself(from)
	}
	if found && w.onLink(from, ip) {
		a.DstMAC = mac
		if to.DeviceOwner != model.RouterInterfaceOwner && to.DeviceOwner != model.FloatingIPOwner {
			a.dst = to
		}
		return nil
	}
	if mac, found := w.interfaceWith(from.NetworkID, ip); found {
		a.DstMAC = mac
		return nil
	}
	if a.dst != nil && a.dst.NetworkID != from.NetworkID {
		a.dst = nil
	}
	return w.viaGateway(a, ip)
}

// onLink reports whether a guest takes an address for one of its own network: it is in one of the
// subnets of its addresses, or nothing is known of its subnets.
func (w World) onLink(from *model.Port, ip netip.Addr) bool {
	if ip.IsLinkLocalUnicast() {
		return true
	}
	known := false
	for _, s := range w.subnetsOf(from, ip) {
		if s.CIDR.Contains(ip) {
			return true
		}
		known = true
	}
	return !known
}

// subnetsOf lists the subnets of a port's addresses, of the family of an address.
func (w World) subnetsOf(from *model.Port, ip netip.Addr) []*model.Subnet {
	var out []*model.Subnet
	for _, s := range find(w, view.SubnetsByNetwork, from.NetworkID) {
		for _, f := range from.FixedIPs {
			if s.CIDR.Contains(f.IPAddress) && f.IPAddress.Is4() == ip.Is4() {
				out = append(out, s)
				break
			}
		}
	}
	return out
}

func (w World) isBroadcast(from *model.Port, ip netip.Addr) bool {
	if ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	for _, s := range w.subnetsOf(from, ip) {
		if ip.Is4() && s.CIDR.Bits() < 31 && s.CIDR.Contains(ip) && !s.CIDR.Contains(ip.Next()) {
			return true
		}
	}
	return false
}

// viaGateway finds the Ethernet address of the next hop: of the subnets' host routes the one with the
// longest prefix, else the gateway.
func (w World) viaGateway(a *asked, ip netip.Addr) error {
	from := a.src.Port
	var best netip.Addr
	var subnet *model.Subnet
	bits := -1
	for _, s := range w.subnetsOf(from, ip) {
		if s.GatewayIP.IsValid() && bits < 0 {
			best, bits, subnet = s.GatewayIP, 0, s
		}
		for _, r := range s.HostRoutes {
			if r.Destination.Contains(ip) && r.Destination.Bits() > bits {
				best, bits, subnet = r.NextHop, r.Destination.Bits(), s
			}
		}
	}
	if !best.IsValid() || bits == 0 && w.onLink(from, ip) { // for a neighbour it asks, and not the gateway
		return w.outside(a, ip)
	}
	if mac, found := w.interfaceWith(from.NetworkID, best); found {
		a.DstMAC = mac
		return nil
	}
	to, mac, found := w.holder(from.NetworkID, best)
	switch {
	case !found && !subnet.CIDR.Contains(ip):
		return w.outside(a, best)
	case !found || to.ID == from.ID || subnet.CIDR.Contains(ip):
		return w.nobody(from, ip)
	}
	a.DstMAC = mac
	return nil
}

// outside finds the Ethernet address of a neighbour who is no port: behind a physical network that carries the guest's
// one there may be somebody. No chassis learns who that is, and frames to all such addresses go the same way.
func (w World) outside(a *asked, neighbour netip.Addr) error {
	from := a.src.Port
	if _, wired := w.View.Row(view.Wires, from.NetworkID); !wired || !w.onLink(from, neighbour) {
		return w.nobody(from, neighbour)
	}
	a.dst, a.DstMAC = nil, model.MAC{0x02}
	return nil
}

// interfaceWith finds the router interface on a network that has an address.
func (w World) interfaceWith(network string, ip netip.Addr) (model.MAC, bool) {
	for _, i := range find(w, view.InterfacesByNetwork, network) {
		for _, f := range i.FixedIPs {
			if f.IPAddress == ip || packet.LinkLocal(i.MACAddress) == ip {
				return i.MACAddress, true
			}
		}
	}
	return model.MAC{}, false
}

// routerWith names the router that has an address: on the network given, or on any that routers connect
// with it; empty if none has.
func (w World) routerWith(network string, ip netip.Addr) string {
	name := func(id string) string {
		if row, ok := w.View.Row(view.Routers, id); ok {
			return named(row.(*model.Router).Name, id)
		}
		return id
	}
	for _, near := range find(w, view.InterfacesByNetwork, network) {
		if packet.LinkLocal(near.MACAddress) == ip {
			return name(near.RouterID)
		}
		for _, i := range find(w, view.InterfacesByRouter, near.RouterID) {
			for _, f := range i.FixedIPs {
				if f.IPAddress == ip {
					return name(i.RouterID)
				}
			}
		}
	}
	return ""
}

// nobody says why a packet to an address that no port has is not sent.
func (w World) nobody(from *model.Port, ip netip.Addr) error {
	network := named(w.network(from).Name, from.NetworkID)
	for _, s := range find(w, view.SubnetsByNetwork, from.NetworkID) {
		switch {
		case s.GatewayIP == ip:
			return &unanswerable{fmt.Sprintf("%s is the gateway of subnet %s, which no router has: nobody answers for it",
				ip, named(s.Name, s.ID))}
		case s.CIDR.Contains(ip):
			return &unanswerable{fmt.Sprintf("no port of network %s has the address %s: nobody answers for it, so nothing is sent", network, ip)}
		}
	}
	return &unanswerable{fmt.Sprintf("%s is not on network %s of %s, and nothing routes there", ip, network, portName(from))}
}
