package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// poses are the statements in which a machine would be another one to those outside.
func poses() map[string]statement {
	return map[string]statement{
		"pose": {"pose GUEST as ADDRESS to GUEST [by GUEST…] unseen|seen ADDRESS: packets from that address, claims of it by ARP or neighbour discovery, " +
			"and packets to the MAC addresses of all routers; what is seen comes from the second address, and is no claim", parsePose},
	}
}

// posed is what a pose expects.
type posed struct {
	from, to string
	as       netip.Addr
	watch    []string
	// seenAs is the source of what may be seen, invalid if nothing may.
	seenAs netip.Addr
}

func parsePose(w *words) action {
	var p posed
	p.from = w.name(aGuest)
	w.expect("as")
	p.as = w.address()
	w.expect("to")
	p.to = w.name(aGuest)
	p.watch = []string{p.to}
	if w.accept("by") {
		p.watch = append(p.watch, w.namesOf(aGuest)...)
	}
	if w.oneOf("unseen", "seen") == "seen" {
		p.seenAs = w.address()
	}
	return func(ctx context.Context, r *Run) error { return r.pose(ctx, p) }
}

// pose sends what is not honest, then what is, and looks on the wires of those who watch: what has not arrived with the
// honest packet never will.
func (r *Run) pose(ctx context.Context, p posed) (err error) {
	from := r.machines[p.from]
	frames, honest, err := r.posing(ctx, p)
	if err != nil {
		return err
	}
	out, err := from.Wire(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	wires := map[string]Wire{}
	for _, name := range p.watch {
		in, err := r.machines[name].Wire(ctx)
		if err != nil {
			return err
		}
		wires[name] = in
		defer func() { err = errors.Join(err, in.Close()) }()
	}
	for _, f := range frames {
		if err := out.Send(f.frame); err != nil {
			return fmt.Errorf("send %s: %w", f.what, err)
		}
	}
	err = eventually(ctx, func(context.Context) error {
		if err := out.Send(honest); err != nil {
			return err
		}
		if len(bearing(wires[p.to], honest)) == 0 {
			return fmt.Errorf("an honest packet does not arrive: %s", packet.Summary(honest))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.judge(wires, frames); err != nil || p.seenAs.IsValid() {
		return err
	}
	if slices.Contains(from.addresses, p.as) {
		return nil // it is honest about itself, and may be flooded on its own network
	}
	for _, f := range frames {
		if err := r.explained(ctx, from, operate.Question{Frame: fmt.Sprintf("%x", f.frame)}, "dropped in egress-port-security"); err != nil {
			return fmt.Errorf("%s of %s: %w", f.what, p.from, err)
		}
	}
	return nil
}

// judge returns an error for each frame that was seen and may not be, and if nothing was seen of which something should.
func (p posed) judge(wires map[string]Wire, frames []hostile) error {
	var wrong []error
	seen := 0
	for _, name := range slices.Sorted(maps.Keys(wires)) {
		for _, f := range frames {
			for _, got := range bearing(wires[name], f.frame) {
				seen++
				if source, routed := sourceOf(got); !p.seenAs.IsValid() || !routed || source != p.seenAs {
					wrong = append(wrong, fmt.Errorf("%s of %s arrives at %s: %s", f.what, p.from, name, packet.Summary(got)))
				}
			}
		}
	}
	if p.seenAs.IsValid() && seen == 0 {
		wrong = append(wrong, errors.New("nothing is seen of it"))
	}
	return errors.Join(wrong...)
}

// posing are the frames, and an honest packet that takes the same way.
func (r *Run) posing(ctx context.Context, p posed) (frames []hostile, honest []byte, err error) {
	from, to := r.machines[p.from], r.machines[p.to]
	own, err := from.address(p.as.Is6())
	if err != nil {
		return nil, nil, err
	}
	target, err := to.address(p.as.Is6())
	if err != nil {
		return nil, nil, err
	}
	routers, next, err := r.routerMACs(ctx, from)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case from.network == to.network:
		next = to.mac
	case next == nil:
		next = r.gatewayMAC(from.network.subnetOf(own).gateway)
	}
	n := 0
	datagram := func(mac net.HardwareAddr, src netip.Addr) []byte {
		n++
		return packet.Build(packet.Ethernet(from.mac, mac), packet.IP(src, target), packet.UDP(discard, discard),
			packet.Payload(fmt.Sprintf("%s poses as %s: %d.", p.from, p.as, n)))
	}
	for _, mac := range slices.Sorted(maps.Keys(routers)) {
		owner := routers[mac]
		if p.as != own || mac != next.String() { // else it is honest
			frames = append(frames, hostile{fmt.Sprintf("a packet from %s to the MAC address of %s", p.as, owner), datagram(parsedMAC(mac), p.as)})
		}
	}
	if p.as != own {
		if from.network == to.network {
			frames = append(frames, hostile{fmt.Sprintf("a packet from %s", p.as), datagram(next, p.as)})
		}
		frames = append(frames, claims(from, p.as, next, target)...)
	}
	return frames, datagram(next, own), nil
}

// claims are frames that say that an address is the machine's: to the next hop, and to everybody.
func claims(from *machine, as netip.Addr, next net.HardwareAddr, target netip.Addr) []hostile {
	if as.Is6() {
		say := packet.NeighborAdvertisement(as, from.mac, packet.Override)
		return []hostile{
			{"an advertisement", packet.Build(packet.Ethernet(from.mac, next), packet.IP(as, target), say)},
			{"an advertisement to everybody", packet.Build(packet.Ethernet(from.mac, "33:33:00:00:00:01"), packet.IP(as, "ff02::1"), say)},
		}
	}
	everybody := packet.Ethernet(from.mac, packet.Broadcast)
	return []hostile{
		{"an ARP reply", packet.Build(packet.Ethernet(from.mac, next), packet.ARPReply(from.mac, as, next, target))},
		{"a gratuitous ARP reply", packet.Build(everybody, packet.ARPReply(from.mac, as, packet.Broadcast, as))},
		{"a gratuitous ARP request", packet.Build(everybody, packet.ARPRequest(from.mac, as, as))},
		{"an ARP request", packet.Build(everybody, packet.ARPRequest(from.mac, as, target))},
	}
}

// routerMACs are the MAC addresses of all ports of routers and floating IPs, with what they are, and the one that the
// machine's way outside begins with.
func (r *Run) routerMACs(ctx context.Context, m *machine) (all map[string]string, next net.HardwareAddr, err error) {
	var found struct {
		Ports []cloud.Object `json:"ports"`
	}
	if err := r.platform.API().Get(ctx, cloud.Path("port", ""), &found); err != nil {
		return nil, nil, err
	}
	all = map[string]string{}
	for _, p := range found.Ports {
		owner := p.Text("device_owner")
		if !strings.HasPrefix(owner, "network:router_") && owner != "network:floatingip" {
			continue
		}
		mac, err := parseMAC(p)
		if err != nil {
			return nil, nil, err
		}
		all[mac.String()] = strings.TrimPrefix(owner, "network:")
		if p.Text("network_id") == m.network.id && owner == "network:router_interface" {
			next = mac
		}
	}
	return all, next, nil
}

// gatewayMAC is that of the host outside that has a network's gateway address.
func (r *Run) gatewayMAC(a netip.Addr) net.HardwareAddr {
	for _, m := range r.machines {
		if slices.Contains(m.addresses, a) {
			return m.mac
		}
	}
	return nil
}

func parsedMAC(text string) net.HardwareAddr {
	mac, _ := net.ParseMAC(text) // it was printed by its own type
	return mac
}

// bearing are the frames seen that carry what the given one does: the body of ARP, the payload of UDP, the whole ICMPv6
// message, whatever routers did with the headers before it.
func bearing(w Wire, frame []byte) (list [][]byte) {
	mark := frame[ethernetHeader:]
	const (
		udpOverIPv4 = 20 + 8
		udpOverIPv6 = 40 + 8
		message     = 40
	)
	switch next := mark[6]; {
	case frame[12] == 0x08 && frame[13] == 0x00:
		mark = mark[udpOverIPv4:]
	case frame[12] == 0x86 && next == protocolUDP:
		mark = mark[udpOverIPv6:]
	case frame[12] == 0x86:
		mark = mark[message:]
	}
	for _, seen := range w.Seen() {
		if bytes.Contains(seen, mark) {
			list = append(list, seen)
		}
	}
	return list
}

const (
	ethernetHeader = 14
	protocolUDP    = 17
)

// sourceOf is from whom an IP packet comes.
func sourceOf(frame []byte) (netip.Addr, bool) {
	const (
		from4, to4 = ethernetHeader + 12, ethernetHeader + 16
		from6, to6 = ethernetHeader + 8, ethernetHeader + 24
	)
	switch {
	case len(frame) >= to4 && frame[12] == 0x08 && frame[13] == 0x00:
		return netip.AddrFrom4([4]byte(frame[from4:to4])), true
	case len(frame) >= to6 && frame[12] == 0x86 && frame[13] == 0xdd:
		return netip.AddrFrom16([16]byte(frame[from6:to6])), true
	}
	return netip.Addr{}, false
}
