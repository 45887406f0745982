package api_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// connect makes chassis that are connected to a physical network each.
func connect(t testing.TB, conn *db.Connection, physical map[string]string) {
	t.Helper()
	txn := northbound.NewStore(conn).Txn()
	for name, phys := range physical {
		txn = txn.Put(&model.Chassis{Meta: model.Meta{ID: name, Revision: 1}, Bridge: "br-int",
			TunnelIP: netip.MustParseAddr("192.0.2.9"), TunnelTypes: []model.NetworkType{model.Geneve}, PhysicalNetworks: []string{phys}})
	}
	if _, err := txn.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// routedSite is a network with two segments and subnets of both families on each, c1 connected to the first and
// c2 to the second, c3 to another physical network.
type routedSite struct {
	*client
	conn    *db.Connection
	network obj
	// a and b are the ids of the segments, a4, b4, a6, b6 those of subnets.
	a, b, a4, b4, a6, b6 string
}

func newRoutedSite(t *testing.T, servers ...*client) *routedSite {
	t.Helper()
	s := &routedSite{}
	if len(servers) > 0 {
		s.client = servers[0]
	} else {
		s.conn = memory.Open()
		connect(t, s.conn, map[string]string{"c1": "rack1", "c2": "rack2", "c3": "rack3"})
		s.client = start(t, s.conn)
	}
	s.network = s.client.network(obj{"segments": []obj{{netType: "vlan", netPhys: "rack1", netVNI: 11}, {netType: "vlan", netPhys: "rack2", netVNI: 12}}})
	for _, x := range s.list("/v2.0/segments?network_id=" + id(s.network)) {
		if x["physical_network"] == "rack1" {
			s.a = id(x)
		} else {
			s.b = id(x)
		}
	}
	v6 := func(segment string) obj {
		return obj{"ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac", "segment_id": segment}
	}
	s.a4 = id(s.subnet(s.network["id"], "10.1.0.0/24", obj{"segment_id": s.a}))
	s.b4 = id(s.subnet(s.network["id"], "10.2.0.0/24", obj{"segment_id": s.b}))
	s.a6 = id(s.subnet(s.network["id"], "2001:db8:1::/64", v6(s.a)))
	s.b6 = id(s.subnet(s.network["id"], "2001:db8:2::/64", v6(s.b)))
	return s
}

// on lists the subnets of a port's addresses.
func (s *routedSite) on(port obj) []string {
	var out []string
	for _, f := range port["fixed_ips"].([]any) {
		out = append(out, f.(obj)["subnet_id"].(string))
	}
	return out
}

func (s *routedSite) wantOn(port obj, allocation string, subnets ...string) {
	s.t.Helper()
	if diff := cmp.Diff(subnets, s.on(port)); diff != "" || port["ip_allocation"] != allocation {
		s.t.Errorf("%v, want %s: %s", port, allocation, diff)
	}
}

func TestSegments(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{netType: "vlan", netPhys: "rack1", netVNI: 11, "name": "n"})
	first := c.list("/v2.0/segments?network_id=" + id(n))
	if len(first) != 1 || first[0]["segmentation_id"] != 11.0 || first[0]["name"] != nil || first[0]["created_at"] != n["created_at"] {
		t.Fatalf("%v", first)
	}
	want := obj{"network_id": id(n), "network_type": "vlan", "physical_network": "rack2", "segmentation_id": 12, "name": "second", "description": "d", "tenant_id": "x"}
	s := c.must(201, "POST", "/v2.0/segments", obj{"segment": want})
	if s["name"] != "second" || s["physical_network"] != "rack2" || s["segmentation_id"] != 12.0 || s["revision_number"] != 1.0 || s["tenant_id"] != nil {
		t.Errorf("%v", s)
	}
	shown := c.must(200, "GET", "/v2.0/networks/"+id(n), nil)
	if l, _ := shown["segments"].([]any); len(l) != 2 || l[1].(obj)[netVNI] != 12.0 || shown[netType] != nil {
		t.Errorf("%v", shown)
	}
	if got := stored[model.Network](t, conn, model.ScopeNetwork(id(n)), id(n)); len(got.Segments) != 2 || got.Segments[1].ID != id(s) {
		t.Errorf("chassis read %+v", got)
	}
	path := "/v2.0/segments/" + id(s)
	if got := c.must(200, "PUT", path, obj{"segment": obj{"name": "zweites"}}); got["name"] != "zweites" || got["description"] != "d" || got["revision_number"] != 2.0 {
		t.Errorf("%v", got)
	}
	c.refused(412, "RevisionNumberConstraintFailed", "PUT", path, obj{"segment": obj{"name": "x"}}, "If-Match", "revision_number=1")
	for query, n := range map[string]int{"name=zweites": 1, "physical_network=rack1": 1, "network_type=vlan": 2, "segmentation_id=12": 1, "id=" + id(s): 1,
		"network_id=none": 0, "sort_key=segmentation_id&sort_dir=desc&limit=1": 1} {
		if l := c.list("/v2.0/segments?" + query); len(l) != n {
			t.Errorf("%s: %v", query, l)
		}
	}
	if got := c.must(200, "GET", path+"?fields=name", nil); len(got) != 1 && got["name"] != "zweites" {
		t.Errorf("%v", got)
	}
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
	c.must(204, "DELETE", path, nil)
	c.refused(404, "SegmentNotFound", "GET", path, nil)
	c.refused(404, "SegmentNotFound", "DELETE", path, nil)
	c.network(obj{netType: "vlan", netPhys: "rack2", netVNI: 12}) // it is free again
}

