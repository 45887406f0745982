package resource

import (
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
)

// maxVNI is the largest identifier of a tunnelled segment.
const maxVNI = 1<<24 - 1

// MaxSegments is how many segments a network may have.
const MaxSegments = 32

// The names of a segment's attributes.
const (
	networkType     = "provider:network_type"
	physicalNetwork = "provider:physical_network"
	segmentationID  = "provider:segmentation_id"
)

// providerAttrs are the extensions "provider" and "multi-provider": how a network's frames travel. What is
// given is kept in the row's segments, for the API to complete and to check. As in Neutron, a network with
// several segments shows them as "segments", and one with one by the other attributes.
func providerAttrs() []Attr {
	one := func(get func(model.Segment) any) func(*Network) any {
		return func(n *Network) any {
			if len(n.Segments) > 1 {
				return Absent
			}
			return get(n.segment())
		}
	}
	return []Attr{
		attr(networkType, Writable, ofSegment(setNetworkType), one(func(s model.Segment) any { return textOrNil(string(s.NetworkType)) })),
		attr(physicalNetwork, Writable, ofSegment(setPhysicalNetwork), one(func(s model.Segment) any { return textOrNil(s.PhysicalNetwork) })),
		attr(segmentationID, Writable, ofSegment(setSegmentationID), one(showSegmentationID)),
		unlisted(attr("segments", OnPost, setSegments, showSegments)),
	}
}

func showSegmentationID(s model.Segment) any {
	if s.SegmentationID == 0 {
		return nil
	}
	return int(s.SegmentationID)
}

// ofSegment sets a field of the network's only segment, which there is afterwards, in a copy.
func ofSegment(set func(*model.Segment, any) error) func(*Network, any) error {
	return func(n *Network, v any) error {
		n.Segments = slices.Clone(n.Segments)
		switch {
		case len(n.Segments) == 0:
			n.Segments = make([]model.Segment, 1)
		case len(n.Segments) > 1 && v != nil:
			return InvalidInput("Plugin does not support updating the segments of a network that has several")
		case len(n.Segments) > 1:
			return nil
		}
		return set(&n.Segments[0], v)
	}
}

func setNetworkType(s *model.Segment, v any) error {
	t, err := NullableText(32)(v)
	s.NetworkType = model.NetworkType(t)
	return err
}

func setPhysicalNetwork(s *model.Segment, v any) (err error) {
	s.PhysicalNetwork, err = NullableText(64)(v)
	return err
}

func setSegmentationID(s *model.Segment, v any) error {
	if v == nil {
		s.SegmentationID = 0
		return nil
	}
	id, err := Int(v)
	if err != nil {
		return err
	}
	if id < 1 || id > maxVNI {
		return InvalidInput("segmentation_id out of range (1 through %d)", maxVNI)
	}
	s.SegmentationID = uint32(id)
	return nil
}

// setSegments takes a list of segments; it comes after the attributes of a single one, which cannot be
// given beside it.
func setSegments(n *Network, v any) error {
	if v == nil {
		return nil
	}
	if len(n.Segments) > 0 {
		return Refused("SegmentsSetInConjunctionWithProviders", "Segments and provider values cannot both be set.")
	}
	l, err := listOf("segment", MaxSegments, v, func(v any) (s model.Segment, err error) {
		m, err := object(v, networkType, physicalNetwork, segmentationID)
		if err != nil {
			return s, err
		}
		for name, set := range map[string]func(*model.Segment, any) error{
			networkType: setNetworkType, physicalNetwork: setPhysicalNetwork, segmentationID: setSegmentationID,
		} {
			if x, ok := m[name]; ok && err == nil {
				err = set(&s, x)
			}
		}
		return s, err
	})
	if err != nil {
		return err
	}
	for i, s := range l {
		if slices.Contains(l[:i], s) && (s.PhysicalNetwork != "" || s.SegmentationID != 0) {
			return Refused("SegmentsContainDuplicateEntry", "Duplicate segment entry in request.")
		}
	}
	n.Segments = l
	return nil
}

func showSegments(n *Network) any {
	if len(n.Segments) < 2 {
		return Absent
	}
	type segment struct {
		Type     any `json:"provider:network_type"`
		Physical any `json:"provider:physical_network"`
		ID       any `json:"provider:segmentation_id"`
	}
	out := make([]segment, 0, len(n.Segments))
	for _, s := range n.Segments {
		out = append(out, segment{string(s.NetworkType), textOrNil(s.PhysicalNetwork), showSegmentationID(s)})
	}
	return out
}

func (n *Network) segment() model.Segment {
	if len(n.Segments) == 0 {
		return model.Segment{}
	}
	return n.Segments[0]
}
