package api_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

func (c *client) router(attrs obj) obj {
	c.t.Helper()
	return c.must(201, "POST", "/v2.0/routers", obj{"router": attrs})
}

// plug adds an interface and returns the answer.
func (c *client) plug(router obj, what, value any) obj {
	c.t.Helper()
	return c.must(200, "PUT", path(router, "add_router_interface"), obj{what.(string): value})
}

func (c *client) unplug(router obj, what string, value any) obj {
	c.t.Helper()
	return c.must(200, "PUT", path(router, "remove_router_interface"), obj{what: value})
}

// refuseAction sends an action of a router that is to be refused.
func (c *client) refuseAction(status int, typ string, router obj, action string, body any) {
	c.t.Helper()
	c.refused(status, typ, "PUT", path(router, action), body)
}

func path(router obj, action string) string { return "/v2.0/routers/" + id(router) + "/" + action }

// interfaces returns what the chassis see of a router: its object, and its interfaces by network.
func interfaces(t *testing.T, conn *db.Connection, router string) (*model.Router, map[string]*model.RouterInterface) {
	t.Helper()
	list, _, err := northbound.NewStore(conn).List(context.Background(), model.ScopeRouter(router))
	if err != nil {
		t.Fatal(err)
	}
	byNetwork := map[string]*model.RouterInterface{}
	for _, i := range northbound.Of[model.RouterInterface](list) {
		byNetwork[i.NetworkID] = i
	}
	routers := northbound.Of[model.Router](list)
	if len(routers) == 0 {
		return nil, byNetwork
	}
	return routers[0], byNetwork
}

// A router joins two networks, and what its chassis need is in its scope; when it goes, nothing is left.
func TestRouterInterfaces(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	blue, green := c.network(obj{"name": "blue"}), c.network(obj{"name": "green"})
	s4 := c.subnet(blue["id"], "10.0.0.0/24", nil)
	g4 := c.subnet(green["id"], "10.1.0.0/24", nil)
	r := c.router(obj{"name": "hub", "project_id": "acme"})
	if r["status"] != "ACTIVE" || r["distributed"] != true || r["external_gateway_info"] != nil || r["revision_number"] != 1.0 {
		t.Errorf("new router: %v", r)
	}
	i := c.plug(r, "subnet_id", s4["id"])
	if i["id"] != r["id"] || i["subnet_id"] != s4["id"] || i["network_id"] != blue["id"] || i["tenant_id"] != "acme" {
		t.Errorf("answer: %v", i)
	}
	port := c.must(200, "GET", "/v2.0/ports/"+i["port_id"].(string), nil)
	if port["device_id"] != r["id"] || port["device_owner"] != "network:router_interface" || addresses(port)[0] != "10.0.0.1" ||
		port["port_security_enabled"] != false {
		t.Errorf("port: %v", port)
	}
	p := c.port(green["id"], obj{"fixed_ips": []obj{{"ip_address": "10.1.0.77"}}})
	c.plug(r, "port_id", p["id"])
	object, nics := interfaces(t, conn, id(r))
	if object == nil || object.Name != "hub" || !object.AdminStateUp || len(nics) != 2 {
		t.Fatalf("in the database: %+v, %v", object, nics)
	}
	if got := nics[id(green)]; got.FixedIPs[0].IPAddress.String() != "10.1.0.77" || got.RouterID != id(r) ||
		got.MACAddress.String() != p["mac_address"] || !got.AdminStateUp {
		t.Errorf("interface: %+v", got)
	}
	if got := c.must(200, "GET", "/v2.0/routers/"+id(r), nil); got["revision_number"] != 3.0 {
		t.Errorf("revision %v", got["revision_number"])
	}
	c.refused(409, "RouterInUse", "DELETE", "/v2.0/routers/"+id(r), nil)
	c.refused(409, "SubnetInUse", "DELETE", "/v2.0/subnets/"+id(s4), nil)
	c.unplug(r, "subnet_id", s4["id"])
	c.unplug(r, "port_id", p["id"])
	c.refused(404, "PortNotFound", "GET", "/v2.0/ports/"+id(p), nil)
	c.must(204, "DELETE", "/v2.0/routers/"+id(r), nil)
	for _, n := range []obj{blue, green} {
		c.must(204, "DELETE", "/v2.0/networks/"+id(n), nil)
	}
	c.refused(404, "SubnetNotFound", "GET", "/v2.0/subnets/"+id(g4), nil)
	scopes, err := conn.Scopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	left := slices.DeleteFunc(scopeNames(scopes), func(s string) bool { return strings.HasPrefix(s, "secgroup/") })
	if diff := cmp.Diff([]string{"neutron"}, left); diff != "" {
		t.Errorf("left behind: %s", diff)
	}
}
