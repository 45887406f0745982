package intake

import (
	"fmt"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// parseTrunk reads a trunk whose sub-ports are in VLANs, the only segmentation that Neutron's plugin lets through.
func parseTrunk(f *fields) resource.Row {
	x := &resource.Trunk{PortID: f.needUUID("port_id"), AdminStateUp: f.boolean("admin_state_up", true)}
	x.SubPorts = list(f, "sub_ports", nested(parseSubPort))
	ports, vlans := map[string]bool{x.PortID: true}, map[int]bool{}
	for _, p := range x.SubPorts {
		switch {
		case ports[p.PortID]:
			f.fail("sub_ports", fmt.Errorf("port %s is there twice", p.PortID))
		case vlans[p.SegmentationID]:
			f.fail("sub_ports", fmt.Errorf("segmentation_id %d is there twice", p.SegmentationID))
		}
		ports[p.PortID], vlans[p.SegmentationID] = true, true
	}
	return x
}

func parseSubPort(f *fields) resource.SubPort {
	p := resource.SubPort{PortID: f.needUUID("port_id"), SegmentationType: required(f, "segmentation_type", resource.OneOf(resource.SegmentationVLAN)),
		SegmentationID: f.integer("segmentation_id")}
	if err := p.CheckVLAN(); err != nil {
		f.fail("segmentation_id", err)
	}
	return p
}
