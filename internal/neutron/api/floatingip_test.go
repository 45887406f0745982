package api_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// site is a router between a network inside and an external one.
type site struct {
	*client
	conn              *db.Connection
	ext, blue, router obj
	subnet            obj
}

func newSite(t *testing.T) *site {
	t.Helper()
	conn := memory.Open()
	return siteOn(t, start(t, conn), conn)
}

func siteOn(t *testing.T, c *client, conn *db.Connection) *site {
	t.Helper()
	s := &site{client: c, conn: conn}
	s.ext, s.blue = s.external("ext"), s.network(obj{"name": "blue"})
	s.subnet = s.client.subnet(id(s.blue), "10.0.0.0/24", nil)
	s.router = s.client.router(obj{"external_gateway_info": obj{"network_id": id(s.ext)}})
	s.must(200, "PUT", "/v2.0/routers/"+id(s.router)+"/add_router_interface", obj{"subnet_id": id(s.subnet)})
	return s
}

func (s *site) floating(attrs obj) obj {
	s.t.Helper()
	body := obj{"floating_network_id": id(s.ext)}
	for k, v := range attrs {
		body[k] = v
	}
	return s.must(201, "POST", "/v2.0/floatingips", obj{"floatingip": body})
}

func (s *site) setFloating(f obj, attrs obj) obj {
	s.t.Helper()
	return s.must(200, "PUT", "/v2.0/floatingips/"+id(f), obj{"floatingip": attrs})
}

// servedBy lists the chassis that are told to serve a floating IP, with the address inside: "c1 10.0.0.5".
func (s *site) servedBy(f obj) []string {
	s.t.Helper()
	out := []string{}
	for _, name := range []string{"c1", "c2", "c3", "g1", "g2", "g3"} {
		o, _, err := northbound.Get[model.FloatingIP](context.Background(), northbound.NewStore(s.conn), model.ScopeChassis(name), id(f))
		if err == nil && o.Host == name && o.FloatingIPAddress.String() == f["floating_ip_address"] {
			out = append(out, name+" "+o.FixedIPAddress.String())
		}
	}
	return out
}

func (s *site) wantServed(f obj, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), s.servedBy(f)); diff != "" {
		s.t.Error(diff)
	}
}

func TestFloatingIPs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gateways(t, s.conn, "phys", "g1")
	f := s.floating(obj{"description": "d", "floating_ip_address": "203.0.113.50"})
	if f["status"] != "DOWN" || f["port_id"] != nil || f["router_id"] != nil || f["floating_ip_address"] != "203.0.113.50" || f["port_details"] != nil ||
		f["fixed_ip_address"] != nil || f["description"] != "d" {
		t.Errorf("%v", f)
	}
	s.wantServed(f)
	holder := s.list("/v2.0/ports?device_owner=network:floatingip")
	if len(holder) != 1 || holder[0]["device_id"] != id(f) || holder[0]["status"] != "N/A" {
		t.Fatalf("%v", holder)
	}
	s.refused(409, "ServicePortInUse", "DELETE", "/v2.0/ports/"+id(holder[0]), nil)
	s.refused(400, "InvalidInput", "PUT", "/v2.0/ports/"+id(holder[0]), obj{"port": obj{"fixed_ips": []obj{{"ip_address": "203.0.113.51"}}}})
	p := s.port(id(s.blue), obj{"name": "vm", "binding:host_id": "g1", "fixed_ips": []obj{{"ip_address": "10.0.0.5"}}})
	eventually(t, func() bool { return s.must(200, "GET", "/v2.0/ports/"+id(p), nil)["binding:vif_type"] == "ovs" })
	f = s.setFloating(f, obj{"port_id": id(p)})
	details, _ := f["port_details"].(obj)
	if f["router_id"] != id(s.router) || f["fixed_ip_address"] != "10.0.0.5" || details["name"] != "vm" || details["network_id"] != id(s.blue) {
		t.Errorf("%v", f)
	}
	s.wantServed(f, "g1 10.0.0.5")
	for query, want := range map[string]int{"port_id=" + id(p): 1, "router_id=" + id(s.router): 1, "status=DOWN": 1, "status=ACTIVE": 0,
		"floating_network_id=" + id(s.ext): 1, "floating_ip_address=203.0.113.50": 1, "fixed_ip_address=10.0.0.6": 0} {
		if l := s.list("/v2.0/floatingips?" + query); len(l) != want {
			t.Errorf("%s: %v", query, l)
		}
	}
	put(t, s.conn, &model.PortStatus{Meta: model.Meta{ID: id(p)}, NetworkID: id(s.blue), Host: "g1", Up: true})
	eventually(t, func() bool { return s.must(200, "GET", "/v2.0/floatingips/"+id(f), nil)["status"] == "ACTIVE" })
	if f := s.setFloating(f, obj{"description": "x"}); f["port_id"] != id(p) {
		t.Errorf("%v", f)
	}
	s.clean(t)
	if f := s.setFloating(f, obj{"port_id": nil}); f["port_id"] != nil || f["router_id"] != nil || f["fixed_ip_address"] != nil || f["status"] != "DOWN" {
		t.Errorf("%v", f)
	}
	s.wantServed(f)
	s.setFloating(f, obj{"port_id": id(p)})
	s.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	if f := s.must(200, "GET", "/v2.0/floatingips/"+id(f), nil); f["port_id"] != nil || f["fixed_ip_address"] != nil {
		t.Errorf("%v", f)
	}
	s.wantServed(f)
	s.must(204, "DELETE", "/v2.0/floatingips/"+id(f), nil)
	s.refused(404, "FloatingIPNotFound", "GET", "/v2.0/floatingips/"+id(f), nil)
	if l := s.list("/v2.0/ports?device_owner=network:floatingip"); len(l) != 0 {
		t.Errorf("left: %v", l)
	}
	s.clean(t)
}

func TestFloatingIPsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	lonely := s.network(obj{})
	s.client.subnet(id(lonely), "10.9.0.0/24", nil)
	p, far := s.port(id(s.blue), nil), s.port(id(lonely), nil)
	two := s.port(id(s.blue), obj{"fixed_ips": []obj{{"ip_address": "10.0.0.20"}, {"ip_address": "10.0.0.21"}}})
	s.floating(obj{"port_id": id(p), "floating_ip_address": "203.0.113.60"})
	none := s.network(obj{"router:external": true, netType: "flat", netPhys: "other"})
	for _, bad := range []struct {
		status int
		typ    string
		body   obj
	}{
		{409, "FloatingIPPortAlreadyAssociated", obj{"port_id": id(p)}},
		{409, "IpAddressAlreadyAllocated", obj{"floating_ip_address": "203.0.113.60"}},
		{404, "ExternalGatewayForFloatingIPNotFound", obj{"port_id": id(far)}},
		{404, "PortNotFound", obj{"port_id": nowhere}},
		{404, "NetworkNotFound", obj{"floating_network_id": nowhere}},
		{400, "BadRequest", obj{"floating_network_id": id(s.blue)}},
		{400, "BadRequest", obj{"floating_network_id": id(none)}},
		{400, "BadRequest", obj{"port_id": id(two)}},
		{400, "BadRequest", obj{"port_id": id(two), "fixed_ip_address": "10.0.0.22"}},
		{400, "BadRequest", obj{"port_id": id(two), "fixed_ip_address": "2001:db8::1"}},
		{400, "BadRequest", obj{"fixed_ip_address": "10.0.0.20"}},
		{400, "BadRequest", obj{"floating_ip_address": "2001:db8:f::9"}},
		{400, "InvalidIpForNetwork", obj{"floating_ip_address": "198.51.100.1"}},
		{400, "InvalidInput", obj{"subnet_id": nowhere}},
		{400, "HTTPBadRequest", obj{"floating_network_id": "ext"}},
		{400, "HTTPBadRequest", obj{"name": "x"}},
		{400, "HTTPBadRequest", obj{"router_id": id(s.router)}},
	} {
		body := obj{"floating_network_id": id(s.ext)}
		for k, v := range bad.body {
			body[k] = v
		}
		s.refused(bad.status, bad.typ, "POST", "/v2.0/floatingips", obj{"floatingip": body})
	}
	if l := s.list("/v2.0/floatingips"); len(l) != 1 {
		t.Errorf("%v", l)
	}
	path := "/v2.0/routers/" + id(s.router)
	s.refused(409, "RouterExternalGatewayInUseByFloatingIp", "PUT", path, obj{"router": obj{"external_gateway_info": nil}})
	s.refused(409, "RouterInterfaceInUseByFloatingIP", "PUT", path+"/remove_router_interface", obj{"subnet_id": id(s.subnet)})
	f := s.floating(obj{"port_id": id(two), "fixed_ip_address": "10.0.0.21"})
	s.floating(obj{"port_id": id(two), "fixed_ip_address": "10.0.0.20"})
	s.must(200, "PUT", "/v2.0/ports/"+id(two), obj{"port": obj{"fixed_ips": []obj{{"ip_address": "10.0.0.20"}}}})
	if f := s.must(200, "GET", "/v2.0/floatingips/"+id(f), nil); f["port_id"] != nil {
		t.Errorf("stands for an address that is gone: %v", f)
	}
	s.must(200, "PUT", "/v2.0/quotas/default", obj{"quota": obj{"floatingip": 3}})
	s.refused(409, "OverQuota", "POST", "/v2.0/floatingips", obj{"floatingip": obj{"floating_network_id": id(s.ext)}})
	s.clean(t)
}

