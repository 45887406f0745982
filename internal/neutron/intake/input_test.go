package intake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/intake"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// wantRefused runs a server on a database that belongs to the other source.
func wantRefused(t *testing.T, conn *db.Connection, behindNeutron bool) {
	t.Helper()
	server, err := api.New(api.Options{DB: conn, Neutron: behindNeutron, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.Run(ctx); err == nil || !strings.Contains(err.Error(), "this database holds what") {
		t.Errorf("Run: %v", err)
	}
	if server.Ready() {
		t.Error("it serves")
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	d := run(t, memory.Open(), true)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/v1/push", ``, 400},
		{"POST", "/v1/push", `[]`, 400},
		{"POST", "/v1/push", `{"changes":[{}]} x`, 400},
		{"POST", "/v1/push", `{"changes":[{"revision":"x"}]}`, 400},
		{"POST", "/v1/push", `{"changes":[` + strings.Repeat(`{},`, 500) + `{}]}`, 400},
		{"POST", "/v1/push", strings.Repeat("[", 1<<20), 400},
		{"POST", "/v1/push", strings.Repeat(" ", 17<<20), 413},
		{"GET", "/v1/push", ``, 404},
		{"GET", "/v2.0/networks", ``, 404},
		{"GET", "/v1/status?wait=31", ``, 400},
		{"GET", "/v1/status?wait=NaN", ``, 400},
		{"POST", "/v1/audit", `{"kind":"x"}`, 400},
		{"POST", "/v1/audit", `{"kind":"port","after":"x"}`, 400},
		{"POST", "/v1/audit", `{"kind":"port","objects":[{"id":"b0000000-0000-4000-8000-000000000000"},{"id":"a0000000-0000-4000-8000-000000000000"}]}`, 400},
		{"GET", "/v1/audits/x", ``, 404},
		{"POST", "/v1/audits/x/done", `{}`, 404},
	} {
		status, out := d.do(c.method, c.path, c.body)
		if e, ok := out["error"].(obj); status != c.status || !ok || e["message"] == "" {
			t.Errorf("%s %s %.60s: %d %v", c.method, c.path, c.body, status, out)
		}
	}
}

// An object that cannot be understood is refused with the name of its field, and those beside it are stored.
func TestBadObjects(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	d := run(t, conn, true)
	n := network(1, "n")
	p := port(n, nil)
	for _, c := range []struct {
		kind, field string
		object      obj
	}{
		{"network", "mtu", with(n, obj{"mtu": -1})},
		{"network", "mtu", with(n, obj{"mtu": "many"})},
		{"network", "name", with(n, obj{"name": strings.Repeat("x", 256)})},
		{"network", "segmentation_id", with(n, obj{"provider:segmentation_id": 1 << 24})},
		{"network", "id", with(n, obj{"id": "../x"})},
		{"network", "segments", with(n, obj{"segments": 3})},
		{"network", "segments", with(n, obj{"provider:network_type": "flat"})},
		{"subnet", "cidr", obj{"id": n["id"], "network_id": n["id"], "cidr": "10.0.0.1/24"}},
		{"subnet", "network_id", obj{"id": n["id"], "cidr": "10.0.0.0/24"}},
		{"port", "mac_address", with(p, obj{"mac_address": "01:00:00:00:00:01"})},
		{"port", "network_id", with(p, obj{"network_id": "a/../b"})},
		{"port", "fixed_ips", with(p, obj{"fixed_ips": []obj{{"subnet_id": n["id"], "ip_address": "fe80::1%eth0"}}})},
		{"port", "binding:host_id", with(p, obj{"binding:host_id": "a/b"})},
		{"port", "bindings", with(p, obj{"bindings": make([]obj, 1)})},
		{"port", "security_groups", with(p, obj{"security_groups": []any{nil}})},
		{"port", "too large", with(p, obj{"security_groups": manyIDs(9000)})},
		{"port", "operations", with(p, obj{"security_groups": manyIDs(500)})},
		{"security_group_rule", "direction", obj{"id": n["id"], "security_group_id": n["id"], "ethertype": "IPv4", "direction": "up"}},
		{"security_group_rule", "remote_ip_prefix", obj{"id": n["id"], "security_group_id": n["id"], "ethertype": "IPv6", "direction": "egress", "remote_ip_prefix": "1.2.3.4"}},
		{"router", "external_gateway_info", obj{"id": n["id"], "external_gateway_info": obj{"network_id": 7}}},
		{"router", "routes", obj{"id": n["id"], "routes": []obj{{"destination": "1.2.3.0/24", "nexthop": "::1"}}}},
		{"port_forwarding", "external_port", obj{"id": n["id"], "floatingip_id": n["id"], "internal_port_id": n["id"], "protocol": "tcp", "external_port": 0, "internal_port": 1}},
		{"trunk", "port_id", obj{"id": n["id"]}},
		{"trunk", "sub_ports", obj{"id": n["id"], "port_id": n["id"], "sub_ports": []obj{{"port_id": n["id"], "segmentation_type": "vlan", "segmentation_id": 1}}}},
		{"trunk", "segmentation_type", obj{"id": n["id"], "port_id": n["id"], "sub_ports": []obj{{"port_id": p["id"], "segmentation_type": "vxlan", "segmentation_id": 1}}}},
		{"trunk", "segmentation_id", obj{"id": n["id"], "port_id": n["id"], "sub_ports": []obj{{"port_id": p["id"], "segmentation_type": "vlan", "segmentation_id": 4095}}}},
		{"log", "event", obj{"id": n["id"], "resource_type": "security_group", "event": "REJECT"}},
		{"log", "project_id", obj{"id": n["id"], "resource_type": "security_group", "event": "ALL"}},
		{"quota", "kind", n},
	} {
		bad := change(c.kind, c.object)
		bad["revision"] = 1
		results := d.must(200, "POST", "/v1/push", obj{"changes": []obj{bad, change("network", network(1, "good"))}})["results"].([]any)
		first := results[0].(obj)
		if message, _ := first["message"].(string); first["outcome"] != "refused" || !strings.Contains(message, c.field) {
			t.Errorf("%s %s: %v", c.kind, c.field, first)
		}
		if second := results[1].(obj); second["outcome"] != "stored" {
			t.Errorf("beside %s %s: %v", c.kind, c.field, second)
		}
	}
	if err := d.server.Audit(context.Background()); err != nil || d.server.Drift() != 0 {
		t.Errorf("drift %d, %v", d.server.Drift(), err)
	}
}

func manyIDs(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
	}
	return out
}

// While the database does not answer, so does the server.
func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, link := store.Connect()
	d := run(t, conn, true)
	link.Cut()
	eventually(t, func() bool { return !d.server.Ready() })
	for path, body := range map[string]obj{"/v1/push": {"changes": []obj{change("network", network(1, "n"))}}, "/v1/audit": {"kind": "port"}, "/v1/audits": {}} {
		if status, out := d.do("POST", path, body); status != 503 {
			t.Errorf("%s: %d %v", path, status, out)
		}
	}
	if out := d.must(200, "GET", "/v1", nil); out["ready"] != false {
		t.Errorf("%v", out)
	}
}

