package packet

import (
	"bytes"
	"net/netip"
	"testing"
)

var (
	inside  = netip.MustParseAddr("10.0.0.10")
	outside = netip.MustParseAddr("203.0.113.70")
	far     = netip.MustParseAddr("198.51.100.9")
)

// datagram is a packet of a protocol from one address to another.
func datagram(protocol uint8, src, dst netip.Addr, change ...func(*IPv4)) []byte {
	var payload []byte
	switch protocol {
	case ProtocolUDP:
		payload = UDP{SrcPort: 1000, DstPort: 2000, Payload: []byte("hello, world")}.Append(nil, src, dst)
	case ProtocolTCP:
		payload = TCP{SrcPort: 1000, DstPort: 2000, Seq: 7}.Append(nil, src, dst)
	default:
		payload = ICMP{Type: ICMPEchoRequest, Payload: []byte("hello, world")}.Append(nil)
	}
	p := IPv4{TTL: 9, Protocol: protocol, Src: src, Dst: dst, Options: []byte{1, 1, 1, 1}}
	for _, f := range change {
		f(&p)
	}
	return append(p.Append(nil, len(payload)), payload...)
}

// TestTranslate: the packet is as if it had been sent with the other address.
func TestTranslate(t *testing.T) {
	for _, protocol := range []uint8{ProtocolUDP, ProtocolTCP, ProtocolICMP} {
		b := datagram(protocol, far, outside)
		if err := Translate(b, Destination, outside, inside); err != nil || !bytes.Equal(b, datagram(protocol, far, inside)) {
			t.Errorf("protocol %d: %x, want %x, %v", protocol, b, datagram(protocol, far, inside), err)
		}
		if err := Translate(b, Source, far, outside); err != nil || !bytes.Equal(b, datagram(protocol, outside, inside)) {
			t.Errorf("protocol %d, source: %x, want %x, %v", protocol, b, datagram(protocol, outside, inside), err)
		}
	}
	none := datagram(ProtocolUDP, far, outside)
	header := IPv4HeaderLength + 4
	put16(none[header+udpChecksumOffset:], 0)
	if err := Translate(none, Destination, outside, inside); err != nil || be16(none[header+udpChecksumOffset:]) != 0 {
		t.Errorf("a datagram without a checksum has got one: %x, %v", none, err)
	}
	later := func(p *IPv4) { p.FragmentOffset = 8 }
	fragment, want := datagram(ProtocolUDP, far, outside, later), datagram(ProtocolUDP, far, outside, later)
	if err := Translate(fragment, Destination, outside, inside); err != nil || !bytes.Equal(fragment[header:], want[header:]) {
		t.Errorf("of a later fragment, more than the header changed: %x, %v", fragment, err)
	}
	if err := Translate(datagram(ProtocolUDP, far, far), Destination, outside, inside); err != ErrTranslate {
		t.Errorf("a packet without the address: %v", err)
	}
}

func TestTranslateQuoted(t *testing.T) {
	about := func(quoted []byte) []byte {
		return ICMP{Type: ICMPTimeExceeded}.AppendError(nil, far, inside, 64, quoted)
	}
	for _, protocol := range []uint8{ProtocolUDP, ProtocolTCP, ProtocolICMP} {
		b := about(datagram(protocol, outside, far))
		if err := TranslateQuoted(b, Source, outside, inside); err != nil || !bytes.Equal(b, about(datagram(protocol, inside, far))) {
			t.Errorf("protocol %d: %x, want %x, %v", protocol, b, about(datagram(protocol, inside, far)), err)
		}
	}
	short := about(datagram(ProtocolTCP, outside, far)[:IPv4HeaderLength+4+8]) // all that RFC 792 asks for
	if err := TranslateQuoted(short, Source, outside, inside); err != nil {
		t.Errorf("a short quotation: %v", err)
	}
	if p, err := ParseIPv4(short); err != nil {
		t.Error(err)
	} else if _, err := ParseICMP(p.Payload); err != nil {
		t.Error(err)
	}
	for what, b := range map[string][]byte{
		"an echo":         datagram(ProtocolICMP, far, inside),
		"about another's": about(datagram(ProtocolUDP, far, inside)),
		"about nothing":   about(nil),
		"a wrong sum":     append(about(datagram(ProtocolUDP, outside, far))[:60], 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20),
	} {
		if err := TranslateQuoted(b, Source, outside, inside); err == nil {
			t.Errorf("%s is translated", what)
		}
	}
}

// FuzzTranslateQuoted: whatever is quoted, nothing but the address and checksums change, and the message stays valid.
func FuzzTranslateQuoted(f *testing.F) {
	for _, protocol := range []uint8{ProtocolUDP, ProtocolTCP, ProtocolICMP} {
		f.Add(ICMP{Type: ICMPUnreachable, Code: 4}.AppendError(nil, far, inside, 64, datagram(protocol, outside, far)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		if err := TranslateQuoted(b, Source, outside, inside); err != nil {
			if !bytes.Equal(b, before) {
				t.Errorf("refused with %v, and changed to %x", err, b)
			}
			return
		}
		p, err := ParseIPv4(b)
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseICMP(p.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := ParseIPv4Quoted(m.Payload); err != nil || q.Src != inside {
			t.Errorf("%x quotes %v, %v", b, q, err)
		}
		if err := TranslateQuoted(b, Source, inside, outside); err != nil {
			t.Errorf("not back: %v", err)
		}
	})
}