func TestSegmentsThatAreRefused(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{netType: "vlan", netPhys: "rack1", netVNI: 11})
	c.network(obj{netType: "vlan", netPhys: "rack2", netVNI: 99})
	at := func(attrs obj) obj {
		out := obj{"network_id": id(n), "network_type": "vlan", "physical_network": "rack2", "segmentation_id": 12}
		for k, v := range attrs {
			if out[k] = v; v == nil {
				delete(out, k)
			}
		}
		return out
	}
	for _, x := range []struct {
		status int
		typ    string
		body   obj
	}{
		{404, "NetworkNotFound", at(obj{"network_id": "00000000-0000-4000-8000-000000000000"})},
		{409, "VlanIdInUse", at(obj{"segmentation_id": 99})},
		{409, "VlanIdInUse", at(obj{"physical_network": "rack1", "segmentation_id": 11})},
		{400, "HTTPBadRequest", at(obj{"network_type": nil})},
		{400, "HTTPBadRequest", at(obj{"network_id": nil})},
		{400, "InvalidInput", at(obj{"network_type": ""})},
		{400, "InvalidInput", at(obj{"network_type": "gre"})},
		{400, "InvalidInput", at(obj{"physical_network": "rack1"})},
		{400, "InvalidInput", at(obj{"segmentation_id": 4095})},
		{400, "InvalidInput", at(obj{"network_type": "geneve", "segmentation_id": nil})},
		{400, "InvalidInput", at(obj{"network_type": "geneve", "physical_network": nil, "segmentation_id": nil})}, // the MTU is too large for it
		{400, "HTTPBadRequest", at(obj{"hosts": []string{}})},
	} {
		status, out := c.do("POST", "/v2.0/segments", obj{"segment": x.body})
		if e, _ := out["NeutronError"].(obj); status != x.status || e["type"] != x.typ {
			t.Errorf("%v: %d %v, want %d %s", x.body, status, out, x.status, x.typ)
		}
	}
	one := c.list("/v2.0/segments?network_id=" + id(n))[0]
	c.refused(400, "HTTPBadRequest", "PUT", "/v2.0/segments/"+id(one), obj{"segment": obj{"segmentation_id": 3}})
	// A bulk is made as a whole or not at all.
	c.refused(409, "VlanIdInUse", "POST", "/v2.0/segments", obj{"segments": []obj{at(obj{"physical_network": "rack5"}), at(obj{"physical_network": "rack3"}), at(obj{"segmentation_id": 99})}})
	if l := c.list("/v2.0/segments?network_id=" + id(n)); len(l) != 1 {
		t.Errorf("%v", l)
	}
	code, out := c.do("POST", "/v2.0/segments", obj{"segments": []obj{at(nil), at(obj{"physical_network": "rack3"})}})
	if l, _ := out["segments"].([]any); code != 201 || len(l) != 2 {
		t.Errorf("%d %v", code, out)
	}
}

