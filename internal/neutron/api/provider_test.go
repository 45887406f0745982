package api_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// vlans are plans with VLANs on physical networks, as the setting has them.
func vlans(t *testing.T, words ...string) func(*api.Options) {
	t.Helper()
	p := segment.DefaultPlan()
	var err error
	if p.VLANs, err = segment.ParseVLANRanges(words); err != nil {
		t.Fatal(err)
	}
	p.PhysicalMTUs = map[string]int{"jumbo": 9000}
	return func(o *api.Options) { o.Segments = p }
}

// stored reads what chassis read.
func stored[T any, P interface {
	*T
	model.Object
}](t testing.TB, conn *db.Connection, scope, id string) P {
	t.Helper()
	o, _, err := northbound.Get[T, P](context.Background(), northbound.NewStore(conn), scope, id)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestProviderNetworks(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn, vlans(t, "phys", "jumbo:100:101"))
	flat := c.network(obj{netType: "flat", netPhys: "ext", "router:external": true})
	if flat[netVNI] != nil || flat[netPhys] != "ext" || flat["mtu"] != 1500.0 || flat["router:external"] != true || flat["segments"] != nil {
		t.Errorf("%v", flat)
	}
	vlan := c.network(obj{netType: "vlan", netPhys: "phys", netVNI: 7})
	got := stored[model.Network](t, conn, model.ScopeNetwork(id(vlan)), id(vlan))
	want := []model.Segment{{ID: got.Segments[0].ID, NetworkType: model.VLAN, SegmentationID: 7, PhysicalNetwork: "phys"}}
	if diff := cmp.Diff(want, got.Segments); diff != "" || got.External {
		t.Errorf("chassis read %+v", got)
	}
	a, b := c.network(obj{netType: "vlan", netPhys: "jumbo"}), c.network(obj{netType: "vlan"})
	if a["mtu"] != 9000.0 || b[netPhys] != "jumbo" || a[netVNI] == b[netVNI] {
		t.Errorf("%v %v", a, b)
	}
	for _, bad := range []struct {
		status int
		typ    string
		body   obj
	}{
		{409, "FlatNetworkInUse", obj{netType: "flat", netPhys: "ext"}},
		{409, "VlanIdInUse", obj{netType: "vlan", netPhys: "phys", netVNI: 7}},
		{409, "NoNetworkAvailable", obj{netType: "vlan"}},
		{400, "InvalidInput", obj{netType: "flat"}},
		{400, "InvalidInput", obj{netType: "flat", netPhys: "x", netVNI: 1}},
		{400, "InvalidInput", obj{netType: "vlan", netVNI: 7}},
		{400, "InvalidInput", obj{netType: "vlan", netPhys: "phys", netVNI: 4095}},
		{400, "InvalidInput", obj{netType: "vlan", netPhys: "phys"}},
		{400, "InvalidInput", obj{netType: "vlan", netPhys: "unheard", netVNI: 7}},
		{400, "InvalidInput", obj{netType: "vlan", netPhys: "phys", netVNI: 8, "mtu": 1501}},
	} {
		c.refused(bad.status, bad.typ, "POST", "/v2.0/networks", obj{"network": bad.body})
	}
	if l := c.list("/v2.0/networks?provider:physical_network=jumbo"); len(l) != 2 {
		t.Errorf("%v", l)
	}
	c.network(obj{netType: "vlan", netPhys: "jumbo", netVNI: 7}) // another network's VLAN
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
	c.must(204, "DELETE", "/v2.0/networks/"+id(flat), nil)
	c.network(obj{netType: "flat", netPhys: "ext"})
}

func TestVLANOfANetworkIsChanged(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{netType: "vlan", netPhys: "phys", netVNI: 7})
	other := c.network(obj{netType: "vlan", netPhys: "phys", netVNI: 9})
	path := "/v2.0/networks/" + id(n)
	c.refused(409, "VlanIdInUse", "PUT", path, obj{"network": obj{netVNI: 9}})
	c.refused(400, "InvalidInput", "PUT", path, obj{"network": obj{netPhys: "other"}})
	c.refused(400, "InvalidInput", "PUT", path, obj{"network": obj{netVNI: 5000}})
	if n := c.must(200, "PUT", path, obj{"network": obj{netVNI: 8}}); n[netVNI] != 8.0 || n[netPhys] != "phys" {
		t.Errorf("%v", n)
	}
	if n := c.must(200, "PUT", "/v2.0/networks/"+id(other), obj{"network": obj{netVNI: 7}}); n[netVNI] != 7.0 {
		t.Errorf("%v", n)
	}
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
}

