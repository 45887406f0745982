package resource

import (
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
)

// maxVNI is the largest identifier of a tunnelled segment.
const maxVNI = 1<<24 - 1

// providerAttrs is the extension "provider": how a network's frames travel. What is given is kept in the
// row's only segment, for the API to complete and to check.
func providerAttrs() []Attr {
	return []Attr{
		attr("provider:network_type", Writable, func(n *Network, v any) error {
			s, err := NullableText(32)(v)
			if err == nil {
				setSegment(n, func(x *model.Segment) { x.NetworkType = model.NetworkType(s) })
			}
			return err
		}, func(n *Network) any { return textOrNil(string(n.segment().NetworkType)) }),
		attr("provider:physical_network", Writable, func(n *Network, v any) (err error) {
			n.PhysicalNetwork, err = NullableText(64)(v)
			return err
		}, func(*Network) any { return nil }),
		attr("provider:segmentation_id", Writable, setSegmentationID, func(n *Network) any {
			if id := n.segment().SegmentationID; id != 0 {
				return int(id)
			}
			return nil
		}),
	}
}

func setSegmentationID(n *Network, v any) error {
	if v == nil {
		setSegment(n, func(x *model.Segment) { x.SegmentationID = 0 })
		return nil
	}
	id, err := Int(v)
	if err != nil {
		return err
	}
	if id < 1 || id > maxVNI {
		return InvalidInput("segmentation_id out of range (1 through %d)", maxVNI)
	}
	setSegment(n, func(x *model.Segment) { x.SegmentationID = uint32(id) })
	return nil
}

// setSegment changes the network's segment, which there is afterwards, in a copy.
func setSegment(n *Network, change func(*model.Segment)) {
	n.Segments = slices.Clone(n.Segments)
	if len(n.Segments) == 0 {
		n.Segments = make([]model.Segment, 1)
	}
	change(&n.Segments[0])
}

func (n *Network) segment() model.Segment {
	if len(n.Segments) == 0 {
		return model.Segment{}
	}
	return n.Segments[0]
}