func TestANetworkWithoutSegments(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1")
	c := start(t, conn)
	n := c.network(obj{})
	s := c.list("/v2.0/segments?network_id=" + id(n))[0]
	p := c.port(n["id"], obj{"binding:host_id": "c1"})
	c.refused(409, "SegmentInUse", "DELETE", "/v2.0/segments/"+id(s), nil)
	c.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	c.must(204, "DELETE", "/v2.0/segments/"+id(s), nil)
	got := c.must(200, "PUT", "/v2.0/networks/"+id(n), obj{"network": obj{"name": "still none"}})
	if got[netType] != nil || got["segments"] != nil {
		t.Errorf("%v", got)
	}
	if p := c.port(n["id"], obj{"binding:host_id": "c1"}); p["binding:vif_type"] != "binding_failed" {
		t.Errorf("%v", p)
	}
	c.must(201, "POST", "/v2.0/segments", obj{"segment": obj{"network_id": id(n), "network_type": "geneve"}})
	if l := c.list("/v2.0/ports?network_id=" + id(n)); len(l) != 1 || l[0]["binding:vif_type"] != "ovs" {
		t.Errorf("%v", l)
	}
	c.must(204, "DELETE", "/v2.0/ports/"+id(c.list("/v2.0/ports?network_id=" + id(n))[0]), nil)
	c.must(204, "DELETE", "/v2.0/networks/"+id(n), nil)
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
}

func TestSubnetsOnSegments(t *testing.T) {
	t.Parallel()
	s := newRoutedSite(t)
	c := s.client
	routes := func(subnet string) []string {
		var out []string
		for _, r := range c.must(200, "GET", "/v2.0/subnets/"+subnet, nil)["host_routes"].([]any) {
			out = append(out, r.(obj)["destination"].(string)+" "+r.(obj)["nexthop"].(string))
		}
		return out
	}
	want := func(subnet string, list ...string) {
		t.Helper()
		if diff := cmp.Diff(list, routes(subnet)); diff != "" {
			t.Error(diff)
		}
	}
	want(s.a4, "10.2.0.0/24 10.1.0.1")
	want(s.b4, "10.1.0.0/24 10.2.0.1")
	want(s.a6, "2001:db8:2::/64 2001:db8:1::1")
	// A route of the client that covers the others stands for them; what came by itself is not the client's.
	c.must(200, "PUT", "/v2.0/subnets/"+s.a4, obj{"subnet": obj{"host_routes": []obj{{"destination": "10.2.0.0/24", "nexthop": "10.1.0.1"}, {"destination": "10.0.0.0/8", "nexthop": "10.1.0.9"}}}})
	want(s.a4, "10.0.0.0/8 10.1.0.9")
	c.must(200, "PUT", "/v2.0/subnets/"+s.a4, obj{"subnet": obj{"host_routes": []obj{}, "gateway_ip": "10.1.0.254", "allocation_pools": []obj{{"start": "10.1.0.10", "end": "10.1.0.99"}}}})
	want(s.a4, "10.2.0.0/24 10.1.0.254")
	if got := stored[model.Subnet](t, s.conn, model.ScopeNetwork(id(s.network)), s.a4); got.SegmentID != s.a || len(got.HostRoutes) != 1 {
		t.Errorf("chassis read %+v", got)
	}
	c.must(204, "DELETE", "/v2.0/subnets/"+s.b4, nil)
	want(s.a4)
	if n := c.must(200, "GET", "/v2.0/networks/"+id(s.network), nil); n["l2_adjacency"] != false {
		t.Errorf("%v", n)
	}
	other := c.network(obj{netType: "flat", netPhys: "ext"})
	foreign := id(c.list("/v2.0/segments?network_id=" + id(other))[0])
	for _, x := range []struct {
		status  int
		typ     string
		segment any
	}{
		{400, "SubnetsNotAllAssociatedWithSegments", nil},
		{400, "NetworkIdsDontMatch", foreign},
		{404, "SegmentNotFound", "00000000-0000-4000-8000-000000000000"},
	} {
		c.refused(x.status, x.typ, "POST", "/v2.0/subnets", obj{"subnet": obj{"network_id": id(s.network), "cidr": "10.9.0.0/24", "ip_version": 4, "segment_id": x.segment}})
	}
	c.refused(409, "SegmentInUse", "DELETE", "/v2.0/segments/"+s.a, nil)
	c.refused(400, "SubnetsNotAllAssociatedWithSegments", "PUT", "/v2.0/subnets/"+s.a4, obj{"subnet": obj{"segment_id": nil}})
	if l := c.list("/v2.0/subnets?segment_id=" + s.a); len(l) != 2 {
		t.Errorf("%v", l)
	}
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
}

