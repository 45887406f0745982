package flow

import "net/netip"

func decodePunt(w string) any {
	var p Punt
	for rest := w[16:]; len(rest) >= 4; {
		kind, n := be16(rest), int(be16(rest[2:]))
		if n < 4 || n > len(rest) {
			return nil
		}
		data := rest[4:n]
		switch {
		case kind == puntMaxLen && n >= 6:
			p.MaxLen = be16(data)
		case kind == puntID && n >= 6:
			p.ID = be16(data)
		case kind == puntUserdata:
			p.Userdata = []byte(data)
		case kind == puntPause:
			p.Pause = true
		case kind == puntMeter && n >= 8:
			p.Meter = be32(data)
		default:
			return nil
		}
		rest = rest[min((n+7)&^7, len(rest)):]
	}
	return p
}

func decodeCT(w string) any {
	if len(w) < 24 {
		return nil
	}
	c := ConnTrack{Commit: be16(w[10:])&1 != 0, Force: be16(w[10:])&2 != 0, ALG: be16(w[22:])}
	if be32(w[12:]) == 0 {
		c.Zone = be16(w[16:])
	} else {
		f, _, _, _, err := readHeader(w[12:])
		c.ZoneFrom = ofsBits(f, be16(w[16:]))
		if err != nil || !c.ZoneFrom.valid() {
			return nil
		}
	}
	if w[18] != TableAll {
		c.HasTable, c.Table = true, w[18]
	}
	c.Exec = collect(w[24:])
	if len(c.Exec) > 0 {
		if n, ok := c.Exec[0].Decode().(NAT); ok {
			c.NAT, c.Exec = &n, c.Exec[1:]
		}
	}
	return c
}

func decodeNAT(w string) any {
	flags, present := be16(w[12:]), be16(w[14:])
	n := NAT{Src: flags&1 != 0, Dst: flags&2 != 0, Persistent: flags&4 != 0, Hash: flags&8 != 0, Random: flags&16 != 0}
	rest, ok := w[16:], true
	take := func(bit uint16, size int) string {
		if present&bit == 0 {
			return ""
		}
		if len(rest) < size {
			ok = false
			return ""
		}
		s := rest[:size]
		rest = rest[size:]
		return s
	}
	n.Min = addrOf(take(1, 4), n.Min)
	n.Max = addrOf(take(2, 4), n.Max)
	n.Min = addrOf(take(4, 16), n.Min)
	n.Max = addrOf(take(8, 16), n.Max)
	if s := take(16, 2); s != "" {
		n.MinPort = be16(s)
	}
	if s := take(32, 2); s != "" {
		n.MaxPort = be16(s)
	}
	if !ok {
		return nil
	}
	return n
}

func addrOf(s string, otherwise netip.Addr) netip.Addr {
	a, ok := netip.AddrFromSlice([]byte(s))
	if !ok {
		return otherwise
	}
	return a
}

func decodeLearn(w string) any {
	if len(w) < 32 {
		return nil
	}
	l := LearnFlow{
		IdleTimeout: be16(w[10:]), HardTimeout: be16(w[12:]), Priority: be16(w[14:]), Cookie: be64(w[16:]),
		DeleteLearned: be16(w[24:]) == 2, Table: w[26],
	}
	if be16(w[24:])&^2 != 0 || be32(w[28:]) != 0 {
		return nil // options that this package does not offer
	}
	rest := w[32:]
	if be16(w[8:]) == nxLearn2 {
		if len(rest) < 8 {
			return nil
		}
		l.Limit, rest = be32(rest), rest[8:]
	}
	for len(rest) >= 2 && be16(rest) != 0 {
		s, n := decodeLearnSpec(rest)
		if n == 0 {
			return nil
		}
		l.Specs, rest = append(l.Specs, s), rest[n:]
	}
	return l
}

// decodeLearnSpec returns the number of bytes that the part takes, 0 for one that is broken.
func decodeLearnSpec(w string) (LearnSpec, int) {
	head := be16(w)
	s := LearnSpec{kind: head & learnKinds}
	bits, n := head&learnBits, 2
	if bits == 0 || bits > 128 {
		return s, 0
	}
	field := func(into *SubField) bool {
		f, _, size, _, err := readHeader(w[n:])
		if err != nil || len(w) < n+size+2 {
			return false
		}
		s, ok := subField(f, be16(w[n+size:]), bits)
		*into, n = s, n+size+2
		return ok
	}
	if s.kind&learnImmediate != 0 {
		size := 2 * ((int(bits) + 15) / 16)
		if len(w) < n+size {
			return s, 0
		}
		s.imm, n = number(w[n:n+size]), n+size
	} else if !field(&s.src) {
		return s, 0
	}
	if s.kind != learnOutput && !field(&s.dst) {
		return s, 0
	}
	return s, n
}
