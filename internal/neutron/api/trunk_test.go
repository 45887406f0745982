package api_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

const trunks = "/v2.0/trunks"

func (c *client) trunk(port obj, subs ...obj) obj {
	c.t.Helper()
	return c.must(201, "POST", trunks, obj{"trunk": obj{"port_id": id(port), "sub_ports": append([]obj{}, subs...)}})
}

func sub(port obj, vlan any) obj {
	return obj{"port_id": id(port), "segmentation_type": "vlan", "segmentation_id": vlan}
}

// attached is how a chassis reads that a port is bound to it: "c1:ACTIVE in VLAN 10 of vm".
func attached(t *testing.T, conn *db.Connection, port obj, names map[string]string, hosts ...string) (out []string) {
	t.Helper()
	for _, at := range placed(t, conn, port, hosts...) {
		for _, h := range hosts {
			b, _, err := northbound.Get[model.Binding](context.Background(), northbound.NewStore(conn), model.ScopeChassis(h), id(port))
			if err == nil && at == h+":"+string(b.Status) && b.IsSubPort() {
				at += fmt.Sprintf(" in VLAN %d of %s", b.SegmentationID, names[b.ParentPortID])
			}
		}
		out = append(out, at)
	}
	return out
}

func TestTrunks(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1", "c2")
	c := start(t, conn)
	n, r := c.network(obj{}), c.network(obj{})
	vm := c.port(n["id"], obj{"device_owner": "compute:nova", "device_id": "vm", "binding:host_id": "c1"})
	red, blue := c.port(r["id"], obj{}), c.port(r["id"], obj{})
	names := map[string]string{id(vm): "vm"}
	check := func(p obj, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, attached(t, conn, p, names, "c1", "c2")); diff != "" {
			t.Error(diff)
		}
	}
	x := c.trunk(vm, sub(red, "10"))
	want := []any{obj{"port_id": id(red), "segmentation_type": "vlan", "segmentation_id": 10.0}}
	if diff := cmp.Diff(want, x["sub_ports"]); diff != "" || x["status"] != "DOWN" || x["admin_state_up"] != true || x["revision_number"] != 1.0 {
		t.Errorf("%v %s", x, diff)
	}
	check(red, "c1:ACTIVE in VLAN 10 of vm", "port:c1")
	one := trunks + "/" + id(x)
	status, flat := c.do("PUT", one+"/add_subports", obj{"sub_ports": []obj{sub(blue, 20)}})
	if status != 200 || len(flat["sub_ports"].([]any)) != 2 || flat["id"] != x["id"] {
		t.Errorf("%d %v", status, flat)
	}
	check(blue, "c1:ACTIVE in VLAN 20 of vm", "port:c1")
	shown := c.must(200, "GET", "/v2.0/ports/"+id(vm), nil)["trunk_details"].(obj)
	details := obj{"trunk_id": x["id"], "sub_ports": []any{
		obj{"port_id": id(red), "segmentation_type": "vlan", "segmentation_id": 10.0, "mac_address": red["mac_address"]},
		obj{"port_id": id(blue), "segmentation_type": "vlan", "segmentation_id": 20.0, "mac_address": blue["mac_address"]}}}
	if diff := cmp.Diff(details, shown); diff != "" {
		t.Error(diff)
	}
	now := c.must(200, "GET", "/v2.0/ports/"+id(red), nil)
	if _, has := now["trunk_details"]; has || now["device_owner"] != "trunk:subport" || now["binding:host_id"] != "c1" {
		t.Errorf("%v", now)
	}
	// A live migration takes the sub-ports along.
	path := "/v2.0/ports/" + id(vm) + "/bindings"
	c.must(201, "POST", path, obj{"binding": obj{"host": "c2"}})
	check(red, "c1:ACTIVE in VLAN 10 of vm", "c2:INACTIVE in VLAN 10 of vm", "port:c1")
	c.do("PUT", path+"/c2/activate", nil)
	check(red, "c1:INACTIVE in VLAN 10 of vm", "c2:ACTIVE in VLAN 10 of vm", "port:c2")
	c.must(204, "DELETE", path+"/c1", nil)
	check(blue, "c2:ACTIVE in VLAN 20 of vm", "port:c2")

	status, flat = c.do("PUT", one+"/remove_subports", obj{"sub_ports": []obj{{"port_id": id(blue)}}})
	if status != 200 || len(flat["sub_ports"].([]any)) != 1 {
		t.Errorf("%d %v", status, flat)
	}
	check(blue, "port:")
	if _, got := c.do("GET", one+"/get_subports", nil); !cmp.Equal(got["sub_ports"], any(want)) {
		t.Errorf("%v", got)
	}
	changed := c.must(200, "PUT", one, obj{"trunk": obj{"name": "t", "description": "d", "admin_state_up": false}})
	if changed["name"] != "t" || changed["description"] != "d" || changed["admin_state_up"] != false {
		t.Errorf("%v", changed)
	}
	for query, many := range map[string]int{"": 1, "?name=t": 1, "?port_id=" + id(vm): 1, "?port_id=" + id(red): 0, "?status=DOWN": 1, "?admin_state_up=true": 0} {
		if l := c.list(trunks + query); len(l) != many {
			t.Errorf("%s: %v", query, l)
		}
	}
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
	c.must(200, "PUT", one, obj{"trunk": obj{"admin_state_up": true}})
	c.must(204, "DELETE", one, nil)
	check(red, "port:")
	for _, p := range []obj{red, blue, vm} {
		c.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	}
}

