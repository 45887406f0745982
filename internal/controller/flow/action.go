package flow

import (
	"encoding/binary"
	"strings"
)

// Action is an OpenFlow 1.4 action, with the Nicira extensions that ovs-actions(7) describes. Use the functions
// of this package to make one; the zero Action does nothing. A masked [SetField] becomes several that belong together.
type Action struct{ wire string }

// Reserved ports: OpenFlow 1.4 §7.2.1.
const (
	PortInPort     = 0xfffffff8 // where the packet came from; plain Output to that port is suppressed
	PortTable      = 0xfffffff9 // only in a packet-out: look the packet up from table 0
	PortNormal     = 0xfffffffa
	PortFlood      = 0xfffffffb
	PortAll        = 0xfffffffc
	PortController = 0xfffffffd
	PortLocal      = 0xfffffffe // the bridge's own device
	PortAny        = 0xffffffff
)

// MaxPort is the highest number of an ordinary port in Open vSwitch.
const MaxPort = 0xfeff

// maxActions bounds the actions of one flow in bytes: a flow-mod has a 16-bit length that counts the match, too.
const maxActions = 0xffff - 8 - maxMatch - 256

// Types of standard actions, OpenFlow 1.4 §7.2.5, and the subtypes of Nicira's.
const (
	actOutput       = 0
	actPushVLAN     = 17
	actPopVLAN      = 18
	actSetQueue     = 21
	actGroup        = 22
	actDecTTL       = 24
	actSetField     = 25
	actExperimenter = 0xffff

	nicira = 0x00002320

	nxPopQueue    = 5
	nxMove        = 6
	nxLoad        = 7
	nxNote        = 8
	nxMultipath   = 10
	nxResubmit    = 1
	nxResubmitTab = 14
	nxLearn       = 16
	nxExit        = 17
	nxController  = 20
	nxPush        = 27
	nxPop         = 28
	nxLoad2       = 33
	nxConj        = 34
	nxCT          = 35
	nxNAT         = 36
	nxController2 = 37
	nxClone       = 42
	nxCTClear     = 43
	nxResubmitCT  = 44
	nxLearn2      = 45
	nxCheckLarger = 49
)

// Wire returns the action as it is sent.
func (a Action) Wire() string { return a.wire }

// Output sends the packet to a port. It does nothing if that is where the packet came from: see [OutputInPort].
func Output(port uint32) Action {
	if port == PortController {
		panicf("output to the controller: use Controller")
	}
	return output(port, 0)
}

// OutputInPort sends the packet back to the port where it came from.
func OutputInPort() Action { return output(PortInPort, 0) }

// OutputLocal sends the packet to the bridge's own device.
func OutputLocal() Action { return output(PortLocal, 0) }

func output(port uint32, maxLen uint16) Action {
	if port > MaxPort && port < PortInPort || port == 0 || port == PortAny {
		panicf("output to port %#x, which cannot exist", port)
	}
	b := binary.BigEndian.AppendUint32(openAction(actOutput), port)
	b = binary.BigEndian.AppendUint16(b, maxLen)
	return closeAction(append(b, 0, 0, 0, 0, 0, 0))
}

// Group has the packet handled by a group.
func Group(id uint32) Action {
	if id > MaxGroup {
		panicf("group %#x: the highest is %#x", id, MaxGroup)
	}
	return closeAction(binary.BigEndian.AppendUint32(openAction(actGroup), id))
}

// MaxQueue is the highest number of a queue that Linux' HTB has in Open vSwitch; 0 is that of what no queue is set for.
const MaxQueue = 0xf000 - 1

// SetQueue has what is sent from here on wait in a queue of the device by which it leaves, also behind a patch port. It
// needs a datapath in the kernel; others take no notice.
func SetQueue(id uint32) Action {
	if id > MaxQueue {
		panicf("queue %d: the highest is %d", id, MaxQueue)
	}
	return closeAction(binary.BigEndian.AppendUint32(openAction(actSetQueue), id))
}