// A floating IP is served where its port is, if the external network is there, else by the gateways; it follows the
// port, the chassis and the gateways.
func TestFloatingIPsAreServedWhereTheyShould(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	chassis(t, s.conn, "c1")
	gateways(t, s.conn, "phys", "g1", "g2")
	eventually(t, func() bool { return len(gatewayOf(t, s.conn, s.router).Chassis) == 2 })
	p := s.port(id(s.blue), obj{"device_owner": "compute:nova", "fixed_ips": []obj{{"ip_address": "10.0.0.5"}}})
	f := s.floating(obj{"port_id": id(p)})
	s.wantServed(f)
	path := "/v2.0/ports/" + id(p)
	s.must(200, "PUT", path, obj{"port": obj{"binding:host_id": "g1"}})
	s.wantServed(f, "g1 10.0.0.5")
	s.must(200, "PUT", path, obj{"port": obj{"binding:host_id": "c1"}})
	s.wantServed(f, "g1 10.0.0.5", "g2 10.0.0.5")
	s.must(201, "POST", path+"/bindings", obj{"binding": obj{"host": "g2"}})
	s.wantServed(f, "g1 10.0.0.5", "g2 10.0.0.5")
	s.must(200, "PUT", path+"/bindings/g2/activate", nil)
	s.wantServed(f, "g2 10.0.0.5")
	s.must(201, "POST", path+"/bindings", obj{"binding": obj{"host": "g1"}}) // to which it may move
	s.wantServed(f, "g1 10.0.0.5", "g2 10.0.0.5")
	s.must(204, "DELETE", path+"/bindings/g1", nil)
	s.wantServed(f, "g2 10.0.0.5")
	s.must(200, "PUT", path, obj{"port": obj{"binding:host_id": "c1"}})
	gateways(t, s.conn, "other", "g2")
	eventually(t, func() bool { return slices.Equal(s.servedBy(f), []string{"g1 10.0.0.5"}) })
	gateways(t, s.conn, "phys", "c1")
	eventually(t, func() bool { return slices.Equal(s.servedBy(f), []string{"c1 10.0.0.5"}) })
	s.clean(t)
}

// A floating IP of an address that several ports may have is given to the chassis of all of them.
func TestFloatingIPOfASharedAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gateways(t, s.conn, "phys", "g1", "g2", "g3")
	eventually(t, func() bool { return len(gatewayOf(t, s.conn, s.router).Chassis) == 3 })
	vip := s.port(id(s.blue), obj{"fixed_ips": []obj{{"ip_address": "10.0.0.50"}}})
	f := s.floating(obj{"port_id": id(vip)})
	pair := obj{"allowed_address_pairs": []obj{{"ip_address": "10.0.0.50"}}}
	var ports []obj
	for _, h := range []string{"g1", "g2"} {
		p := s.port(id(s.blue), obj{"binding:host_id": h})
		s.must(200, "PUT", "/v2.0/ports/"+id(p), obj{"port": pair})
		ports = append(ports, p)
	}
	eventually(t, func() bool { return slices.Equal(s.servedBy(f), []string{"g1 10.0.0.50", "g2 10.0.0.50"}) })
	s.must(200, "PUT", "/v2.0/ports/"+id(ports[0]), obj{"port": obj{"binding:host_id": "g3"}})
	eventually(t, func() bool { return slices.Equal(s.servedBy(f), []string{"g2 10.0.0.50", "g3 10.0.0.50"}) })
	s.must(204, "DELETE", "/v2.0/ports/"+id(ports[1]), nil)
	eventually(t, func() bool { return slices.Equal(s.servedBy(f), []string{"g3 10.0.0.50"}) })
	s.clean(t)
}

