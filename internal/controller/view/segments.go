package view

import (
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
)

// SegmentHere returns the id of the segment by which this chassis reaches a network; empty if it reaches none, or
// if nobody has told the segments' ids.
func SegmentHere(r *Reader, network string) string {
	if w, found := Get(r, Wires, network); found == Present {
		return w.Segment
	}
	n, found := Get(r, Networks, network)
	if found != Present {
		return ""
	}
	s, _ := n.Tunnel()
	return s.ID
}

// OnAnotherSegment reports whether a subnet is on another segment of its network than this chassis: only routers
// outside lead there.
func OnAnotherSegment(r *Reader, s *model.Subnet) bool {
	if s.SegmentID == "" {
		return false
	}
	here := SegmentHere(r, s.NetworkID)
	return here != "" && here != s.SegmentID
}

// AddressElsewhere reports whether an address of a port is on another segment of its network than this chassis.
func AddressElsewhere(r *Reader, network string, f model.FixedIP) bool {
	s, found := Get(r, Subnets, Within(network, f.SubnetID))
	return found == Present && OnAnotherSegment(r, s)
}

// PortElsewhere reports whether all addresses of a port, of which it has at least one, are on another segment.
func PortElsewhere(r *Reader, p *model.Port) bool {
	return len(p.FixedIPs) > 0 && !slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool { return !AddressElsewhere(r, p.NetworkID, f) })
}
