package api_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (c *client) pool(attrs obj, prefixes ...string) obj {
	c.t.Helper()
	body := obj{"name": "pool", "prefixes": prefixes}
	for k, v := range attrs {
		body[k] = v
	}
	return c.must(201, "POST", "/v2.0/subnetpools", obj{"subnetpool": body})
}

func (c *client) scope(version int, attrs obj) obj {
	c.t.Helper()
	body := obj{"ip_version": version}
	for k, v := range attrs {
		body[k] = v
	}
	return c.must(201, "POST", "/v2.0/address-scopes", obj{"address_scope": body})
}

func poolPath(pool obj) string { return "/v2.0/subnetpools/" + id(pool) }

// cut makes a subnet of a pool on a network of its own.
func (c *client) cut(pool obj, attrs obj) obj {
	c.t.Helper()
	return c.must(201, "POST", "/v2.0/subnets", cutting(c.network(obj{}), pool, attrs))
}

func cutting(network, pool, attrs obj) obj {
	body := obj{"network_id": network["id"], "subnetpool_id": pool["id"]}
	for k, v := range attrs {
		body[k] = v
	}
	return obj{"subnet": body}
}

// Subnets are cut from a pool by length, by prefix or by gateway, and come back when they are deleted.
func TestSubnetsOfPools(t *testing.T) {
	t.Parallel()
	c := open(t)
	p := c.pool(obj{"default_prefixlen": 26, "min_prefixlen": "25", "max_prefixlen": 28}, "10.0.1.0/24", "10.0.0.0/24", "10.0.0.64/26")
	want := obj{"prefixes": []any{"10.0.0.0/23"}, "ip_version": 4.0, "default_prefixlen": "26", "min_prefixlen": "25",
		"max_prefixlen": "28", "is_default": false, "shared": false, "default_quota": nil, "address_scope_id": nil}
	for k, v := range want {
		if diff := cmp.Diff(v, p[k]); diff != "" {
			t.Errorf("%s: %s", k, diff)
		}
	}
	s := c.cut(p, nil)
	if s["cidr"] != "10.0.0.0/26" || s["subnetpool_id"] != p["id"] || s["gateway_ip"] != "10.0.0.1" || s["ip_version"] != 4.0 {
		t.Errorf("%v", s)
	}
	for _, x := range []struct {
		attrs   obj
		cidr    string
		gateway any
	}{
		{obj{"prefixlen": 28}, "10.0.0.64/28", "10.0.0.65"}, // the smallest gap that holds it
		{obj{"prefixlen": 25, "ip_version": 4, "gateway_ip": nil}, "10.0.0.128/25", nil},
		{obj{"cidr": "10.0.1.16/28"}, "10.0.1.16/28", "10.0.1.17"},
		{obj{"gateway_ip": "10.0.1.254", "prefixlen": 27}, "10.0.1.224/27", "10.0.1.254"},
		{obj{"gateway_ip": "10.0.1.129"}, "10.0.1.128/26", "10.0.1.129"},
	} {
		s := c.cut(p, x.attrs)
		if s["cidr"] != x.cidr || s["gateway_ip"] != x.gateway {
			t.Errorf("%v: %v %v, want %s %v", x.attrs, s["cidr"], s["gateway_ip"], x.cidr, x.gateway)
		}
	}
	n := c.network(obj{})
	for name, x := range map[string]struct {
		status int
		typ    string
		attrs  obj
	}{
		"taken":               {409, "SubnetAllocationError", obj{"cidr": "10.0.0.0/26"}},
		"partly taken":        {409, "SubnetAllocationError", obj{"cidr": "10.0.0.0/25"}},
		"outside":             {409, "SubnetAllocationError", obj{"cidr": "10.9.0.0/26"}},
		"gateway outside":     {409, "SubnetAllocationError", obj{"gateway_ip": "10.9.0.1"}},
		"no room":             {409, "SubnetAllocationError", obj{"prefixlen": 25}},
		"too small":           {400, "MaxPrefixSubnetAllocationError", obj{"prefixlen": 29}},
		"too large":           {400, "MinPrefixSubnetAllocationError", obj{"prefixlen": 24}},
		"prefix too large":    {400, "MinPrefixSubnetAllocationError", obj{"cidr": "10.0.1.0/24"}},
		"nonsense length":     {400, "MaxPrefixSubnetAllocationError", obj{"prefixlen": 1 << 40}},
		"negative length":     {400, "HTTPBadRequest", obj{"prefixlen": -1}},
		"other version":       {400, "BadRequest", obj{"ip_version": 6}},
		"prefix and length":   {400, "BadRequest", obj{"cidr": "10.0.1.64/26", "prefixlen": 26}},
		"ranges":              {400, "BadRequest", obj{"allocation_pools": []obj{{"start": "10.0.1.65", "end": "10.0.1.66"}}}},
		"named and default":   {400, "BadRequest", obj{"use_default_subnetpool": true}},
		"no such pool":        {404, "SubnetPoolNotFound", obj{"subnetpool_id": nowhere}},
		"no pool":             {400, "BadRequest", obj{"subnetpool_id": nil, "prefixlen": 26}},
		"gateway of other IP": {400, "BadRequest", obj{"gateway_ip": "2001:db8::1", "ip_version": 6}},
	} {
		t.Run(name, func(t *testing.T) {
			c := *c
			c.t = t
			c.refused(x.status, x.typ, "POST", "/v2.0/subnets", cutting(n, p, x.attrs))
		})
	}
	c.refused(400, "SubnetPoolDeleteError", "DELETE", poolPath(p), nil)
	c.must(204, "DELETE", "/v2.0/networks/"+fmt.Sprint(s["network_id"]), nil)
	if again := c.cut(p, nil); again["cidr"] != "10.0.0.0/26" {
		t.Errorf("after a deletion: %v", again)
	}
	for _, s := range c.list("/v2.0/subnets?subnetpool_id=" + id(p)) {
		c.must(204, "DELETE", "/v2.0/subnets/"+id(s), nil)
	}
	c.must(204, "DELETE", poolPath(p), nil)
}

