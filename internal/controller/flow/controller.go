package flow

import "encoding/binary"

// Punt is the argument of [Controller].
type Punt struct {
	ID       uint16 // which controller connection: the id that it gave itself
	MaxLen   uint16 // bytes of the packet to send, 0: all of it
	Userdata []byte // returned in the packet-in
	Pause    bool   // keep the packet's state in the switch's reply until it is resumed
	Meter    uint32 // rate limit by this meter, 0: none
}

// Properties of NXAST_CONTROLLER2, ovs-actions(7).
const (
	puntMaxLen   = 0
	puntID       = 1
	puntReason   = 2
	puntUserdata = 3
	puntPause    = 4
	puntMeter    = 5
)

// Controller sends the packet to a controller (NXAST_CONTROLLER2).
func Controller(p Punt) Action {
	if len(p.Userdata) > 4096 {
		panicf("controller: userdata of %d bytes", len(p.Userdata))
	}
	b := openNicira(nxController2, 6)
	if p.MaxLen != 0 && p.MaxLen != 0xffff {
		b = appendProp(b, puntMaxLen, byte(p.MaxLen>>8), byte(p.MaxLen), 0, 0)
	}
	if p.ID != 0 {
		b = appendProp(b, puntID, byte(p.ID>>8), byte(p.ID), 0, 0)
	}
	if len(p.Userdata) > 0 {
		b = appendProp(b, puntUserdata, p.Userdata...)
	}
	if p.Pause {
		b = appendProp(b, puntPause)
	}
	if p.Meter != 0 {
		b = appendProp(b, puntMeter, byte(p.Meter>>24), byte(p.Meter>>16), byte(p.Meter>>8), byte(p.Meter))
	}
	return closeAction(b)
}

// appendProp writes a property: type, length, data, padding to 8 bytes that the length does not count.
func appendProp(b []byte, kind uint16, data ...byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(data)))
	b = append(b, data...)
	return pad8(b)
}
