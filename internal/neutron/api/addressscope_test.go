package api_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

func scopePath(scope obj) string { return "/v2.0/address-scopes/" + id(scope) }

// The pools of a scope do not overlap, and the networks show of which scope their subnets are.
func TestAddressScopes(t *testing.T) {
	t.Parallel()
	c := open(t)
	a, b, six := c.scope(4, obj{"name": "a"}), c.scope(4, obj{"shared": true}), c.scope(6, nil)
	if diff := cmp.Diff(obj{"id": a["id"], "name": "a", "tenant_id": "default", "project_id": "default", "shared": false,
		"ip_version": 4.0}, a); diff != "" {
		t.Error(diff)
	}
	for _, body := range []obj{{"name": "x"}, {"ip_version": 5}, {"ip_version": 4, "description": "x"}, {"ip_version": nil}} {
		c.refused(400, "HTTPBadRequest", "POST", "/v2.0/address-scopes", obj{"address_scope": body})
	}
	c.refused(400, "AddressScopeUpdateError", "PUT", scopePath(b), obj{"address_scope": obj{"shared": false}})
	c.refused(400, "HTTPBadRequest", "PUT", scopePath(b), obj{"address_scope": obj{"ip_version": 6}})
	c.must(200, "PUT", scopePath(a), obj{"address_scope": obj{"name": "aa", "shared": true}})
	if l := c.list("/v2.0/address-scopes?ip_version=6"); len(l) != 1 {
		t.Errorf("%v", l)
	}
	p := c.pool(obj{"address_scope_id": a["id"], "default_prefixlen": 24}, "10.0.0.0/16")
	pools := func(status int, typ string, attrs obj) {
		t.Helper()
		attrs["name"] = "x"
		c.refused(status, typ, "POST", "/v2.0/subnetpools", obj{"subnetpool": attrs})
	}
	pools(409, "AddressScopePrefixConflict", obj{"prefixes": []string{"10.0.7.0/24"}, "address_scope_id": a["id"]})
	pools(400, "IllegalSubnetPoolIpVersionAssociationToAddressScope", obj{"prefixes": []string{"10.1.0.0/16"}, "address_scope_id": six["id"]})
	other := c.pool(obj{"address_scope_id": b["id"]}, "10.0.0.0/16")
	c.refused(409, "AddressScopePrefixConflict", "PUT", poolPath(other), obj{"subnetpool": obj{"address_scope_id": a["id"]}})
	q := c.pool(obj{"address_scope_id": a["id"], "default_prefixlen": 24}, "10.1.0.0/16")
	c.refused(409, "AddressScopePrefixConflict", "PUT", poolPath(q)+"/add_prefixes", obj{"prefixes": []string{"10.0.0.0/24"}})
	c.refused(409, "AddressScopeInUse", "DELETE", scopePath(a), nil)

	s := c.cut(p, nil)
	n := c.must(200, "GET", "/v2.0/networks/"+fmt.Sprint(s["network_id"]), nil)
	if n["ipv4_address_scope"] != a["id"] || n["ipv6_address_scope"] != nil {
		t.Errorf("%v", n)
	}
	c.must(201, "POST", "/v2.0/subnets", cutting(n, q, nil)) // of the same scope
	c.refused(400, "NetworkAddressScopeAffinityError", "POST", "/v2.0/subnets", cutting(n, other, obj{"cidr": "10.0.200.0/24"}))
	c.refused(400, "NetworkSubnetPoolAffinityError", "POST", "/v2.0/subnets", obj{"subnet": obj{"network_id": n["id"], "cidr": "10.9.0.0/24"}})
	for _, scope := range []any{nil, b["id"]} {
		c.refused(400, "NetworkAddressScopeAffinityError", "PUT", poolPath(q), obj{"subnetpool": obj{"address_scope_id": scope}})
	}
	c.subnet(n["id"], "2001:db8::/64", nil)
	pool6 := c.pool(obj{"address_scope_id": six["id"]}, "2001:db8:1::/48")
	c.refused(400, "NetworkSubnetPoolAffinityError", "POST", "/v2.0/subnets", cutting(n, pool6, nil))
	if n := c.must(200, "GET", "/v2.0/networks/"+fmt.Sprint(c.cut(pool6, nil)["network_id"]), nil); n["ipv6_address_scope"] != six["id"] {
		t.Errorf("%v", n)
	}
	c.must(200, "PUT", poolPath(pool6), obj{"subnetpool": obj{"address_scope_id": nil}})
	c.must(204, "DELETE", scopePath(six), nil)
}