func TestSubnetPoolAttributes(t *testing.T) {
	t.Parallel()
	c := open(t)
	v4 := func(more obj) obj {
		body := obj{"name": "x", "prefixes": []string{"10.0.0.0/8"}}
		for k, v := range more {
			body[k] = v
		}
		return body
	}
	bounds := "IllegalSubnetPoolPrefixBounds"
	for _, x := range []struct {
		status int
		typ    string
		body   obj
	}{
		{400, "HTTPBadRequest", obj{"prefixes": []string{"10.0.0.0/8"}}},
		{400, "HTTPBadRequest", obj{"name": "x"}},
		{400, "HTTPBadRequest", v4(obj{"name": " "})},
		{400, "EmptySubnetPoolPrefixList", obj{"name": "x", "prefixes": []string{}}},
		{400, "HTTPBadRequest", obj{"name": "x", "prefixes": []string{"10.0.0.1/8"}}},
		{400, "HTTPBadRequest", obj{"name": "x", "prefixes": []any{7}}},
		{400, "HTTPBadRequest", obj{"name": "x", "prefixes": []string{"10.0.0.0/8", "10.0.0.0/8"}}},
		{400, "PrefixVersionMismatch", obj{"name": "x", "prefixes": []string{"10.0.0.0/8", "2001:db8::/32"}}},
		{400, bounds, v4(obj{"min_prefixlen": 25, "max_prefixlen": 24})},
		{400, bounds, v4(obj{"max_prefixlen": 33})},
		{400, bounds, v4(obj{"default_prefixlen": 7})},
		{400, bounds, v4(obj{"default_prefixlen": 30, "max_prefixlen": 29})},
		{400, "HTTPBadRequest", v4(obj{"min_prefixlen": -1})},
		{400, "HTTPBadRequest", v4(obj{"default_quota": "x"})},
		{400, "HTTPBadRequest", v4(obj{"ip_version": 4})},
		{404, "AddressScopeNotFound", v4(obj{"address_scope_id": nowhere})},
	} {
		c.refused(x.status, x.typ, "POST", "/v2.0/subnetpools", obj{"subnetpool": x.body})
	}
	p := c.pool(obj{"default_quota": 0, "shared": true, "description": "d"}, "10.0.0.0/8")
	if p["default_quota"] != 0.0 || p["min_prefixlen"] != "8" || p["default_prefixlen"] != "8" || p["max_prefixlen"] != "32" {
		t.Errorf("%v", p)
	}
	six := c.pool(nil, "2001:db8::/32")
	if six["min_prefixlen"] != "64" || six["max_prefixlen"] != "128" || six["ip_version"] != 6.0 {
		t.Errorf("%v", six)
	}
	put := func(status int, typ string, body obj) {
		t.Helper()
		c.refused(status, typ, "PUT", poolPath(p), obj{"subnetpool": body})
	}
	put(400, "IllegalSubnetPoolPrefixUpdate", obj{"prefixes": []string{"10.0.0.0/9"}})
	put(400, "PrefixVersionMismatch", obj{"prefixes": []string{"10.0.0.0/8", "2001:db8::/32"}})
	put(400, "IllegalSubnetPoolPrefixUpdate", obj{"prefixes": []string{"2001:db8::/32"}})
	put(400, "EmptySubnetPoolPrefixList", obj{"prefixes": []string{}})
	put(400, bounds, obj{"min_prefixlen": 33})
	put(400, "HTTPBadRequest", obj{"shared": false})
	got := c.must(200, "PUT", poolPath(p), obj{"subnetpool": obj{"prefixes": []string{"11.0.0.0/8", "10.0.0.0/8", "12.0.0.0/24"},
		"default_prefixlen": 24, "name": "y"}})
	if diff := cmp.Diff([]any{"10.0.0.0/7", "12.0.0.0/24"}, got["prefixes"]); diff != "" || got["default_prefixlen"] != "24" {
		t.Errorf("%v %s", got, diff)
	}
	for query, want := range map[string]int{"ip_version=6": 1, "default_prefixlen=24": 1, "shared=true": 1, "name=y": 1,
		"sort_key=default_prefixlen&sort_dir=asc": 2, "description=d": 1, "address_scope_id=" + nowhere: 0} {
		if l := c.list("/v2.0/subnetpools?" + query); len(l) != want {
			t.Errorf("%s: %v", query, l)
		}
	}
	c.pool(obj{"default_prefixlen": 9}, "172.16.0.0/12")
	var order []any
	for _, l := range c.list("/v2.0/subnetpools?sort_key=default_prefixlen&sort_dir=asc") {
		order = append(order, l["default_prefixlen"])
	}
	if diff := cmp.Diff([]any{"9", "24", "64"}, order); diff != "" {
		t.Errorf("lengths are sorted by size: %s", diff)
	}
}