func TestTrunksBadInput(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n, small, large := c.network(obj{"mtu": 1400}), c.network(obj{"mtu": 1400}), c.network(obj{"mtu": 1450})
	vm, other, plain := c.port(n["id"], obj{}), c.port(n["id"], obj{}), c.port(n["id"], obj{})
	red, blue, wide := c.port(small["id"], obj{}), c.port(small["id"], obj{}), c.port(large["id"], obj{})
	used := c.port(small["id"], obj{"device_id": "somebody"})
	x := c.trunk(vm, sub(red, 10))
	y := c.trunk(other)
	post := func(status int, typ string, port string, subs any) {
		t.Helper()
		c.refused(status, typ, "POST", trunks, obj{"trunk": obj{"port_id": port, "sub_ports": subs}})
	}
	post(404, "PortNotFound", nowhere, []obj{})
	post(400, "HTTPBadRequest", "x", []obj{})
	post(409, "ParentPortInUse", id(vm), []obj{})
	post(409, "TrunkPortInUse", id(red), []obj{})
	post(404, "PortNotFound", id(plain), []obj{{"port_id": nowhere, "segmentation_type": "vlan", "segmentation_id": 1}})
	for _, s := range []any{
		obj{}, []any{1}, []obj{{}}, []obj{{"port_id": "x"}}, []obj{{"port_id": id(blue)}}, []obj{{"port_id": id(blue), "segmentation_id": 1}},
		[]obj{{"port_id": id(blue), "segmentation_type": "vlan"}}, []obj{sub(blue, 1), sub(blue, 2)}, []obj{sub(blue, 1), sub(wide, 1)},
	} {
		post(400, "HTTPBadRequest", id(plain), s)
	}
	for _, vlan := range []any{0, 4095, -1, "x", 1.5, 1 << 40} {
		post(400, "InvalidInput", id(plain), []obj{sub(blue, vlan)})
	}
	post(400, "InvalidInput", id(plain), []obj{{"port_id": id(blue), "segmentation_type": "vxlan", "segmentation_id": 3}})
	post(400, "InvalidInput", id(plain), []obj{{"port_id": id(blue), "segmentation_type": "inherit"}})

	edit := func(status int, typ string, trunk obj, verb string, body any) {
		t.Helper()
		c.refused(status, typ, "PUT", trunks+"/"+id(trunk)+"/"+verb, body)
	}
	add := func(status int, typ string, trunk obj, s obj) {
		t.Helper()
		edit(status, typ, trunk, "add_subports", obj{"sub_ports": []obj{s}})
	}
	add(409, "DuplicateSubPort", x, sub(blue, 10))
	add(409, "TrunkPortInUse", y, sub(red, 11))
	add(409, "ParentPortInUse", y, sub(vm, 11))
	add(409, "ParentPortInUse", y, sub(other, 11))
	add(409, "PortInUse", y, sub(used, 11))
	add(409, "SubPortMtuGreaterThanTrunkPortMtu", y, sub(wide, 11))
	add(404, "PortNotFound", y, obj{"port_id": nowhere, "segmentation_type": "vlan", "segmentation_id": 1})
	add(404, "TrunkNotFound", obj{"id": nowhere}, sub(blue, 11))
	add(400, "InvalidInput", y, obj{"port_id": id(blue)})
	edit(400, "InvalidInput", y, "add_subports", obj{"sub_ports": sub(blue, 3)})
	edit(400, "InvalidInput", y, "remove_subports", obj{"sub_ports": sub(blue, 3)})
	edit(400, "HTTPBadRequest", y, "add_subports", obj{"trunk": obj{}})
	edit(404, "SubPortNotFound", x, "remove_subports", obj{"sub_ports": []obj{{"port_id": id(blue)}}})

	c.refused(409, "PortInUseAsTrunkParent", "DELETE", "/v2.0/ports/"+id(vm), nil)
	c.refused(409, "PortInUseAsSubPort", "DELETE", "/v2.0/ports/"+id(red), nil)
	c.refused(409, "PortInUse", "PUT", "/v2.0/ports/"+id(red), obj{"port": obj{"binding:host_id": "c1"}})
	c.must(200, "PUT", trunks+"/"+id(x), obj{"trunk": obj{"admin_state_up": false}})
	add(409, "TrunkDisabled", x, sub(blue, 11))
	edit(409, "TrunkDisabled", x, "remove_subports", obj{"sub_ports": []obj{{"port_id": id(red)}}})
	c.refused(409, "TrunkDisabled", "DELETE", trunks+"/"+id(x), nil)
	c.refused(400, "HTTPBadRequest", "PUT", trunks+"/"+id(x), obj{"trunk": obj{"port_id": id(plain)}})
}