// A network with one subnet and one segment becomes a routed one.
func TestASubnetIsPutOnItsSegment(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{netType: "vlan", netPhys: "rack1", netVNI: 11})
	segment := id(c.list("/v2.0/segments?network_id=" + id(n))[0])
	subnet := c.subnet(n["id"], "10.1.0.0/24", nil)
	path := "/v2.0/subnets/" + id(subnet)
	r := c.must(201, "POST", "/v2.0/routers", obj{"router": obj{}})
	c.must(200, "PUT", "/v2.0/routers/"+id(r)+"/add_router_interface", obj{"subnet_id": id(subnet)})
	c.refused(400, "InvalidInput", "PUT", path, obj{"subnet": obj{"segment_id": segment}})
	c.must(200, "PUT", "/v2.0/routers/"+id(r)+"/remove_router_interface", obj{"subnet_id": id(subnet)})
	second := c.must(201, "POST", "/v2.0/segments", obj{"segment": obj{"network_id": id(n), "network_type": "vlan", "physical_network": "rack2", "segmentation_id": 1}})
	c.refused(400, "NoUpdateSubnetWhenMultipleSegmentsOnNetwork", "PUT", path, obj{"subnet": obj{"segment_id": segment}})
	c.must(204, "DELETE", "/v2.0/segments/"+id(second), nil)
	if got := c.must(200, "PUT", path, obj{"subnet": obj{"segment_id": segment}}); got["segment_id"] != segment {
		t.Errorf("%v", got)
	}
	c.refused(400, "SubnetSegmentAssociationChangeNotAllowed", "PUT", path, obj{"subnet": obj{"segment_id": nil}})
	c.refused(400, "InvalidInput", "PUT", "/v2.0/routers/"+id(r)+"/add_router_interface", obj{"subnet_id": id(subnet)})
}

