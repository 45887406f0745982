package intake_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// listener hears what a server tells.
type listener struct {
	*door
	cursor string
	// known is the newest state of each thing by "kind id".
	known map[string]obj
}

func listen(d *door) *listener { return &listener{door: d, known: map[string]obj{}} }

// hear takes one answer, and reports whether it was complete.
func (l *listener) hear(wait string) bool {
	l.t.Helper()
	page := l.must(200, "GET", "/v1/status?wait="+wait+"&since="+url.QueryEscape(l.cursor), nil)
	l.cursor = page["cursor"].(string)
	complete := page["complete"].(bool)
	if complete {
		clear(l.known)
	}
	for list, kind := range map[string]string{"ports": "port", "routers": "router", "floatingips": "floatingip", "trunks": "trunk", "agents": "agent",
		"audits": "audit", "addresses": "address"} {
		for _, o := range page[list].([]any) {
			l.known[kind+" "+o.(obj)["id"].(string)] = o.(obj)
		}
	}
	for _, o := range page["removed"].([]any) {
		delete(l.known, o.(obj)["kind"].(string)+" "+o.(obj)["id"].(string))
	}
	return complete
}

// until hears until something holds, by what has changed only.
func (l *listener) until(cond func() bool) {
	l.t.Helper()
	eventually(l.t, func() bool {
		if cond() {
			return true
		}
		if l.hear("2") {
			l.t.Error("everything is told again")
		}
		return cond()
	})
}

func (l *listener) state(kind string, o obj, field string) any {
	return l.known[kind+" "+o["id"].(string)][field]
}

// report writes what a chassis says, over what it has said.
func report(t testing.TB, conn *db.Connection, o model.Object) {
	t.Helper()
	if _, err := northbound.NewStore(conn).Txn().PutIf(o, db.AnyRevision).Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func portStatus(p obj, host string, up bool) *model.PortStatus {
	return &model.PortStatus{Meta: model.Meta{ID: p["id"].(string), Revision: 1}, NetworkID: p["network_id"].(string), Host: host, Up: up, Realised: 99}
}

func TestStatusOfPorts(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1", false)
	d := run(t, conn, true)
	n := network(1, "n")
	p := port(n, obj{"binding:host_id": "c1", "binding:vif_type": "ovs"})
	other := port(n, obj{"mac_address": "fa:16:3e:00:00:02"})
	d.push(change("network", n), change("port", p), change("port", other))
	l := listen(d)
	if !l.hear("5") {
		t.Error("the first answer is not complete")
	}
	l.until(func() bool {
		return l.state("port", p, "status") == "DOWN" && l.state("port", other, "status") == "DOWN"
	})
	report(t, conn, portStatus(p, "c1", true))
	l.until(func() bool { return l.state("port", p, "status") == "ACTIVE" })
	if l.state("port", p, "host") != "c1" {
		t.Errorf("%v", l.known)
	}
	late := listen(d)
	if !late.hear("5") {
		t.Error("the first answer is not complete")
	}
	if diff := cmp.Diff(l.known, late.known); diff != "" {
		t.Error(diff)
	}
	if l.hear("0.05") {
		t.Error("nothing has changed, and everything is told again")
	}
	report(t, conn, portStatus(p, "c1", false))
	l.until(func() bool { return l.state("port", p, "status") == "DOWN" })
	d.push(deletion("port", other))
	l.until(func() bool { return l.known["port "+other["id"].(string)] == nil })
	l.cursor = "another:1"
	if !l.hear("5") {
		t.Error("a cursor of another server is believed")
	}
}

// A server that has just started does not say that ports are down whose chassis it has not heard.
func TestStatusOfUnheardPorts(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, _ := store.Connect()
	chassis(t, conn, "c1", false)
	first := run(t, conn, true)
	n := network(1, "n")
	p := port(n, obj{"binding:host_id": "c1", "binding:vif_type": "ovs"})
	first.push(change("network", n), change("port", p))
	report(t, conn, portStatus(p, "c1", true))
	for range 20 {
		again, _ := store.Connect()
		l := listen(run(t, again, true))
		for l.hear("2"); l.state("port", p, "status") == nil; {
			l.hear("2")
		}
		if got := l.state("port", p, "status"); got != "ACTIVE" {
			t.Errorf("the first that is told is %v", got)
		}
	}
}

func TestStatusOfChassis(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "g1", true)
	d := run(t, conn, true)
	l := listen(d)
	l.hear("5")
	agent := func() obj {
		for _, o := range l.known {
			if o["host"] == "g1" && o["binary"] != nil {
				return o
			}
		}
		return obj{}
	}
	l.until(func() bool { return agent()["alive"] == true })
	got := agent()
	configurations := got["configurations"].(obj)
	if got["started_at"] != "2026-01-02T03:04:05Z" || configurations["gateway"] != true || configurations["tunneling_ip"] != "192.0.2.1" ||
		fmt.Sprint(configurations["bridge_mappings"]) != "map[phys:]" {
		t.Errorf("%v", got)
	}
	beat := northbound.KeyOf(&model.Heartbeat{Meta: model.Meta{ID: "g1"}})
	if _, err := conn.Apply(context.Background(), []db.Op{{Verb: db.Delete, Key: beat, If: db.AnyRevision}}); err != nil {
		t.Fatal(err)
	}
	l.until(func() bool { return agent()["alive"] == false })
	gone := northbound.KeyOf(&model.Chassis{Meta: model.Meta{ID: "g1"}})
	if _, err := conn.Apply(context.Background(), []db.Op{{Verb: db.Delete, Key: gone, If: db.AnyRevision}}); err != nil {
		t.Fatal(err)
	}
	l.until(func() bool { return len(agent()) == 0 })
}

