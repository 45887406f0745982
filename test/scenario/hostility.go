package scenario

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// hostility are the statements in which a machine does what it may not.
func hostility() map[string]statement {
	return map[string]statement{
		"spoof": {"spoof GUEST to GUEST unseen|seen [by GUEST…]: frames with what is another's, DHCP and router messages", parseSpoof},
		"inject": {"inject GUEST to GUEST at ADDRESS unseen: frames for the guest's network in tunnel headers, to a chassis' address",
			parseInject},
	}
}

// hostile is one thing that a machine sends.
type hostile struct {
	what  string
	frame []byte
}

func parseSpoof(w *words) action {
	from := w.name(aGuest)
	w.expect("to")
	to := w.name(aGuest)
	seen := w.oneOf("unseen", "seen") == "seen"
	observers := []string{to}
	if w.accept("by") {
		observers = append(observers, w.namesOf(aGuest)...)
	}
	return func(ctx context.Context, r *Run) error {
		a, b := r.machines[from], r.machines[to]
		frames, err := spoofed(a, b)
		if err != nil {
			return err
		}
		if seen {
			return r.allSeen(ctx, a, b, frames)
		}
		if err := r.noneSeen(ctx, a, b, frames, observers); err != nil {
			return err
		}
		for _, f := range frames {
			if err := r.explained(ctx, a, operate.Question{Frame: fmt.Sprintf("%x", f.frame)}, "dropped in egress-port-security"); err != nil {
				return fmt.Errorf("%s of %s: %w", f.what, from, err)
			}
		}
		return nil
	}
}

