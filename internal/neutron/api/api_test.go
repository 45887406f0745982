package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// client talks to one server.
type client struct {
	t    testing.TB
	base string
	// Server is the server that answers.
	Server *api.Server
}

// obj is a JSON object.
type obj = map[string]any

// start runs a server on a database until the test ends.
func start(t testing.TB, conn *db.Connection, change ...func(*api.Options)) *client {
	t.Helper()
	opts := api.Options{DB: conn, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Quotas: map[string]int{"port": -1, "network": -1, "subnet": -1, "security_group": -1, "security_group_rule": -1,
			"router": -1, "floatingip": -1}}
	for _, c := range change {
		c(&opts)
	}
	s, err := api.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ts := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		ts.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	ready, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	if err := s.WaitReady(ready); err != nil {
		t.Fatal(err)
	}
	return &client{t: t, base: ts.URL, Server: s}
}

func open(t testing.TB, change ...func(*api.Options)) *client {
	t.Helper()
	return start(t, memory.Open(), change...)
}

// do sends a request and returns status and body.
func (c *client) do(method, path string, body any, header ...string) (int, obj) {
	c.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, c.base+path, in)
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.Header.Get("X-Openstack-Request-Id") == "" {
		c.t.Errorf("%s %s: no request id", method, path)
	}
	var out obj
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			c.t.Fatalf("%s %s: %v in %q", method, path, err, raw)
		}
	}
	return resp.StatusCode, out
}

// must sends a request that is to be answered with the status, and returns the object in the answer.
func (c *client) must(status int, method, path string, body any, header ...string) obj {
	c.t.Helper()
	got, out := c.do(method, path, body, header...)
	if got != status {
		c.t.Fatalf("%s %s %v: %d %v, want %d", method, path, body, got, out, status)
	}
	if len(out) == 1 {
		for _, v := range out {
			if o, ok := v.(obj); ok {
				return o
			}
		}
	}
	return out
}

// refused sends a request that is to be refused with a status and a type of error.
func (c *client) refused(status int, typ, method, path string, body any, header ...string) {
	c.t.Helper()
	got, out := c.do(method, path, body, header...)
	e, _ := out["NeutronError"].(obj)
	if got != status || e["type"] != typ || e["message"] == "" {
		c.t.Errorf("%s %s %.200v: %d %v, want %d %s", method, path, body, got, out, status, typ)
	}
}

func (c *client) network(attrs obj) obj {
	c.t.Helper()
	return c.must(201, "POST", "/v2.0/networks", obj{"network": attrs})
}

func (c *client) subnet(network any, cidr string, attrs obj) obj {
	c.t.Helper()
	body := obj{"network_id": network, "cidr": cidr}
	for k, v := range attrs {
		body[k] = v
	}
	return c.must(201, "POST", "/v2.0/subnets", obj{"subnet": body})
}

func (c *client) port(network any, attrs obj) obj {
	c.t.Helper()
	body := obj{"network_id": network}
	for k, v := range attrs {
		body[k] = v
	}
	return c.must(201, "POST", "/v2.0/ports", obj{"port": body})
}

func (c *client) list(path string) []obj {
	c.t.Helper()
	status, out := c.do("GET", path, nil)
	if status != 200 {
		c.t.Fatalf("GET %s: %d %v", path, status, out)
	}
	for k, v := range out {
		if l, ok := v.([]any); ok && !strings.HasSuffix(k, "_links") {
			list := make([]obj, len(l))
			for i := range l {
				list[i] = l[i].(obj)
			}
			return list
		}
	}
	c.t.Fatalf("GET %s: no list in %v", path, out)
	return nil
}

func addresses(port obj) []string {
	var out []string
	for _, f := range port["fixed_ips"].([]any) {
		out = append(out, f.(obj)["ip_address"].(string))
	}
	return out
}

func id(o obj) string { return fmt.Sprint(o["id"]) }

func scopeNames(scopes []db.Scope) []string {
	var out []string
	for _, s := range scopes {
		out = append(out, string(s))
	}
	return out
}

// dbOps writes a value under a key.
func dbOps(key db.Key) []db.Op {
	return []db.Op{{Verb: db.Put, Key: key, If: db.AnyRevision, Value: []byte(`{"port":"nobody"}`)}}
}