// Chassis learn from a subnet of which address scope it is: as it is made, as its pool is moved, and, where a server died
// between the pool and its subnets, from the audit.
func TestSubnetsAreOfTheScopeOfTheirPool(t *testing.T) {
	t.Parallel()
	conn, f, _ := faultyConnection(memory.New())
	c := start(t, conn)
	a, b := c.scope(4, nil), c.scope(4, nil)
	p := c.pool(obj{"address_scope_id": a["id"], "default_prefixlen": 24}, "10.0.0.0/16")
	var subnets []obj
	for range 3 {
		subnets = append(subnets, c.cut(p, nil))
	}
	plain := c.subnet(c.network(obj{})["id"], "10.9.0.0/24", nil)
	are := func(what string, want any, list ...obj) {
		t.Helper()
		for _, s := range list {
			it, err := conn.Get(t.Context(), northbound.KeyOf(&model.Subnet{Meta: model.Meta{ID: id(s)}, NetworkID: s["network_id"].(string)}))
			if err != nil {
				t.Fatal(err)
			}
			o, err := northbound.Decode(it.Key, it.Value)
			if err != nil || o.(*model.Subnet).AddressScopeID != want {
				t.Errorf("%s: %+v, %v; want scope %v", what, o, err, want)
			}
		}
	}
	are("made", a["id"], subnets...)
	are("of no pool", "", plain)
	c.must(200, "PUT", poolPath(p), obj{"subnetpool": obj{"address_scope_id": b["id"]}})
	are("moved", b["id"], subnets...)
	for _, s := range subnets {
		if _, shown := c.must(200, "GET", "/v2.0/subnets/"+id(s), nil)["address_scope_id"]; shown {
			t.Error("Neutron's subnets do not show an address scope")
		}
	}
	// The server dies when the pool is written, and its subnets are not.
	died := errors.New("died")
	f.onApply(func(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
		if slices.ContainsFunc(ops, func(o db.Op) bool { return o.Verb == db.Put && o.Key.Kind == string(model.KindSubnet) }) {
			return nil, fmt.Errorf("%w: %w", db.ErrTooLarge, died)
		}
		return f.Driver.Apply(ctx, ops)
	})
	c.do("PUT", poolPath(p), obj{"subnetpool": obj{"address_scope_id": nil}})
	f.onApply(nil)
	are("not moved", b["id"], subnets...)
	if err := c.Server.Audit(t.Context()); err != nil {
		t.Error(err)
	}
	are("repaired", "", subnets...)
}

// Without scopes the subnets of a network are of one pool.
func TestPoolAffinity(t *testing.T) {
	t.Parallel()
	c := open(t)
	p, q := c.pool(obj{"default_prefixlen": 24}, "10.0.0.0/16"), c.pool(obj{"default_prefixlen": 24}, "10.1.0.0/16")
	n := c.network(obj{})
	c.must(201, "POST", "/v2.0/subnets", cutting(n, p, nil))
	c.refused(400, "NetworkSubnetPoolAffinityError", "POST", "/v2.0/subnets", cutting(n, q, nil))
	c.refused(400, "NetworkSubnetPoolAffinityError", "POST", "/v2.0/subnets", obj{"subnet": obj{"network_id": n["id"], "cidr": "10.9.0.0/24"}})
	c.must(201, "POST", "/v2.0/subnets", cutting(n, p, nil))
	plain := c.network(obj{})
	c.subnet(plain["id"], "10.0.0.0/24", nil)
	c.refused(400, "NetworkSubnetPoolAffinityError", "POST", "/v2.0/subnets", cutting(plain, q, nil))
	c.must(200, "GET", "/v2.0/networks/"+id(n), nil)
}

// Of overlapping pools that come to one scope at once, one does; of pools that want to be the default at once, one is; a
// network does not end up with subnets of two scopes.
func TestRacesOfPools(t *testing.T) {
	t.Parallel()
	_, servers := cluster(t, 3)
	a, b := servers[0].scope(4, nil), servers[1].scope(4, nil)
	var joined, defaults atomic.Int32
	each(servers, 12, func(c *client, i int) {
		attrs := obj{"name": "x", "prefixes": []string{fmt.Sprintf("10.0.0.0/%d", 8+i)}}
		count := &joined
		if i%2 == 0 {
			attrs["address_scope_id"] = a["id"]
		} else {
			attrs["is_default"], count = true, &defaults
		}
		switch status, out := c.do("POST", "/v2.0/subnetpools", obj{"subnetpool": attrs}); status {
		case 201:
			count.Add(1)
		case 400, 409:
		default:
			t.Errorf("%d %v", status, out)
		}
	})
	if joined.Load() != 1 || defaults.Load() != 1 {
		t.Errorf("%d pools joined, %d are the default", joined.Load(), defaults.Load())
	}
	p := servers[0].pool(obj{"address_scope_id": b["id"], "default_prefixlen": 24}, "172.16.0.0/16")
	q := servers[1].pool(obj{"address_scope_id": b["id"], "default_prefixlen": 24}, "172.17.0.0/16")
	for range 8 {
		n := servers[0].network(obj{})
		servers[0].must(201, "POST", "/v2.0/subnets", cutting(n, p, nil))
		var moved, added atomic.Bool
		each(servers[1:], 2, func(c *client, i int) {
			if i == 0 {
				status, _ := c.do("PUT", poolPath(p), obj{"subnetpool": obj{"address_scope_id": nil}})
				moved.Store(status == 200)
				return
			}
			status, _ := c.do("POST", "/v2.0/subnets", cutting(n, q, nil))
			added.Store(status == 201)
		})
		if moved.Load() == added.Load() {
			t.Errorf("moved %v, added %v", moved.Load(), added.Load())
		}
		servers[0].must(204, "DELETE", "/v2.0/networks/"+id(n), nil)
		servers[0].must(200, "PUT", poolPath(p), obj{"subnetpool": obj{"address_scope_id": b["id"]}})
	}
}
