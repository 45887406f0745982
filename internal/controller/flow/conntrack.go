package flow

import (
	"encoding/binary"
	"net/netip"
)

// ConnTrack is the argument of [CT]: ovs-actions(7), "ct". Without Table the packet's connection is tracked on
// the side and the next action sees the packet as before.
type ConnTrack struct {
	Commit   bool
	Force    bool     // with Commit: drop an entry that this packet is a reply in, and begin anew
	Zone     uint16   // if ZoneFrom is unset
	ZoneFrom SubField // 16 bits
	HasTable bool
	Table    uint8 // go on there with a copy that has ct_state, ct_mark, ct_label
	NAT      *NAT
	Exec     []Action // Load, SetField or Move to CTMark or CTLabel, with Commit
	ALG      uint16   // 21 for FTP, 69 for TFTP
}

// NAT is an address translation within [ConnTrack]. The zero NAT applies the translation that the
// connection has. Without Min the switch checks only that the translated tuple is unique.
type NAT struct {
	Src, Dst         bool
	Min, Max         netip.Addr // Max may be unset: one address
	MinPort, MaxPort uint16     // 0: any; MaxPort 0: one port
	Persistent       bool       // same choice after a restart
	Hash             bool       // choose port by hash
	Random           bool       // choose port at random
}

// CT sends the packet through the connection tracker. The match must demand IPv4 or IPv6.
func CT(c ConnTrack) Action {
	b := binary.BigEndian.AppendUint16(openNicira(nxCT, 0), c.flags())
	if c.ZoneFrom.Field.Valid() {
		c.ZoneFrom.check()
		if c.ZoneFrom.Bits != 16 || c.Zone != 0 {
			panicf("ct: zone from %v: want 16 bits and no fixed zone", c.ZoneFrom)
		}
		b = appendHeader(b, fields[c.ZoneFrom.Field].act, int(fields[c.ZoneFrom.Field].bytes), false)
		b = appendOfsBits(b, c.ZoneFrom)
	} else {
		b = binary.BigEndian.AppendUint32(b, 0)
		b = binary.BigEndian.AppendUint16(b, c.Zone)
	}
	b = append(b, c.recirculate(), 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, c.ALG)
	if c.NAT != nil {
		b = append(b, c.NAT.action().wire...)
	}
	return closeAction(appendActions(b, c.Exec))
}

func (c ConnTrack) flags() uint16 {
	if c.Force && !c.Commit {
		panicf("ct: force without commit")
	}
	if len(c.Exec) > 0 && !c.Commit {
		panicf("ct: exec without commit")
	}
	for _, a := range c.Exec {
		checkExec(a)
	}
	return flag(c.Commit, 1) | flag(c.Force, 2)
}

func (c ConnTrack) recirculate() uint8 {
	switch {
	case !c.HasTable && c.Table != 0:
		panicf("ct: table %d without HasTable", c.Table)
	case !c.HasTable:
		return TableAll
	case c.Table == TableAll:
		panicf("ct: recirculation to table 255")
	}
	return c.Table
}

// checkExec panics unless the actions write ct_mark or ct_label, all that a switch allows there.
func checkExec(list Action) {
	for a := range actionSeq(list.wire) {
		var dst Field
		switch d := a.Decode().(type) {
		case LoadAction:
			dst = d.Dst.Field
		case SetFieldAction:
			dst = d.Field
		case MoveAction:
			dst = d.Dst.Field
		}
		if dst != CTMark && dst != CTLabel {
			panicf("ct: exec(%v) writes neither ct_mark nor ct_label", a)
		}
	}
}

func flag(set bool, bit uint16) uint16 {
	if set {
		return bit
	}
	return 0
}

func (n *NAT) action() Action {
	n.check()
	flags := flag(n.Src, 1) | flag(n.Dst, 2) | flag(n.Persistent, 4) | flag(n.Hash, 8) | flag(n.Random, 16)
	b := binary.BigEndian.AppendUint16(openNicira(nxNAT, 2), flags)
	b = binary.BigEndian.AppendUint16(b, 0)
	var present uint16
	for i, a := range [...]netip.Addr{n.Min, n.Max} {
		if a.IsValid() {
			b = append(b, a.AsSlice()...)
			present |= flag(a.Is4(), 1<<i) | flag(a.Is6(), 4<<i)
		}
	}
	for i, p := range [...]uint16{n.MinPort, n.MaxPort} {
		if p != 0 {
			b = binary.BigEndian.AppendUint16(b, p)
			present |= 16 << i
		}
	}
	binary.BigEndian.PutUint16(b[14:], present)
	return closeAction(b)
}

func (n *NAT) check() {
	switch {
	case n.Src && n.Dst:
		panicf("nat: of both source and destination")
	case n.Min.IsValid() && !n.Src && !n.Dst:
		panicf("nat: to %v of neither source nor destination", n.Min)
	case !n.Min.IsValid() && (n.Max.IsValid() || n.MinPort != 0 || n.MaxPort != 0 || n.Persistent || n.Hash || n.Random):
		panicf("nat: options without an address")
	case n.Min.IsValid() && n.Min.IsUnspecified():
		panicf("nat: to %v", n.Min)
	case n.Max.IsValid() && (n.Max.Is4() != n.Min.Is4() || n.Max.Less(n.Min)):
		panicf("nat: range %v-%v", n.Min, n.Max)
	case n.MinPort == 0 && n.MaxPort != 0, n.MaxPort != 0 && n.MaxPort < n.MinPort:
		panicf("nat: ports %d-%d", n.MinPort, n.MaxPort)
	case n.Hash && n.Random:
		panicf("nat: port both by hash and at random")
	}
}
