package intake_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/intake"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// obj is a JSON object.
type obj = map[string]any

// door talks to one server: one with the API, or one with the intake.
type door struct {
	t      testing.TB
	base   string
	conn   *db.Connection
	server *api.Server
	client *http.Client
	// behindNeutron says that it takes pushes, and serves no REST API.
	behindNeutron bool
}

// unixTransport reaches a server on a Unix socket.
func unixTransport(path string) *http.Transport {
	var d net.Dialer
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) }}
}

// run serves a database until the test ends.
func run(t testing.TB, conn *db.Connection, behindNeutron bool, change ...func(*intake.Options)) *door {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	server, err := api.New(api.Options{DB: conn, Neutron: behindNeutron, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	handler := server.Handler()
	if behindNeutron {
		opts := intake.Options{Server: server, Logger: log}
		for _, c := range change {
			c(&opts)
		}
		handler = intake.New(opts).Handler()
	}
	ts := httptest.NewServer(handler)
	t.Cleanup(func() {
		cancel()
		ts.Close()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	ready, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	if err := server.WaitReady(ready); err != nil {
		t.Fatal(err)
	}
	d := &door{t, ts.URL, conn, server, http.DefaultClient, behindNeutron}
	d.staffed()
	return d
}

// do sends a request and returns status and body.
func (d *door) do(method, path string, body any) (int, obj) {
	d.t.Helper()
	raw, err := json.Marshal(body)
	if text, ok := body.(string); ok {
		raw = []byte(text)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	if body == nil {
		raw = nil
	}
	req, err := http.NewRequest(method, d.base+path, bytes.NewReader(raw))
	if err != nil {
		d.t.Fatal(err)
	}
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	in, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	var out obj
	if len(in) > 0 {
		if err := json.Unmarshal(in, &out); err != nil {
			d.t.Fatalf("%s %s: %v in %q", method, path, err, in)
		}
	}
	return resp.StatusCode, out
}

func (d *door) must(status int, method, path string, body any) obj {
	d.t.Helper()
	got, out := d.do(method, path, body)
	if got != status {
		d.t.Fatalf("%s %s: %d %v", method, path, got, out)
	}
	return out
}

// make creates a resource by the API.
func (d *door) make(kind, plural string, attrs obj) obj {
	d.t.Helper()
	return d.must(201, "POST", "/v2.0/"+plural, obj{kind: attrs})[kind].(obj)
}

// change is one object as Neutron shows it, to be pushed.
func change(kind string, object obj) obj {
	return obj{"kind": kind, "id": object["id"], "revision": object["revision_number"], "object": object}
}

func deletion(kind string, object obj) obj {
	return obj{"kind": kind, "id": object["id"], "revision": object["revision_number"], "deleted": true}
}

// push pushes changes, and returns the outcomes.
func (d *door) push(changes ...obj) []string {
	d.t.Helper()
	out := []string{}
	for _, r := range d.must(200, "POST", "/v1/push", obj{"changes": changes})["results"].([]any) {
		r := r.(obj)
		if r["outcome"] == "refused" {
			d.t.Logf("%v", r)
		}
		out = append(out, r["outcome"].(string))
	}
	return out
}

// everything is what the API shows of its cloud, as changes to push.
func (d *door) everything() []obj {
	d.t.Helper()
	var out []obj
	for _, k := range [][2]string{{"network", "networks"}, {"subnetpool", "subnetpools"}, {"subnet", "subnets"}, {"security_group", "security-groups"},
		{"security_group_rule", "security-group-rules"}, {"router", "routers"}, {"port", "ports"}, {"floatingip", "floatingips"},
		{"trunk", "trunks"}, {"log", "log/logs"}} {
		plural := strings.ReplaceAll(path.Base(k[1]), "-", "_")
		for _, o := range d.must(200, "GET", "/v2.0/"+k[1], nil)[plural].([]any) {
			o := o.(obj)
			switch k[0] {
			case "network":
				o["segments"] = d.segments(o)
			case "port":
				o["bindings"] = d.bindings(o)
			case "floatingip":
				for _, f := range d.must(200, "GET", "/v2.0/floatingips/"+o["id"].(string)+"/port_forwardings", nil)["port_forwardings"].([]any) {
					f.(obj)["floatingip_id"] = o["id"]
					out = append(out, change("port_forwarding", f.(obj)))
				}
			}
			out = append(out, change(k[0], o))
		}
	}
	return out
}

// segments are those of a network with their ids, as a mechanism driver knows them.
func (d *door) segments(network obj) []any {
	d.t.Helper()
	out := []any{}
	for _, s := range d.must(200, "GET", "/v2.0/segments?network_id="+network["id"].(string), nil)["segments"].([]any) {
		s := s.(obj)
		out = append(out, obj{"id": s["id"], "provider:network_type": s["network_type"], "provider:physical_network": s["physical_network"],
			"provider:segmentation_id": s["segmentation_id"]})
	}
	return out
}

func (d *door) bindings(port obj) []any {
	d.t.Helper()
	return d.must(200, "GET", "/v2.0/ports/"+port["id"].(string)+"/bindings", nil)["bindings"].([]any)
}

// chassis registers one, which lives and reports nothing yet.
func chassis(t testing.TB, conn *db.Connection, name string, gateway bool) {
	t.Helper()
	c := &model.Chassis{Meta: model.Meta{ID: name, Revision: 1}, Version: "1", Bridge: "br-int", TunnelIP: netip.MustParseAddr("192.0.2.1"),
		TunnelTypes: []model.NetworkType{model.Geneve}, PhysicalNetworks: []string{"phys"}, Gateway: gateway, AvailabilityZones: []string{"east"}}
	if name == "g3" { // not where the hub shall be
		c.AvailabilityZones = []string{"west"}
	}
	beat := &model.Heartbeat{Meta: model.Meta{ID: name, Revision: 1}, Started: "2026-01-02T03:04:05Z"}
	if _, err := northbound.NewStore(conn).Txn().Put(c).Put(beat).Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// staffed waits until the server has heard that all chassis live: in which order it hears of them decides which are
// gateways first.
func (d *door) staffed() {
	d.t.Helper()
	scopes, err := d.conn.Scopes(context.Background())
	if err != nil {
		d.t.Fatal(err)
	}
	beats := 0
	for _, scope := range scopes {
		items, _, err := d.conn.List(context.Background(), scope)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, it := range items {
			if it.Key.Kind == string(model.KindHeartbeat) {
				beats++
			}
		}
	}
	path := "/v2.0/agents"
	if d.behindNeutron {
		path = "/v1/status"
	}
	eventually(d.t, func() bool {
		alive := 0
		for _, a := range d.must(200, "GET", path, nil)["agents"].([]any) {
			if a.(obj)["alive"] == true {
				alive++
			}
		}
		return alive == beats
	})
}

// eventually waits until something holds.
func eventually(t testing.TB, cond func() bool) {
	t.Helper()
	if !happens(cond) {
		t.Fatal("it does not happen")
	}
}

// happens reports whether something comes to hold.
func happens(cond func() bool) bool {
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

// topology is everything in a database that chassis read of Neutron's objects.
func topology(t testing.TB, conn *db.Connection) map[db.Key]model.Object {
	t.Helper()
	scopes, err := conn.Scopes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	out := map[db.Key]model.Object{}
	for _, scope := range scopes {
		first, _, _ := strings.Cut(string(scope), "/")
		if first != "network" && first != "router" && first != "secgroup" && first != "chassis" {
			continue
		}
		items, _, err := conn.List(context.Background(), scope)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			o, err := northbound.Decode(it.Key, it.Value)
			if err != nil {
				t.Fatal(err)
			}
			out[it.Key] = o
		}
	}
	return out
}
