package api_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

const (
	netType = "provider:network_type"
	netVNI  = "provider:segmentation_id"
	netPhys = "provider:physical_network"
)

// few are plans with little to give.
func few(vnis ...segment.Range) func(*api.Options) {
	return func(o *api.Options) {
		o.Segments = segment.DefaultPlan()
		o.Segments.VNIs = vnis
	}
}

func TestNetworksAreTunnelled(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn, few(segment.Range{First: 100, Last: 199}))
	a, b := c.network(obj{"name": "a"}), c.network(obj{"name": "b"})
	for _, n := range []obj{a, b} {
		vni, _ := n[netVNI].(float64)
		if n[netType] != "geneve" || n[netPhys] != nil || vni < 100 || vni > 199 || n["mtu"] != 1450.0 {
			t.Errorf("%v", n)
		}
	}
	if a[netVNI] == b[netVNI] {
		t.Errorf("both have %v", a[netVNI])
	}
	stored, _, err := northbound.Get[model.Network](context.Background(), northbound.NewStore(conn), model.ScopeNetwork(id(a)), id(a))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := stored.Tunnel(); !ok || s.NetworkType != model.Geneve || float64(s.SegmentationID) != a[netVNI] || s.ID == "" {
		t.Errorf("chassis read %+v", stored)
	}
	for query, want := range map[string]int{
		netType + "=geneve": 2, netType + "=vxlan": 0, fmt.Sprintf("%s=%v", netVNI, a[netVNI]): 1,
		netType + "=geneve&sort_key=" + netVNI + "&sort_dir=asc": 2, "fields=" + netVNI: 2,
	} {
		if l := c.list("/v2.0/networks?" + query); len(l) != want {
			t.Errorf("%s: %v", query, l)
		}
	}
}

func TestProviderAttributes(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{netType: "vxlan", netVNI: 5000, "mtu": 1450})
	if n[netType] != "vxlan" || n[netVNI] != 5000.0 || n["mtu"] != 1450.0 {
		t.Errorf("%v", n)
	}
	c.network(obj{netType: "geneve", netVNI: "5000", netPhys: nil}) // the types share nothing
	if x := c.network(obj{netType: "vxlan", netVNI: nil}); x[netType] != "vxlan" || x[netVNI] == nil {
		t.Errorf("%v", x)
	}
	if x := c.network(obj{netType: nil}); x[netType] != "geneve" {
		t.Errorf("%v", x)
	}
	for _, bad := range []struct {
		status int
		typ    string
		body   obj
	}{
		{409, "TunnelIdInUse", obj{netType: "vxlan", netVNI: 5000}},
		{400, "InvalidInput", obj{netVNI: 5001}},
		{400, "InvalidInput", obj{netPhys: "physnet1"}},
		{400, "InvalidInput", obj{netType: "local"}},
		{400, "InvalidInput", obj{netType: "GENEVE"}},
		{400, "InvalidInput", obj{netType: "geneve", netPhys: "physnet1"}},
		{400, "InvalidInput", obj{netType: "geneve", netVNI: 0}},
		{400, "InvalidInput", obj{netType: "geneve", netVNI: -1}},
		{400, "InvalidInput", obj{netType: "geneve", netVNI: 1 << 24}},
		{400, "InvalidInput", obj{netType: "geneve", netVNI: 1<<24 - 1}}, // transit
		{400, "HTTPBadRequest", obj{netType: "geneve", netVNI: "many"}},
		{400, "HTTPBadRequest", obj{netType: 5}},
		{400, "HTTPBadRequest", obj{netType: strings.Repeat("g", 33)}},
		{400, "InvalidInput", obj{"mtu": 1451}},
	} {
		c.refused(bad.status, bad.typ, "POST", "/v2.0/networks", obj{"network": bad.body})
	}
	path := "/v2.0/networks/" + id(n)
	before := c.must(200, "GET", path, nil)
	after := c.must(200, "PUT", path, obj{"network": obj{netType: "vxlan", netVNI: 5000, netPhys: nil}})
	if after["revision_number"] != before["revision_number"] {
		t.Error("a change that changes nothing was written")
	}
	for _, body := range []obj{{netType: "geneve"}, {netVNI: 5002}, {netPhys: "physnet1"}, {"mtu": 1451}} {
		c.refused(400, "InvalidInput", "PUT", path, obj{"network": body})
	}
	if n := c.must(200, "PUT", path, obj{"network": obj{netType: nil, "name": "x"}}); n[netType] != "vxlan" || n["name"] != "x" {
		t.Errorf("%v", n)
	}
}

func TestMTUOverIPv6AndJumboFrames(t *testing.T) {
	t.Parallel()
	c := open(t, func(o *api.Options) {
		o.Segments = segment.DefaultPlan()
		o.Segments.PhysicalMTU, o.Segments.IPVersion = 9000, 6
	})
	if n := c.network(obj{}); n["mtu"] != 8930.0 {
		t.Errorf("%v", n)
	}
	c.refused(400, "InvalidInput", "POST", "/v2.0/networks", obj{"network": obj{"mtu": 8931}})
}

