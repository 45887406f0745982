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
	blue, green := c.network(obj{"name": "blue"}), c.network(obj{"shared": true, "project_id": "other"})
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
		port["port_security_enabled"] != false || port["status"] != "ACTIVE" || port["binding:vif_type"] != "distributed" {
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

// nowhere2 is the id of something that does not exist, in another form that is accepted.
const nowhere2 = "11111111222243338444555555555555"

// What Neutron refuses to attach is refused, as Neutron does it, and leaves nothing behind.
func TestRefusedInterfaces(t *testing.T) {
	t.Parallel()
	c := open(t)
	blue, green := c.network(obj{"name": "blue"}), c.network(obj{"name": "green", "shared": true, "project_id": "other"})
	s4 := c.subnet(blue["id"], "10.0.0.0/24", nil)
	second := c.subnet(blue["id"], "10.0.1.0/24", nil)
	inside := c.subnet(green["id"], "10.0.0.128/25", nil)
	headless := c.subnet(green["id"], "10.5.0.0/24", obj{"gateway_ip": nil})
	outside := c.subnet(green["id"], "10.6.0.0/24", obj{"gateway_ip": "10.99.0.1"})
	foreign := c.subnet(green["id"], "2001:db8:5::/64", obj{"ipv6_address_mode": "slaac", "gateway_ip": "2001:db8:5::1"})
	used := c.port(blue["id"], obj{"device_id": "vm", "device_owner": "compute:x"})
	bound := c.port(blue["id"], obj{"binding:host_id": "c1", "fixed_ips": []obj{{"subnet_id": s4["id"]}}})
	bare := c.port(blue["id"], obj{"fixed_ips": []obj{}})
	double := c.port(blue["id"], obj{"fixed_ips": []obj{{"subnet_id": s4["id"]}, {"subnet_id": second["id"]}}})
	twice := c.port(blue["id"], obj{"fixed_ips": []obj{{"subnet_id": second["id"]}, {"subnet_id": second["id"]}}})
	free := c.port(blue["id"], obj{"fixed_ips": []obj{{"subnet_id": s4["id"]}}})
	r := c.router(obj{})
	c.plug(r, "subnet_id", s4["id"])
	bad := "BadRequest"
	for name, x := range map[string]struct {
		status int
		typ    string
		body   any
	}{
		"nothing":            {400, bad, obj{}},
		"both":               {400, bad, obj{"subnet_id": second["id"], "port_id": used["id"]}},
		"no uuid":            {400, bad, obj{"subnet_id": "x"}},
		"null":               {400, bad, obj{"port_id": nil}},
		"number":             {400, bad, obj{"port_id": 7}},
		"unknown key":        {400, "HTTPBadRequest", obj{"subnet": second["id"]}},
		"no object":          {400, "HTTPBadRequest", "[]"},
		"no subnet":          {404, "SubnetNotFound", obj{"subnet_id": nowhere2}},
		"no port":            {404, "PortNotFound", obj{"port_id": nowhere}},
		"again":              {400, bad, obj{"subnet_id": s4["id"]}},
		"again by port":      {400, bad, obj{"port_id": free["id"]}},
		"overlap":            {400, bad, obj{"subnet_id": inside["id"]}},
		"no gateway":         {400, bad, obj{"subnet_id": headless["id"]}},
		"gateway elsewhere":  {400, "InvalidIpForSubnet", obj{"subnet_id": outside["id"]}},
		"foreign RAs":        {400, bad, obj{"subnet_id": foreign["id"]}},
		"somebody's port":    {409, "PortInUse", obj{"port_id": used["id"]}},
		"bound port":         {409, "PortInUse", obj{"port_id": bound["id"]}},
		"no address":         {400, bad, obj{"port_id": bare["id"]}},
		"two IPv4 subnets":   {400, bad, obj{"port_id": double["id"]}},
		"a subnet twice":     {400, bad, obj{"port_id": twice["id"]}},
		"another's revision": {400, "HTTPBadRequest", "{}{}"},
	} {
		t.Run(name, func(t *testing.T) {
			c := *c
			c.t = t
			c.refuseAction(x.status, x.typ, r, "add_router_interface", x.body)
		})
	}
	c.refused(404, "RouterNotFound", "PUT", "/v2.0/routers/"+nowhere+"/add_router_interface", obj{"subnet_id": second["id"]})
	c.refused(405, "HTTPMethodNotAllowed", "POST", path(r, "add_router_interface"), obj{"subnet_id": second["id"]})
	c.refused(412, "RevisionNumberConstraintFailed", "PUT", path(r, "add_router_interface"), obj{"subnet_id": second["id"]},
		"If-Match", "revision_number=1")
	taken := c.port(blue["id"], obj{"fixed_ips": []obj{{"ip_address": "10.0.1.1"}}})
	c.refuseAction(409, "IpAddressAlreadyAllocated", r, "add_router_interface", obj{"subnet_id": second["id"]})
	c.plug(r, "port_id", taken["id"])
	if l := c.list("/v2.0/ports?device_id=" + id(r)); len(l) != 2 {
		t.Errorf("%d ports, want one for each subnet", len(l))
	}
}

// Routers are counted, and their ports are the router's project's.
func TestRouterQuotas(t *testing.T) {
	t.Parallel()
	c := open(t)
	s := c.subnet(c.network(obj{})["id"], "10.77.0.0/24", nil)
	limits := func(l obj) { c.must(200, "PUT", "/v2.0/quotas/poor", obj{"quota": l}) }
	limits(obj{"router": 1, "port": 0})
	r := c.router(obj{"project_id": "poor"})
	c.refused(409, "OverQuota", "POST", "/v2.0/routers", obj{"router": obj{"project_id": "poor"}})
	c.refuseAction(409, "OverQuota", r, "add_router_interface", obj{"subnet_id": s["id"]})
	limits(obj{"port": 1})
	c.plug(r, "subnet_id", s["id"])
	used := c.must(200, "GET", "/v2.0/quotas/poor/details", nil)
	if diff := cmp.Diff(obj{"limit": 1.0, "used": 1.0, "reserved": 0.0}, used["router"]); diff != "" {
		t.Error(diff)
	}
}

// What is removed must be there, and needed by no route.
func TestRefusedRemovals(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{})
	one, two := c.subnet(n["id"], "10.0.0.0/24", nil), c.subnet(n["id"], "10.1.0.0/24", nil)
	six := c.subnet(n["id"], "2001:db8::/64", nil)
	r, other := c.router(obj{}), c.router(obj{})
	p := c.plug(r, "subnet_id", one["id"])["port_id"]
	c.plug(r, "subnet_id", six["id"])
	free := c.port(n["id"], nil)
	remove := "remove_router_interface"
	c.refuseAction(400, "BadRequest", r, remove, obj{})
	c.refuseAction(404, "RouterInterfaceNotFound", r, remove, obj{"port_id": free["id"]})
	c.refuseAction(404, "RouterInterfaceNotFound", other, remove, obj{"port_id": p})
	c.refuseAction(404, "RouterInterfaceNotFoundForSubnet", r, remove, obj{"subnet_id": two["id"]})
	c.refuseAction(404, "SubnetNotFound", r, remove, obj{"subnet_id": nowhere})
	c.refuseAction(400, "SubnetMismatchForPort", r, remove, obj{"port_id": p, "subnet_id": two["id"]})
	routes := func(l ...obj) { c.must(200, "PUT", "/v2.0/routers/"+id(r), obj{"router": obj{"routes": l}}) }
	routes(obj{"destination": "1.0.0.0/8", "nexthop": "10.0.0.9"}, obj{"destination": "::/0", "nexthop": "2001:db8::9"})
	c.refuseAction(409, "RouterInterfaceInUseByRoute", r, remove, obj{"subnet_id": one["id"]})
	c.refuseAction(409, "RouterInterfaceInUseByRoute", r, remove, obj{"port_id": p})
	c.refuseAction(409, "RouterInterfaceInUseByRoute", r, remove, obj{"subnet_id": six["id"]})
	routes()
	c.must(200, "PUT", path(r, remove), obj{"port_id": p, "subnet_id": one["id"]})
	c.unplug(r, "subnet_id", six["id"])
	c.must(204, "DELETE", "/v2.0/routers/"+id(r), nil)
}

