package resource

// AddressScope is the stored form of an address scope: subnet pools whose prefixes do not overlap. Its row
// is written with each of them, so that its database revision also stands for their prefixes.
type AddressScope struct {
	Common
	IPVersion int  `json:"ip_version"`
	Shared    bool `json:"shared,omitzero"`
}

// Clone returns a copy.
func (a *AddressScope) Clone() Row { c := *a; return &c }

// AddressScopes is the type "address_scope".
func AddressScopes() *Type {
	first, _ := standard(nameAttr(Text(255)))
	own := []Attr{
		field("shared", Writable, Bool, func(a *AddressScope) *bool { return &a.Shared }),
		required(field("ip_version", OnPost, ipVersion, func(a *AddressScope) *int { return &a.IPVersion })),
	}
	return &Type{
		Kind: "neutron.address-scope", Singular: "address_scope", Plural: "address_scopes", Path: "address-scopes",
		Attrs:        join(first, own, nil),
		New:          func() Row { return new(AddressScope) },
		notFoundType: "AddressScopeNotFound", notFoundText: "Address scope %s could not be found.",
	}
}