func TestASubPortInheritsTheVLANOfItsNetwork(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{})
	v := c.network(obj{"provider:network_type": "vlan", "provider:physical_network": "p", "provider:segmentation_id": 77, "mtu": 1400})
	x := c.trunk(c.port(n["id"], obj{}), obj{"port_id": id(c.port(v["id"], obj{})), "segmentation_type": "inherit"})
	if got := x["sub_ports"].([]any)[0].(obj); got["segmentation_type"] != "vlan" || got["segmentation_id"] != 77.0 {
		t.Errorf("%v", got)
	}
}

// TestTheStatusOfATrunk is what its ports' chassis says.
func TestTheStatusOfATrunk(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1")
	c := start(t, conn)
	n := c.network(obj{})
	vm, red, down := c.port(n["id"], obj{"binding:host_id": "c1"}), c.port(n["id"], obj{}), c.port(n["id"], obj{"admin_state_up": false})
	x := c.trunk(vm, sub(red, 10), sub(down, 11))
	revision := int64(0)
	says := func(p obj, up bool) {
		revision++
		s := &model.PortStatus{Meta: model.Meta{ID: id(p), Revision: revision}, NetworkID: p["network_id"].(string), Host: "c1", Up: up}
		if _, err := northbound.NewStore(conn).Txn().Put(s).Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want string) {
		t.Helper()
		got := ""
		for end := time.Now().Add(10 * time.Second); got != want && time.Now().Before(end); {
			got = c.must(200, "GET", trunks+"/"+id(x), nil)["status"].(string)
		}
		if got != want {
			t.Errorf("the trunk is %s, want %s", got, want)
		}
	}
	is("DOWN")
	says(vm, true)
	is("BUILD")
	says(red, true)
	is("ACTIVE")
	says(red, false)
	is("DEGRADED")
	says(vm, false)
	is("DOWN")
}