// PopQueue undoes [SetQueue] (NXAST_POP_QUEUE).
func PopQueue() Action { return closeAction(openNicira(nxPopQueue, 6)) }

// DecTTL takes one from IPv4's TTL or IPv6's hop limit; a packet that has no more is dropped and sent to
// the controllers that asked for such packets.
func DecTTL() Action { return closeAction(append(openAction(actDecTTL), 0, 0, 0, 0)) }

// PushVLAN puts an 802.1Q tag with VLAN 0 in front; SetVLAN gives it an id.
func PushVLAN() Action {
	b := binary.BigEndian.AppendUint16(openAction(actPushVLAN), EthTypeVLAN)
	return closeAction(append(b, 0, 0))
}

// PopVLAN takes the outermost VLAN tag off.
func PopVLAN() Action { return closeAction(append(openAction(actPopVLAN), 0, 0, 0, 0)) }

// SetVLAN changes the id of the VLAN tag that the packet has.
func SetVLAN(vid uint16) Action { return SetField(VLANVID.Is(VLANPresent | uint64(vid))) }

// SetField gives a field, or its masked bits, the value of the constraint: flow.SetField(flow.EthDst.MAC(m)). A whole
// field becomes OFPAT_SET_FIELD; as OpenFlow 1.4 has no mask there, anything else becomes a load for each
// run of bits.
func SetField(c Constraint) Action {
	c = c.Field.constrain(c.Value, c.Mask)
	checkWritable(c.Field)
	switch {
	case c.Mask.IsZero():
		panicf("set_field of no bit of %v", c.Field)
	case c.Field == InPort:
		panicf("set_field of in_port: OpenFlow forbids it, use Load")
	case c.Field == VLANVID && c.Value.Lo&VLANPresent == 0:
		panicf("set_field of vlan_vid without VLANPresent")
	case c.Mask == c.Field.mask():
		return closeAction(appendOXM(openAction(actSetField), fields[c.Field].match, c))
	}
	var b strings.Builder
	for c.Mask = c.Mask.And(ones(c.Field.Bits())); !c.Mask.IsZero(); {
		s := lowestRun(c)
		b.WriteString(Load(s, c.Value.Shr(int(s.Ofs)).And(ones(int(s.Bits))).Lo).wire)
		c.Mask = c.Mask.AndNot(s.Mask())
	}
	return Action{b.String()}
}

// lowestRun returns the lowest contiguous bits of the mask, at most 64.
func lowestRun(c Constraint) SubField {
	ofs := 0
	for c.Mask.Shr(ofs).Lo&1 == 0 {
		ofs++
	}
	n := 1
	for n < 64 && c.Mask.Shr(ofs+n).Lo&1 != 0 {
		n++
	}
	return c.Field.Part(ofs, n)
}

// Load writes a number into at most 64 bits (NXAST_REG_LOAD).
func Load(dst SubField, v uint64) Action {
	dst.check()
	checkWritable(dst.Field)
	if dst.Bits > 64 || fields[dst.Field].act.class == classExp {
		panicf("load of %v: use SetField", dst)
	}
	if dst.Bits < 64 && v>>dst.Bits != 0 {
		panicf("load of %#x into %v: too wide", v, dst)
	}
	b := openNicira(nxLoad, 0)
	b = appendOfsBits(b, dst)
	b = appendHeader(b, fields[dst.Field].act, int(fields[dst.Field].bytes), false)
	return closeAction(binary.BigEndian.AppendUint64(b, v))
}

// LoadReg writes a whole register.
func LoadReg(f Field, v uint32) Action { return Load(f.All(), uint64(v)) }

// Move copies bits of the same number (NXAST_REG_MOVE).
func Move(src, dst SubField) Action {
	src.check()
	dst.check()
	checkWritable(dst.Field)
	if src.Bits != dst.Bits {
		panicf("move from %v to %v: different widths", src, dst)
	}
	b := openNicira(nxMove, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(src.Bits))
	b = binary.BigEndian.AppendUint16(b, uint16(src.Ofs))
	b = binary.BigEndian.AppendUint16(b, uint16(dst.Ofs))
	b = appendHeader(b, fields[src.Field].act, int(fields[src.Field].bytes), false)
	return closeAction(appendHeader(b, fields[dst.Field].act, int(fields[dst.Field].bytes), false))
}

