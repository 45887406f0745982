package resource

import (
	"fmt"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Gateway is a router's place on its external network, as it is stored in the router's row. What it says of
// the port is written together with the port. A shared Gateway is never written into: it is replaced.
type Gateway struct {
	PortID     string          `json:"port_id"`
	NetworkID  string          `json:"network_id"`
	MACAddress model.MAC       `json:"mac_address"`
	FixedIPs   []model.FixedIP `json:"fixed_ips,omitzero"`
	EnableSNAT bool            `json:"enable_snat"`
	// Chassis may be the gateway, those first that are to be it.
	Chassis    []model.GatewayChassis `json:"chassis,omitzero"`
	TransitVNI uint32                 `json:"transit_vni"`
}

// GatewayRequest is what a client wants to be a router's gateway; without a network, that it has none.
type GatewayRequest struct {
	NetworkID  string
	EnableSNAT bool
	// FixedIPs are the wanted addresses; Named says that there are any.
	FixedIPs []model.FixedIP
	Named    bool
}

// setGatewayInfo parses "external_gateway_info"; null and the empty object mean none.
func setGatewayInfo(r *Router, v any) error {
	r.Wanted = nil
	m, ok := v.(map[string]any)
	if v == nil || ok && len(m) == 0 {
		if r.Gateway != nil {
			r.Wanted = new(GatewayRequest)
		}
		return nil
	}
	m, err := object(v, "network_id", "enable_snat", "external_fixed_ips")
	if err != nil {
		return err
	}
	q := &GatewayRequest{EnableSNAT: true}
	if q.NetworkID, err = UUID(m["network_id"]); err != nil {
		return fmt.Errorf("network_id: %w", err)
	}
	if snat, ok := m["enable_snat"]; ok {
		if q.EnableSNAT, err = Bool(snat); err != nil {
			return fmt.Errorf("enable_snat: %w", err)
		}
	}
	if ips := m["external_fixed_ips"]; ips != nil {
		q.Named = true
		if q.FixedIPs, err = ParseFixedIPs(ips); err != nil {
			return err
		}
	}
	r.Wanted = q
	return nil
}

func showGatewayInfo(r *Router) any {
	if r.Gateway == nil {
		return nil
	}
	return struct {
		NetworkID  string          `json:"network_id"`
		FixedIPs   []model.FixedIP `json:"external_fixed_ips"`
		EnableSNAT bool            `json:"enable_snat"`
	}{r.Gateway.NetworkID, orEmpty(r.Gateway.FixedIPs), r.Gateway.EnableSNAT}
}

// ParseFixedIPs converts a list of wanted addresses, each named by itself, by its subnet, or both.
func ParseFixedIPs(v any) ([]model.FixedIP, error) {
	seen := map[netip.Addr]bool{}
	l, err := listOf("fixed IP", 1000, v, func(v any) (model.FixedIP, error) {
		f, err := fixedIP(v)
		if err == nil && f.IPAddress.IsValid() && seen[f.IPAddress] {
			err = duplicate("IP address", f.IPAddress)
		}
		seen[f.IPAddress] = true
		return f, err
	})
	if err == nil && len(l) > MaxFixedIPs {
		return nil, InvalidInput("Exceeded maximum amount of fixed ips per port")
	}
	return l, err
}