func TestNetworksWithSeveralSegments(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{"segments": []obj{{netType: "vlan", netPhys: "a", netVNI: 7}, {netType: "vlan", netPhys: "b", netVNI: 7}, {netType: "geneve"}}})
	if l, _ := n["segments"].([]any); len(l) != 3 || l[1].(obj)[netPhys] != "b" || n["mtu"] != 1450.0 {
		t.Errorf("%v", n)
	}
	if _, shown := n[netType]; shown {
		t.Errorf("%v", n)
	}
	if got := stored[model.Network](t, conn, model.ScopeNetwork(id(n)), id(n)); len(got.Segments) != 3 || got.Segments[2].SegmentationID == 0 {
		t.Errorf("chassis read %+v", got)
	}
	path := "/v2.0/networks/" + id(n)
	c.refused(400, "InvalidInput", "PUT", path, obj{"network": obj{netVNI: 5}})
	if n := c.must(200, "PUT", path, obj{"network": obj{"name": "x"}}); len(n["segments"].([]any)) != 3 {
		t.Errorf("%v", n)
	}
	for typ, body := range map[string]obj{
		"SegmentsContainDuplicateEntry":         {"segments": []obj{{netType: "vlan", netPhys: "c", netVNI: 7}, {netType: "vlan", netPhys: "c", netVNI: 7}}},
		"SegmentsSetInConjunctionWithProviders": {netType: "geneve", "segments": []obj{{netType: "geneve"}}},
		"InvalidInput":                          {"segments": []obj{{netType: "vlan", netPhys: "c", netVNI: 7}, {netType: "vlan", netPhys: "c", netVNI: 8}}},
		"HTTPBadRequest":                        {"segments": []obj{{"type": "geneve"}}},
	} {
		c.refused(400, typ, "POST", "/v2.0/networks", obj{"network": body})
	}
	c.refused(400, "InvalidInput", "POST", "/v2.0/networks", obj{"network": obj{"segments": []obj{{netType: "geneve"}, {netType: "vxlan"}}}})
	c.must(204, "DELETE", path, nil)
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
	for _, p := range []string{"a", "b"} {
		c.network(obj{netType: "vlan", netPhys: p, netVNI: 7})
	}
}

func TestExternalNetworks(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n, _ := c.network(obj{"name": "out"}), c.network(obj{})
	if n["router:external"] != false {
		t.Errorf("%v", n)
	}
	path := "/v2.0/networks/" + id(n)
	if n := c.must(200, "PUT", path, obj{"network": obj{"router:external": true}}); n["router:external"] != true {
		t.Errorf("%v", n)
	}
	if !stored[model.Network](t, conn, model.ScopeNetwork(id(n)), id(n)).External {
		t.Error("chassis do not know")
	}
	if l := c.list("/v2.0/networks?router:external=True"); len(l) != 1 || l[0]["name"] != "out" {
		t.Errorf("%v", l)
	}
	p := c.port(id(n), obj{"device_owner": model.FloatingIPOwner})
	c.refused(409, "ExternalNetworkInUse", "PUT", path, obj{"network": obj{"router:external": false}})
	c.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	c.must(200, "PUT", path, obj{"network": obj{"router:external": false}})
}

// Servers that choose VLANs at the same time give each once.
func TestVLANsAreGivenOnce(t *testing.T) {
	t.Parallel()
	store := memory.New()
	var servers []*client
	for range 3 {
		own, _ := store.Connect()
		servers = append(servers, start(t, own, vlans(t, "a:1:10", "b:1:5", "a:20:24")))
	}
	// What was answered counts: a server may hear of what others wrote a moment later.
	var lock sync.Mutex
	given := map[string]bool{}
	each(servers, 10, func(c *client, _ int) {
		for range 2 {
			status, out := c.do("POST", "/v2.0/networks", obj{"network": obj{netType: "vlan"}})
			n, _ := out["network"].(obj)
			if status != 201 || n == nil {
				t.Errorf("%d %v", status, out)
				continue
			}
			lock.Lock()
			given[fmt.Sprint(n[netPhys], n[netVNI])] = true
			lock.Unlock()
		}
	})
	if len(given) != 20 {
		t.Errorf("%d of 20 given: %v", len(given), given)
	}
}