// TestManySubPorts has more than fit into one batch follow their parent, and leave a trunk that goes.
func TestManySubPorts(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1", "c2")
	c := start(t, conn)
	n := c.network(obj{})
	vm := c.port(n["id"], obj{"binding:host_id": "c1"})
	x := c.trunk(vm)
	var ports []obj
	for i := range 72 {
		ports = append(ports, c.port(n["id"], obj{}))
		if i%24 == 23 {
			var subs []obj
			for j, p := range ports[i-23:] {
				subs = append(subs, sub(p, i-23+j+1))
			}
			c.must(200, "PUT", trunks+"/"+id(x)+"/add_subports", obj{"sub_ports": subs})
		}
	}
	c.refused(400, "InvalidInput", "PUT", trunks+"/"+id(x)+"/add_subports", obj{"sub_ports": make([]obj, 25)})
	c.must(200, "PUT", "/v2.0/ports/"+id(vm), obj{"port": obj{"binding:host_id": "c2"}})
	follow := func(host string) {
		t.Helper()
		end := time.Now().Add(10 * time.Second)
		for _, p := range ports {
			for c.must(200, "GET", "/v2.0/ports/"+id(p), nil)["binding:host_id"] != host && time.Now().Before(end) {
			}
			if got := c.must(200, "GET", "/v2.0/ports/"+id(p), nil)["binding:host_id"]; got != host {
				t.Fatalf("a sub-port is at %v", got)
			}
		}
	}
	follow("c2")
	c.must(204, "DELETE", trunks+"/"+id(x), nil)
	follow("")
}

// TestAPortGetsIntoOneTrunk whichever of two servers is asked.
func TestAPortGetsIntoOneTrunk(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	servers := []*client{start(t, conn), start(t, conn)}
	n := servers[0].network(obj{})
	for range 20 {
		vm, red := servers[0].port(n["id"], obj{}), servers[0].port(n["id"], obj{})
		others := []obj{servers[0].port(n["id"], obj{}), servers[0].port(n["id"], obj{})}
		made := make([]int, 4)
		var wg sync.WaitGroup
		for i, c := range servers {
			wg.Go(func() { made[i], _ = c.do("POST", trunks, obj{"trunk": obj{"port_id": id(vm)}}) })
			wg.Go(func() {
				made[2+i], _ = c.do("POST", trunks, obj{"trunk": obj{"port_id": id(others[i]), "sub_ports": []obj{sub(red, 5)}}})
			})
		}
		wg.Wait()
		for _, two := range [][]int{made[:2], made[2:]} {
			if two[0]+two[1] != 201+409 {
				t.Errorf("two trunks with one port: answered %v", two)
			}
		}
	}
}

// TestASubPortIsJoinedWhenItIsSeen: a server that was pushed a port may have seen its trunk after it had written the port, and
// before it saw the port.
func TestASubPortIsJoinedWhenItIsSeen(t *testing.T) {
	t.Parallel()
	c := start(t, memory.Open())
	n := c.network(obj{})
	vm, red, blue := c.port(n["id"], obj{}), c.port(n["id"], obj{}), c.port(n["id"], obj{})
	c.trunk(vm, sub(red, 10))
	if diff := cmp.Diff([]string{id(red)}, c.Server.JoinedWithPort(id(red))); diff != "" {
		t.Error(diff)
	}
	if got := c.Server.JoinedWithPort(id(blue)); len(got) > 0 {
		t.Errorf("a port of no trunk: %v", got)
	}
}