// noneSeen sends frames and then a good one, and looks for them on the wires of the observers: what has not arrived
// with the good one never will.
func (r *Run) noneSeen(ctx context.Context, from, to *machine, frames []hostile, observers []string) (err error) {
	out, err := from.Wire(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	wires := map[string]Wire{}
	for _, name := range observers {
		w, err := r.machines[name].Wire(ctx)
		if err != nil {
			return err
		}
		wires[name] = w
		defer func() { err = errors.Join(err, w.Close()) }()
	}
	for _, f := range frames {
		if err := out.Send(f.frame); err != nil {
			return fmt.Errorf("send %s: %w", f.what, err)
		}
	}
	good := packet.Build(packet.Ethernet(from.mac, to.mac), packet.IP(from.addresses[0], to.addresses[0]),
		packet.EchoRequest(uint16(rand.Uint32()), 1))
	err = eventually(ctx, func(context.Context) error {
		if err := out.Send(good); err != nil {
			return err
		}
		return arrived(wires[to.name], hostile{"a good frame", good})
	})
	if err != nil {
		return err
	}
	var wrong []error
	for name, w := range wires {
		for _, f := range frames {
			if arrived(w, f) == nil {
				wrong = append(wrong, fmt.Errorf("%s of %s arrives at %s: %s", f.what, from.name, name, packet.Summary(f.frame)))
			}
		}
	}
	return errors.Join(wrong...)
}

// allSeen waits for every frame: the test sees what it looks for.
func (r *Run) allSeen(ctx context.Context, from, to *machine, frames []hostile) (err error) {
	out, err := from.Wire(ctx)
	if err != nil {
		return err
	}
	in, err := to.Wire(ctx)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	defer func() { err = errors.Join(err, out.Close(), in.Close()) }()
	for _, f := range frames {
		err := eventually(ctx, func(context.Context) error {
			if err := out.Send(f.frame); err != nil {
				return err
			}
			return arrived(in, f)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// arrived returns an error unless the frame was seen.
func arrived(w Wire, f hostile) error {
	for _, seen := range w.Seen() {
		if same(seen, f.frame) {
			return nil
		}
	}
	return fmt.Errorf("%s does not arrive: %s", f.what, packet.Summary(f.frame))
}

// anybody is a machine that does not exist.
func anybody() net.HardwareAddr { return net.HardwareAddr{0xfa, 0x16, 0x3e, 0xee, 0xee, 0xee} }

// spoofed are frames that a may not send, for b to see.
func spoofed(a, b *machine) ([]hostile, error) {
	a4, err4 := a.address(false)
	a6, err6 := a.address(true)
	b4, errb4 := b.address(false)
	b6, errb6 := b.address(true)
	if err := errors.Join(err4, err6, errb4, errb6); err != nil {
		return nil, err
	}
	o4, o6, further := free(a4, 1), free(a6, 1), free(a4, 2)
	router6 := a.network.subnetOf(a6).gateway
	eth, everybody := packet.Ethernet(a.mac, b.mac), packet.Ethernet(a.mac, packet.Broadcast)
	offer, advertise, err := offers(b.mac, o4)
	if err != nil {
		return nil, err
	}
	local := linkLocal(a.mac)
	// A router advertisement of an unlimited router without options.
	ra := packet.Payload([]byte{64, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0})
	redirect := packet.Payload(append(append(make([]byte, 4), o6.AsSlice()...), o6.AsSlice()...))
	return []hostile{
		{"a spoofed MAC", packet.Build(packet.Ethernet(anybody(), b.mac), packet.IP(a4, b4), packet.EchoRequest(1, 1))},
		{"a spoofed MAC in IPv6", packet.Build(packet.Ethernet(anybody(), b.mac), packet.IP(a6, b6), packet.EchoRequest(1, 2))},
		{"a spoofed IPv4 address", packet.Build(eth, packet.IP(o4, b4), packet.EchoRequest(1, 3))},
		{"a spoofed IPv6 address", packet.Build(eth, packet.IP(o6, b6), packet.EchoRequest(1, 4))},
		{"an ARP reply for another", packet.Build(eth, packet.ARPReply(a.mac, o4, b.mac, b4))},
		{"an ARP request as another", packet.Build(everybody, packet.ARPRequest(a.mac, o4, further))},
		{"an ARP reply with another MAC", packet.Build(eth, packet.ARPReply(anybody(), a4, b.mac, b4))},
		{"an ARP probe for another", packet.Build(everybody, packet.ARPRequest(a.mac, "0.0.0.0", further))},
		{"an advertisement for another", packet.Build(eth, packet.IP(a6, b6), packet.NeighborAdvertisement(o6, a.mac, packet.Override))},
		{"an advertisement of its router", packet.Build(eth, packet.IP(a6, b6), packet.NeighborAdvertisement(router6, a.mac, packet.Override|packet.Router))},
		{"an advertisement as another", packet.Build(eth, packet.IP(o6, b6), packet.NeighborAdvertisement(o6, a.mac, packet.Override))},
		{"a DHCP offer", packet.Build(eth, packet.IP(a4, b4), packet.UDP(67, 68), offer)},
		{"a DHCP offer to everybody", packet.Build(everybody, packet.IP(a4, "255.255.255.255"), packet.UDP(67, 68), offer)},
		{"a DHCPv6 advertisement", packet.Build(eth, packet.IP(local, linkLocal(b.mac)), packet.UDP(547, 546), advertise)},
		{"a router advertisement", packet.Build(packet.Ethernet(a.mac, "33:33:00:00:00:01"), packet.IP(local, "ff02::1"), packet.ICMPv6(134, 0), packet.TTL(255), ra)},
		{"a redirect", packet.Build(eth, packet.IP(local, b6), packet.ICMPv6(137, 0), packet.TTL(255), redirect)},
	}, nil
}

// free is the n-th address that nobody has: far behind the given one.
func free(a netip.Addr, n byte) netip.Addr {
	const far = 0x60
	b := a.AsSlice()
	b[len(b)-1] ^= far + n
	other, _ := netip.AddrFromSlice(b) // as long as before
	return other
}

// offers are what servers of DHCP say.
func offers(to net.HardwareAddr, yours netip.Addr) (v4, v6 packet.Layer, err error) {
	offer, err := dhcpv4.New(dhcpv4.WithMessageType(dhcpv4.MessageTypeOffer), dhcpv4.WithHwAddr(to), dhcpv4.WithYourIP(yours.AsSlice()))
	if err != nil {
		return nil, nil, err
	}
	offer.OpCode = dhcpv4.OpcodeBootReply
	advertise, err := dhcpv6.NewMessage()
	if err != nil {
		return nil, nil, err
	}
	advertise.MessageType = dhcpv6.MessageTypeAdvertise
	return packet.Payload(offer.ToBytes()), packet.Payload(advertise.ToBytes()), nil
}

// linkLocal is the address that a host forms from its MAC address (RFC 4291 appendix A).
func linkLocal(m net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

func parseInject(w *words) action {
	from := w.name(aGuest)
	w.expect("to")
	to := w.name(aGuest)
	w.expect("at")
	chassis := w.address()
	w.expect("unseen")
	return func(ctx context.Context, r *Run) error {
		a, b := r.machines[from], r.machines[to]
		frames, inner, err := r.tunnelled(ctx, a, b, chassis)
		if err != nil {
			return err
		}
		in, err := b.Wire(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = in.Close() }() // only listens
		peer := a                         // who can show that a's frames get anywhere
		for _, m := range r.machines {
			if m != a && m.network == a.network {
				peer = m
			}
		}
		if peer == a {
			return fmt.Errorf("%s needs another guest on its network", from)
		}
		if err := r.sendAll(ctx, a, peer, frames); err != nil {
			return err
		}
		return r.notWithin(in, inner)
	}
}

// sendAll sends frames that may arrive at neighbours, and then a good one, which does.
func (r *Run) sendAll(ctx context.Context, from, to *machine, frames []hostile) (err error) {
	out, err := from.Wire(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for _, f := range frames {
		if err := out.Send(f.frame); err != nil {
			return fmt.Errorf("send %s: %w", f.what, err)
		}
	}
	return r.noneSeen(ctx, from, to, nil, []string{to.name})
}

// notWithin returns an error if the frame was seen.
func (r *Run) notWithin(w Wire, inner []byte) error {
	if arrived(w, hostile{"", inner}) == nil {
		return fmt.Errorf("a frame in a tunnel header of a guest's making arrives: %s", packet.Summary(inner))
	}
	return nil
}

// tunnelled are frames of a with an inner frame for b, as a chassis would send them to another.
func (r *Run) tunnelled(ctx context.Context, a, b *machine, chassis netip.Addr) (frames []hostile, inner []byte, err error) {
	var shown struct {
		Network struct {
			VNI uint32 `json:"provider:segmentation_id"`
		} `json:"network"`
	}
	if err := r.platform.API().Get(ctx, cloud.Path("network", b.network.id), &shown); err != nil {
		return nil, nil, err
	}
	a4, err := a.address(false)
	if err != nil {
		return nil, nil, err
	}
	inner = packet.Build(packet.Ethernet(anybody(), b.mac), packet.IP(a4, b.addresses[0]), packet.EchoRequest(6, 6))
	vni := binary.BigEndian.AppendUint32(nil, shown.Network.VNI<<8)
	geneve := append(append([]byte{0, 0, 0x65, 0x58}, vni...), inner...)
	vxlan := append(append([]byte{8, 0, 0, 0}, vni...), inner...)
	gateway := a.network.subnetOf(a4).gateway
	for _, t := range []struct {
		name string
		port uint16
		body []byte
	}{{"Geneve", 6081, geneve}, {"VXLAN", 4789, vxlan}} {
		for _, l := range []packet.Layer{packet.Ethernet(a.mac, packet.Broadcast), packet.Ethernet(a.mac, anybody()), packet.Ethernet(a.mac, b.mac)} {
			frames = append(frames,
				hostile{t.name + " to a chassis", packet.Build(l, packet.IP(a4, chassis), packet.UDP(t.port, t.port), packet.Payload(t.body))},
				hostile{t.name + " to the router", packet.Build(l, packet.IP(a4, gateway), packet.UDP(t.port, t.port), packet.Payload(t.body))})
		}
	}
	return frames, inner, nil
}
