package api_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// chassis writes what controllers that have run leave in the database.
func chassis(t testing.TB, conn *db.Connection, names ...string) {
	t.Helper()
	for i, name := range names {
		c := &model.Chassis{Meta: model.Meta{ID: name, Revision: time.Now().UnixMicro()}, Version: "1", Bridge: "br-test",
			TunnelIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), TunnelTypes: []model.NetworkType{model.Geneve}}
		if _, err := northbound.NewStore(conn).Txn().Put(c).Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// placed is where a port is bound, as chassis read it: "c1:ACTIVE".
func placed(t *testing.T, conn *db.Connection, port obj, hosts ...string) []string {
	t.Helper()
	out := []string{}
	for _, h := range hosts {
		b, _, err := northbound.Get[model.Binding](context.Background(), northbound.NewStore(conn), model.ScopeChassis(h), id(port))
		if err == nil {
			out = append(out, h+":"+string(b.Status))
		}
	}
	p, _, err := northbound.Get[model.Port](context.Background(), northbound.NewStore(conn),
		model.ScopeNetworkPorts(port["network_id"].(string)), id(port))
	if err != nil {
		t.Fatal(err)
	}
	return append(out, "port:"+p.Host)
}

// A live migration as Nova does it.
func TestPortBindings(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1", "c2", "c3")
	c := start(t, conn)
	n := c.network(obj{})
	p := c.port(n["id"], obj{"device_owner": "compute:nova", "binding:host_id": "c1", "binding:profile": obj{"a": "1"}})
	path := "/v2.0/ports/" + id(p) + "/bindings"
	check := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, placed(t, conn, p, "c1", "c2", "c3")); diff != "" {
			t.Error(diff)
		}
	}
	active := obj{"host": "c1", "vnic_type": "normal", "profile": obj{"a": "1"}, "status": "ACTIVE", "vif_type": "ovs",
		"vif_details": obj{"port_filter": true, "connectivity": "l2", "bridge_name": "br-test"}}
	if diff := cmp.Diff([]obj{active}, c.list(path)); diff != "" {
		t.Error(diff)
	}
	b := c.must(201, "POST", path, obj{"binding": obj{"host": "c2", "profile": obj{"migrating_to": "c2"}}})
	want := obj{"host": "c2", "vnic_type": "normal", "profile": obj{"migrating_to": "c2"}, "status": "INACTIVE", "vif_type": "ovs",
		"vif_details": active["vif_details"]}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Error(diff)
	}
	check("c1:ACTIVE", "c2:INACTIVE", "port:c1")
	if diff := cmp.Diff(want, c.must(200, "GET", path+"/c2", nil)); diff != "" {
		t.Error(diff)
	}
	for query, hosts := range map[string]int{"": 2, "?status=INACTIVE": 1, "?host=c1": 1, "?host=c9": 0, "?fields=host": 2} {
		if l := c.list(path + query); len(l) != hosts {
			t.Errorf("%s: %v", query, l)
		}
	}
	status, flat := c.do("PUT", path+"/c2/activate", obj{"binding": obj{"host": "c2"}})
	if status != 200 || flat["host"] != "c2" || flat["status"] != "ACTIVE" {
		t.Errorf("%d %v", status, flat)
	}
	check("c1:INACTIVE", "c2:ACTIVE", "port:c2")
	now := c.must(200, "GET", "/v2.0/ports/"+id(p), nil)
	if now["binding:host_id"] != "c2" || now["binding:profile"].(obj)["migrating_to"] != "c2" || now["revision_number"] != 3.0 {
		t.Errorf("%v", now)
	}
	c.must(204, "DELETE", path+"/c1", nil)
	check("c2:ACTIVE", "port:c2")
	if b := c.must(200, "PUT", path+"/c2", obj{"binding": obj{"profile": obj{"b": 2}}}); b["profile"].(obj)["b"] != 2.0 {
		t.Errorf("%v", b)
	}
	c.must(201, "POST", path, obj{"binding": obj{"host": "c3"}})
	c.must(200, "PUT", path+"/c3", obj{"binding": obj{"profile": nil}})
	c.must(200, "PUT", "/v2.0/ports/"+id(p), obj{"port": obj{"binding:host_id": "c3"}}) // takes the inactive binding over
	check("c3:ACTIVE", "port:c3")
	c.must(201, "POST", path, obj{"binding": obj{"host": "c1"}})
	c.must(204, "DELETE", path+"/c3", nil) // the active one
	check("c1:INACTIVE", "port:")
	c.must(200, "PUT", path+"/c1/activate", nil)
	check("c1:ACTIVE", "port:c1")
	c.must(201, "POST", path, obj{"binding": obj{"host": "c2"}})
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
	c.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	for _, h := range []string{"c1", "c2", "c3"} {
		if items, _, err := conn.List(context.Background(), db.Scope(model.ScopeChassis(h))); err != nil || len(items) != 0 {
			t.Errorf("%v: %s has %v", err, h, items)
		}
	}
}

