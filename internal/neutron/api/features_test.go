package api_test

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

func names(list []obj) []string {
	var out []string
	for _, o := range list {
		out = append(out, fmt.Sprint(o["name"]))
	}
	return out
}

func TestListsAreFilteredSortedAndPaged(t *testing.T) {
	t.Parallel()
	c := open(t)
	for i, name := range []string{"d", "b", "a", "c"} {
		c.network(obj{"name": name, "admin_state_up": i%2 == 0, "project_id": "p" + name, "mtu": 1400 + i})
	}
	for _, one := range []struct {
		query string
		want  []string
	}{
		{"sort_key=name&sort_dir=asc", []string{"a", "b", "c", "d"}},
		{"sort_key=admin_state_up&sort_dir=desc&sort_key=name&sort_dir=asc", []string{"a", "d", "b", "c"}},
		{"sort_key=mtu&sort_dir=desc", []string{"c", "a", "b", "d"}},
		{"name=a&name=c&sort_key=name&sort_dir=desc", []string{"c", "a"}},
		{"admin_state_up=True&sort_key=name&sort_dir=asc", []string{"a", "d"}},
		{"tenant_id=pa", []string{"a"}},
		{"mtu=1401", []string{"b"}},
		{"name=", nil},
		{"sort_key=name&sort_dir=asc&limit=3", []string{"a", "b", "c"}},
	} {
		if diff := cmp.Diff(one.want, names(c.list("/v2.0/networks?"+one.query))); diff != "" {
			t.Errorf("%s: %s", one.query, diff)
		}
	}
	for _, query := range []string{"colour=red", "sort_key=name", "sort_key=subnets&sort_dir=asc", "sort_key=name&sort_dir=up",
		"admin_state_up=perhaps"} {
		c.refused(400, "HTTPBadRequest", "GET", "/v2.0/networks?"+query, nil)
	}
	c.refused(400, "BadRequest", "GET", "/v2.0/networks?limit=-1", nil)
	c.refused(404, "NetworkNotFound", "GET", "/v2.0/networks?limit=1&marker="+nowhere, nil)
	if got := c.list("/v2.0/networks?fields=name&fields=colour&name=a"); !cmp.Equal(got, []obj{{"name": "a"}}) {
		t.Errorf("fields: %v", got)
	}
}

// Following the links of pages forward and back shows everything once.
func TestPageLinks(t *testing.T) {
	t.Parallel()
	c := open(t)
	for i := range 7 {
		c.network(obj{"name": fmt.Sprint(i)})
	}
	walk := func(start, rel string) []string {
		var seen []string
		for next := start; next != ""; {
			status, out := c.do("GET", next, nil)
			if status != 200 {
				t.Fatalf("%s: %d %v", next, status, out)
			}
			next = ""
			var page []string
			for _, n := range out["networks"].([]any) {
				page = append(page, n.(obj)["name"].(string))
			}
			if rel == "previous" {
				seen = append(page, seen...)
			} else {
				seen = append(seen, page...)
			}
			links, _ := out["networks_links"].([]any)
			for _, l := range links {
				if l.(obj)["rel"] == rel && len(page) > 0 {
					u, err := url.Parse(l.(obj)["href"].(string))
					if err != nil {
						t.Fatal(err)
					}
					next = u.RequestURI()
				}
			}
		}
		return seen
	}
	want := []string{"0", "1", "2", "3", "4", "5", "6"}
	if diff := cmp.Diff(want, walk("/v2.0/networks?limit=3&sort_key=name&sort_dir=asc", "next")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, walk("/v2.0/networks?limit=3&sort_key=name&sort_dir=asc&page_reverse=True", "previous")); diff != "" {
		t.Error(diff)
	}
}

func TestBulkIsAllOrNothing(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{})
	c.subnet(n["id"], "10.0.0.0/22", nil)
	good := make([]obj, 60) // several hundred operations: more than one batch
	for i := range good {
		good[i] = obj{"network_id": n["id"], "name": fmt.Sprint(i)}
	}
	status, out := c.do("POST", "/v2.0/ports", obj{"ports": good})
	if ports, _ := out["ports"].([]any); status != 201 || len(ports) != 60 || ports[7].(obj)["name"] != "7" {
		t.Fatalf("%d %v", status, out)
	}
	bad := append(slices.Clone(good), obj{"network_id": n["id"], "fixed_ips": []obj{{"ip_address": "192.0.2.1"}}})
	c.refused(400, "InvalidIpForNetwork", "POST", "/v2.0/ports", obj{"ports": bad})
	if l := c.list("/v2.0/ports"); len(l) != 60 {
		t.Errorf("%d ports after a refused bulk", len(l))
	}
	if r := reservations(t, conn, n["id"]); len(r) != 120 {
		t.Errorf("%d reservations after a refused bulk", len(r))
	}
	same := obj{"network_id": n["id"], "fixed_ips": []obj{{"ip_address": "10.0.3.9"}}}
	c.refused(409, "IpAddressAlreadyAllocated", "POST", "/v2.0/ports", obj{"ports": []obj{same, same}})
	overlap := []obj{{"network_id": n["id"], "cidr": "10.5.0.0/16"}, {"network_id": n["id"], "cidr": "10.5.5.0/24"}}
	c.refused(400, "InvalidInput", "POST", "/v2.0/subnets", obj{"subnets": overlap})
	if l := c.list("/v2.0/subnets"); len(l) != 1 {
		t.Errorf("subnets: %v", l)
	}
	rule := obj{"direction": "ingress", "protocol": "tcp"}
	g := c.must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "g"}})
	rule["security_group_id"] = g["id"]
	c.refused(409, "DuplicateSecurityGroupRuleInPost", "POST", "/v2.0/security-group-rules",
		obj{"security_group_rules": []obj{rule, rule}})
}