func TestPortsOfRoutedNetworks(t *testing.T) {
	t.Parallel()
	s := newRoutedSite(t)
	c, n := s.client, s.network["id"]
	late := c.port(n, nil)
	s.wantOn(late, "deferred")
	s.wantOn(c.port(n, obj{"binding:host_id": "c1"}), "immediate", s.a4, s.a6)
	s.wantOn(c.port(n, obj{"fixed_ips": []obj{}}), "none")
	named := c.port(n, obj{"fixed_ips": []obj{{"subnet_id": s.b4}}})
	s.wantOn(named, "immediate", s.b4, s.b6)
	bind := func(port obj, host any) obj {
		t.Helper()
		return c.must(200, "PUT", "/v2.0/ports/"+id(port), obj{"port": obj{"binding:host_id": host}})
	}
	s.wantOn(bind(late, "c2"), "deferred", s.b4, s.b6)
	bind(late, "")
	refuse := func(status int, typ string, port obj, attrs obj) {
		t.Helper()
		c.refused(status, typ, "PUT", "/v2.0/ports/"+id(port), obj{"port": attrs})
	}
	refuse(409, "HostNotCompatibleWithFixedIps", late, obj{"binding:host_id": "c1"})
	refuse(409, "HostNotConnectedToAnySegment", late, obj{"binding:host_id": "c3"})
	refuse(409, "HostNotConnectedToAnySegment", late, obj{"binding:host_id": "unheard"})
	refuse(400, "FixedIpsSubnetsNotOnSameSegment", late, obj{"fixed_ips": []obj{{"subnet_id": s.a4}, {"subnet_id": s.b4}}})
	refuse(409, "HostNotCompatibleWithFixedIps", late, obj{"binding:host_id": "c1", "fixed_ips": []obj{{"subnet_id": s.b4}}})
	refuse(409, "HostNotCompatibleWithFixedIps", late, obj{"binding:host_id": "c1", "fixed_ips": late2(bind(late, "c2"), bind, late)})
	moved := c.must(200, "PUT", "/v2.0/ports/"+id(late), obj{"port": obj{"binding:host_id": "c1", "fixed_ips": []obj{{"subnet_id": s.a4}}}})
	s.wantOn(moved, "deferred", s.a4, s.a6)
	bind(named, "c2")
	for _, x := range []struct {
		status int
		typ    string
		attrs  obj
	}{
		{409, "HostNotConnectedToAnySegment", obj{"binding:host_id": "c3"}},
		{400, "InvalidInput", obj{"binding:host_id": "c1", "fixed_ips": []obj{{"subnet_id": s.b4}}}},
	} {
		x.attrs["network_id"] = n
		c.refused(x.status, x.typ, "POST", "/v2.0/ports", obj{"port": x.attrs})
	}
	if l := c.list("/v2.0/ports?ip_allocation=deferred"); len(l) != 1 {
		t.Errorf("%v", l)
	}
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
}

// late2 are the addresses that a port has at one host, as a client names them, after it has left that host.
func late2(port obj, bind func(obj, any) obj, unbound obj) []obj {
	var out []obj
	for _, f := range port["fixed_ips"].([]any) {
		out = append(out, obj{"subnet_id": f.(obj)["subnet_id"], "ip_address": f.(obj)["ip_address"]})
	}
	bind(unbound, "")
	return out
}

// An automatic subnet gives addresses to the ports of its segment alone.
func TestDerivedAddressesOfSegments(t *testing.T) {
	t.Parallel()
	s := newRoutedSite(t)
	c, n := s.client, s.network["id"]
	p, q, late := c.port(n, obj{"binding:host_id": "c1"}), c.port(n, obj{"binding:host_id": "c2"}), c.port(n, nil)
	more := c.subnet(n, "2001:db8:11::/64", obj{"ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac", "segment_id": s.a})
	for _, x := range []struct {
		port obj
		has  bool
	}{{p, true}, {q, false}, {late, false}} {
		got := s.on(c.must(200, "GET", "/v2.0/ports/"+id(x.port), nil))
		if slices.Contains(got, id(more)) != x.has {
			t.Errorf("%v", got)
		}
	}
}

func TestLiveMigrationStaysOnItsSegment(t *testing.T) {
	t.Parallel()
	s := newRoutedSite(t)
	connect(t, s.conn, map[string]string{"c4": "rack1"})
	c := s.client
	p := c.port(s.network["id"], obj{"binding:host_id": "c1", "device_owner": "compute:nova"})
	path := "/v2.0/ports/" + id(p) + "/bindings"
	c.refused(409, "HostNotCompatibleWithFixedIps", "POST", path, obj{"binding": obj{"host": "c2"}})
	c.refused(409, "HostNotConnectedToAnySegment", "POST", path, obj{"binding": obj{"host": "c3"}})
	c.must(201, "POST", path, obj{"binding": obj{"host": "c4"}})
	c.must(200, "PUT", path+"/c4/activate", nil)
	flat := c.network(obj{netType: "flat", netPhys: "rack2"})
	q := c.port(flat["id"], obj{"binding:host_id": "c2", "device_owner": "compute:nova"})
	c.refused(400, "PortBindingError", "POST", "/v2.0/ports/"+id(q)+"/bindings", obj{"binding": obj{"host": "c1"}})
	eventually(t, func() bool {
		return c.must(200, "GET", "/v2.0/ports/"+id(c.port(flat["id"], obj{"binding:host_id": "c1"})), nil)["binding:vif_type"] == "binding_failed"
	})
}

