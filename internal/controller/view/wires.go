package view

import (
	"hash/fnv"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Wire says that a physical network, to which this chassis is connected, carries a network: who is not here
// is reached by it.
type Wire struct {
	NetworkID string
	// Key is the network's number in registers.
	Key uint32
	// Segment is the id of the segment that the chassis uses, which may be empty.
	Segment         string
	PhysicalNetwork string
	// VLAN is the identifier of the VLAN, zero of frames without a tag.
	VLAN uint16
	// OFPort is the port behind which the physical network lies.
	OFPort uint32
	MTU    int
}

// Wires holds the networks that are carried by physical networks of this chassis, by id. The app provider
// derives it.
var Wires = NewDerived("Wire", func(w Wire) string { return w.NetworkID })

// What WireMAC makes begins with an octet of its own (a locally administered unicast address, IEEE 802),
// then has 12 bits for the interface and 28 for the chassis.
const (
	wireMACOctet      = 0x0e
	wireInterfaceBits = 12
	wireChassisBits   = 28
)

// WireMAC is the MAC address by which a chassis shows itself on a physical network for the interface of a
// distributed router, whose own MAC address all chassis have: switches would see it at many places. Every
// chassis knows the addresses of the others without being told.
func WireMAC(chassis string, iface model.MAC) model.MAC {
	of := hash(iface[:], wireInterfaceBits)<<wireChassisBits | WireMACOf(chassis)
	return model.MAC{wireMACOctet, byte(of >> 32), byte(of >> 24), byte(of >> 16), byte(of >> 8), byte(of)}
}

// WireMACs is the value, and the mask, that the WireMACs of all chassis for an interface have.
func WireMACs(iface model.MAC) (value, mask model.MAC) {
	value = WireMAC("", iface)
	return model.MAC{value[0], value[1], value[2] & 0xf0}, model.MAC{0xff, 0xff, 0xf0}
}

// WireMACOf is the part of a WireMAC that stands for the chassis: two chassis with the same cannot be on the
// same physical network.
func WireMACOf(chassis string) uint64 { return hash([]byte(chassis), wireChassisBits) }

// hash spreads what is alike but for its end over all values of some bits.
func hash(b []byte, bits uint) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(b) // cannot fail
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return (x ^ x>>33) >> (64 - bits)
}
