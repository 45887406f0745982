package api_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// gateways registers chassis that may be gateways, on a physical network.
func gateways(t testing.TB, conn *db.Connection, phys string, names ...string) {
	t.Helper()
	for i, name := range names {
		put(t, conn, &model.Chassis{Meta: model.Meta{ID: name, Revision: time.Now().UnixMicro()}, Bridge: "br-int",
			TunnelIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), TunnelTypes: []model.NetworkType{model.Geneve},
			Gateway: true, PhysicalNetworks: []string{phys}})
	}
}

// put writes an object as a chassis does.
func put(t testing.TB, conn *db.Connection, o model.Object) {
	t.Helper()
	if _, err := northbound.NewStore(conn).Txn().Put(o).Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// external makes a flat external network with a subnet of each family.
func (c *client) external(name string) obj {
	c.t.Helper()
	n := c.network(obj{"name": name, "router:external": true, netType: "flat", netPhys: "phys"})
	c.subnet(id(n), "203.0.113.0/24", nil)
	c.subnet(id(n), "2001:db8:f::/64", obj{"ip_version": 6})
	return n
}

// gatewayOf reads what chassis read of a router's gateway, nil if it has none.
func gatewayOf(t testing.TB, conn *db.Connection, router obj) *model.RouterGateway {
	t.Helper()
	items, _, err := conn.List(context.Background(), db.Scope(model.ScopeRouter(id(router))))
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if o, err := northbound.Decode(it.Key, it.Value); err == nil && o.Kind() == model.KindRouterGateway {
			return o.(*model.RouterGateway)
		}
	}
	return nil
}

// duties lists the chassis that are told to follow a router.
func duties(t testing.TB, conn *db.Connection, router obj, chassis ...string) []string {
	t.Helper()
	var out []string
	for _, name := range chassis {
		if _, _, err := northbound.Get[model.GatewayDuty](context.Background(), northbound.NewStore(conn), model.ScopeChassis(name), id(router)); err == nil {
			out = append(out, name)
		}
	}
	return out
}

func (c *client) clean(t *testing.T) {
	t.Helper()
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
}

func TestGatewayOfARouter(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	gateways(t, conn, "phys", "g1", "g2")
	chassis(t, conn, "c1")
	c := start(t, conn)
	ext := c.external("ext")
	info := obj{"network_id": id(ext)}
	r := c.router(obj{"external_gateway_info": info})
	shown := r["external_gateway_info"].(obj)
	if shown["network_id"] != id(ext) || shown["enable_snat"] != true || len(shown["external_fixed_ips"].([]any)) != 2 {
		t.Errorf("%v", r)
	}
	g := gatewayOf(t, conn, r)
	if g == nil || len(g.FixedIPs) != 2 || !g.EnableSNAT || g.Distributed || g.TransitVNI < 15728640 || len(g.Chassis) != 2 || g.Chassis[0].Priority != 2 {
		t.Fatalf("chassis read %+v", g)
	}
	if d := duties(t, conn, r, "g1", "g2", "c1"); !slices.Equal(d, []string{"g1", "g2"}) {
		t.Errorf("duties: %v", d)
	}
	p := c.must(200, "GET", "/v2.0/ports/"+g.ID, nil)
	if p["device_owner"] != model.RouterGatewayOwner || p["device_id"] != id(r) || p["status"] != "ACTIVE" || p["mac_address"] != g.MACAddress.String() {
		t.Errorf("%v", p)
	}
	c.refused(409, "ServicePortInUse", "DELETE", "/v2.0/ports/"+g.ID, nil)
	c.refused(409, "PortInUse", "PUT", "/v2.0/ports/"+g.ID, obj{"port": obj{"device_id": ""}})
	c.refused(409, "PortInUse", "PUT", "/v2.0/ports/"+g.ID, obj{"port": obj{"binding:host_id": "c1"}})
	path := "/v2.0/routers/" + id(r)
	c.must(200, "PUT", path, obj{"router": obj{"external_gateway_info": obj{"network_id": id(ext), "enable_snat": false,
		"external_fixed_ips": []obj{{"ip_address": "203.0.113.77"}}}, "distributed_snat": true}})
	h := gatewayOf(t, conn, r)
	if h.ID != g.ID || len(h.FixedIPs) != 1 || h.FixedIPs[0].IPAddress.String() != "203.0.113.77" || h.EnableSNAT || !h.Distributed ||
		h.TransitVNI != g.TransitVNI || !slices.Equal(h.Chassis, g.Chassis) {
		t.Errorf("chassis read %+v, before %+v", h, g)
	}
	c.must(200, "PUT", "/v2.0/ports/"+g.ID, obj{"port": obj{"fixed_ips": []obj{{"ip_address": "203.0.113.78"}}}})
	if h := gatewayOf(t, conn, r); h.FixedIPs[0].IPAddress.String() != "203.0.113.78" {
		t.Errorf("chassis read %+v", h)
	}
	c.clean(t)
	if r := c.must(200, "PUT", path, obj{"router": obj{"external_gateway_info": nil}}); r["external_gateway_info"] != nil {
		t.Errorf("%v", r)
	}
	if gatewayOf(t, conn, r) != nil || duties(t, conn, r, "g1", "g2") != nil || len(c.list("/v2.0/ports")) != 0 {
		t.Error("something of the gateway is left")
	}
	c.must(200, "PUT", path, obj{"router": obj{"external_gateway_info": info}})
	if again := gatewayOf(t, conn, r); again.TransitVNI != g.TransitVNI {
		t.Errorf("transit VNI %d, before %d", again.TransitVNI, g.TransitVNI)
	}
	c.must(204, "DELETE", path, nil)
	c.must(204, "DELETE", "/v2.0/networks/"+id(ext), nil)
	c.clean(t)
}

