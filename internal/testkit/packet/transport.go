package packet

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

type tcp struct {
	src, dst uint16
	flags    string
}

// TCP is a segment with flags out of "FSRPAUEC": FIN, SYN, RST, PSH, ACK, URG,
// ECE, CWR. When built, sequence and acknowledgement numbers are 1 and the
// window is 65535; Seq sets others.
func TCP(src, dst uint16, flags string) Layer { return tcp{src, dst, flags} }

func (t tcp) build(f *frame) {
	for _, c := range t.flags {
		if !strings.ContainsRune("FSRPAUEC", c) {
			panic(fmt.Sprintf("TCP flags %q", t.flags))
		}
	}
	has := func(c string) bool { return strings.Contains(t.flags, c) }
	l := &layers.TCP{
		SrcPort: layers.TCPPort(t.src), DstPort: layers.TCPPort(t.dst), Seq: 1, Window: 0xffff,
		FIN: has("F"), SYN: has("S"), RST: has("R"), PSH: has("P"), ACK: has("A"), URG: has("U"), ECE: has("E"), CWR: has("C"),
	}
	if l.ACK {
		l.Ack = 1
	}
	checksum(l.SetNetworkLayerForChecksum(f.ip))
	f.layers = append(f.layers, l)
}

func (t tcp) check(p gopacket.Packet) error {
	l, err := layer[*layers.TCP](p)
	if err != nil {
		return err
	}
	return errors.Join(field("TCP source port", uint16(l.SrcPort), t.src), field("TCP destination port", uint16(l.DstPort), t.dst),
		field("TCP flags", flags(l), ordered(t.flags)))
}

func flags(l *layers.TCP) string {
	var b strings.Builder
	for i, set := range []bool{l.FIN, l.SYN, l.RST, l.PSH, l.ACK, l.URG, l.ECE, l.CWR} {
		if set {
			b.WriteByte("FSRPAUEC"[i])
		}
	}
	return b.String()
}

// ordered is the flags in the order of the header.
func ordered(given string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(given, c) {
			return c
		}
		return -1
	}, "FSRPAUEC")
}

type numbers struct{ seq, ack uint32 }

// Seq is the sequence and acknowledgement number of the TCP layer before it.
func Seq(seq, ack uint32) Layer { return numbers{seq, ack} }

func (n numbers) build(f *frame) {
	l, ok := f.layers[max(0, len(f.layers)-1)].(*layers.TCP)
	if !ok {
		panic("Seq without a TCP layer before it")
	}
	l.Seq, l.Ack = n.seq, n.ack
}

func (n numbers) check(p gopacket.Packet) error {
	l, err := layer[*layers.TCP](p)
	if err == nil && (l.Seq != n.seq || l.Ack != n.ack) {
		err = fmt.Errorf("TCP sequence %d, acknowledgement %d, not %d, %d", l.Seq, l.Ack, n.seq, n.ack)
	}
	return err
}

type udp struct{ src, dst uint16 }

// UDP is a datagram.
func UDP(src, dst uint16) Layer { return udp{src, dst} }

func (u udp) build(f *frame) {
	l := &layers.UDP{SrcPort: layers.UDPPort(u.src), DstPort: layers.UDPPort(u.dst)}
	checksum(l.SetNetworkLayerForChecksum(f.ip))
	f.layers = append(f.layers, l)
}

func (u udp) check(p gopacket.Packet) error {
	l, err := layer[*layers.UDP](p)
	if err != nil {
		return err
	}
	return errors.Join(field("UDP source port", uint16(l.SrcPort), u.src), field("UDP destination port", uint16(l.DstPort), u.dst))
}

type payload []byte

// Payload is what the layer before it carries, to the end of the frame or, in
// a check, of the IP packet.
func Payload[T string | []byte](b T) Layer { return payload(b) }

func (b payload) build(f *frame) { f.layers = append(f.layers, gopacket.Payload(b)) }

func (b payload) check(p gopacket.Packet) error {
	if got := carried(p); !bytes.Equal(got, b) {
		return fmt.Errorf("payload is %q, not %q", got, []byte(b))
	}
	return nil
}

// carried is what the innermost header that is known here carries.
func carried(p gopacket.Packet) []byte {
	if l := p.TransportLayer(); l != nil {
		return l.LayerPayload()
	}
	all := p.Layers()
	for i := len(all) - 1; i >= 0; i-- {
		switch l := all[i]; l.LayerType() {
		case gopacket.LayerTypePayload, gopacket.LayerTypeDecodeFailure:
			continue
		default:
			return l.LayerPayload()
		}
	}
	return nil
}
