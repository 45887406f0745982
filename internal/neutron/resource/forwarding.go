package resource

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
)

// PortForwarding is the stored form of a port forwarding. What it says of the floating IP and the router is
// written together with them, or settled by the server soon after.
type PortForwarding struct {
	Common
	FloatingIPID    string          `json:"floatingip_id"`
	Protocol        string          `json:"protocol"`
	ExternalPorts   model.PortRange `json:"external_ports"`
	InternalPorts   model.PortRange `json:"internal_ports"`
	InternalAddress netip.Addr      `json:"internal_ip_address"`
	InternalPortID  string          `json:"internal_port_id"`

	ExternalAddress netip.Addr `json:"external_address"`
	NetworkID       string     `json:"network_id"`
	MACAddress      model.MAC  `json:"mac_address"`
	PortNetworkID   string     `json:"port_network_id"`
	RouterID        string     `json:"router_id"`
	// Hosts are the chassis that may be the router's gateway, in order.
	Hosts []string `json:"hosts,omitzero"`
}

// Clone returns a copy.
func (f *PortForwarding) Clone() Row { c := *f; return &c }

// ProtocolNumber is IANA's number.
func (f *PortForwarding) ProtocolNumber() int {
	if f.Protocol == "udp" {
		return 17
	}
	return 6
}

// PortForwardings is the type "port_forwarding".
func PortForwardings() *Type {
	_, last := nameless()
	ports := func(name string, at func(*PortForwarding) *model.PortRange) []Attr {
		one := attr(name, Writable, func(f *PortForwarding, v any) (err error) {
			*at(f), err = onePort(v, *at(f))
			return err
		}, func(f *PortForwarding) any {
			if r := at(f); r.First == r.Last && r.First != 0 {
				return int(r.First)
			}
			return nil
		})
		all := attr(name+"_range", Writable, func(f *PortForwarding, v any) (err error) {
			*at(f), err = parsePorts(v, *at(f))
			return err
		}, func(f *PortForwarding) any { return showRange(*at(f)) })
		return []Attr{one, all}
	}
	attrs := []Attr{
		shown("id", func(f *PortForwarding) any { return f.ID }),
		required(field("protocol", Writable, ForwardedProtocol, func(f *PortForwarding) *string { return &f.Protocol })),
		required(field("internal_port_id", Writable, UUID, func(f *PortForwarding) *string { return &f.InternalPortID })),
		required(attr("internal_ip_address", Writable, func(f *PortForwarding, v any) (err error) {
			f.InternalAddress, err = IP(v)
			return err
		}, func(f *PortForwarding) any { return addrOrNil(f.InternalAddress) })),
	}
	attrs = append(attrs, ports("internal_port", func(f *PortForwarding) *model.PortRange { return &f.InternalPorts })...)
	attrs = append(attrs, ports("external_port", func(f *PortForwarding) *model.PortRange { return &f.ExternalPorts })...)
	return &Type{
		Kind: "neutron.port-forwarding", Singular: "port_forwarding", Plural: "port_forwardings",
		Path: "floatingips/{id}/port_forwardings", Attrs: append(attrs, last...), New: func() Row { return new(PortForwarding) },
		notFoundType: "PortForwardingNotFound", notFoundText: "Port Forwarding %s could not be found.",
	}
}

// ForwardedProtocol accepts the protocols whose ports can be forwarded, in any case.
func ForwardedProtocol(v any) (string, error) {
	s, _ := v.(string)
	return OneOf("tcp", "udp")(strings.ToLower(s))
}

// onePort takes a port; null, as clients send it beside a range, changes nothing.
func onePort(v any, old model.PortRange) (model.PortRange, error) {
	if v == nil {
		return old, nil
	}
	n, err := Int(v)
	if err == nil && (n < 1 || n > 65535) {
		err = fmt.Errorf("'%d' is not a port, 1 to 65535", n)
	}
	return model.PortRange{First: uint16(n), Last: uint16(n)}, err
}

// PortRange accepts "FIRST:LAST" or one port.
func PortRange(v any) (model.PortRange, error) { return parsePorts(v, model.PortRange{}) }

// parsePorts takes "FIRST:LAST" or one port.
func parsePorts(v any, old model.PortRange) (model.PortRange, error) {
	if v == nil {
		return old, nil
	}
	if n, ok := v.(json.Number); ok {
		v = n.String()
	}
	s, _ := v.(string)
	first, last, ok := strings.Cut(s, ":")
	if !ok {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a < 1 || b < a {
		return old, fmt.Errorf("'%s' is not a range of ports such as 80:90", show(v))
	}
	return model.PortRange{First: uint16(a), Last: uint16(b)}, nil
}

func showRange(r model.PortRange) any {
	if r.First == 0 {
		return nil
	}
	return fmt.Sprintf("%d:%d", r.First, r.Last)
}

// ForwardingShown is what a floating IP shows of a port forwarding.
type ForwardingShown struct {
	Protocol        string `json:"protocol"`
	InternalAddress string `json:"internal_ip_address"`
	InternalPort    any    `json:"internal_port"`
	InternalRange   any    `json:"internal_port_range"`
	ExternalPort    any    `json:"external_port"`
	ExternalRange   any    `json:"external_port_range"`
}

// InFloatingIP is how a floating IP shows the port forwarding.
func (f *PortForwarding) InFloatingIP() ForwardingShown {
	one := func(r model.PortRange) any {
		if r.First != r.Last {
			return nil
		}
		return int(r.First)
	}
	return ForwardingShown{f.Protocol, f.InternalAddress.String(), one(f.InternalPorts), showRange(f.InternalPorts),
		one(f.ExternalPorts), showRange(f.ExternalPorts)}
}
