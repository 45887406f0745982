package api_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// zonedGateway registers a chassis on which routers may have their gateways.
func zonedGateway(t *testing.T, conn *db.Connection, name string, zones ...string) {
	t.Helper()
	put(t, conn, &model.Chassis{Meta: model.Meta{ID: name, Revision: time.Now().UnixMicro()}, Bridge: "br-int",
		TunnelIP: netip.MustParseAddr("192.0.2.1"), TunnelTypes: []model.NetworkType{model.Geneve},
		Gateway: true, PhysicalNetworks: []string{"phys"}, AvailabilityZones: zones})
}

func TestAvailabilityZones(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	zonedGateway(t, s.conn, "g1", "east")
	zonedGateway(t, s.conn, "g2", "west")
	put(t, s.conn, &model.Chassis{Meta: model.Meta{ID: "c9", Revision: time.Now().UnixMicro()}, Bridge: "br-int", AvailabilityZones: []string{"far"}})
	eventually(t, func() bool { return len(s.list("/v2.0/availability_zones")) == 2 })
	if z := s.list("/v2.0/availability_zones?name=west"); len(z) != 1 || z[0]["resource"] != "router" || z[0]["state"] != "available" || len(z[0]) != 3 {
		t.Errorf("%v", z)
	}
	for _, none := range []string{"resource=network", "state=unavailable", "name=far"} {
		if z := s.list("/v2.0/availability_zones?" + none); len(z) != 0 {
			t.Errorf("%s: %v", none, z)
		}
	}
	hinted := func(hints any) obj {
		return obj{"router": obj{"name": "r", "availability_zone_hints": hints, "external_gateway_info": obj{"network_id": id(s.ext)}}}
	}
	r := s.must(201, "POST", "/v2.0/routers", hinted([]string{"west"}))
	if g := gatewayOf(t, s.conn, r).Chassis; len(g) != 1 || g[0].Name != "g2" {
		t.Errorf("%v", g)
	}
	zones := func(r obj) []any {
		return s.must(200, "GET", "/v2.0/routers/"+id(r), nil)["availability_zones"].([]any)
	}
	if z := zones(r); !slices.Equal(z, []any{"west"}) {
		t.Errorf("%v", z)
	}
	eventually(t, func() bool { return slices.Equal(zones(s.router), []any{"east", "west"}) }) // without a hint
	zonedGateway(t, s.conn, "g1", "east", "west")
	eventually(t, func() bool { return len(gatewayOf(t, s.conn, r).Chassis) == 2 })
	zonedGateway(t, s.conn, "g2", "north")
	eventually(t, func() bool {
		g := gatewayOf(t, s.conn, r).Chassis
		return len(g) == 1 && g[0].Name == "g1"
	})
	if z := zones(r); !slices.Equal(z, []any{"west"}) {
		t.Errorf("only what is hinted at: %v", z)
	}
	n := s.network(obj{"availability_zone_hints": []string{"east"}})
	if z, _ := n["availability_zones"].([]any); !slices.Equal(z, []any{"east"}) {
		t.Errorf("%v", n)
	}
	s.refused(404, "AvailabilityZoneNotFound", "POST", "/v2.0/routers", hinted([]string{"west", "far"}))
	s.refused(404, "AvailabilityZoneNotFound", "POST", "/v2.0/networks", obj{"network": obj{"availability_zone_hints": []string{"far"}}})
	for _, bad := range []any{nil, "west", []any{7}, []string{"west", "west"}} {
		s.refused(400, "HTTPBadRequest", "POST", "/v2.0/routers", hinted(bad))
	}
	s.refused(400, "HTTPBadRequest", "PUT", "/v2.0/routers/"+id(r), obj{"router": obj{"availability_zone_hints": []string{"east"}}})
	s.clean(t)
}
