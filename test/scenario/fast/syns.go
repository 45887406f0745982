package fast

import (
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"

	"github.com/dragonflow/dragonflow/internal/packet"
)

// syns counts how often a machine has sent the SYN of each connection that it opens: the stack does not tell.
type syns struct {
	mu   sync.Mutex
	sent map[uint16]syn // by the port it is opened from
}

type syn struct {
	seq   uint32
	again int // beyond the first
}

// add counts a frame that the machine sends, if it is such a SYN.
func (s *syns) add(frame []byte) {
	segment, ok := segmentOf(frame)
	if !ok || segment.Flags&(packet.TCPSyn|packet.TCPAck) != packet.TCPSyn {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.sent[segment.SrcPort]
	if known && last.seq == segment.Seq {
		last.again++
	} else {
		last = syn{seq: segment.Seq} // the port is used again
	}
	s.sent[segment.SrcPort] = last
}

func (s *syns) again(port uint16) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[port].again
}

func segmentOf(frame []byte) (packet.TCP, bool) {
	e, err := packet.ParseEthernet(frame)
	if err != nil {
		return packet.TCP{}, false
	}
	var protocol uint8
	var payload []byte
	switch e.EtherType {
	case packet.EtherTypeIPv4:
		var p packet.IPv4
		p, err = packet.ParseIPv4(e.Payload)
		protocol, payload = p.Protocol, p.Payload
	case packet.EtherTypeIPv6:
		var p packet.IPv6
		p, err = packet.ParseIPv6(e.Payload)
		protocol, payload = p.Protocol, p.Payload
	}
	if err != nil || protocol != packet.ProtocolTCP {
		return packet.TCP{}, false
	}
	segment, err := packet.ParseTCP(payload)
	return segment, err == nil
}

// connection is one that a machine has opened.
type connection struct {
	*gonet.TCPConn
	syns *syns
	port uint16
}

// Lost is how many of its SYNs had to be sent again.
func (c *connection) Lost() (int, error) { return c.syns.again(c.port), nil }
