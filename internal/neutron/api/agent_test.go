package api_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// live registers a chassis as its controller does; the function that is returned ends the controller.
func live(t *testing.T, conn *db.Connection, name string) (end func()) {
	t.Helper()
	r, err := northbound.Register(context.Background(), northbound.NewStore(conn), model.Chassis{
		Meta: model.Meta{ID: name}, Version: "1.2", Bridge: "br-int", TunnelIP: netip.MustParseAddr("2001:db8::1"),
		TunnelTypes: []model.NetworkType{model.Geneve, model.VXLAN},
	}, 10*time.Second, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			r.Close()
		}
	}
	t.Cleanup(end)
	return end
}

// agent returns the agent of a host once it is as wanted.
func agent(t *testing.T, c *client, host string, alive bool) obj {
	t.Helper()
	var found obj
	eventually(t, func() bool {
		l := c.list("/v2.0/agents?host=" + host)
		if len(l) != 1 || l[0]["alive"] != alive {
			return false
		}
		found = l[0]
		return true
	})
	return found
}

func TestAgents(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	if l := c.list("/v2.0/agents"); len(l) != 0 {
		t.Errorf("%v", l)
	}
	n := c.network(obj{})
	c.port(n["id"], obj{"binding:host_id": "c1"})
	end := live(t, conn, "c1")
	live(t, conn, "c2")
	a := agent(t, c, "c1", true)
	now := time.Now().UTC()
	for _, name := range []string{"created_at", "started_at", "heartbeat_timestamp"} {
		at, err := time.Parse("2006-01-02 15:04:05", a[name].(string))
		if err != nil || now.Sub(at) > time.Minute || at.Sub(now) > time.Minute {
			t.Errorf("%s: %v %v", name, a[name], err)
		}
		delete(a, name)
	}
	want := obj{"id": a["id"], "agent_type": "Open vSwitch agent", "binary": "dragonflow-controller", "topic": "N/A", "host": "c1",
		"admin_state_up": true, "alive": true, "availability_zone": nil, "description": "", "configurations": obj{
			"integration_bridge": "br-int", "tunneling_ip": "2001:db8::1", "tunnel_types": []any{"geneve", "vxlan"}, "devices": 1.0,
			"dragonflow_version": "1.2"}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	agent(t, c, "c2", true)
	for query, n := range map[string]int{"": 2, "?alive=true": 2, "?alive=False": 0, "?agent_type=Open+vSwitch+agent": 2,
		"?agent_type=DHCP+agent": 0, "?binary=dragonflow-controller": 2, "?id=" + id(a): 1, "?sort_key=host&sort_dir=desc": 2, "?limit=1": 1} {
		if l := c.list("/v2.0/agents" + query); len(l) != n {
			t.Errorf("%s: %v", query, l)
		}
	}
	path := "/v2.0/agents/" + id(a)
	c.refused(409, "AgentInUse", "DELETE", path, nil)
	if a := c.must(200, "PUT", path, obj{"agent": obj{"description": "rack 7", "admin_state_up": true}}); a["description"] != "rack 7" {
		t.Errorf("%v", a)
	}
	c.must(200, "PUT", path, obj{"agent": obj{"description": "rack 8"}})
	if a := c.must(200, "GET", path+"?fields=description&fields=host", nil); !cmp.Equal(a, obj{"description": "rack 8", "host": "c1"}) {
		t.Errorf("%v", a)
	}
	end()
	agent(t, c, "c1", false)
	if p := c.list("/v2.0/ports?binding:host_id=c1"); p[0]["binding:vif_type"] != "ovs" {
		t.Errorf("a port is not lost with its controller: %v", p)
	}
	c.must(204, "DELETE", path, nil)
	eventually(t, func() bool { return len(c.list("/v2.0/agents")) == 1 })
	c.refused(404, "AgentNotFound", "GET", path, nil)
	c.refused(404, "AgentNotFound", "DELETE", path, nil)
	live(t, conn, "c1")
	if a := agent(t, c, "c1", true); a["id"] != want["id"] || a["description"] != "" {
		t.Errorf("it has come back as %v", a)
	}
}

func TestAgentsBadInput(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	chassis(t, conn, "c1")
	path := "/v2.0/agents/" + id(agent(t, c, "c1", false))
	for _, x := range []struct {
		status            int
		typ, method, path string
		body              any
	}{
		{400, "InvalidInput", "PUT", path, obj{"agent": obj{"admin_state_up": false}}},
		{400, "HTTPBadRequest", "PUT", path, obj{"agent": obj{"admin_state_up": "perhaps"}}},
		{400, "HTTPBadRequest", "PUT", path, obj{"agent": obj{"host": "c2"}}},
		{400, "HTTPBadRequest", "PUT", path, obj{"agent": obj{"x": 1}}},
		{400, "HTTPBadRequest", "PUT", path, obj{"agent": obj{"description": 5}}},
		{400, "HTTPBadRequest", "PUT", path, obj{}},
		{400, "HTTPBadRequest", "GET", "/v2.0/agents?configurations=x", nil},
		{404, "AgentNotFound", "PUT", "/v2.0/agents/x", obj{"agent": obj{"description": "d"}}},
		{405, "HTTPMethodNotAllowed", "POST", "/v2.0/agents", obj{"agent": obj{}}},
		{404, "HTTPNotFound", "GET", path + "/dhcp-networks", nil},
	} {
		c.refused(x.status, x.typ, x.method, x.path, x.body)
	}
}

// A deleted agent takes with it what its chassis has reported, but not the ports that are bound there.
func TestDeletedAgentsReports(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	chassis(t, conn, "c1")
	n := c.network(obj{})
	p := c.port(n["id"], obj{"binding:host_id": "c1"})
	now := time.Now()
	if _, err := northbound.NewStore(conn).Txn().
		Put(&model.PortStatus{Meta: model.Meta{ID: id(p), Revision: 1}, NetworkID: id(n), Host: "c1", Up: true}).
		Put(&model.ChassisStatus{Meta: model.Meta{ID: "c1", Revision: 1}, Started: now.Add(-time.Hour).Format(time.RFC3339),
			Reported: now.Add(time.Minute).Format(time.RFC3339), Received: 7, Realised: 5,
			BehindSince: now.Format(time.RFC3339)}).
		Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return c.must(200, "GET", "/v2.0/ports/"+id(p), nil)["status"] == "ACTIVE" })
	a := agent(t, c, "c1", false)
	if a["started_at"] != now.Add(-time.Hour).UTC().Format("2006-01-02 15:04:05") ||
		a["heartbeat_timestamp"] != now.Add(time.Minute).UTC().Format("2006-01-02 15:04:05") {
		t.Errorf("%v", a)
	}
	if conf := a["configurations"].(obj); conf["revision_received"] != 7.0 || conf["revision_realised"] != 5.0 || conf["behind_since"] == nil {
		t.Errorf("%v", conf)
	}
	c.must(204, "DELETE", "/v2.0/agents/"+id(a), nil)
	eventually(t, func() bool { return c.must(200, "GET", "/v2.0/ports/"+id(p), nil)["status"] == "DOWN" })
	items, _, err := conn.List(context.Background(), "chassis/c1")
	if err != nil || len(items) != 1 || items[0].Key.Kind != string(model.KindBinding) {
		t.Errorf("%v %v", items, err)
	}
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
}