func TestGatewaysThatAreRefused(t *testing.T) {
	t.Parallel()
	c := open(t)
	ext, plain := c.external("ext"), c.network(obj{})
	inside := c.subnet(id(plain), "203.0.113.128/25", nil)
	r := c.router(obj{})
	path := "/v2.0/routers/" + id(r)
	gw := func(info any) obj { return obj{"router": obj{"external_gateway_info": info}} }
	for _, bad := range []struct {
		typ  string
		info any
	}{
		{"BadRequest", obj{"network_id": id(plain)}},
		{"BadRequest", obj{"network_id": id(ext), "external_fixed_ips": []obj{{"ip_address": "203.0.113.1"}}}},
		{"InvalidIpForNetwork", obj{"network_id": id(ext), "external_fixed_ips": []obj{{"ip_address": "198.51.100.1"}}}},
		{"HTTPBadRequest", obj{"enable_snat": true}},
		{"HTTPBadRequest", obj{"network_id": id(ext), "enable_snat": "perhaps"}},
		{"HTTPBadRequest", obj{"network_id": id(ext), "qos_policy_id": nil}},
		{"HTTPBadRequest", "ext"},
	} {
		c.refused(400, bad.typ, "PUT", path, gw(bad.info))
	}
	c.refused(404, "NetworkNotFound", "PUT", path, gw(obj{"network_id": nowhere}))
	c.must(200, "PUT", path+"/add_router_interface", obj{"subnet_id": id(inside)})
	c.refused(400, "BadRequest", "PUT", path, gw(obj{"network_id": id(ext)})) // overlaps
	c.must(200, "PUT", path+"/remove_router_interface", obj{"subnet_id": id(inside)})
	c.must(200, "PUT", path, gw(obj{"network_id": id(ext)}))
	c.refused(400, "BadRequest", "PUT", path+"/add_router_interface", obj{"subnet_id": id(inside)})
	c.must(200, "PUT", path, obj{"router": obj{"routes": []obj{{"destination": "198.51.100.0/24", "nexthop": "203.0.113.200"}}}})
	c.refused(409, "RouterInterfaceInUseByRoute", "PUT", path, gw(nil))
	c.refused(409, "ExternalNetworkInUse", "PUT", "/v2.0/networks/"+id(ext), obj{"network": obj{"router:external": false}})
	c.refused(409, "NetworkInUse", "DELETE", "/v2.0/networks/"+id(ext), nil)
	c.must(200, "PUT", path, obj{"router": obj{"routes": nil, "external_gateway_info": obj{}}})
	c.clean(t)
}

