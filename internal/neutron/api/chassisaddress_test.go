package api_test

import (
	"context"
	"slices"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// withAddress lists the chassis with an address of their own on the external network.
func (s *site) withAddress() []string {
	s.t.Helper()
	var out []string
	for _, name := range []string{"c1", "g1", "g2", "g3"} {
		items, _, err := s.conn.List(context.Background(), db.Scope(model.ScopeChassis(name)))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, it := range items {
			o, err := northbound.Decode(it.Key, it.Value)
			a, ok := o.(*model.ChassisAddress)
			if err == nil && ok && a.NetworkID == id(s.ext) && len(a.FixedIPs) == 1 && a.FixedIPs[0].IPAddress.Is4() {
				out = append(out, name)
			}
		}
	}
	return out
}

// Chassis have addresses of their own where routers with distributed SNAT have ports behind them, and only as long.
func TestAddressesOfChassis(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, _ := store.Connect()
	own, _ := store.Connect()
	c, other := start(t, conn), start(t, own)
	s := siteOn(t, c, conn)
	chassis(t, conn, "c1") // does not reach the external network
	gateways(t, conn, "phys", "g1", "g2", "g3")
	var ports []obj
	for _, h := range []string{"g1", "g1", "g2", "c1"} {
		ports = append(ports, s.port(id(s.blue), obj{"binding:host_id": h}))
	}
	have := func(want ...string) {
		t.Helper()
		eventually(t, func() bool { return slices.Equal(s.withAddress(), want) })
	}
	have()
	router := "/v2.0/routers/" + id(s.router)
	s.must(200, "PUT", router, obj{"router": obj{"distributed_snat": true}})
	have("g1", "g2")
	if g := gatewayOf(t, conn, s.router); !g.Distributed {
		t.Errorf("chassis read %+v", g)
	}
	var held []obj
	eventually(t, func() bool { // the other server may have made them, and this one hear of it later
		held = s.list("/v2.0/ports?device_owner=network:distributed_snat")
		return len(held) == 2
	})
	path := "/v2.0/ports/" + id(held[0])
	s.refused(409, "ServicePortInUse", "DELETE", path, nil)
	s.refused(409, "PortInUse", "PUT", path, obj{"port": obj{"device_id": "x"}})
	s.refused(400, "InvalidInput", "PUT", path, obj{"port": obj{"fixed_ips": []obj{{"ip_address": "203.0.113.99"}}}})
	s.refused(400, "InvalidInput", "POST", "/v2.0/ports", obj{"port": obj{"network_id": id(s.blue), "device_owner": "network:distributed_snat", "device_id": "a/b"}})
	s.refused(400, "InvalidInput", "PUT", "/v2.0/ports/"+id(ports[0]), obj{"port": obj{"device_owner": "network:distributed_snat"}})
	s.clean(t)
	other.must(204, "DELETE", "/v2.0/ports/"+id(ports[0]), nil)
	other.must(200, "PUT", "/v2.0/ports/"+id(ports[2]), obj{"port": obj{"binding:host_id": "g3"}})
	have("g1", "g3")
	other.must(204, "DELETE", "/v2.0/ports/"+id(ports[1]), nil)
	have("g3")
	gateways(t, conn, "other", "g3")
	have()
	gateways(t, conn, "phys", "c1")
	have("c1")
	s.must(200, "PUT", router, obj{"router": obj{"external_gateway_info": nil}})
	have()
	s.must(204, "DELETE", "/v2.0/networks/"+id(s.ext), nil)
	s.clean(t)
}
