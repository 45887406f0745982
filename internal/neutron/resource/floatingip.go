package resource

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/model"
)

// FloatingIP is the stored form of a floating IP. What it says of ports and routers is written together with
// them, or settled by the server soon after.
type FloatingIP struct {
	Common
	NetworkID         string     `json:"floating_network_id"`
	FloatingIPAddress netip.Addr `json:"floating_ip_address"`
	// FloatingPortID is the port that holds the address outside, MACAddress its MAC.
	FloatingPortID string    `json:"floating_port_id"`
	MACAddress     model.MAC `json:"mac_address"`

	// PortID is the port inside, empty if the floating IP stands for none; what follows belongs to it.
	PortID         string     `json:"port_id,omitzero"`
	PortNetworkID  string     `json:"port_network_id,omitzero"`
	FixedIPAddress netip.Addr `json:"fixed_ip_address,omitzero"`
	RouterID       string     `json:"router_id,omitzero"`
	// Hosts are the chassis that may serve the floating IP, in order.
	Hosts []string `json:"hosts,omitzero"`

	// SubnetID is where a request wants the address to be; it is not stored. Nor are Status,
	// PortDetails and Forwardings, which the API fills in before it shows a floating IP.
	SubnetID    string            `json:"-"`
	Status      string            `json:"-"`
	PortDetails *PortDetails      `json:"-"`
	Forwardings []ForwardingShown `json:"-"`
}

// PortDetails is what a floating IP shows of its port.
type PortDetails struct {
	Name         string `json:"name"`
	NetworkID    string `json:"network_id"`
	MACAddress   string `json:"mac_address"`
	AdminStateUp bool   `json:"admin_state_up"`
	Status       string `json:"status"`
	DeviceID     string `json:"device_id"`
	DeviceOwner  string `json:"device_owner"`
}

// Clone returns a copy.
func (f *FloatingIP) Clone() Row { c := *f; return &c }

// FloatingIPs is the type "floatingip".
func FloatingIPs() *Type {
	first, last := nameless()
	own := []Attr{
		required(field("floating_network_id", OnPost, UUID, func(f *FloatingIP) *string { return &f.NetworkID })),
		attr("floating_ip_address", OnPost, setFloatingAddress, func(f *FloatingIP) any { return addrOrNil(f.FloatingIPAddress) }),
		unlisted(attr("subnet_id", OnPost, func(f *FloatingIP, v any) (err error) {
			f.SubnetID, err = nullableUUID(v)
			return err
		}, nil)),
		attr("port_id", Writable, func(f *FloatingIP, v any) (err error) {
			f.PortID, err = nullableUUID(v)
			return err
		}, func(f *FloatingIP) any { return textOrNil(f.PortID) }),
		attr("fixed_ip_address", Writable, func(f *FloatingIP, v any) (err error) {
			f.FixedIPAddress, err = NullableIP(v)
			return err
		}, func(f *FloatingIP) any { return addrOrNil(f.FixedIPAddress) }),
		shown("router_id", func(f *FloatingIP) any { return textOrNil(f.RouterID) }),
		shown("status", func(f *FloatingIP) any { return f.Status }),
		unlisted(shown("port_details", func(f *FloatingIP) any {
			if f.PortDetails == nil {
				return nil
			}
			return f.PortDetails
		})),
		unlisted(shown("port_forwardings", func(f *FloatingIP) any { return orEmpty(f.Forwardings) })),
		tagsAttr(),
	}
	return &Type{
		Kind: "neutron.floatingip", Singular: "floatingip", Plural: "floatingips", Path: "floatingips",
		Attrs: join(first, own, last),
		New:   func() Row { return new(FloatingIP) },

		notFoundType: "FloatingIPNotFound", notFoundText: "Floating IP %s could not be found.",
	}
}

func setFloatingAddress(f *FloatingIP, v any) (err error) {
	f.FloatingIPAddress, err = NullableIP(v)
	return err
}

func nullableUUID(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	return UUID(v)
}

// nameless returns the standard attributes of a resource without a name.
func nameless() (first, last []Attr) {
	first, last = standard(Attr{})
	return append(first[:1:1], first[2:]...), last
}