// Whatever is pushed, nothing breaks: the answer is one of those that are promised, and what was stored is what audits want.
func FuzzPush(f *testing.F) {
	for _, seed := range []string{
		`{"changes":[{"kind":"network","id":"a0000000-0000-4000-8000-000000000001","revision":1,"object":{"segments":[{"provider:network_type":"flat","provider:physical_network":"p"}]}}]}`,
		`{"changes":[{"kind":"port","id":"a0000000-0000-4000-8000-000000000002","object":{"network_id":"a0000000-0000-4000-8000-000000000001","mac_address":"fa:16:3e:00:00:01","binding:host_id":"h","device_owner":"network:router_gateway","device_id":"a0000000-0000-4000-8000-000000000003","bindings":[{"host":"x","status":"INACTIVE"}],"allowed_address_pairs":[{"ip_address":"10.0.0.1"}],"extra_dhcp_opts":[{"opt_name":"x","opt_value":"y","ip_version":6}]}}]}`,
		`{"changes":[{"kind":"router","id":"a0000000-0000-4000-8000-000000000003","object":{"external_gateway_info":{"network_id":"a0000000-0000-4000-8000-000000000001"},"routes":[{"destination":"::/0","nexthop":"::1"}]}},{"kind":"router","id":"a0000000-0000-4000-8000-000000000003","deleted":true}]}`,
		`{"changes":[{"kind":"floatingip","id":"a0000000-0000-4000-8000-000000000004","object":{"floating_network_id":"a0000000-0000-4000-8000-000000000001","floating_ip_address":"::2","port_id":"a0000000-0000-4000-8000-000000000002","fixed_ip_address":"10.0.0.1"}}]}`,
		`{"changes":[{"kind":"port_forwarding","id":"a0000000-0000-4000-8000-000000000005","object":{"floatingip_id":"a0000000-0000-4000-8000-000000000004","protocol":"tcp","internal_port_id":"a0000000-0000-4000-8000-000000000002","external_port_range":"1:2","internal_port":3}}]}`,
		`{"changes":[{"kind":"subnet","id":"a0000000-0000-4000-8000-000000000006","object":{"network_id":"a0000000-0000-4000-8000-000000000001","cidr":"10.0.0.0/24","host_routes":[{"destination":"0.0.0.0/0","nexthop":"10.0.0.1"}],"allocation_pools":[{"start":"1.1.1.1","end":"::1"}]}}]}`,
		`{"changes":[{"kind":"security_group_rule","id":"a0000000-0000-4000-8000-000000000007","object":{"security_group_id":"a0000000-0000-4000-8000-000000000001","direction":"ingress","ethertype":"ipv6","protocol":"icmp","port_range_min":1}},{"kind":"address_group","id":"a0000000-0000-4000-8000-000000000007","object":{"addresses":["10.0.0.0/8","::/0"]}}]}`,
		`{"changes":[{"kind":"trunk","id":"a0000000-0000-4000-8000-000000000008","object":{"port_id":"a0000000-0000-4000-8000-000000000002","sub_ports":[{"port_id":"a0000000-0000-4000-8000-000000000009","segmentation_type":"vlan","segmentation_id":7}]}},{"kind":"port","id":"a0000000-0000-4000-8000-000000000009","object":{"network_id":"a0000000-0000-4000-8000-000000000001","mac_address":"fa:16:3e:00:00:02"}}]}`,
	} {
		f.Add(seed)
	}
	server, handler := quiet(f)
	f.Fuzz(func(t *testing.T, body string) {
		for range 2 {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("POST", "/v1/push", strings.NewReader(body)))
			if w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		if err := server.Audit(t.Context()); err != nil || server.Drift() != 0 {
			t.Fatalf("drift %d, %v", server.Drift(), err)
		}
	})
}

