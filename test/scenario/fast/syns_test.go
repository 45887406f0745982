package fast

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/packet"
)

func TestResentSYNsAreCounted(t *testing.T) {
	t.Parallel()
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	s := &syns{sent: map[uint16]syn{}}
	send := func(seq uint32, flags uint8, payload string) {
		segment := packet.TCP{SrcPort: 40000, DstPort: 7, Seq: seq, Flags: flags, Payload: []byte(payload)}.Append(nil, a, b)
		header := packet.IPv6{NextHeader: packet.ProtocolTCP, HopLimit: 64, Src: a, Dst: b}
		s.add(append(header.Append(packet.Ethernet{EtherType: packet.EtherTypeIPv6}.Append(nil), len(segment)), segment...))
	}
	send(1, packet.TCPSyn, "")
	send(2, packet.TCPAck, "data")
	send(2, packet.TCPAck, "data")
	if n := s.again(40000); n != 0 {
		t.Errorf("%d of one SYN", n)
	}
	send(1, packet.TCPSyn, "")
	send(1, packet.TCPSyn, "")
	send(1, packet.TCPSyn|packet.TCPAck, "")
	if n := s.again(40000); n != 2 {
		t.Errorf("%d after it was sent three times", n)
	}
	send(9, packet.TCPSyn, "") // another connection
	if n := s.again(40000); n != 0 {
		t.Errorf("%d of the second connection", n)
	}
}
