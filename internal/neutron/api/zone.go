package api

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// resolveZones serves the extensions "availability_zone" and "availability_zone_filter".
func (s *Server) resolveZones(prefix string, parts []string) (string, methods) {
	if len(parts) > 0 {
		return "other", nil
	}
	c := &collection{server: s, typ: s.zones, rows: func() []resource.Row {
		var out []resource.Row
		for _, z := range gatewayZones(s.board.places()) {
			out = append(out, &resource.Zone{Common: resource.Common{ID: z}})
		}
		return out
	}}
	return prefix, methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) error {
		if !s.board.known() {
			return fmt.Errorf("read the chassis: %w", rows.ErrBehind)
		}
		return c.list(w, r)
	}}
}

// gatewayZones are the zones in which chassis are that may be gateways, by name.
func gatewayZones(places []place) []string {
	var out []string
	for _, p := range places {
		if p.gateway {
			out = append(out, p.zones...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// checkZones refuses hints at zones that are none.
func (s *Server) checkZones(hints []string) error {
	if len(hints) == 0 {
		return nil
	}
	if !s.board.known() {
		return fmt.Errorf("read the chassis: %w", rows.ErrBehind)
	}
	there := gatewayZones(s.board.places())
	missing := slices.DeleteFunc(slices.Sorted(slices.Values(hints)), func(z string) bool { return slices.Contains(there, z) })
	if len(missing) > 0 {
		return resource.ZoneNotFound(missing)
	}
	return nil
}

// decorateRouter fills in the zones of the chassis that may be the gateway, of which hints may name some.
func (s *Server) decorateRouter(row resource.Row) resource.Row {
	r := row.Clone().(*resource.Router)
	if r.Gateway == nil {
		return r
	}
	chosen := slices.DeleteFunc(s.board.places(), func(p place) bool {
		return !slices.ContainsFunc(r.Gateway.Chassis, func(c model.GatewayChassis) bool { return c.Name == p.name })
	})
	r.AvailabilityZones = slices.DeleteFunc(gatewayZones(chosen), func(z string) bool {
		return len(r.AvailabilityZoneHints) > 0 && !slices.Contains(r.AvailabilityZoneHints, z)
	})
	return r
}
