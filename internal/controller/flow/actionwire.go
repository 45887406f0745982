package flow

import "encoding/binary"

// An action is written into one buffer: open, append, close. closeAction pads it to 8 bytes and fills in its length.

func openAction(kind uint16) []byte {
	b := make([]byte, 0, 48)
	return append(b, byte(kind>>8), byte(kind), 0, 0)
}

// openNicira begins an experimenter action of Nicira with so many zero bytes after the subtype.
func openNicira(subtype uint16, zeros int) []byte {
	b := openAction(actExperimenter)
	b = binary.BigEndian.AppendUint32(b, nicira)
	b = binary.BigEndian.AppendUint16(b, subtype)
	return pad(b, len(b)+zeros)
}

func closeAction(b []byte) Action {
	b = pad8(b)
	if len(b) > maxActions {
		panicf("action of %d bytes", len(b))
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return Action{string(b)}
}

func appendActions(b []byte, actions []Action) []byte {
	for _, a := range actions {
		b = append(b, a.wire...)
	}
	return b
}

// appendOfsBits writes a range as (offset<<6 | bits-1), as older Nicira actions have it.
func appendOfsBits(b []byte, s SubField) []byte {
	return binary.BigEndian.AppendUint16(b, uint16(s.Ofs)<<6|uint16(s.Bits-1))
}

// pad adds zero bytes until b has at least n.
func pad(b []byte, n int) []byte {
	for len(b) < n {
		b = append(b, 0)
	}
	return b
}

func pad8(b []byte) []byte { return pad(b, (len(b)+7)&^7) }