func TestRevisionsAndIfMatch(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := open(t, func(o *api.Options) { o.Clock = func() time.Time { return now } })
	n := c.network(obj{"description": "first"})
	path := "/v2.0/networks/" + id(n)
	if n["created_at"] != "2026-01-02T03:04:05Z" || n["revision_number"] != 1.0 {
		t.Errorf("%v", n)
	}
	now = now.Add(time.Hour)
	n = c.must(200, "PUT", path, obj{"network": obj{"description": "second"}}, "If-Match", "revision_number=1")
	if n["updated_at"] != "2026-01-02T04:04:05Z" || n["created_at"] != "2026-01-02T03:04:05Z" || n["revision_number"] != 2.0 {
		t.Errorf("%v", n)
	}
	c.refused(412, "RevisionNumberConstraintFailed", "PUT", path, obj{"network": obj{"name": "x"}}, "If-Match", "revision_number=1")
	c.refused(412, "RevisionNumberConstraintFailed", "DELETE", path, nil, "If-Match", "revision_number=1")
	c.refused(400, "HTTPBadRequest", "DELETE", path, nil, "If-Match", "abc")
	if n = c.must(200, "PUT", path, obj{"network": obj{"description": "second"}}); n["revision_number"] != 2.0 {
		t.Errorf("a change that changes nothing raised the revision: %v", n)
	}
	if l := c.list("/v2.0/networks?changed_since=2026-01-02T04:00:00"); len(l) != 1 {
		t.Errorf("changed_since: %v", l)
	}
	c.must(204, "DELETE", path, nil, "If-Match", "revision_number=2")
}

