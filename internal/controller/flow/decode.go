package flow

// Decode returns the action as one of the types above. What it cannot express exactly comes as [RawAction], so that the
// caller may build the same action from what it gets.
func (a Action) Decode() any {
	w := a.wire
	if len(w) < 8 {
		return RawAction{w}
	}
	d := decodeStandard(w)
	if isNicira(w) {
		d = decodeNicira(w)
	}
	if d == nil {
		return RawAction{w}
	}
	return d
}

func decodeStandard(w string) any {
	switch be16(w) {
	case actOutput:
		if len(w) != 16 {
			return nil
		}
		if be32(w[4:]) == PortController {
			return Punt{MaxLen: wholePacket(be16(w[8:]))}
		}
		return OutputAction{be32(w[4:]), be16(w[8:])}
	case actGroup:
		return GroupAction{be32(w[4:])}
	case actSetQueue:
		return SetQueueAction{be32(w[4:])}
	case actDecTTL:
		return DecTTLAction{}
	case actPushVLAN:
		return PushVLANAction{be16(w[4:])}
	case actPopVLAN:
		return PopVLANAction{}
	case actSetField:
		if c, _, err := readOXM(w[4:]); err == nil {
			return SetFieldAction{c}
		}
	}
	return nil
}

// decodeBare decodes an action of nothing but its subtype.
func decodeBare(subtype uint16) any {
	switch subtype {
	case nxPopQueue:
		return PopQueueAction{}
	case nxCTClear:
		return CTClearAction{}
	}
	return ExitAction{}
}

func decodeNicira(w string) any {
	switch be16(w[8:]) {
	case nxLoad:
		return decodeLoad(w)
	case nxLoad2:
		if c, _, err := readOXM(w[10:]); err == nil {
			return SetFieldAction{c}
		}
	case nxMove:
		return decodeMove(w)
	case nxResubmitTab:
		port := be16(w[10:])
		if port == PortInPort&0xffff {
			port = 0
		}
		return ResubmitAction{port, w[12]}
	case nxPopQueue, nxCTClear, nxExit:
		return decodeBare(be16(w[8:]))
	case nxNote:
		return NoteAction{w[10:]}
	case nxConj:
		return ConjunctionAction{be32(w[12:]), w[10] + 1, w[11]}
	case nxClone:
		return CloneAction{collect(w[16:])}
	case nxController:
		if w[14] == reasonAction {
			return Punt{MaxLen: wholePacket(be16(w[10:])), ID: be16(w[12:])}
		}
	case nxController2:
		return decodePunt(w)
	case nxPush, nxPop:
		return decodeStack(w)
	case nxMultipath:
		return decodeMultipath(w)
	case nxCheckLarger:
		f, _, _, _, err := readHeader(w[14:])
		if s, ok := subField(f, be16(w[12:]), 1); ok && err == nil {
			return CheckPktLargerAction{be16(w[10:]), s}
		}
	case nxCT:
		return decodeCT(w)
	case nxNAT:
		return decodeNAT(w)
	case nxLearn, nxLearn2:
		return decodeLearn(w)
	}
	return nil
}

func collect(w string) []Action {
	var list []Action
	for a := range actionSeq(w) {
		list = append(list, a)
	}
	return list
}

// wholePacket is 0 for a length that means all of the packet.
func wholePacket(n uint16) uint16 {
	if n == 0xffff {
		return 0
	}
	return n
}

// subField returns a range of bits and whether the field has them.
func subField(f Field, ofs, bits uint16) (SubField, bool) {
	if ofs > 0xff || bits > 0xff {
		return SubField{}, false
	}
	s := SubField{f, uint8(ofs), uint8(bits)}
	return s, s.valid()
}

// ofsBits reads a range written by appendOfsBits.
func ofsBits(f Field, v uint16) SubField { return SubField{f, uint8(v >> 6), uint8(v&0x3f) + 1} }

func decodeLoad(w string) any {
	if len(w) != 24 {
		return nil
	}
	f, _, _, _, err := readHeader(w[12:])
	if s := ofsBits(f, be16(w[10:])); err == nil && s.valid() {
		return LoadAction{s, be64(w[16:])}
	}
	return nil
}

func decodeMove(w string) any {
	src, _, n, _, err := readHeader(w[16:])
	if err != nil {
		return nil
	}
	dst, _, _, _, err := readHeader(w[16+n:])
	from, okFrom := subField(src, be16(w[12:]), be16(w[10:]))
	to, okTo := subField(dst, be16(w[14:]), be16(w[10:]))
	if err != nil || !okFrom || !okTo {
		return nil
	}
	return MoveAction{from, to}
}

func decodeStack(w string) any {
	f, _, n, _, err := readHeader(w[12:])
	if err != nil || len(w) < 14+n {
		return nil
	}
	s, ok := subField(f, be16(w[10:]), be16(w[12+n:]))
	switch {
	case !ok:
		return nil
	case be16(w[8:]) == nxPush:
		return PushAction{s}
	}
	return PopAction{s}
}

func decodeMultipath(w string) any {
	if len(w) != 32 {
		return nil
	}
	f, _, _, _, err := readHeader(w[28:])
	s := ofsBits(f, be16(w[26:]))
	if err != nil || !s.valid() {
		return nil
	}
	return MultipathAction{HashFields(be16(w[10:])), be16(w[12:]), HashAlgorithm(be16(w[16:])), int(be16(w[18:])) + 1, s}
}
