package resource

import (
	"fmt"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Trunk is the stored form of a trunk: a port whose guest has further ports, the sub-ports, in VLANs of its interface.
type Trunk struct {
	Common
	PortID string `json:"port_id"`
	// AdminStateUp false keeps users from changing the trunk; packets do not depend on it.
	AdminStateUp bool      `json:"admin_state_up"`
	SubPorts     []SubPort `json:"sub_ports,omitzero"`

	// Status is not stored: the API fills it in before it shows a trunk.
	Status string `json:"-"`
}

// SubPort is a port of a trunk beside the one with the interface.
type SubPort struct {
	PortID           string `json:"port_id"`
	SegmentationType string `json:"segmentation_type,omitzero"`
	SegmentationID   int    `json:"segmentation_id,omitzero"`
}

// The types of segmentation: a VLAN that the client names, or that which the sub-port's network has.
const (
	SegmentationVLAN    = "vlan"
	SegmentationInherit = "inherit"
)

// The states of a trunk.
const (
	// TrunkDown says that the parent port is not up.
	TrunkDown = "DOWN"
	// TrunkBuild says that the chassis has not said anything about some sub-port yet.
	TrunkBuild = "BUILD"
	// TrunkDegraded says that some sub-port that should be up is not.
	TrunkDegraded = "DEGRADED"
	// TrunkActive says that all ports are up.
	TrunkActive = "ACTIVE"
)

// Limits on the sub-ports of one request and of one trunk: one is written in one batch, the other in one value.
const (
	MaxSubPortsAtOnce = 24
	MaxSubPorts       = 1000
)

// Clone returns a copy.
func (x *Trunk) Clone() Row { c := *x; return &c }

// SubPort returns the place of a port among the sub-ports, -1 if it is none.
func (x *Trunk) SubPort(port string) int {
	return slices.IndexFunc(x.SubPorts, func(s SubPort) bool { return s.PortID == port })
}

// Trunks is the type "trunk".
func Trunks() *Type {
	first, last := standard(nameAttr(Text(255)))
	return &Type{
		Kind: "neutron.trunk", Singular: "trunk", Plural: "trunks", Path: "trunks",
		Attrs: join(first, []Attr{
			required(field("port_id", OnPost, UUID, func(x *Trunk) *string { return &x.PortID })),
			field("admin_state_up", Writable, Bool, func(x *Trunk) *bool { return &x.AdminStateUp }),
			shown("status", func(x *Trunk) any { return x.Status }),
			unlisted(attr("sub_ports", OnPost, func(x *Trunk, v any) (err error) {
				x.SubPorts, err = ParseSubPorts(v, true)
				return err
			}, func(x *Trunk) any { return ShowSubPorts(x.SubPorts) })),
			tagsAttr(),
		}, last),
		New:          func() Row { return &Trunk{AdminStateUp: true} },
		notFoundType: "TrunkNotFound", notFoundText: "Trunk %s could not be found.",
	}
}

// ShowSubPorts is a list of sub-ports as the API shows it.
func ShowSubPorts(list []SubPort) any {
	out := make([]map[string]any, len(list))
	for i, s := range list {
		out[i] = map[string]any{"port_id": s.PortID, "segmentation_type": s.SegmentationType, "segmentation_id": s.SegmentationID}
	}
	return out
}

// ParseSubPorts converts a list of sub-ports, whose ports and VLANs must differ. Those that inherit their VLAN have none
// yet. To remove sub-ports only their ports need to be named.
func ParseSubPorts(v any, adding bool) ([]SubPort, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("Invalid data format for subports: '%s' is not a list", show(v))
	}
	if len(list) > MaxSubPortsAtOnce {
		return nil, fmt.Errorf("more than %d sub-ports in one request", MaxSubPortsAtOnce)
	}
	var out []SubPort
	for _, raw := range list {
		s, err := parseSubPort(raw, adding)
		if err != nil {
			return nil, err
		}
		for _, other := range out {
			if other.PortID == s.PortID {
				return nil, fmt.Errorf("Non unique UUID for subport: '%s'", s.PortID)
			}
			if adding && s.SegmentationType != SegmentationInherit && other.SegmentationType == s.SegmentationType && other.SegmentationID == s.SegmentationID {
				return nil, fmt.Errorf("Segmentation ID '%d' for '%s' is not unique", s.SegmentationID, s.PortID)
			}
		}
		out = append(out, s)
	}
	return out, nil
}

func parseSubPort(v any, adding bool) (s SubPort, err error) {
	m, ok := v.(map[string]any)
	if !ok {
		return s, fmt.Errorf("Invalid data format for subport: '%s' is not a dict", show(v))
	}
	if _, ok := m["port_id"]; !ok {
		return s, fmt.Errorf("A valid port UUID must be specified")
	}
	if s.PortID, err = UUID(m["port_id"]); err != nil {
		return s, fmt.Errorf("Invalid UUID for subport: '%s'", show(m["port_id"]))
	}
	if !adding {
		return s, nil
	}
	typ, _ := m["segmentation_type"].(string)
	switch {
	case typ == SegmentationInherit:
		s.SegmentationType = typ
		return s, nil
	case typ == "" || m["segmentation_id"] == nil:
		return s, fmt.Errorf("Invalid subport details '%s': missing segmentation information. Must specify both segmentation_id and "+
			"segmentation_type", show(v))
	case typ != SegmentationVLAN:
		return s, InvalidInput("Unknown segmentation_type '%s'", show(typ))
	}
	s.SegmentationType = typ
	if s.SegmentationID, err = Int(m["segmentation_id"]); err != nil {
		return s, InvalidInput("Invalid subport details: segmentation_id '%s' is not an integer", show(m["segmentation_id"]))
	}
	return s, s.CheckVLAN()
}

// CheckVLAN refuses what is no VLAN.
func (s SubPort) CheckVLAN() error {
	if s.SegmentationID < 1 || s.SegmentationID > model.MaxVLAN {
		return InvalidInput("Segmentation ID '%d' is not in range", s.SegmentationID)
	}
	return nil
}

// TrunkDetails is what the port of a trunk shows about it (extension "trunk-details").
type TrunkDetails struct {
	TrunkID  string           `json:"trunk_id"`
	SubPorts []SubPortDetails `json:"sub_ports"`
}

// SubPortDetails is a sub-port in TrunkDetails.
type SubPortDetails struct {
	PortID           string    `json:"port_id"`
	SegmentationType string    `json:"segmentation_type"`
	SegmentationID   int       `json:"segmentation_id"`
	MACAddress       model.MAC `json:"mac_address"`
}

// IsSubPort reports whether the port comes through the interface of another.
func (p *Port) IsSubPort() bool { return p.ParentPortID != "" }

func showTrunkDetails(p *Port) any {
	if p.TrunkDetails == nil {
		return Absent
	}
	return p.TrunkDetails
}
