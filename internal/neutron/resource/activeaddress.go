package resource

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/model"
)

// ActiveAddress is the stored form of who has an address that several ports may have; its ID is
// [ActiveAddressID]. The API does not show it.
type ActiveAddress struct {
	Common
	NetworkID  string     `json:"network_id"`
	IPAddress  netip.Addr `json:"ip_address"`
	PortID     string     `json:"port_id"`
	MACAddress model.MAC  `json:"mac_address"`
	// Seq orders the claims of the address: this one is the newest that was accepted.
	Seq int64 `json:"seq"`
}

// ActiveAddressID is the ID of the row of an address on a network.
func ActiveAddressID(network string, a netip.Addr) string { return network + "," + a.String() }

// Clone returns a copy.
func (a *ActiveAddress) Clone() Row { c := *a; return &c }

// ActiveAddresses is the type of these rows.
func ActiveAddresses() *Type {
	return &Type{
		Kind: "neutron.active-address", Singular: "active address", New: func() Row { return new(ActiveAddress) },
		notFoundType: "PortNotFound", notFoundText: "Nobody has announced the address %s.",
	}
}

// MayHave reports whether the port may send from an address with a MAC by one of its allowed address pairs.
func (p *Port) MayHave(a netip.Addr, mac model.MAC) bool {
	for _, x := range p.AllowedAddressPairs {
		own := x.MAC == (model.MAC{}) && mac == p.MACAddress
		if x.IPAddress.Contains(a) && (own || x.MAC == mac) {
			return true
		}
	}
	return false
}