func TestDefaultSubnetPool(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{})
	byDefault := func(more obj) obj {
		body := obj{"network_id": n["id"], "use_default_subnetpool": true}
		for k, v := range more {
			body[k] = v
		}
		return obj{"subnet": body}
	}
	c.refused(400, "BadRequest", "POST", "/v2.0/subnets", byDefault(obj{"ip_version": 4}))
	c.refused(400, "BadRequest", "POST", "/v2.0/subnets", byDefault(nil))
	first := c.pool(obj{"is_default": true, "default_prefixlen": 24}, "10.0.0.0/8")
	six := c.pool(obj{"is_default": true}, "2001:db8::/32")
	second := c.pool(nil, "172.16.0.0/12")
	c.refused(400, "InvalidInput", "POST", "/v2.0/subnetpools", obj{"subnetpool": obj{"name": "x", "is_default": true,
		"prefixes": []string{"192.168.0.0/16"}}})
	c.refused(400, "InvalidInput", "PUT", poolPath(second), obj{"subnetpool": obj{"is_default": true}})
	for version, pool := range map[int]obj{4: first, 6: six} {
		if s := c.must(201, "POST", "/v2.0/subnets", byDefault(obj{"ip_version": version})); s["subnetpool_id"] != pool["id"] {
			t.Errorf("%v", s)
		}
	}
	if s := c.must(201, "POST", "/v2.0/subnets", byDefault(obj{"cidr": "10.200.0.0/24"})); s["subnetpool_id"] != first["id"] {
		t.Errorf("%v", s)
	}
	c.must(200, "PUT", poolPath(first), obj{"subnetpool": obj{"is_default": false}})
	c.must(200, "PUT", poolPath(second), obj{"subnetpool": obj{"is_default": true}})
	c.must(204, "DELETE", poolPath(second), nil)
	c.must(200, "PUT", poolPath(first), obj{"subnetpool": obj{"is_default": true}})
	if l := c.list("/v2.0/subnetpools?is_default=true"); len(l) != 2 {
		t.Errorf("defaults: %v", l)
	}
}

