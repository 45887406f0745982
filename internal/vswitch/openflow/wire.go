package openflow

import "encoding/binary"

// version is OpenFlow 1.4, in which flow dumps compare byte for byte with what was sent.
const version = 5

// Message types: OpenFlow 1.4 §7.1.
const (
	typeHello         = 0
	typeError         = 1
	typeEchoRequest   = 2
	typeEchoReply     = 3
	typeExperimenter  = 4
	typeSetConfig     = 9
	typePacketIn      = 10
	typeFlowRemoved   = 11
	typePortStatus    = 12
	typePacketOut     = 13
	typeFlowMod       = 14
	typeGroupMod      = 15
	typeMultipart     = 18
	typeMultipartRep  = 19
	typeBarrier       = 20
	typeBarrierReply  = 21
	typeMeterMod      = 29
	typeBundleControl = 33
	typeBundleAdd     = 34
)

// Subtypes of Nicira's messages, nicira-ext.h.
const (
	nicira             = 0x00002320
	nxSetPacketInFmt   = 16
	nxSetControllerID  = 20
	nxResume           = 28
	nxCTFlushZone      = 29
	nxPacketIn2        = 30
	nxCTFlush          = 32
	nxPacketInFormat2  = 2
	noBuffer           = 0xffffffff
	anyPort            = 0xffffffff
	anyGroup           = 0xffffffff
	maxMessage         = 0xffff
	headerSize         = 8
	experimenterSize   = 16
	multipartSize      = 16
	multipartMore      = 1
	mpFlow             = 1
	mpGroup            = 6
	mpGroupDesc        = 7
	mpMeter            = 9
	mpMeterConfig      = 10
	mpPortDesc         = 13
	matchOXM           = 1
	bundleOpen         = 0
	bundleOpenReply    = 1
	bundleCommit       = 4
	bundleCommitReply  = 5
	bundleDiscard      = 6
	bundleDiscardReply = 7
)

// begin appends a header whose length end fills in.
func begin(b []byte, kind uint8, xid uint32) []byte {
	b = append(b, version, kind, 0, 0)
	return binary.BigEndian.AppendUint32(b, xid)
}

// end fills in the length of the message that starts at start.
func end(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// beginNicira appends the header of one of Nicira's messages.
func beginNicira(b []byte, subtype, xid uint32) []byte {
	b = begin(b, typeExperimenter, xid)
	b = binary.BigEndian.AppendUint32(b, nicira)
	return binary.BigEndian.AppendUint32(b, subtype)
}

// header is a message's header.
type header struct {
	version, kind uint8
	length        int
	xid           uint32
}

func readHeader(b []byte) header {
	return header{b[0], b[1], int(binary.BigEndian.Uint16(b[2:])), binary.BigEndian.Uint32(b[4:])}
}

// pad8 adds zero bytes until the length from start is a multiple of 8.
func pad8(b []byte, start int) []byte {
	for (len(b)-start)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

// round8 is the next multiple of 8.
func round8(n int) int { return (n + 7) &^ 7 }