// Clients of three servers take every VNI, each once, and not one more, while others name some; what is deleted can be
// given again.
func TestVNIsAreGivenOnce(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, _ := store.Connect()
	var servers []*client
	for range 3 {
		own, _ := store.Connect()
		servers = append(servers, start(t, own, few(segment.Range{First: 10, Last: 29}, segment.Range{First: 40, Last: 59})))
	}
	for range 2 {
		var mu sync.Mutex
		given := map[any]string{}
		each(servers, 15, func(c *client, i int) {
			for k := range 4 {
				body := obj{}
				if k == 0 {
					body = obj{netType: "geneve", netVNI: 10 + i%5}
				}
				status, out := c.do("POST", "/v2.0/networks", obj{"network": body})
				mu.Lock()
				switch status {
				case 201:
					n := out["network"].(obj)
					if other := given[n[netVNI]]; other != "" {
						t.Errorf("%v was given to %s and %s", n[netVNI], other, id(n))
					}
					given[n[netVNI]] = id(n)
				case 409:
				default:
					t.Errorf("%d %v", status, out)
				}
				mu.Unlock()
			}
		})
		if len(given) != 40 {
			t.Errorf("%d of 40 given", len(given))
		}
		checkVNIs(t, conn, given)
		networks := slices.Sorted(maps.Values(given))
		each(servers, 3, func(c *client, i int) {
			for at := i; at < len(networks); at += 3 {
				c.must(204, "DELETE", "/v2.0/networks/"+networks[at], nil)
			}
		})
		checkVNIs(t, conn, nil)
	}
	if err := servers[0].Server.Audit(context.Background()); err != nil || servers[0].Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, servers[0].Server.Drift())
	}
}

func checkVNIs(t *testing.T, conn *db.Connection, given map[any]string) {
	t.Helper()
	items, _, err := conn.List(context.Background(), segment.Scope(model.Geneve))
	if err != nil || len(items) != len(given) {
		t.Errorf("%v: %d reservations for %d networks", err, len(items), len(given))
	}
	for _, it := range items {
		vni, err := strconv.Atoi(it.Key.ID)
		if n := segment.Holder(it.Value); err != nil || given[float64(vni)] != n {
			t.Errorf("%v: %s is reserved for %q", err, it.Key, n)
		}
	}
}

// A network that a version before tunnels has stored works on, and has a segment soon, whichever servers start.
func TestNetworksOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, _ := store.Connect()
	ctx := context.Background()
	const old = "11111111-2222-3333-4444-555555555555"
	row := `{"id":"` + old + `","project_id":"p","name":"old","revision_number":3,"admin_state_up":true,"mtu":1500,"port_security_enabled":true}`
	value, err := northbound.Encode(&model.Network{Meta: model.Meta{ID: old, Revision: 3}, Name: "old", AdminStateUp: true, MTU: 1500})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Apply(ctx, []db.Op{
		{Verb: db.Put, Key: db.Key{Scope: "neutron", Kind: "neutron.network", ID: old}, Value: []byte(row)},
		{Verb: db.Put, Key: db.Key{Scope: db.Scope(model.ScopeNetwork(old)), Kind: string(model.KindNetwork), ID: old}, Value: value},
	}); err != nil {
		t.Fatal(err)
	}
	var servers []*client
	for range 2 {
		own, _ := store.Connect()
		servers = append(servers, start(t, own))
	}
	for _, c := range servers {
		eventually(t, func() bool { return c.must(200, "GET", "/v2.0/networks/"+old, nil)[netVNI] != nil })
	}
	n := servers[0].must(200, "GET", "/v2.0/networks/"+old, nil)
	if n[netType] != "geneve" || n["mtu"] != 1450.0 || n["name"] != "old" || n["revision_number"] != 4.0 {
		t.Errorf("%v", n)
	}
	stored, _, err := northbound.Get[model.Network](ctx, northbound.NewStore(conn), model.ScopeNetwork(old), old)
	if err != nil || len(stored.Segments) != 1 || stored.Revision != 4 || stored.MTU != 1450 {
		t.Errorf("%v: chassis read %+v", err, stored)
	}
	checkVNIs(t, conn, map[any]string{n[netVNI]: old})
	if err := servers[1].Server.Audit(ctx); err != nil || servers[1].Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, servers[1].Server.Drift())
	}
}

// A reservation that belongs to no network, and a lost one, are repaired.
func TestAuditOfVNIs(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{netType: "geneve", netVNI: 77})
	lost := segment.Key(model.Segment{NetworkType: model.Geneve, SegmentationID: 77})
	stray := segment.Key(model.Segment{NetworkType: model.VXLAN, SegmentationID: 78})
	if _, err := conn.Apply(context.Background(), []db.Op{
		{Verb: db.Delete, Key: lost, If: db.AnyRevision},
		{Verb: db.Put, Key: stray, Value: segment.Reservation{Network: id(n)}.Encode()},
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 2 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
	checkVNIs(t, conn, map[any]string{77.0: id(n)})
	if items, _, err := conn.List(context.Background(), segment.Scope(model.VXLAN)); err != nil || len(items) != 0 {
		t.Errorf("%v: %v", err, items)
	}
}
