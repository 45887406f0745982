package operate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// Question asks what becomes of a packet.
type Question struct {
	// Port is the id or name of the port that sends it.
	Port string `json:"port"`
	// Dst is the id or name of a port, or an IP address on the same network.
	Dst string `json:"dst"`
	// What is the packet: "tcp/443", "udp/53", "icmp", "icmp/8/0", a protocol's number; empty is a ping.
	What string `json:"what"`
}

// ephemeral is the source port of probes: the first that hosts choose by themselves (RFC 6335 §6).
const ephemeral = 49152

// parseWhat reads a protocol with ports.
func parseWhat(s string, v6 bool) (Probe, error) {
	b := Probe{SrcPort: ephemeral}
	parts := strings.Split(strings.ReplaceAll(strings.ToLower(s), ":", "/"), "/")
	if s == "" {
		parts = []string{"icmp"}
	}
	proto, known := protocols()[parts[0]]
	if !known {
		n, err := strconv.ParseUint(parts[0], 10, 8)
		if err != nil {
			return b, fmt.Errorf("%q is not a packet: write tcp/PORT, udp/PORT, icmp, icmp/TYPE/CODE or a protocol's number", s)
		}
		proto = int(n)
	}
	if proto == flow.ProtoICMP && v6 {
		proto = flow.ProtoICMPv6
	}
	if proto == flow.ProtoICMPv6 && !v6 {
		return b, fmt.Errorf("%q is not a packet of IPv4", s)
	}
	if proto == model.AnyProtocol {
		return b, fmt.Errorf("%q is not one packet: name a protocol", s)
	}
	b.Proto = proto
	return b, b.parsePorts(s, parts[1:])
}

func (b *Probe) parsePorts(s string, parts []string) error {
	hasPorts := slices.Contains([]int{flow.ProtoTCP, flow.ProtoUDP, flow.ProtoSCTP}, b.Proto)
	numbers, most := []*int{&b.DstPort}, 65535
	switch {
	case b.isICMP():
		numbers, most = []*int{&b.DstPort, &b.Code}, 255
		b.DstPort = map[int]int{flow.ProtoICMP: 8, flow.ProtoICMPv6: 128}[b.Proto]
	case !hasPorts:
		numbers = nil
	case len(parts) == 0:
		return fmt.Errorf("%q needs a port, as in %s/443", s, s)
	}
	if len(parts) > len(numbers) {
		return fmt.Errorf("%q has too many numbers", s)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || int(n) > most {
			return fmt.Errorf("%q: %q is not a number up to %d", s, part, most)
		}
		*numbers[i] = int(n)
	}
	return nil
}

// asked is a question with everything found that it names.
type asked struct {
	Probe
	src      view.LocalPort
	dst      *model.Port
	dstLocal view.LocalPort
	isLocal  bool
}

// unanswerable is a question whose packet is never sent.
type unanswerable struct{ sentence string }

func (u *unanswerable) Error() string { return u.sentence }

// resolve finds the ports and addresses that a question is about.
func (w World) resolve(q Question) (*asked, error) {
	from, err := w.port(q.Port)
	if err != nil {
		return nil, err
	}
	a := &asked{}
	var served bool
	if a.src, served = w.local(from); !served {
		return nil, &unanswerable{fmt.Sprintf("nothing passes at %s: %s", portName(from), w.unserved(from))}
	}
	dst, err := w.destination(a, q.Dst)
	if err != nil {
		return nil, err
	}
	if a.dst.ID == from.ID {
		return nil, &unanswerable{fmt.Sprintf("%s asks about itself: a guest does not send that to the switch", portName(from))}
	}
	probe, err := parseWhat(q.What, dst.Is6())
	if err != nil {
		return nil, err
	}
	probe.SrcMAC, probe.DstMAC, probe.Dst = from.MACAddress, a.DstMAC, dst
	if probe.Src, err = sourceFor(from, dst); err != nil {
		return nil, err
	}
	a.Probe = probe
	a.dstLocal, a.isLocal = w.local(a.dst)
	return a, nil
}

// destination finds who has the address asked about, or which address the port asked about has.
func (w World) destination(a *asked, word string) (netip.Addr, error) {
	from := a.src.Port
	if ip, err := netip.ParseAddr(word); err == nil {
		to, mac, found := w.holder(from.NetworkID, ip)
		if !found {
			return ip, w.nobody(from, ip)
		}
		a.dst, a.DstMAC = to, mac
		return ip, nil
	}
	to, err := w.port(word)
	if err != nil {
		return netip.Addr{}, err
	}
	if to.NetworkID != from.NetworkID {
		return netip.Addr{}, &unanswerable{fmt.Sprintf("%s is on network %s and %s on network %s, and nothing routes between them",
			portName(from), named(w.network(from).Name, from.NetworkID), portName(to), named(w.network(to).Name, to.NetworkID))}
	}
	a.dst, a.DstMAC = to, to.MACAddress
	for _, f := range to.FixedIPs {
		if _, err := sourceFor(from, f.IPAddress); err == nil {
			return f.IPAddress, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("%s and %s have no addresses of one family", portName(from), portName(to))
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

// sourceFor returns the address from which a port sends to another: of its family and, if it can be, of
// a like prefix.
func sourceFor(p *model.Port, dst netip.Addr) (netip.Addr, error) {
	if dst.Is6() && dst.IsLinkLocalUnicast() {
		return packet.LinkLocal(p.MACAddress), nil
	}
	var best netip.Addr
	common := -1
	for _, f := range p.FixedIPs {
		if f.IPAddress.Is4() != dst.Is4() {
			continue
		}
		if n := commonBits(f.IPAddress, dst); n > common {
			best, common = f.IPAddress, n
		}
	}
	if common < 0 {
		return best, fmt.Errorf("port %s has no address of the family of %s", portName(p), dst)
	}
	return best, nil
}

// commonBits is how many leading bits two addresses share.
func commonBits(a, b netip.Addr) int {
	for n := a.BitLen(); n > 0; n-- {
		if p, err := a.Prefix(n); err == nil && p.Contains(b) {
			return n
		}
	}
	return 0
}
