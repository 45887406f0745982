package fast

import (
	"encoding/binary"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/test/scenario"
)

// vlan makes a machine that is a VLAN of this one's interface (IEEE 802.1Q).
func (g *guest) vlan(m scenario.Machine, sent *sample) (*guest, error) {
	v, err := newGuest(m, sent)
	if err != nil {
		return nil, err
	}
	v.via, v.id = g, m.VLAN
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.vlans == nil {
		g.vlans = map[uint16]*guest{}
	}
	g.vlans[m.VLAN] = v
	return v, nil
}

// Where the tag of a frame is, and its length.
const (
	tagAt  = 12
	tagLen = 4
)

func tagged(id uint16, frame []byte) []byte {
	tag := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, flow.EthTypeVLAN), id)
	return slices.Concat(frame[:tagAt], tag, frame[tagAt:])
}

// untagged is a frame without its tag, nil if it has none, and the VLAN.
func untagged(frame []byte) ([]byte, uint16) {
	if binary.BigEndian.Uint16(frame[tagAt:]) != flow.EthTypeVLAN || len(frame) < tagAt+tagLen+2 {
		return nil, 0
	}
	return slices.Concat(frame[:tagAt], frame[tagAt+tagLen:]), binary.BigEndian.Uint16(frame[tagAt+2:]) & 0xfff
}