func TestPortBindingsBadInput(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1", "c2")
	c := start(t, conn)
	n := c.network(obj{})
	p := c.port(n["id"], obj{"device_owner": "compute:nova", "binding:host_id": "c1"})
	other := c.port(n["id"], obj{"binding:host_id": "c1"})
	path := "/v2.0/ports/" + id(p) + "/bindings"
	c.must(201, "POST", path, obj{"binding": obj{"host": "c2"}})
	const bad = "HTTPBadRequest"
	for _, body := range []any{nil, "", "[]", obj{}, obj{"binding": obj{}}, obj{"binding": obj{"host": ""}}, obj{"binding": obj{"host": nil}},
		obj{"binding": obj{"host": "a/b"}}, obj{"binding": obj{"host": "c3", "vnic_type": "direct"}},
		obj{"binding": obj{"host": "c3", "status": "ACTIVE"}}, obj{"binding": obj{"host": "c3", "x": 1}},
		obj{"binding": obj{"host": "c3", "profile": "x"}}, obj{"bindings": []obj{{"host": "c3"}}}} {
		c.refused(400, bad, "POST", path, body)
	}
	for _, x := range []struct {
		status           int
		typ, method, url string
		body             any
	}{
		{409, "PortBindingAlreadyExists", "POST", path, obj{"binding": obj{"host": "c1"}}},
		{409, "PortBindingAlreadyExists", "POST", path, obj{"binding": obj{"host": "c2"}}},
		{400, "PortBindingError", "POST", path, obj{"binding": obj{"host": "nowhere"}}},
		{409, "PortBindingAlreadyActive", "PUT", path + "/c1/activate", nil},
		{404, "PortBindingNotFound", "PUT", path + "/c3/activate", nil},
		{404, "PortBindingNotFound", "GET", path + "/c3", nil},
		{404, "PortBindingNotFound", "PUT", path + "/c3", obj{"binding": obj{"profile": obj{}}}},
		{404, "PortBindingNotFound", "DELETE", path + "/c3", nil},
		{400, bad, "PUT", path + "/c2", obj{"binding": obj{"host": "c3"}}},
		{400, bad, "GET", path + "?x=1", nil},
		{400, "BadRequest", "POST", "/v2.0/ports/" + id(other) + "/bindings", obj{"binding": obj{"host": "c2"}}},
		{404, "PortNotFound", "GET", "/v2.0/ports/" + id(n) + "/bindings", nil},
		{404, "PortNotFound", "POST", "/v2.0/ports/" + id(n) + "/bindings", obj{"binding": obj{"host": "c2"}}},
		{404, "HTTPNotFound", "GET", path + "/c1/activate/x", nil},
		{404, "HTTPNotFound", "GET", "/v2.0/networks/" + id(n) + "/bindings", nil},
		{405, "HTTPMethodNotAllowed", "GET", path + "/c1/activate", nil},
	} {
		c.refused(x.status, x.typ, x.method, x.url, x.body)
	}
	var names []string
	for i := range 8 {
		names = append(names, fmt.Sprint("many", i))
	}
	chassis(t, conn, names...)
	for _, name := range names[:7] {
		c.must(201, "POST", path, obj{"binding": obj{"host": name}})
	}
	c.refused(400, "InvalidInput", "POST", path, obj{"binding": obj{"host": names[7]}})
}

// Whatever servers are asked at once, a port has one place, and its chassis and all others are told the same.
func TestPortBindingsUnderConcurrency(t *testing.T) {
	t.Parallel()
	conn, servers := cluster(t, 3)
	hosts := []string{"c1", "c2", "c3", "c4"}
	chassis(t, conn, hosts...)
	n := servers[0].network(obj{})
	p := servers[0].port(n["id"], obj{"device_owner": "compute:nova", "binding:host_id": "c1"})
	path := "/v2.0/ports/" + id(p) + "/bindings"
	each(servers, 12, func(c *client, i int) {
		host := hosts[i%4]
		for k := range 6 {
			var status int
			var out obj
			switch (i/4 + k) % 3 {
			case 0:
				status, out = c.do("POST", path, obj{"binding": obj{"host": host}})
			case 1:
				status, out = c.do("PUT", path+"/"+host+"/activate", nil)
			default:
				status, out = c.do("DELETE", path+"/"+host, nil)
			}
			if status >= 400 && status != 404 && status != 409 {
				t.Errorf("%d %v", status, out)
			}
		}
	})
	told := func() []string { // a server hears of what the others did a moment later
		var out []string
		active := ""
		for _, h := range hosts {
			for _, b := range servers[0].list(path + "?host=" + h) {
				out = append(out, fmt.Sprintf("%s:%v", h, b["status"]))
				if b["status"] == "ACTIVE" {
					active += h
				}
			}
		}
		return append(out, "port:"+active)
	}
	var diff string
	if !inTime(func() bool { diff = cmp.Diff(told(), placed(t, conn, p, hosts...)); return diff == "" }) {
		t.Error(diff)
	}
	if err := servers[1].Server.Audit(context.Background()); err != nil || servers[1].Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, servers[1].Server.Drift())
	}
}

// A port may be bound before its host has a controller; it shows that until one is there.
func TestVIFType(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{})
	p := c.port(n["id"], obj{"binding:host_id": "c1"})
	vif := func() string {
		return c.must(200, "GET", "/v2.0/ports/"+id(p), nil)["binding:vif_type"].(string)
	}
	eventually(t, func() bool { return vif() == "binding_failed" })
	if l := c.list("/v2.0/ports?binding:vif_type=binding_failed"); len(l) != 1 || len(l[0]["binding:vif_details"].(obj)) != 0 {
		t.Errorf("%v", l)
	}
	chassis(t, conn, "c1")
	eventually(t, func() bool { return vif() == "ovs" })
	if l := c.list("/v2.0/ports?binding:vif_type=binding_failed"); len(l) != 0 {
		t.Errorf("%v", l)
	}
}