// Resubmit looks the packet up in another table and then goes on with the next action.
func Resubmit(table uint8) Action { return resubmit(PortInPort&0xffff, table) }

// ResubmitPort is Resubmit with another ingress port, which the look-up sees and which stays
// where a packet is not sent back to.
func ResubmitPort(port uint16, table uint8) Action {
	if port == 0 || port > MaxPort {
		panicf("resubmit from port %d", port)
	}
	return resubmit(port, table)
}

func resubmit(port uint16, table uint8) Action {
	if table == TableAll {
		panicf("resubmit to table 255")
	}
	b := binary.BigEndian.AppendUint16(openNicira(nxResubmitTab, 0), port)
	return closeAction(append(b, table, 0, 0, 0))
}

// CTClear forgets what the connection tracker said about the packet.
func CTClear() Action { return closeAction(openNicira(nxCTClear, 6)) }

// Exit ends the handling of the packet, also in the tables that resubmitted it here.
func Exit() Action { return closeAction(openNicira(nxExit, 6)) }

// Clone runs actions on a copy: what they change is undone afterwards.
func Clone(actions ...Action) Action {
	if len(actions) == 0 {
		panicf("clone of no actions")
	}
	return closeAction(appendActions(openNicira(nxClone, 6), actions))
}

// Note does nothing; it carries bytes that a dump shows. The switch pads them with zeros to 6 and
// further multiples of 8.
func Note(data []byte) Action { return closeAction(append(openNicira(nxNote, 0), data...)) }

// Conjunction makes the flow clause n (from 1) of k of a conjunctive match: ovs-fields(7) on conj_id.
func Conjunction(id uint32, n, k uint8) Action {
	if n < 1 || n > k || k < 2 || k > 64 {
		panicf("conjunction %d of %d", n, k)
	}
	return closeAction(binary.BigEndian.AppendUint32(append(openNicira(nxConj, 0), n-1, k), id))
}

// Push saves bits on the packet's stack.
func Push(src SubField) Action { return stack(nxPush, src) }

// Pop takes bits off the packet's stack.
func Pop(dst SubField) Action {
	checkWritable(dst.Field)
	return stack(nxPop, dst)
}

func stack(subtype uint16, s SubField) Action {
	s.check()
	b := binary.BigEndian.AppendUint16(openNicira(subtype, 0), uint16(s.Ofs))
	b = appendHeader(b, fields[s.Field].act, int(fields[s.Field].bytes), false)
	b = binary.BigEndian.AppendUint16(b, uint16(s.Bits))
	return closeAction(pad(b, 24))
}

// CheckPktLarger sets one bit to whether the packet, from its Ethernet header on, is longer than size bytes.
func CheckPktLarger(size uint16, dst SubField) Action {
	dst.check()
	checkWritable(dst.Field)
	if dst.Bits != 1 {
		panicf("check_pkt_larger into %v: want one bit", dst)
	}
	b := binary.BigEndian.AppendUint16(openNicira(nxCheckLarger, 0), size)
	b = binary.BigEndian.AppendUint16(b, uint16(dst.Ofs))
	b = appendHeader(b, fields[dst.Field].act, int(fields[dst.Field].bytes), false)
	return closeAction(pad(b, 24))
}

// checkWritable panics for the fields that only the switch writes.
func checkWritable(f Field) {
	switch f {
	case ConjID, EthType, IPFrag, IPProto, TCPFlags, CTState, CTZone,
		CTNwSrc, CTNwDst, CTIPv6Src, CTIPv6Dst, CTNwProto, CTTpSrc, CTTpDst:
		panicf("%v cannot be written", f)
	}
	if !f.Valid() {
		panicf("field %d does not exist", f)
	}
}
