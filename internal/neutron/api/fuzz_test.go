package api_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
)

// FuzzRequest: whatever a client sends, the answer is the API's, never a failure of the server.
func FuzzRequest(f *testing.F) {
	c := open(f, func(o *api.Options) { o.Logger = slog.New(slog.DiscardHandler) })
	n := c.network(obj{})
	s := c.subnet(n["id"], "10.0.0.0/24", nil)
	p := c.port(n["id"], nil)
	g := c.must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "g"}})
	r := c.router(obj{"name": "r"})
	c.plug(r, "subnet_id", s["id"])
	a := c.must(201, "POST", "/v2.0/address-scopes", obj{"address_scope": obj{"ip_version": 4}})
	pool := c.must(201, "POST", "/v2.0/subnetpools", obj{"subnetpool": obj{"name": "p", "prefixes": []string{"10.0.0.0/8"}}})
	known := strings.NewReplacer("POOL", id(pool), "SCOPE", id(a), "ROUTER", id(r), "NET", id(n), "SUB", id(s), "PORT", id(p), "GROUP", id(g))
	for _, seed := range []struct{ method, target, body string }{
		{"GET", "/v2.0/ports?fixed_ips=ip_address=10.0.0.2&limit=1&sort_key=name&sort_dir=asc&fields=id&tags=a", ""},
		{"POST", "/v2.0/networks", `{"network": {"name": "x", "mtu": 1400}}`},
		{"POST", "/v2.0/subnets", `{"subnet": {"network_id": "NET", "cidr": "2001:db8::/64", "ip_version": 6, "ipv6_ra_mode": "slaac"}}`},
		{"POST", "/v2.0/ports", `{"port": {"network_id": "NET", "fixed_ips": [{"subnet_id": "SUB", "ip_address": "10.0.0.77"}]}}`},
		{"PUT", "/v2.0/ports/PORT", `{"port": {"fixed_ips": [{"ip_address": "10.0.0.9"}], "binding:host_id": "c", "security_groups": ["GROUP"]}}`},
		{"PUT", "/v2.0/networks/NET/tags", `{"tags": ["a"]}`},
		{"PUT", "/v2.0/quotas/x", `{"quota": {"port": 5}}`},
		{"POST", "/v2.0/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "egress", "protocol": 6}}`},
		{"DELETE", "/v2.0/subnets/SUB", ""},
		{"POST", "/v2.0/subnets", `{"subnet": {"network_id": "NET", "subnetpool_id": "POOL", "prefixlen": 26, "gateway_ip": "10.7.0.1"}}`},
		{"POST", "/v2.0/subnets", `{"subnet": {"network_id": "NET", "use_default_subnetpool": true, "ip_version": 4}}`},
		{"POST", "/v2.0/subnetpools", `{"subnetpool": {"name": "q", "prefixes": ["2001:db8::/32"], "min_prefixlen": 48, "is_default": true}}`},
		{"PUT", "/v2.0/subnetpools/POOL", `{"subnetpool": {"prefixes": ["0.0.0.0/0"], "address_scope_id": "SCOPE", "default_quota": 9}}`},
		{"PUT", "/v2.0/subnetpools/POOL/remove_prefixes", `{"prefixes": ["10.0.0.0/9"]}`},
		{"PUT", "/v2.0/address-scopes/SCOPE", `{"address_scope": {"shared": true}}`},
		{"PUT", "/v2.0/routers/ROUTER", `{"router": {"routes": [{"destination": "1.0.0.0/8", "nexthop": "10.0.0.9"}], "external_gateway_info": null}}`},
		{"PUT", "/v2.0/routers/ROUTER/add_router_interface", `{"port_id": "PORT"}`},
		{"PUT", "/v2.0/routers/ROUTER/remove_router_interface", `{"subnet_id": "SUB"}`},
		{"PUT", "/v2.0/routers/ROUTER/add_extraroutes", `{"router": {"routes": [{"destination": "::/0", "nexthop": "fe80::1"}]}}`},
		{"GET", "/v2.0/network-ip-availabilities/NET?ip_version=4", ""},
		{"GET", "/v2.0/quotas/x/details.json", ""},
	} {
		f.Add(seed.method, seed.target, seed.body)
	}
	handler := c.Server.Handler()
	f.Fuzz(func(t *testing.T, method, target, body string) {
		r, err := http.NewRequest(method, "http://api"+known.Replace(target), strings.NewReader(known.Replace(body)))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code < 200 {
			t.Errorf("%s %s %s: %d %s", method, target, body, w.Code, w.Body)
		}
	})
}