// What routers of ours, which are everywhere, cannot have.
func TestRoutersKeepOffRoutedNetworks(t *testing.T) {
	t.Parallel()
	s := newRoutedSite(t)
	c := s.client
	c.must(200, "PUT", "/v2.0/networks/"+id(s.network), obj{"network": obj{"router:external": true}})
	r := c.must(201, "POST", "/v2.0/routers", obj{"router": obj{}})
	c.refused(400, "InvalidInput", "PUT", "/v2.0/routers/"+id(r), obj{"router": obj{"external_gateway_info": obj{"network_id": id(s.network)}}})
	c.refused(400, "InvalidInput", "PUT", "/v2.0/routers/"+id(r)+"/add_router_interface", obj{"subnet_id": s.a4})
	p := c.port(s.network["id"], obj{"fixed_ips": []obj{{"subnet_id": s.a4}}})
	c.refused(400, "InvalidInput", "PUT", "/v2.0/routers/"+id(r)+"/add_router_interface", obj{"port_id": id(p)})
	c.refused(400, "BadRequest", "POST", "/v2.0/floatingips", obj{"floatingip": obj{"floating_network_id": id(s.network)}})
}

// segmentStory is what a user does with segments; each line prints JSON or nothing.
const segmentStory = `
network create -f json --provider-network-type vlan --provider-physical-network rack1 --provider-segment 11 multi
network segment create -f json --network multi --network-type vlan --physical-network rack2 --segment 12 --description d1 second
network segment list -f json --network multi --long
network segment set --name zweites --description d2 second
network segment show -f json zweites
subnet create -f json --network multi --network-segment zweites --subnet-range 10.2.0.0/24 b4
port create -f json --network multi late
port set --host c2 late
port show -f json late
network show -f json multi
subnet list -f json --network multi
network segment list -f json
port delete late
subnet delete b4
network segment delete zweites
network segment list -f json
subnet create -f json --network multi --subnet-range 10.1.0.0/24 a4
network delete multi
network segment list -f json
`

// The real openstack client lives with segments.
func TestOpenStackClientSegments(t *testing.T) {
	t.Parallel()
	needClient(t)
	conn := memory.Open()
	connect(t, conn, map[string]string{"c1": "rack1", "c2": "rack2"})
	c := start(t, conn)
	a := runClient(t, c.base, segmentStory)
	if len(a) != 13 {
		t.Fatalf("%d answers: %v", len(a), a)
	}
	a.is(t, 1, obj{"name": "second", "network_type": "vlan", "physical_network": "rack2", "segmentation_id": 12.0, "description": "d1"})
	a.size(t, 2, 2)
	a.is(t, 3, obj{"name": "zweites", "description": "d2", "network_id": a[0].(obj)["id"]})
	a.is(t, 4, obj{"segment_id": a[1].(obj)["id"], "cidr": "10.2.0.0/24"})
	a.is(t, 5, obj{"fixed_ips": []any{}, "ip_allocation": "deferred"})
	if ips := a[6].(obj)["fixed_ips"].([]any); len(ips) != 1 || !strings.HasPrefix(ips[0].(obj)["ip_address"].(string), "10.2.0.") {
		t.Errorf("%v", ips)
	}
	a.size(t, 8, 1)
	a.size(t, 9, 2)
	a.size(t, 10, 1)
	a.is(t, 11, obj{"segment_id": nil})
	a.size(t, 12, 0)
}