func TestTags(t *testing.T) {
	t.Parallel()
	c := open(t)
	a, b := c.network(obj{"name": "a"}), c.network(obj{"name": "b"})
	path := "/v2.0/networks/" + id(a) + "/tags"
	c.must(200, "PUT", path, obj{"tags": []any{"red", "blue"}})
	c.must(201, "PUT", path+"/green", nil)
	c.must(204, "GET", path+"/green", nil)
	c.must(204, "DELETE", path+"/blue", nil)
	c.refused(404, "TagNotFound", "GET", path+"/blue", nil)
	c.refused(404, "TagNotFound", "DELETE", path+"/blue", nil)
	c.refused(400, "HTTPBadRequest", "PUT", path, obj{"tags": []any{"x", "x"}})
	c.refused(400, "HTTPBadRequest", "PUT", path, obj{"tags": []any{""}})
	c.refused(400, "HTTPBadRequest", "PUT", path, obj{"tags": []any{strings.Repeat("x", 256)}})
	c.must(201, "PUT", "/v2.0/networks/"+id(b)+"/tags/red", nil)
	for query, want := range map[string][]string{
		"tags=red": {"a", "b"}, "tags=red,green": {"a"}, "tags-any=green,blue": {"a"}, "not-tags=green": {"b"},
		"not-tags-any=red": nil,
	} {
		if diff := cmp.Diff(want, names(c.list("/v2.0/networks?sort_key=name&sort_dir=asc&"+query))); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	if n := c.must(200, "GET", "/v2.0/networks/"+id(a), nil); !cmp.Equal(n["tags"], []any{"green", "red"}) {
		t.Errorf("tags: %v", n["tags"])
	}
	c.must(204, "DELETE", path, nil)
	c.refused(404, "HTTPNotFound", "GET", "/v2.0/security-group-rules/"+nowhere+"/tags", nil)
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	c := open(t, func(o *api.Options) { o.Quotas = map[string]int{"network": 2} })
	if q := c.must(200, "GET", "/v2.0/quotas/acme", nil); q["network"] != 2.0 || q["port"] != 500.0 {
		t.Errorf("defaults: %v", q)
	}
	c.must(200, "PUT", "/v2.0/quotas/acme", obj{"quota": obj{"network": "3", "port": -1}})
	for range 3 {
		c.network(obj{"project_id": "acme"})
	}
	c.refused(409, "OverQuota", "POST", "/v2.0/networks", obj{"network": obj{"project_id": "acme"}})
	c.refused(409, "OverQuota", "POST", "/v2.0/networks", obj{"networks": []obj{{}, {}, {}}})
	c.refused(400, "HTTPBadRequest", "PUT", "/v2.0/quotas/acme", obj{"quota": obj{"firewall": 3}})
	c.refused(400, "HTTPBadRequest", "PUT", "/v2.0/quotas/acme", obj{"quota": obj{"network": -2}})
	c.refused(400, "HTTPBadRequest", "PUT", "/v2.0/quotas/acme", obj{"quota": obj{"network": "lots"}})
	d := c.must(200, "GET", "/v2.0/quotas/acme/details.json", nil)
	if diff := cmp.Diff(obj{"limit": 3.0, "used": 3.0, "reserved": 0.0}, d["network"]); diff != "" {
		t.Error(diff)
	}
	if l := c.list("/v2.0/quotas"); len(l) != 1 || l[0]["project_id"] != "acme" || l[0]["port"] != -1.0 {
		t.Errorf("quotas: %v", l)
	}
	c.must(204, "DELETE", "/v2.0/quotas/acme", nil)
	if q := c.must(200, "GET", "/v2.0/quotas/acme", nil); q["network"] != 2.0 {
		t.Errorf("after reset: %v", q)
	}
}

// IPv6 addresses that hosts derive follow from the MAC, for ports before and after the subnet, and go with it.
func TestDerivedAddresses(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{})
	early := c.port(n["id"], obj{"mac_address": "fa:16:3e:00:00:01"})
	s := c.subnet(n["id"], "2001:db8:1::/64", obj{"ip_version": 6, "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"})
	c.subnet(n["id"], "2001:db8:2::/64", obj{"ip_version": "6", "ipv6_address_mode": "dhcpv6-stateful",
		"ipv6_ra_mode": "dhcpv6-stateful"})
	c.subnet(n["id"], "10.0.0.0/24", nil)
	late := c.port(n["id"], obj{"mac_address": "fa:16:3e:00:00:02"})
	early = c.must(200, "GET", "/v2.0/ports/"+id(early), nil)
	if diff := cmp.Diff([]string{"2001:db8:1:0:f816:3eff:fe00:1"}, addresses(early)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"10.0.0.2", "2001:db8:2::2", "2001:db8:1:0:f816:3eff:fe00:2"}, addresses(late)); diff != "" {
		t.Error(diff)
	}
	late = c.must(200, "PUT", "/v2.0/ports/"+id(late), obj{"port": obj{"mac_address": "fa:16:3e:00:00:03"}})
	if diff := cmp.Diff([]string{"10.0.0.2", "2001:db8:2::2", "2001:db8:1:0:f816:3eff:fe00:3"}, addresses(late)); diff != "" {
		t.Error(diff)
	}
	late = c.must(200, "PUT", "/v2.0/ports/"+id(late), obj{"port": obj{"fixed_ips": []obj{{"ip_address": "10.0.0.77"}}}})
	if diff := cmp.Diff([]string{"10.0.0.77", "2001:db8:1:0:f816:3eff:fe00:3"}, addresses(late)); diff != "" {
		t.Error(diff)
	}
	c.must(204, "DELETE", "/v2.0/subnets/"+id(s), nil)
	late = c.must(200, "GET", "/v2.0/ports/"+id(late), nil)
	if diff := cmp.Diff([]string{"10.0.0.77"}, addresses(late)); diff != "" {
		t.Error(diff)
	}
	if r := reservations(t, conn, n["id"]); len(r) != 3 {
		t.Errorf("reservations: %v", r)
	}
}

// A port is DOWN until its chassis says otherwise.
func TestPortStatusFollowsTheChassis(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1")
	c := start(t, conn)
	n := c.network(obj{})
	p := c.port(n["id"], obj{"binding:host_id": "c1"})
	if p["status"] != "DOWN" || p["binding:vif_type"] != "ovs" || p["binding:vif_details"].(obj)["port_filter"] != true {
		t.Errorf("%v", p)
	}
	store := northbound.NewStore(conn)
	report := func(up bool, want string) {
		t.Helper()
		status := &model.PortStatus{Meta: model.Meta{ID: id(p), Revision: time.Now().UnixNano()}, NetworkID: id(n), Host: "c1", Up: up}
		if _, err := store.Txn().Put(status).Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return c.must(200, "GET", "/v2.0/ports/"+id(p), nil)["status"] == want })
	}
	report(true, "ACTIVE")
	if l := c.list("/v2.0/ports?status=ACTIVE&binding:host_id=c1"); len(l) != 1 {
		t.Errorf("filter by status: %v", l)
	}
	report(false, "DOWN")
	report(true, "ACTIVE")
	if p := c.must(200, "PUT", "/v2.0/ports/"+id(p), obj{"port": obj{"binding:host_id": ""}}); p["status"] != "DOWN" ||
		p["binding:vif_type"] != "unbound" {
		t.Errorf("unbound: %v", p)
	}
}

