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
	puntUserdata = 3
	puntPause    = 4
	puntMeter    = 5
)

// reasonAction is OFPR_ACTION: a flow asked for the packet to be sent.
const reasonAction = 1

// Controller sends the packet to a controller, in the simplest of the three forms that can say it: OFPAT_OUTPUT,
// NXAST_CONTROLLER, NXAST_CONTROLLER2. That is the one which Open vSwitch would choose.
func Controller(p Punt) Action {
	if len(p.Userdata) > 4096 {
		panicf("controller: userdata of %d bytes", len(p.Userdata))
	}
	if p.MaxLen == 0 {
		p.MaxLen = 0xffff
	}
	if len(p.Userdata) > 0 || p.Pause || p.Meter != 0 {
		return closeAction(p.append(openNicira(nxController2, 6)))
	}
	if p.ID == 0 {
		return output(PortController, p.MaxLen)
	}
	b := binary.BigEndian.AppendUint16(openNicira(nxController, 0), p.MaxLen)
	b = binary.BigEndian.AppendUint16(b, p.ID)
	return closeAction(append(b, reasonAction, 0))
}

// append writes the properties.
func (p Punt) append(b []byte) []byte {
	if p.MaxLen != 0xffff {
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
	return b
}

// appendProp writes a property: type, length, data, padding to 8 bytes that the length does not count.
func appendProp(b []byte, kind uint16, data ...byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(data)))
	b = append(b, data...)
	return pad8(b)
}
