package resource

import "encoding/json"

// PortBinding is what a client says about where a port is plugged.
type PortBinding struct {
	HostID   string          `json:"host,omitzero"`
	VNICType string          `json:"vnic_type,omitzero"`
	Profile  json.RawMessage `json:"profile,omitzero"`
}

// MaxInactiveBindings is how many bindings a port may have beside its active one. A live migration needs
// one.
const MaxInactiveBindings = 8

// Binding is a port's binding as the API of port bindings shows it. It is not stored: it is a part of the
// port. Its ID is the host.
type Binding struct {
	Common
	PortBinding
	Status string
	VIF    VIF
}

// Clone returns a copy.
func (b *Binding) Clone() Row { c := *b; return &c }

// VIF is how a port is plugged on its host: Type is Neutron's binding:vif_type, Bridge the integration bridge.
type VIF struct{ Type, Bridge string }

// The types of virtual interfaces.
const (
	VIFUnbound = "unbound"
	VIFOVS     = "ovs"
	// VIFBindingFailed says that the host has no controller, or reaches no segment of the network.
	VIFBindingFailed = "binding_failed"
	// VIFDistributed says that the port is on every chassis: it is a router's.
	VIFDistributed = "distributed"
)

// details is Neutron's binding:vif_details.
func (v VIF) details() any {
	if v.Type != VIFOVS {
		return struct{}{}
	}
	return map[string]any{"port_filter": true, "connectivity": "l2", "bridge_name": v.Bridge}
}

// PortBindings is the type "port binding" (extension "binding-extended").
func PortBindings() *Type {
	return &Type{
		Kind: "neutron.port-binding", Singular: "binding", Plural: "bindings", Path: "ports/{id}/bindings",
		Attrs: []Attr{
			required(field("host", OnPost, hostName, func(b *Binding) *string { return &b.HostID })),
			field("vnic_type", Writable, vnicType, func(b *Binding) *string { return &b.VNICType }),
			unlisted(attr("profile", Writable, func(b *Binding, v any) (err error) {
				b.Profile, err = profile(v)
				return err
			}, func(b *Binding) any { return showProfile(b.Profile) })),
			shown("status", func(b *Binding) any { return b.Status }),
			shown("vif_type", func(b *Binding) any { return b.VIF.Type }),
			unlisted(shown("vif_details", func(b *Binding) any { return b.VIF.details() })),
		},
		New:          func() Row { return &Binding{PortBinding: PortBinding{VNICType: "normal"}} },
		notFoundType: "PortBindingNotFound", notFoundText: "Binding for host %s could not be found.",
	}
}
