package api_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// audited checks that the database holds what the rows stand for, as every server sees them.
func audited(t *testing.T, servers []*client) {
	t.Helper()
	for _, c := range servers {
		if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
			t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
		}
	}
}

// Clients of three servers attach overlapping subnets to one router: one of them succeeds. The prefixes of one IPv6
// network all come to lie on one port.
func TestRacesOfInterfaces(t *testing.T) {
	t.Parallel()
	conn, servers := cluster(t, 3)
	c := servers[0]
	r := c.router(obj{})
	six := c.network(obj{})
	var overlapping, prefixes []obj
	for i := range 8 {
		overlapping = append(overlapping, c.subnet(c.network(obj{})["id"], fmt.Sprintf("10.0.0.0/%d", 16+i), nil))
		prefixes = append(prefixes, c.subnet(six["id"], fmt.Sprintf("2001:db8:%d::/64", i), nil))
	}
	var attached atomic.Int32
	each(servers, 16, func(c *client, i int) {
		if i%2 == 0 {
			c.plug(r, "subnet_id", prefixes[i/2]["id"])
			return
		}
		switch status, out := c.do("PUT", path(r, "add_router_interface"), obj{"subnet_id": overlapping[i/2]["id"]}); status {
		case 200:
			attached.Add(1)
		case 400:
		default:
			t.Errorf("%d %v", status, out)
		}
	})
	if attached.Load() != 1 {
		t.Errorf("%d overlapping subnets were attached", attached.Load())
	}
	_, nics := interfaces(t, conn, id(r))
	if len(nics) != 2 || len(nics[id(six)].FixedIPs) != 8 {
		t.Errorf("interfaces: %v", nics)
	}
	audited(t, servers)
}

// Routers are attached, routed, detached and deleted by many clients at random; in the end every interface belongs to a
// router that knows it, and every address to a port that is there.
func TestChurnOfRouters(t *testing.T) {
	t.Parallel()
	conn, servers := cluster(t, 3)
	var routers, subnets, networks []obj
	for i := range 4 {
		n := servers[0].network(obj{})
		networks = append(networks, n)
		routers = append(routers, servers[0].router(obj{}))
		subnets = append(subnets, servers[0].subnet(n["id"], fmt.Sprintf("10.%d.0.0/24", i%3), nil),
			servers[0].subnet(n["id"], fmt.Sprintf("2001:db8:%d::/64", i), nil))
	}
	each(servers, 12, func(c *client, i int) {
		rnd := rand.New(rand.NewPCG(uint64(i), 0))
		for range 25 {
			r, s := routers[rnd.IntN(4)], subnets[rnd.IntN(8)]
			method, target, body := "PUT", path(r, "add_router_interface"), obj{"subnet_id": s["id"]}
			switch rnd.IntN(40) {
			case 0, 1, 2, 3, 4, 5, 6, 7, 8, 9:
				target = path(r, "remove_router_interface")
			case 10, 11, 12, 13, 14, 15:
				target, body = path(r, "add_extraroutes"), obj{"router": obj{"routes": []obj{
					{"destination": "1.0.0.0/8", "nexthop": fmt.Sprintf("10.0.0.%d", 10+rnd.IntN(10))}}}}
			case 16, 17, 18:
				target, body = path(r, "remove_extraroutes"), obj{"router": obj{"routes": []obj{
					{"destination": "1.0.0.0/8", "nexthop": fmt.Sprintf("10.0.0.%d", 10+rnd.IntN(10))}}}}
			case 19:
				method, target, body = "DELETE", "/v2.0/routers/"+id(r), nil
			}
			if status, out := c.do(method, target, body); status >= 500 {
				t.Errorf("%s %s %v: %d %v", method, target, body, status, out)
			}
		}
	})
	audited(t, servers)
	consistent(t, conn, servers[0], networks)
}

// consistent compares the interfaces that chassis see with the routers and the ports of the API.
func consistent(t *testing.T, conn *db.Connection, c *client, networks []obj) {
	t.Helper()
	for _, n := range networks {
		checkReservations(t, conn, c, n)
	}
	var fault string
	if !inTime(func() bool { fault = inconsistency(t, conn, c); return fault == "" }) {
		t.Error(fault)
	}
}

func inconsistency(t *testing.T, conn *db.Connection, c *client) string {
	t.Helper()
	known := map[string]string{}
	scopes, err := conn.Scopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range scopes {
		list, _, err := northbound.NewStore(conn).List(t.Context(), string(scope))
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range northbound.Of[model.RouterInterface](list) {
			known[i.ID] = i.RouterID
		}
	}
	ports := c.list("/v2.0/ports?device_owner=network:router_interface")
	if len(known) != len(ports) {
		return fmt.Sprintf("%d interfaces in the database, %d ports of routers", len(known), len(ports))
	}
	for _, p := range ports {
		r, _ := interfaces(t, conn, p["device_id"].(string))
		if known[id(p)] != p["device_id"] || r == nil {
			return fmt.Sprintf("port %s of router %v is an interface of %q", id(p), p["device_id"], known[id(p)])
		}
	}
	return ""
}

