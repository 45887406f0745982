package operate

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// Question asks what becomes of a packet.
type Question struct {
	// Port is the id or name of the port that sends it.
	Port string `json:"port"`
	// Dst is the id or name of a port, an IP address, or "broadcast".
	Dst string `json:"dst"`
	// What is the packet: "tcp/443", "udp/53", "icmp", "icmp/8/0", a protocol's number; empty is a ping.
	What string `json:"what"`
	// State is where in its connection the packet is; empty is the first.
	State State `json:"state,omitempty"`
	// Size is the length of the IP packet in bytes, zero for one that is within all limits.
	Size int `json:"size,omitempty"`
	// TTL is the time to live or hop limit that the packet begins with; 64 if zero.
	TTL int `json:"ttl,omitempty"`
	// Frame is the packet itself, an Ethernet frame in hexadecimal digits, instead of Dst, What, Size and
	// TTL: whatever a guest may send.
	Frame string `json:"frame,omitempty"`
	// First is the first fragment of the datagram, if Frame is a later one.
	First string `json:"first,omitempty"`
}

// State is where in a connection a packet is.
type State string

// The states.
const (
	New         State = "new"
	Established State = "established" // a later packet in the direction of the first one, which passed
	Reply       State = "reply"       // Port's answer to a packet that Dst sent to it, and that passed
)

func (q Question) check() error {
	switch q.State {
	case "", New, Established, Reply:
	default:
		return fmt.Errorf("%q is not a state: write new, established or reply", q.State)
	}
	const most = 65535
	if q.Size < 0 || q.Size > most || q.TTL < 0 || q.TTL > 255 {
		return fmt.Errorf("a packet has up to %d bytes and a time to live of up to 255", most)
	}
	if q.Frame == "" {
		if q.First != "" {
			return errors.New("a first fragment belongs to a frame that is a later one")
		}
		return nil
	}
	if q.Dst != "" || q.What != "" || q.Size != 0 || q.TTL != 0 {
		return errors.New("a frame says by itself where it goes, what it is, and how large")
	}
	if q.State == Reply {
		return errors.New("whether a frame is an answer cannot be told without what it answers: name port, destination and packet instead")
	}
	if _, err := bytesOf(q.Frame); err != nil || q.First == "" {
		return err
	}
	_, err := bytesOf(q.First)
	return err
}

// bytesOf are those of a frame.
func bytesOf(text string) ([]byte, error) {
	const least, most = 14, 65535
	digits := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" :\n\t", r) {
			return -1
		}
		return r
	}, text)
	frame, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("the frame is not in hexadecimal digits: %w", err)
	}
	if len(frame) < least || len(frame) > most {
		return nil, fmt.Errorf("a frame has %d to %d bytes, not %d", least, most, len(frame))
	}
	return frame, nil
}

// assumptions are what the question says of what a walk cannot know.
func (q Question) assumptions() Assumptions {
	const header = 14 // Ethernet's
	if frame, err := bytesOf(q.Frame); err == nil {
		return Assumptions{Size: len(frame)}
	}
	if q.Size == 0 {
		return Assumptions{}
	}
	return Assumptions{Size: q.Size + header}
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