func TestStatusOfRouters(t *testing.T) {
	t.Parallel()
	conn := site(t)
	reference := run(t, site(t), false)
	build(t, reference)
	d := run(t, conn, true)
	l := listen(d)
	l.hear("5")
	d.push(reference.everything()...)
	router := reference.must(200, "GET", "/v2.0/routers", nil)["routers"].([]any)[0].(obj)
	l.until(func() bool {
		hosts, _ := l.state("router", router, "gateway_chassis").([]any)
		return len(hosts) == 2 && l.state("router", router, "gateway_host") == hosts[0] && l.state("router", router, "gateway_port_id") != nil
	})
	first := l.state("router", router, "gateway_host").(string)
	beat := northbound.KeyOf(&model.Heartbeat{Meta: model.Meta{ID: first}})
	if _, err := conn.Apply(context.Background(), []db.Op{{Verb: db.Delete, Key: beat, If: db.AnyRevision}}); err != nil {
		t.Fatal(err)
	}
	l.until(func() bool { return l.state("router", router, "gateway_host") != first })
	for _, o := range reference.must(200, "GET", "/v2.0/floatingips", nil)["floatingips"].([]any) {
		f := o.(obj)
		want := "DOWN"
		if len(f["port_forwardings"].([]any)) > 0 {
			want = "ACTIVE"
		}
		if f["port_id"] != nil {
			want = "ACTIVE"
			report(t, conn, portStatus(obj{"id": f["port_id"], "network_id": "n"}, "c1", true))
		}
		l.until(func() bool { return l.state("floatingip", f, "status") == want })
	}
	gatewayPort := obj{"id": l.state("router", router, "gateway_port_id")}
	l.until(func() bool { return l.state("port", gatewayPort, "status") == "ACTIVE" })
}

// A guest is heard where its port's binding is inactive: it is served there until Neutron has it so too, however often it pushes
// what it had before.
func TestArrival(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1", false)
	chassis(t, conn, "c2", false)
	d := run(t, conn, true)
	n := network(1, "n")
	p := port(n, obj{"binding:host_id": "c1", "binding:vif_type": "ovs", "device_owner": "compute:nova", "bindings": []obj{
		{"host": "c1", "status": "ACTIVE", "vif_type": "ovs"}, {"host": "c2", "status": "INACTIVE", "vif_type": "ovs"}}})
	d.push(change("network", n), change("port", p))
	host := func() string {
		id := p["id"].(string)
		o, _, err := northbound.Get[model.Port](context.Background(), northbound.NewStore(conn), model.ScopeNetworkPorts(n["id"].(string)), id)
		if err != nil {
			t.Fatal(err)
		}
		return o.Host
	}
	arrived := portStatus(p, "c2", true)
	arrived.Activated, arrived.From = true, "c1"
	report(t, conn, arrived)
	eventually(t, func() bool { return host() == "c2" })
	l := listen(d)
	l.hear("5")
	l.until(func() bool { return l.state("port", p, "arrived") == "c2" && l.state("port", p, "host") == "c2" })
	d.wantPushed("same stored", change("port", p), change("port", with(p, obj{"revision_number": 2, "name": "x"})))
	if host() != "c2" {
		t.Error("the guest is sent back")
	}
	active := with(p, obj{"revision_number": 3, "binding:host_id": "c2", "bindings": []obj{
		{"host": "c1", "status": "INACTIVE", "vif_type": "ovs"}, {"host": "c2", "status": "ACTIVE", "vif_type": "ovs"}}})
	d.wantPushed("stored", change("port", active))
	l.until(func() bool { return l.state("port", p, "arrived") == nil })
	back := with(p, obj{"revision_number": 4})
	d.wantPushed("stored", change("port", back))
	if host() != "c1" {
		t.Error("Neutron's word does not count any more")
	}
}

// A port whose binding failed, or which another mechanism has bound, is plugged nowhere here.
func TestBindingsOfOthers(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	d := run(t, conn, true)
	n := network(1, "n")
	for vif, want := range map[string]string{"ovs": "c1", "vhostuser": "c1", "unbound": "c1", "binding_failed": "", "hw_veb": ""} {
		p := port(n, obj{"id": uuid.NewString(), "binding:host_id": "c1", "binding:vif_type": vif})
		d.push(change("port", p))
		o, _, err := northbound.Get[model.Port](context.Background(), northbound.NewStore(conn), model.ScopeNetworkPorts(n["id"].(string)), p["id"].(string))
		if err != nil || o.Host != want {
			t.Errorf("%s: host %q, %v", vif, o.Host, err)
		}
	}
}