// quiet runs a server without log until the test ends.
func quiet(t testing.TB) (*api.Server, http.Handler) {
	t.Helper()
	server, err := api.New(api.Options{DB: memory.Open(), Neutron: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if err := server.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return server, intake.New(intake.Options{Server: server, Logger: slog.New(slog.DiscardHandler)}).Handler()
}

// Whatever list Neutron sends, nothing breaks.
func FuzzAudit(f *testing.F) {
	for _, seed := range []string{
		`{"kind":"network","objects":[{"id":"a0000000-0000-4000-8000-000000000001","revision":1,"digest":"x"}]}`,
		`{"kind":"port","after":"a0000000-0000-4000-8000-000000000001","until":"b0000000-0000-4000-8000-000000000001","partial":true,"audit":"x","objects":null}`,
	} {
		f.Add("/v1/audit", seed)
	}
	f.Add("/v1/audits", `{"fix":true}`)
	f.Add("/v1/audits/x/done", `{"error":"x"}`)
	_, handler := quiet(f)
	f.Fuzz(func(t *testing.T, path, body string) {
		target, err := url.Parse(path)
		if err != nil || !strings.HasPrefix(path, "/") {
			return
		}
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.URL = target
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}

// BenchmarkPushPort pushes a port that is new into a network with many.
func BenchmarkPushPort(b *testing.B) {
	_, handler := quiet(b)
	n := network(1, "n")
	push := func(c obj) {
		raw, err := json.Marshal(obj{"changes": []obj{c}})
		if err != nil {
			b.Fatal(err)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("POST", "/v1/push", bytes.NewReader(raw)))
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"stored"`) {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	group := uuid.NewString()
	for i := 0; b.Loop(); i++ {
		push(change("port", port(n, obj{"mac_address": fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", i>>16&255, i>>8&255, i&255),
			"binding:host_id": "c1", "binding:vif_type": "ovs", "security_groups": []string{group}})))
	}
}