// While a subnet is attached by one server another one deletes it, takes its gateway away, or attaches it elsewhere: one
// of both succeeds.
func TestRacesOfInterfacesAndSubnets(t *testing.T) {
	t.Parallel()
	conn, servers := cluster(t, 2)
	var networks []obj
	for i := range 40 {
		n := servers[0].network(obj{})
		networks = append(networks, n)
		s := servers[0].subnet(n["id"], "10.0.0.0/24", nil)
		port := servers[0].port(n["id"], nil)
		r, other := servers[0].router(obj{}), servers[0].router(obj{})
		attach, body := path(r, "add_router_interface"), obj{"subnet_id": s["id"]}
		rival := func(c *client) (int, obj) {
			return c.do("PUT", "/v2.0/subnets/"+id(s), obj{"subnet": obj{"gateway_ip": nil}})
		}
		switch i % 5 {
		case 0:
			servers[0].must(204, "DELETE", "/v2.0/ports/"+id(port), nil)
			rival = func(c *client) (int, obj) { return c.do("DELETE", "/v2.0/subnets/"+id(s), nil) }
		case 1:
			rival = func(c *client) (int, obj) { return c.do("PUT", path(other, "add_router_interface"), body) }
		case 2:
			body = obj{"port_id": port["id"]}
			rival = func(c *client) (int, obj) { return c.do("DELETE", "/v2.0/ports/"+id(port), nil) }
		case 3: // hosts derive addresses of the subnet, which goes with them, but not from a router
			auto := servers[0].subnet(n["id"], "2001:db8::/64", obj{"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"})
			body = obj{"port_id": servers[0].port(n["id"], obj{"fixed_ips": []obj{}})["id"]}
			rival = func(c *client) (int, obj) { return c.do("DELETE", "/v2.0/subnets/"+id(auto), nil) }
		}
		var won atomic.Int32
		each(servers, 2, func(c *client, who int) {
			act := rival
			if who == 0 {
				act = func(c *client) (int, obj) { return c.do("PUT", attach, body) }
			}
			if status, out := act(c); status < 300 {
				won.Add(1)
			} else if status >= 500 {
				t.Errorf("case %d: %d %v", i%5, status, out)
			}
		})
		if won.Load() != 1 {
			t.Errorf("case %d: %d requests succeeded", i%5, won.Load())
		}
	}
	audited(t, servers)
	consistent(t, conn, servers[0], networks)
}

// The attaching is killed before or after it reached the database: the interface is there as a whole or not at all.
func TestAttachingIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		store := memory.New()
		conn, f, link := faultyConnection(store)
		victim := start(t, conn, func(o *api.Options) { o.RequestTimeout = 300 * time.Millisecond })
		n := victim.network(obj{})
		s := victim.subnet(n["id"], "10.0.0.0/24", nil)
		r := victim.router(obj{})
		f.onApply(func(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
			var err error
			if applied {
				_, err = f.Driver.Apply(ctx, ops)
			}
			link.Cut()
			return nil, errors.Join(db.ErrUnavailable, err)
		})
		victim.refuseAction(503, "ServiceUnavailable", r, "add_router_interface", obj{"subnet_id": s["id"]})

		survivor, _ := store.Connect()
		c := start(t, survivor)
		if _, nics := interfaces(t, survivor, id(r)); (len(nics) == 1) != applied {
			t.Errorf("applied %v, interfaces %v", applied, nics)
		}
		audited(t, []*client{c})
		consistent(t, survivor, c, []obj{n})
	}
}

// What somebody else breaks in a router's scope is put right again.
func TestAuditOfRouters(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{})
	r := c.router(obj{})
	c.plug(r, "subnet_id", c.subnet(n["id"], "10.0.0.0/24", nil)["id"])
	object, nics := interfaces(t, conn, id(r))
	broken := *object
	broken.AdminStateUp = false
	store := northbound.NewStore(conn)
	_, rev, err := northbound.Get[model.Router](t.Context(), store, model.ScopeRouter(id(r)), id(r))
	if err != nil {
		t.Fatal(err)
	}
	stray := &model.Router{Meta: model.Meta{ID: nowhere, Revision: 1}}
	if _, err := store.Txn().PutIf(&broken, rev).Put(stray).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	key := northbound.KeyOf(nics[id(n)])
	if _, err := store.Txn().Delete(key, northbound.AnyObjectRevision).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Server.Audit(t.Context()); err != nil || c.Server.Drift() != 3 {
		t.Errorf("audit: %v, %d differences repaired, want 3", err, c.Server.Drift())
	}
	if object, nics := interfaces(t, conn, id(r)); !object.AdminStateUp || len(nics) != 1 {
		t.Errorf("%+v, %v", object, nics)
	}
	if left, _ := interfaces(t, conn, nowhere); left != nil {
		t.Error("a router without a row is there still")
	}
}