func TestPrefixOperations(t *testing.T) {
	t.Parallel()
	c := open(t)
	p := c.pool(obj{"default_prefixlen": 24}, "10.0.0.0/16")
	change := func(action string, want []any, prefixes ...string) {
		t.Helper()
		got := c.must(200, "PUT", poolPath(p)+"/"+action, obj{"prefixes": prefixes})
		if diff := cmp.Diff(want, got["prefixes"]); diff != "" {
			t.Errorf("%s %v: %s", action, prefixes, diff)
		}
	}
	change("add_prefixes", []any{"10.0.0.0/15"}, "10.1.0.0/16", "10.0.3.0/24")
	s := c.cut(p, obj{"cidr": "10.1.7.0/24"})
	change("remove_prefixes", []any{"10.1.0.0/16"}, "10.0.0.0/16")
	change("remove_prefixes", []any{"10.1.0.0/16"}, "192.168.0.0/16")
	refuse := func(typ, action string, body any) {
		t.Helper()
		c.refused(400, typ, "PUT", poolPath(p)+"/"+action, body)
	}
	refuse("IllegalSubnetPoolPrefixUpdate", "remove_prefixes", obj{"prefixes": []string{"10.1.7.128/25"}})
	refuse("PrefixVersionMismatch", "add_prefixes", obj{"prefixes": []string{"2001:db8::/32"}})
	for _, body := range []any{obj{}, obj{"prefixes": []string{}}, obj{"prefixes": "10.0.0.0/8"}, obj{"prefixes": []string{"x"}}, "[]"} {
		refuse("HTTPBadRequest", "add_prefixes", body)
	}
	c.must(204, "DELETE", "/v2.0/subnets/"+id(s), nil)
	refuse("EmptySubnetPoolPrefixList", "remove_prefixes", obj{"prefixes": []string{"10.0.0.0/8"}})
	c.refused(404, "SubnetPoolNotFound", "PUT", "/v2.0/subnetpools/"+nowhere+"/add_prefixes", obj{"prefixes": []string{"10.0.0.0/8"}})
}

// Each project may have so much of a pool.
func TestSubnetPoolQuota(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, x := range []struct {
		prefix       string
		quota        int
		large, small int
	}{{"10.0.0.0/16", 384, 24, 25}, {"2001:db8::/48", 3, 63, 64}} {
		p := c.pool(obj{"default_quota": x.quota, "min_prefixlen": 8}, x.prefix)
		n := c.network(obj{})
		c.must(201, "POST", "/v2.0/subnets", cutting(n, p, obj{"prefixlen": x.large, "project_id": "acme"}))
		c.refused(409, "SubnetPoolQuotaExceeded", "POST", "/v2.0/subnets", cutting(n, p, obj{"prefixlen": x.large, "project_id": "acme"}))
		c.must(201, "POST", "/v2.0/subnets", cutting(n, p, obj{"prefixlen": x.small, "project_id": "acme"}))
		c.must(201, "POST", "/v2.0/subnets", cutting(n, p, obj{"prefixlen": x.large, "project_id": "other"}))
	}
	c.must(200, "PUT", "/v2.0/quotas/poor", obj{"quota": obj{"subnetpool": 0}})
	c.refused(409, "OverQuota", "POST", "/v2.0/subnetpools", obj{"subnetpool": obj{"name": "x", "prefixes": []string{"10.0.0.0/8"},
		"project_id": "poor"}})
}

// Clients of three servers cut a pool to the last address: no prefix is given twice, and none is kept back.
func TestPrefixesAreGivenOnce(t *testing.T) {
	t.Parallel()
	_, servers := cluster(t, 3)
	p := servers[0].pool(obj{"default_prefixlen": 28}, "10.0.0.0/24", "10.0.7.0/26")
	networks := make([]obj, 24)
	for i := range networks {
		networks[i] = servers[0].network(obj{})
	}
	var mu sync.Mutex
	given := map[string]int{}
	each(servers, 24, func(c *client, i int) {
		switch status, out := c.do("POST", "/v2.0/subnets", cutting(networks[i], p, nil)); status {
		case 201:
			mu.Lock()
			defer mu.Unlock()
			given[out["subnet"].(obj)["cidr"].(string)]++
		case 409:
		default:
			t.Errorf("%d %v", status, out)
		}
	})
	if len(given) != 20 {
		t.Errorf("%d prefixes were given of 20", len(given))
	}
	for cidr, times := range given {
		if times != 1 {
			t.Errorf("%s was given %d times", cidr, times)
		}
	}
	bulk := []obj{}
	for range 6 {
		bulk = append(bulk, obj{"network_id": networks[0]["id"], "subnetpool_id": p["id"], "prefixlen": 29})
	}
	c := servers[1]
	for _, s := range c.list("/v2.0/subnets?subnetpool_id=" + id(p)) {
		c.must(204, "DELETE", "/v2.0/subnets/"+id(s), nil)
	}
	out := servers[2].must(201, "POST", "/v2.0/subnets", obj{"subnets": bulk})
	var seen []netip.Prefix
	for _, s := range out["subnets"].([]any) {
		got := netip.MustParsePrefix(s.(obj)["cidr"].(string))
		for _, o := range seen {
			if got.Overlaps(o) {
				t.Errorf("%s and %s overlap", got, o)
			}
		}
		seen = append(seen, got)
	}
}
