package segment

import (
	"errors"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Plan is how networks are tunnelled.
type Plan struct {
	// Type is the tunnel of networks whose creator names none.
	Type model.NetworkType
	// VNIs are those that such networks are given, of each type of tunnel.
	VNIs Ranges
	// Transit are given to no network, of whatever type: they are set aside for what chassis send each
	// other on behalf of routers.
	Transit Ranges
	// PhysicalMTU is the largest IP packet, in bytes, that the hosts' network carries.
	PhysicalMTU int
	// IPVersion is that of the addresses between which hosts tunnel, 4 or 6.
	IPVersion int
	// VLANs are the physical networks with VLANs, and those of them that are given to networks whose creator
	// names none. If there are any, no other physical network can have VLANs.
	VLANs []PhysicalNetwork
	// PhysicalMTUs are the largest IP packets of physical networks, in bytes, where it is not PhysicalMTU.
	PhysicalMTUs map[string]int
}

// DefaultPlan is Geneve over IPv4 on Ethernet, with the last 2^20 VNIs for transit.
func DefaultPlan() Plan {
	const transit = MaxVNI - 1<<20 + 1
	return Plan{
		Type: model.Geneve, VNIs: Ranges{{1, transit - 1}}, Transit: Ranges{{transit, MaxVNI}},
		PhysicalMTU: 1500, IPVersion: 4,
	}
}

// IsTunnel reports whether segments of a type are tunnelled.
func IsTunnel(t model.NetworkType) bool { return t == model.Geneve || t == model.VXLAN }

// Known reports whether networks can be of a type.
func Known(t model.NetworkType) bool { return IsTunnel(t) || t == model.Flat || t == model.VLAN }

// The bytes that a tunnel puts around an IP packet of a guest. Both tunnels have the guest's Ethernet
// header (14), their own (8) and UDP's (8); Geneve is sent without options. Neutron's ML2 counts the same
// ("max_header_size" 30) and adds the outer IP header.
const (
	tunnelHeaders = 14 + 8 + 8
	ipv4Header    = 20
	ipv6Header    = 40
)

// Overhead is by how much a packet of a guest must be smaller than one of the hosts, in bytes.
func (p Plan) Overhead() int {
	if p.IPVersion == 6 {
		return tunnelHeaders + ipv6Header
	}
	return tunnelHeaders + ipv4Header
}

// MTU is the largest MTU that a tunnelled network can have, and the one that it has if nobody names one.
func (p Plan) MTU() int { return p.PhysicalMTU - p.Overhead() }

// SegmentMTU is the largest MTU that a network can have on a segment.
func (p Plan) SegmentMTU(s model.Segment) int {
	if !s.IsProvider() {
		return p.MTU()
	}
	if mtu, ok := p.PhysicalMTUs[s.PhysicalNetwork]; ok {
		return mtu
	}
	return p.PhysicalMTU
}

// LargestMTU is the largest MTU that a network with these segments can have: that of the least of them.
func (p Plan) LargestMTU(segments []model.Segment) int {
	if len(segments) == 0 {
		return p.MTU()
	}
	least := p.SegmentMTU(segments[0])
	for _, s := range segments[1:] {
		least = min(least, p.SegmentMTU(s))
	}
	return least
}

// minMTU is the least that a tunnel must leave: IPv4's least (RFC 791).
const minMTU = 68

// Check reports what does not fit together.
func (p Plan) Check() error {
	switch {
	case !IsTunnel(p.Type):
		return fmt.Errorf("%q is not a type of tunnel: geneve, vxlan", p.Type)
	case len(p.VNIs) == 0:
		return errors.New("no VNIs for networks")
	case p.VNIs.Overlaps(p.Transit):
		return fmt.Errorf("the VNIs of networks (%s) and of transit (%s) overlap", p.VNIs, p.Transit)
	case p.IPVersion != 4 && p.IPVersion != 6:
		return fmt.Errorf("%d is not a version of IP: 4, 6", p.IPVersion)
	case p.MTU() < minMTU || p.PhysicalMTU > 65535:
		return fmt.Errorf("hosts' MTU of %d must lie in %d..65535", p.PhysicalMTU, minMTU+p.Overhead())
	}
	return nil
}