func gatewayNames(l []model.GatewayChassis) []string {
	out := []string{}
	for _, c := range model.ByPriority(l) {
		out = append(out, c.Name)
	}
	return out
}

// Gateways appear where chassis can be gateways, are spread over them, and stay where they are when chassis come or
// die; they leave those that cannot be any more.
func TestGatewaysFollowTheChassis(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	ext := c.external("ext")
	var routers []obj
	for range 12 {
		routers = append(routers, c.router(obj{"external_gateway_info": obj{"network_id": id(ext)}}))
	}
	all := func(ok func(chassis []string) bool) func() bool {
		return func() bool {
			return !slices.ContainsFunc(routers, func(r obj) bool { return !ok(gatewayNames(gatewayOf(t, conn, r).Chassis)) })
		}
	}
	if !all(func(l []string) bool { return len(l) == 0 })() {
		t.Fatal("there are gateways without chassis")
	}
	gateways(t, conn, "other", "g0")
	gateways(t, conn, "phys", "g1", "g2")
	eventually(t, all(func(l []string) bool { return len(l) == 2 && !slices.Contains(l, "g0") }))
	first, before := map[string]int{}, map[string][]string{}
	for _, r := range routers {
		before[id(r)] = gatewayNames(gatewayOf(t, conn, r).Chassis)
		first[before[id(r)][0]]++
	}
	if len(first) != 2 {
		t.Errorf("all gateways are at one place: %v", first)
	}
	gateways(t, conn, "phys", "g3", "g4")
	eventually(t, all(func(l []string) bool { return len(l) == 3 }))
	for _, r := range routers {
		if now := gatewayNames(gatewayOf(t, conn, r).Chassis); !slices.Equal(now[:2], before[id(r)]) {
			t.Errorf("moved from %v to %v", before[id(r)], now)
		}
	}
	gateways(t, conn, "other", "g1") // its physical network is another now
	eventually(t, all(func(l []string) bool { return len(l) == 3 && !slices.Contains(l, "g1") }))
	for _, r := range routers {
		want := gatewayNames(gatewayOf(t, conn, r).Chassis)
		slices.Sort(want)
		if diff := cmp.Diff(want, duties(t, conn, r, "g0", "g1", "g2", "g3", "g4")); diff != "" {
			t.Error(diff)
		}
	}
	c.clean(t)
}

// Servers that make gateways at the same time give every transit VNI once.
func TestTransitVNIsAreGivenOnce(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, _ := store.Connect()
	var servers []*client
	for range 2 {
		own, _ := store.Connect()
		servers = append(servers, start(t, own, func(o *api.Options) {
			o.Segments = segment.DefaultPlan()
			o.Segments.Transit = segment.Ranges{{First: 15728640, Last: 15728649}}
		}))
	}
	ext := servers[0].external("ext")
	// What was answered counts: a server may hear of what others wrote a moment later.
	var lock sync.Mutex
	given := map[uint32]bool{}
	each(servers, 5, func(c *client, i int) {
		for k := range 2 {
			r := c.router(obj{"name": fmt.Sprint(i, k), "external_gateway_info": obj{"network_id": id(ext)}})
			lock.Lock()
			given[gatewayOf(t, conn, r).TransitVNI] = true
			lock.Unlock()
		}
	})
	if len(given) != 10 {
		t.Errorf("%d of 10 given", len(given))
	}
	servers[0].refused(409, "NoNetworkAvailable", "POST", "/v2.0/routers", obj{"router": obj{"external_gateway_info": obj{"network_id": id(ext)}}})
	servers[0].clean(t)
}