func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	if !inTime(cond) {
		t.Fatal("did not happen in time")
	}
}

// inTime waits for a condition.
func inTime(cond func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func TestBindPort(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{})
	p := c.port(n["id"], nil)
	ctx := context.Background()
	for range 2 {
		if err := c.Server.BindPort(ctx, id(p), "c1"); err != nil {
			t.Fatal(err)
		}
	}
	if p := c.must(200, "GET", "/v2.0/ports/"+id(p), nil); p["binding:host_id"] != "c1" || p["revision_number"] != 2.0 {
		t.Errorf("%v", p)
	}
	if err := c.Server.BindPort(ctx, id(p), "c2"); err == nil || !strings.Contains(err.Error(), "c1") {
		t.Errorf("bound elsewhere: %v", err)
	}
	if err := c.Server.BindPort(ctx, nowhere, "c2"); err == nil {
		t.Error("a port that is not there was bound")
	}
}

// What somebody else breaks in the database is put right again, and counted.
func TestAuditRepairs(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{})
	c.subnet(n["id"], "10.0.0.0/24", nil)
	p := c.port(n["id"], obj{"binding:host_id": "c1"})
	ctx := context.Background()
	store := northbound.NewStore(conn)
	port, rev, err := northbound.Get[model.Port](ctx, store, model.ScopeNetworkPorts(id(n)), id(p))
	if err != nil {
		t.Fatal(err)
	}
	broken := *port
	broken.MACAddress = model.MAC{2, 0, 0, 0, 0, 1}
	binding := &model.Binding{Meta: model.Meta{ID: id(p)}, Host: "c1"}
	stray := &model.Port{Meta: model.Meta{ID: nowhere, Revision: 1}, NetworkID: nowhere, MACAddress: port.MACAddress}
	if _, err := store.Txn().PutIf(&broken, rev).Put(stray).Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Txn().Delete(northbound.KeyOf(binding), northbound.AnyObjectRevision).Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Apply(ctx, dbOps(ipam.AddressKey(id(n), netip.MustParseAddr("10.0.0.99")))); err != nil {
		t.Fatal(err)
	}
	for want := range []int{4, 4} {
		if err := c.Server.Audit(ctx); err != nil || c.Server.Drift() != 4 {
			t.Errorf("audit %d: %v, %d differences repaired, want 4", want, err, c.Server.Drift())
		}
	}
	if again, _, err := northbound.Get[model.Port](ctx, store, model.ScopeNetworkPorts(id(n)), id(p)); err != nil ||
		again.MACAddress != port.MACAddress {
		t.Errorf("%v, %v", again, err)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	c := open(t)
	if v := c.list("/"); len(v) != 1 || v[0]["id"] != "v2.0" || v[0]["status"] != "CURRENT" {
		t.Errorf("versions: %v", v)
	}
	for _, e := range c.list("/v2.0/extensions") {
		c.must(200, "GET", "/v2.0/extensions/"+e["alias"].(string), nil)
	}
	c.refused(404, "ExtensionsNotFound", "GET", "/v2.0/extensions/fwaas_v2", nil)
	for _, r := range c.list("/v2.0/") {
		c.list(strings.TrimPrefix(r["links"].([]any)[0].(obj)["href"].(string), c.base))
	}
	for _, path := range []string{"/projects?name=acme", "/v3/projects?name=acme"} {
		if l := c.list(path); len(l) != 1 || l[0]["id"] != "acme" {
			t.Errorf("%s: %v", path, l)
		}
	}
}

func TestAvailability(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{"name": "n"})
	c.subnet(n["id"], "10.0.0.0/29", nil)
	c.subnet(n["id"], "2001:db8::/64", obj{"ip_version": 6})
	c.port(n["id"], nil)
	a := c.must(200, "GET", "/v2.0/network-ip-availabilities/"+id(n), nil)
	if a["used_ips"] != 2.0 || len(a["subnet_ip_availability"].([]any)) != 2 {
		t.Errorf("%v", a)
	}
	l := c.list("/v2.0/network-ip-availabilities?ip_version=4&network_name=n")
	if len(l) != 1 || l[0]["total_ips"] != 5.0 || l[0]["used_ips"] != 1.0 {
		t.Errorf("%v", l)
	}
}
