package api_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

func route(destination, hop string) obj { return obj{"destination": destination, "nexthop": hop} }

// hops returns the routes of an answer as "destination nexthop", in order.
func hops(router obj) []string {
	out := []string{}
	for _, r := range router["routes"].([]any) {
		out = append(out, fmt.Sprint(r.(obj)["destination"], " ", r.(obj)["nexthop"]))
	}
	return out
}

// Extra routes go to next hops on the router's subnets; several next hops of one destination share its traffic.
func TestExtraRoutes(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{})
	r := c.router(obj{})
	self := "/v2.0/routers/" + id(r)
	set := func(l ...any) any { return obj{"router": obj{"routes": l}} }
	c.refused(400, "InvalidRoutes", "PUT", self, set(route("1.0.0.0/8", "10.0.0.9")))
	c.plug(r, "subnet_id", c.subnet(n["id"], "10.0.0.0/24", nil)["id"])
	c.plug(r, "subnet_id", c.subnet(n["id"], "2001:db8::/64", nil)["id"])
	for name, x := range map[string]struct {
		typ  string
		body any
	}{
		"not connected":    {"InvalidRoutes", set(route("1.0.0.0/8", "10.1.0.9"))},
		"own address":      {"InvalidRoutes", set(route("1.0.0.0/8", "10.0.0.1"))},
		"own IPv6 address": {"InvalidRoutes", set(route("::/0", "2001:db8:0::1"))},
		"families":         {"InvalidRoutes", set(route("1.0.0.0/8", "2001:db8::9"))},
		"link-local":       {"InvalidRoutes", set(route("::/0", "fe80::1"))},
		"duplicate":        {"HTTPBadRequest", set(route("1.0.0.0/8", "10.0.0.9"), route("1.0.0.0/8", "10.0.0.9"))},
		"host bits":        {"HTTPBadRequest", set(route("1.0.0.1/8", "10.0.0.9"))},
		"no prefix":        {"HTTPBadRequest", set(route("x", "10.0.0.9"))},
		"no next hop":      {"HTTPBadRequest", set(obj{"destination": "1.0.0.0/8"})},
		"more keys":        {"HTTPBadRequest", set(obj{"destination": "1.0.0.0/8", "nexthop": "10.0.0.9", "metric": 1})},
		"no list":          {"HTTPBadRequest", obj{"router": obj{"routes": "x"}}},
		"a zone":           {"HTTPBadRequest", set(route("::/0", "fe80::1%eth0"))},
	} {
		c.refused(400, x.typ, "PUT", self, x.body)
		for _, action := range []string{"add_extraroutes", "remove_extraroutes"} {
			if x.typ == "HTTPBadRequest" || action == "add_extraroutes" {
				c.refuseAction(400, x.typ, r, action, x.body)
			}
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
	got := c.must(200, "PUT", self, set(route("1.0.0.0/8", "10.0.0.9"), route("1.0.0.0/8", "10.0.0.8"), route("0.0.0.0/0", "10.0.0.7")))
	if diff := cmp.Diff([]string{"1.0.0.0/8 10.0.0.9", "1.0.0.0/8 10.0.0.8", "0.0.0.0/0 10.0.0.7"}, hops(got)); diff != "" {
		t.Error(diff)
	}
	object, _, err := northbound.Get[model.Router](t.Context(), northbound.NewStore(conn), model.ScopeRouter(id(r)), id(r))
	if err != nil || len(object.Routes) != 3 || object.Routes[1].NextHop.String() != "10.0.0.8" {
		t.Errorf("in the database: %+v, %v", object, err)
	}
	if got := c.must(200, "PUT", self, obj{"router": obj{"routes": nil}}); len(hops(got)) != 0 {
		t.Errorf("routes: %v", got)
	}
}

// Clients add and remove the routes that they care for; what is there, or gone, already is no error.
func TestExtraRoutesOneByOne(t *testing.T) {
	t.Parallel()
	_, servers := cluster(t, 3)
	c := servers[0]
	r := c.router(obj{})
	c.plug(r, "subnet_id", c.subnet(c.network(obj{})["id"], "10.0.0.0/24", nil)["id"])
	body := func(i int) any {
		return obj{"router": obj{"routes": []obj{route("1.0.0.0/8", fmt.Sprintf("10.0.0.%d", 10+i)), route("2.0.0.0/8", "10.0.0.9")}}}
	}
	each(servers, 16, func(c *client, i int) {
		c.must(200, "PUT", path(r, "add_extraroutes"), body(i))
		if i%2 == 0 {
			c.must(200, "PUT", path(r, "remove_extraroutes"), obj{"router": obj{"routes": []obj{
				route("1.0.0.0/8", fmt.Sprintf("10.0.0.%d", 10+i)), route("9.0.0.0/8", "10.0.0.9")}}})
		}
	})
	got := c.must(200, "PUT", path(r, "add_extraroutes"), body(1))
	if len(hops(got)) != 9 {
		t.Errorf("routes: %v", hops(got))
	}
	var many []obj
	for i := range 30 {
		many = append(many, route("3.0.0.0/8", fmt.Sprintf("10.0.0.%d", 100+i)))
	}
	c.refuseAction(400, "RoutesExhausted", r, "add_extraroutes", obj{"router": obj{"routes": many}})
	c.refused(400, "RoutesExhausted", "PUT", "/v2.0/routers/"+id(r), obj{"router": obj{"routes": append(many, route("::/0", "::1"))}})
	c.must(200, "PUT", "/v2.0/routers/"+id(r), obj{"router": obj{"routes": many}})
	c.refuseAction(400, "HTTPBadRequest", r, "add_extraroutes", obj{"router": obj{"routes": []obj{}, "name": "x"}})
	c.refuseAction(400, "HTTPBadRequest", r, "add_extraroutes", obj{"router": obj{}})
	c.refuseAction(400, "HTTPBadRequest", r, "add_extraroutes", obj{})
	c.refused(412, "RevisionNumberConstraintFailed", "PUT", path(r, "add_extraroutes"), body(1), "If-Match", "revision_number=1")
	c.refused(404, "RouterNotFound", "PUT", "/v2.0/routers/"+nowhere+"/add_extraroutes", body(1))
}