// While a port moves and is deleted, floating IPs come and go at other servers: afterwards each is served where its
// port is, and none stands for what is gone.
func TestFloatingIPsAndPortsAtTheSameTime(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, _ := store.Connect()
	var servers []*client
	for range 3 {
		own, _ := store.Connect()
		servers = append(servers, start(t, own))
	}
	s := siteOn(t, servers[0], conn)
	gateways(t, conn, "phys", "g1", "g2")
	p := s.port(id(s.blue), obj{"binding:host_id": "g1"})
	f := s.floating(nil)
	each(servers, 3, func(c *client, i int) {
		for k := range 15 {
			switch i {
			case 0:
				c.must(200, "PUT", "/v2.0/ports/"+id(p), obj{"port": obj{"binding:host_id": []string{"g1", "g2"}[k%2]}})
			case 1:
				c.must(200, "PUT", "/v2.0/floatingips/"+id(f), obj{"floatingip": obj{"port_id": []any{id(p), nil}[k%2]}})
			case 2:
				q := c.port(id(s.blue), obj{"binding:host_id": "g2"})
				status, out := c.do("POST", "/v2.0/floatingips", obj{"floatingip": obj{"floating_network_id": id(s.ext), "port_id": id(q)}})
				if status != 201 {
					t.Errorf("%d %v", status, out)
				}
				c.must(204, "DELETE", "/v2.0/ports/"+id(q), nil)
			}
		}
	})
	eventually(t, func() bool { return slices.Equal(s.servedBy(f), []string{"g1 " + addresses(p)[0]}) })
	eventually(t, func() bool { // the first server has seen what the others did
		return !slices.ContainsFunc(s.list("/v2.0/floatingips"), func(x obj) bool { return id(x) != id(f) && x["port_id"] != nil })
	})
	s.clean(t)
}

// northStory is what a user does to reach guests from outside; each line prints JSON or nothing.
const northStory = `
network create -f json --external --provider-network-type flat --provider-physical-network phys ext
subnet create -f json --network ext --no-dhcp --subnet-range 203.0.113.0/24 e4
network create -f json --provider-network-type vlan --provider-physical-network phys --provider-segment 77 wire
network create -f json blue
subnet create -f json --network blue --subnet-range 10.0.0.0/24 b4
router create -f json hub
router set --external-gateway ext --disable-snat --fixed-ip subnet=e4,ip-address=203.0.113.7 hub
router add subnet hub b4
router show -f json hub
port create -f json --network blue --fixed-ip ip-address=10.0.0.5 vm
floating ip create -f json --description d1 --tag red --floating-ip-address 203.0.113.70 --port vm ext
floating ip show -f json 203.0.113.70
floating ip unset --port 203.0.113.70
floating ip list -f json --status DOWN
floating ip set --port vm --fixed-ip-address 10.0.0.5 203.0.113.70
floating ip list -f json --network ext --router hub --port vm
network list -f json --external
network list -f json --provider-physical-network phys --provider-network-type vlan
floating ip delete 203.0.113.70
router unset --external-gateway hub
router show -f json hub
floating ip list -f json
`

// The real openstack client lives with external networks, gateways and floating IPs.
func TestOpenStackClientNorth(t *testing.T) {
	t.Parallel()
	needClient(t)
	c := open(t)
	a := runClient(t, c.base, northStory)
	if len(a) != 16 {
		t.Fatalf("%d answers: %v", len(a), a)
	}
	a.is(t, 0, obj{"name": "ext", "router:external": true, "provider:network_type": "flat", "provider:physical_network": "phys"})
	a.is(t, 2, obj{"provider:segmentation_id": 77.0})
	info := a[6].(obj)["external_gateway_info"].(obj)
	if ips := info["external_fixed_ips"].([]any); info["enable_snat"] != false || len(ips) != 1 || ips[0].(obj)["ip_address"] != "203.0.113.7" {
		t.Errorf("%v", info)
	}
	a.is(t, 8, obj{"floating_ip_address": "203.0.113.70", "fixed_ip_address": "10.0.0.5", "description": "d1", "tags": []any{"red"}})
	a.is(t, 9, obj{"router_id": a[6].(obj)["id"]})
	for i, want := range map[int]int{10: 1, 11: 1, 12: 1, 13: 1, 15: 0} {
		if l := a[i].([]any); len(l) != want {
			t.Errorf("answer %d: %v", i, l)
		}
	}
	if a[14].(obj)["external_gateway_info"] != nil || strings.Contains(a[9].(obj)["status"].(string), "ERR") {
		t.Errorf("%v", a[14])
	}
}