// The real client lists agents, and manages networks by provider attributes.
func TestOpenStackClientOfAgents(t *testing.T) {
	t.Parallel()
	needClient(t)
	conn := memory.Open()
	c := start(t, conn)
	chassis(t, conn, "dead")
	live(t, conn, "c1")
	dead, alive := agent(t, c, "dead", false), agent(t, c, "c1", true)
	a := runClient(t, c.base, `
network agent list -f json --long
network agent list -f json --agent-type open-vswitch --host c1
network agent set --description D --enable `+id(alive)+`
network agent show -f json `+id(alive)+`
network agent delete `+id(dead)+`
network agent list -f json
network create -f json --provider-network-type vxlan --provider-segment 4711 green
network list -f json --provider-network-type vxlan --provider-segment 4711
network show -f json green
`)
	if len(a) != 7 {
		t.Fatalf("%d answers: %v", len(a), a)
	}
	if l := a[0].([]any); len(l) != 2 {
		t.Errorf("%v", l)
	}
	l := a[1].([]any)
	if len(l) != 1 || l[0].(obj)["Host"] != "c1" || l[0].(obj)["Alive"] != true || l[0].(obj)["Agent Type"] != "Open vSwitch agent" {
		t.Errorf("%v", l)
	}
	if s := a[2].(obj); s["description"] != "D" || s["host"] != "c1" || s["configuration"].(obj)["tunneling_ip"] != "2001:db8::1" {
		t.Errorf("%v", s)
	}
	if l := a[3].([]any); len(l) != 1 {
		t.Errorf("%v", l)
	}
	for _, i := range []int{4, 6} {
		if n := a[i].(obj); n["provider:network_type"] != "vxlan" || n["provider:segmentation_id"] != 4711.0 || n["mtu"] != 1450.0 {
			t.Errorf("%v", n)
		}
	}
	if l := a[5].([]any); len(l) != 1 {
		t.Errorf("%v", l)
	}
}