// All IPv6 prefixes of a network are on one port, each IPv4 subnet has its own.
func TestPrefixesShareAPort(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{})
	var v6, v4 []obj
	for _, p := range []string{"2001:db8:1::/64", "2001:db8:2::/64", "2001:db8:3::/64", "2001:db8:4::/64", "2001:db8:5::/64",
		"2001:db8:6::/64"} {
		v6 = append(v6, c.subnet(n["id"], p, obj{"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}))
	}
	for _, p := range []string{"10.0.0.0/24", "10.1.0.0/24"} {
		v4 = append(v4, c.subnet(n["id"], p, nil))
	}
	r := c.router(obj{})
	ports := map[any]bool{}
	for _, s := range v6 {
		i := c.plug(r, "subnet_id", s["id"])
		ports[i["port_id"]] = true
		if diff := cmp.Diff([]any{s["id"]}, i["subnet_ids"]); diff != "" {
			t.Error(diff)
		}
	}
	if len(ports) != 1 {
		t.Errorf("%d ports for IPv6", len(ports))
	}
	for _, s := range v4 {
		ports[c.plug(r, "subnet_id", s["id"])["port_id"]] = true
	}
	if len(ports) != 3 {
		t.Errorf("%d ports", len(ports))
	}
	another := c.port(n["id"], obj{"fixed_ips": []obj{{"subnet_id": v6[0]["id"]}}})
	c.refuseAction(400, "BadRequest", r, "add_router_interface", obj{"port_id": another["id"]})
	c.unplug(r, "subnet_id", v6[0]["id"])
	c.refuseAction(400, "BadRequest", r, "add_router_interface", obj{"port_id": another["id"]})
	c.unplug(r, "subnet_id", v4[0]["id"])
	list, _, err := northbound.NewStore(conn).List(t.Context(), model.ScopeRouter(id(r)))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, i := range northbound.Of[model.RouterInterface](list) {
		sizes = append(sizes, len(i.FixedIPs))
	}
	slices.Sort(sizes)
	if diff := cmp.Diff([]int{1, 5}, sizes); diff != "" {
		t.Errorf("addresses of the interfaces: %s", diff)
	}
	for _, s := range append(v6[1:], v4[1]) {
		c.unplug(r, "subnet_id", s["id"])
	}
	if _, nics := interfaces(t, conn, id(r)); len(nics) != 0 {
		t.Errorf("interfaces left: %v", nics)
	}
}

// The ports API changes a router's port only where that leaves it what it is.
func TestInterfacePortsAreProtected(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n, m := c.network(obj{}), c.network(obj{})
	s := c.subnet(n["id"], "10.0.0.0/24", nil)
	six := c.subnet(n["id"], "2001:db8::/64", nil)
	c.subnet(m["id"], "10.1.0.0/24", nil)
	r := c.router(obj{})
	other := c.router(obj{})
	p := "/v2.0/ports/" + c.plug(r, "subnet_id", s["id"])["port_id"].(string)
	put := func(attrs obj) any { return obj{"port": attrs} }
	c.refused(409, "ServicePortInUse", "DELETE", p, nil)
	for _, change := range []obj{
		{"device_id": ""}, {"device_id": other["id"]}, {"device_owner": "compute:nova"}, {"binding:host_id": "c1"},
		{"device_id": "", "device_owner": ""},
	} {
		c.refused(409, "PortInUse", "PUT", p, put(change))
	}
	if err := c.Server.BindPort(t.Context(), strings.TrimPrefix(p, "/v2.0/ports/"), "c1"); err == nil {
		t.Error("an interface was bound to a chassis")
	}
	handMade := obj{"network_id": m["id"], "device_owner": "network:router_interface", "device_id": r["id"]}
	c.refused(400, "InvalidInput", "POST", "/v2.0/ports", put(handMade))
	plain := c.port(m["id"], nil)
	c.refused(400, "InvalidInput", "PUT", "/v2.0/ports/"+id(plain), put(obj{"device_owner": "network:router_interface_distributed",
		"device_id": r["id"]}))

	routes := func(hop string) any {
		return obj{"router": obj{"routes": []obj{{"destination": "1.0.0.0/8", "nexthop": hop}}}}
	}
	c.must(200, "PUT", "/v2.0/routers/"+id(r), routes("10.0.0.9"))
	before := c.must(200, "GET", "/v2.0/routers/"+id(r), nil)["revision_number"].(float64)
	c.must(200, "PUT", p, put(obj{"name": "gw", "admin_state_up": false,
		"fixed_ips": []obj{{"ip_address": "10.0.0.2"}, {"subnet_id": six["id"]}}}))
	_, nics := interfaces(t, conn, id(r))
	if i := nics[id(n)]; len(i.FixedIPs) != 2 || i.FixedIPs[0].IPAddress.String() != "10.0.0.2" || i.AdminStateUp {
		t.Errorf("interface: %+v", i)
	}
	if after := c.must(200, "GET", "/v2.0/routers/"+id(r), nil)["revision_number"]; after != before+1 {
		t.Errorf("revision %v after %v", after, before)
	}
	c.refused(409, "UnsupportedPortDeviceOwner", "PUT", p, put(obj{"mac_address": "fa:16:3e:11:22:33"}))
	c.refused(400, "InvalidRoutes", "PUT", p, put(obj{"fixed_ips": []obj{{"ip_address": "10.0.0.9"}}}))
	c.refused(400, "InvalidRoutes", "PUT", p, put(obj{"fixed_ips": []obj{{"subnet_id": six["id"]}}}))
	c.refused(400, "BadRequest", "PUT", p, put(obj{"fixed_ips": []obj{}}))
	c.must(200, "PUT", p, put(obj{"fixed_ips": []obj{{"ip_address": "10.0.0.2"}, {"ip_address": six["gateway_ip"]}}}))
	c.refused(409, "GatewayIpInUse", "PUT", "/v2.0/subnets/"+id(six), obj{"subnet": obj{"gateway_ip": nil}})
	overlapping := c.subnet(n["id"], "10.2.0.0/24", nil)
	c.plug(r, "subnet_id", overlapping["id"])
	c.refused(400, "BadRequest", "PUT", p, put(obj{"fixed_ips": []obj{{"subnet_id": overlapping["id"]}}}))
}

func TestRouterAttributes(t *testing.T) {
	t.Parallel()
	c := open(t)
	r := c.router(obj{"name": "a", "description": "d", "admin_state_up": false, "external_gateway_info": nil, "distributed": nil})
	self := "/v2.0/routers/" + id(r)
	for _, body := range []obj{
		{"external_gateway_info": obj{"network_id": "x"}}, {"distributed": false}, {"distributed": "x"}, {"ha": true},
		{"routes": []obj{}}, {"admin_state_up": "maybe"}, {"interfaces": []string{nowhere}}, {"name": strings.Repeat("x", 256)},
		{"flavor_id": nowhere}, {"status": "ACTIVE"},
	} {
		c.refused(400, "HTTPBadRequest", "POST", "/v2.0/routers", obj{"router": body})
	}
	c.must(201, "PUT", self+"/tags/red", nil)
	c.must(200, "PUT", self, obj{"router": obj{"name": "b", "distributed": true, "external_gateway_info": obj{}}}, "If-Match", "revision_number=2")
	c.refused(412, "RevisionNumberConstraintFailed", "PUT", self, obj{"router": obj{"name": "c"}}, "If-Match", "revision_number=2")
	c.refused(412, "RevisionNumberConstraintFailed", "DELETE", self, nil, "If-Match", "revision_number=2")
	c.router(obj{"name": "z", "project_id": "acme"})
	for query, want := range map[string]int{
		"name=b": 1, "tags=red": 1, "project_id=acme": 1, "admin_state_up=false": 1, "distributed=true": 2, "distributed=false": 0,
		"description=d": 1, "limit=1": 1, "sort_key=name&sort_dir=desc": 2, "id=" + id(r): 1, "status=ACTIVE": 2,
	} {
		if l := c.list("/v2.0/routers?" + query); len(l) != want {
			t.Errorf("%s: %d routers, want %d", query, len(l), want)
		}
	}
	c.refused(400, "HTTPBadRequest", "GET", "/v2.0/routers?routes=x", nil)
	if l := c.list("/v2.0/routers?fields=id&fields=routes&name=b"); len(l[0]) != 2 {
		t.Errorf("fields: %v", l)
	}
	many := c.must(201, "POST", "/v2.0/routers", obj{"routers": []obj{{"name": "x"}, {"name": "y"}}})
	if l := many["routers"].([]any); len(l) != 2 {
		t.Errorf("bulk: %v", many)
	}
}
