package resource

import "net/netip"

// AddressGroup is the stored form of an address group, a list of prefixes that rules may name as the other
// end. Only a Neutron pushes them.
type AddressGroup struct {
	Common
	Addresses []netip.Prefix `json:"addresses"`
}

// Clone returns a copy.
func (g *AddressGroup) Clone() Row { c := *g; return &c }

// AddressGroups is the type of these rows; the API does not show them.
func AddressGroups() *Type {
	return &Type{
		Kind: "neutron.address-group", Singular: "address_group", New: func() Row { return new(AddressGroup) },
		notFoundType: "AddressGroupNotFound", notFoundText: "Address group %s could not be found.",
	}
}
