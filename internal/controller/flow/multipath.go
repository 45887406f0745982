package flow

import "encoding/binary"

// HashFields says what [Multipath] hashes.
type HashFields uint16

// What can be hashed: ovs-actions(7), "multipath".
const (
	HashEthSrc HashFields = iota
	HashSymmetricL4
	HashSymmetricL3L4
	HashSymmetricL3L4UDP
	HashNwSrc
	HashNwDst
	HashSymmetricL3
)

// HashAlgorithm says how a link is chosen by the hash.
type HashAlgorithm uint16

// How a link is chosen: ovs-actions(7), "multipath".
const (
	ModuloN HashAlgorithm = iota
	HashThreshold
	HRW // highest random weight: few flows move when the number of links changes
	IterHash
)

// Multipath writes a number below links, chosen by a hash of the packet, into dst.
func Multipath(what HashFields, basis uint16, how HashAlgorithm, links int, dst SubField) Action {
	dst.check()
	checkWritable(dst.Field)
	if what > HashSymmetricL3 || how > IterHash {
		panicf("multipath: hash %d by algorithm %d", what, how)
	}
	if links < 1 || links > 0x10000 || dst.Bits < 16 && links > 1<<dst.Bits {
		panicf("multipath: %d links do not fit %v", links, dst)
	}
	b := binary.BigEndian.AppendUint16(openNicira(nxMultipath, 0), uint16(what))
	b = binary.BigEndian.AppendUint16(b, basis)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(how))
	b = binary.BigEndian.AppendUint16(b, uint16(links-1))
	b = append(b, 0, 0, 0, 0, 0, 0) // the algorithm's argument, padding
	b = appendOfsBits(b, dst)
	return closeAction(appendHeader(b, fields[dst.Field].act, int(fields[dst.Field].bytes), false))
}
