package api_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

func (s *site) forward(f obj, attrs obj) obj {
	s.t.Helper()
	return s.must(201, "POST", "/v2.0/floatingips/"+id(f)+"/port_forwardings", obj{"port_forwarding": attrs})
}

// forwardedBy lists the chassis that are told of a port forwarding, and what of it: "g1 80-81>10.0.0.5:8080-8081".
func (s *site) forwardedBy(f obj) []string {
	s.t.Helper()
	out := []string{}
	for _, name := range []string{"c1", "g1", "g2", "g3"} {
		o, _, err := northbound.Get[model.PortForwarding](context.Background(), northbound.NewStore(s.conn), model.ScopeChassis(name), id(f))
		if err == nil {
			out = append(out, fmt.Sprintf("%s %d:%d-%d>%s:%d-%d", o.Host, o.Protocol, o.ExternalPorts.First, o.ExternalPorts.Last,
				o.InternalAddress, o.InternalPorts.First, o.InternalPorts.Last))
		}
	}
	return out
}

func (s *site) wantForwarded(f obj, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), s.forwardedBy(f)); diff != "" {
		s.t.Error(diff)
	}
}

func TestPortForwardings(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gateways(t, s.conn, "phys", "g1")
	eventually(t, func() bool { return len(gatewayOf(t, s.conn, s.router).Chassis) == 1 })
	p := s.port(id(s.blue), obj{"fixed_ips": []obj{{"ip_address": "10.0.0.5"}}})
	q := s.port(id(s.blue), obj{"fixed_ips": []obj{{"ip_address": "10.0.0.6"}}})
	f := s.floating(nil)
	a := s.forward(f, obj{"protocol": "tcp", "internal_port_id": id(p), "internal_ip_address": "10.0.0.5", "internal_port": 8080, "external_port": 80,
		"description": "web"})
	if a["external_port"] != 80.0 || a["internal_port_range"] != "8080:8080" || a["protocol"] != "tcp" || a["description"] != "web" || a["internal_port_id"] != id(p) {
		t.Errorf("%v", a)
	}
	s.wantForwarded(a, "g1 6:80-80>10.0.0.5:8080-8080")
	b := s.forward(f, obj{"protocol": "UDP", "internal_port_id": id(q), "internal_ip_address": "10.0.0.6", "internal_port_range": "100:109", "external_port_range": "500:509"})
	if b["internal_ip_address"] != "10.0.0.6" || b["external_port"] != nil || b["external_port_range"] != "500:509" {
		t.Errorf("%v", b)
	}
	shown := s.must(200, "GET", "/v2.0/floatingips/"+id(f), nil)
	if l := shown["port_forwardings"].([]any); len(l) != 2 || shown["router_id"] != id(s.router) || shown["status"] != "ACTIVE" || shown["port_id"] != nil {
		t.Errorf("%v", shown)
	}
	gateways(t, s.conn, "phys", "g2")
	eventually(t, func() bool { return len(s.forwardedBy(b)) == 2 })
	s.wantForwarded(b, "g1 17:500-509>10.0.0.6:100-109", "g2 17:500-509>10.0.0.6:100-109")
	s.must(200, "PUT", "/v2.0/ports/"+id(q), obj{"port": obj{"binding:host_id": "c1"}}) // who answers must know, too
	eventually(t, func() bool { return len(s.forwardedBy(b)) == 3 })
	path := "/v2.0/floatingips/" + id(f) + "/port_forwardings"
	s.must(200, "PUT", path+"/"+id(a), obj{"port_forwarding": obj{"external_port": 81}})
	s.wantForwarded(a, "g1 6:81-81>10.0.0.5:8080-8080", "g2 6:81-81>10.0.0.5:8080-8080")
	if l := s.list(path + "?protocol=udp"); len(l) != 1 || id(l[0]) != id(b) {
		t.Errorf("%v", l)
	}
	router := "/v2.0/routers/" + id(s.router)
	s.refused(409, "RouterExternalGatewayInUseByFloatingIp", "PUT", router, obj{"router": obj{"external_gateway_info": nil}})
	s.refused(409, "RouterInterfaceInUseByFloatingIP", "PUT", router+"/remove_router_interface", obj{"subnet_id": id(s.subnet)})
	s.refused(409, "FipInUseByPortForwarding", "PUT", "/v2.0/floatingips/"+id(f), obj{"floatingip": obj{"port_id": id(p)}})
	s.refused(409, "PortHasPortForwarding", "POST", "/v2.0/floatingips", obj{"floatingip": obj{"floating_network_id": id(s.ext), "port_id": id(p)}})
	s.clean(t)
	s.must(204, "DELETE", "/v2.0/ports/"+id(p), nil) // with it goes what led to it
	s.refused(404, "PortForwardingNotFound", "GET", path+"/"+id(a), nil)
	s.wantForwarded(a)
	s.must(204, "DELETE", path+"/"+id(b), nil)
	if f := s.must(200, "GET", "/v2.0/floatingips/"+id(f), nil); f["router_id"] != nil || f["status"] != "DOWN" {
		t.Errorf("%v", f)
	}
	c := s.forward(f, obj{"protocol": "tcp", "internal_port_id": id(q), "internal_ip_address": "10.0.0.6", "internal_port": 22, "external_port": 22})
	s.must(204, "DELETE", "/v2.0/floatingips/"+id(f), nil)
	s.wantForwarded(c)
	s.must(200, "PUT", router, obj{"router": obj{"external_gateway_info": nil}})
	s.clean(t)
}

func TestPortForwardingsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, q := s.port(id(s.blue), nil), s.port(id(s.blue), nil)
	f, taken := s.floating(nil), s.floating(obj{"port_id": id(q)})
	s.forward(f, obj{"protocol": "tcp", "internal_port_id": id(p), "internal_ip_address": addresses(p)[0], "internal_port": 80, "external_port_range": "80:89"})
	good := func(change obj) obj {
		body := obj{"protocol": "tcp", "internal_port_id": id(p), "internal_ip_address": addresses(p)[0], "internal_port": 90, "external_port": 90}
		for k, v := range change {
			body[k] = v
		}
		return obj{"port_forwarding": body}
	}
	for _, bad := range []struct {
		status int
		typ    string
		body   obj
	}{
		{400, "BadRequest", obj{"external_port": 85}},
		{400, "BadRequest", obj{"internal_port": 80}},
		{400, "BadRequest", obj{"external_port": nil}},
		{400, "BadRequest", obj{"internal_port_range": "1:2", "external_port_range": "1:3", "internal_port": nil, "external_port": nil}},
		{400, "BadRequest", obj{"internal_ip_address": "10.0.0.200"}},
		{400, "HTTPBadRequest", obj{"internal_ip_address": nil}},
		{409, "PortHasBindingFloatingIP", obj{"internal_port_id": id(q), "internal_ip_address": addresses(q)[0]}},
		{404, "PortNotFound", obj{"internal_port_id": nowhere}},
		{400, "HTTPBadRequest", obj{"protocol": "icmp"}},
		{400, "HTTPBadRequest", obj{"external_port": 0}},
		{400, "HTTPBadRequest", obj{"external_port": 65536}},
		{400, "HTTPBadRequest", obj{"external_port_range": "9:8"}},
		{400, "HTTPBadRequest", obj{"external_port_range": "a"}},
		{400, "HTTPBadRequest", obj{"name": "x"}},
	} {
		s.refused(bad.status, bad.typ, "POST", "/v2.0/floatingips/"+id(f)+"/port_forwardings", good(bad.body))
	}
	anywhere := good(nil)
	delete(anywhere["port_forwarding"].(obj), "internal_ip_address")
	s.refused(400, "HTTPBadRequest", "POST", "/v2.0/floatingips/"+id(f)+"/port_forwardings", anywhere)
	s.refused(400, "BadRequest", "POST", "/v2.0/floatingips/"+id(taken)+"/port_forwardings", good(nil))
	s.refused(404, "FloatingIPNotFound", "POST", "/v2.0/floatingips/"+nowhere+"/port_forwardings", good(nil))
	s.refused(404, "FloatingIPNotFound", "GET", "/v2.0/floatingips/"+nowhere+"/port_forwardings", nil)
	s.must(201, "POST", "/v2.0/floatingips/"+id(f)+"/port_forwardings", good(obj{"protocol": "udp", "internal_port": 80, "external_port": 80}))
	s.clean(t)
}

// With a port goes everything that leads to it, however much that is.
func TestManyPortForwardingsOfAPort(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, f := s.port(id(s.blue), nil), s.floating(nil)
	for i := range 20 {
		s.forward(f, obj{"protocol": "tcp", "internal_port_id": id(p), "internal_ip_address": addresses(p)[0], "internal_port": 1 + i, "external_port": 1 + i})
	}
	s.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	if l := s.list("/v2.0/floatingips/" + id(f) + "/port_forwardings"); len(l) != 0 {
		t.Errorf("left: %v", l)
	}
	s.must(204, "DELETE", "/v2.0/floatingips/"+id(f), nil)
	s.clean(t)
}

// forwardingStory is what a user does with port forwardings; each line prints JSON or nothing.
const forwardingStory = `
network create -f json --external --provider-network-type flat --provider-physical-network phys ext
subnet create -f json --network ext --no-dhcp --subnet-range 203.0.113.0/24 e4
network create -f json blue
subnet create -f json --network blue --subnet-range 10.0.0.0/24 b4
router create -f json hub
router set --external-gateway ext hub
router add subnet hub b4
port create -f json --network blue --fixed-ip ip-address=10.0.0.5 vm
floating ip create -f json --floating-ip-address 203.0.113.70 ext
floating ip port forwarding create -f json --internal-ip-address 10.0.0.5 --port vm --internal-protocol-port 22 --external-protocol-port 2222 --protocol tcp --description ssh 203.0.113.70
floating ip port forwarding list -f json 203.0.113.70
`

// The real openstack client lives with port forwardings.
func TestOpenStackClientForwardings(t *testing.T) {
	t.Parallel()
	needClient(t)
	c := open(t)
	a := runClient(t, c.base, forwardingStory)
	if len(a) != 9 {
		t.Fatalf("%d answers: %v", len(a), a)
	}
	made := a[7].(obj)
	if made["external_port"] != 2222.0 || made["internal_port"] != 22.0 || made["description"] != "ssh" || made["protocol"] != "tcp" {
		t.Errorf("%v", made)
	}
	if l := a[8].([]any); len(l) != 1 {
		t.Errorf("%v", l)
	}
	a = runClient(t, c.base, fmt.Sprintf("floating ip port forwarding set --external-protocol-port 2223 203.0.113.70 %v\n"+
		"floating ip port forwarding show -f json 203.0.113.70 %v\nfloating ip port forwarding delete 203.0.113.70 %v\n"+
		"floating ip port forwarding list -f json 203.0.113.70\n", made["id"], made["id"], made["id"]))
	if a[0].(obj)["external_port"] != 2223.0 || len(a[1].([]any)) != 0 {
		t.Errorf("%v", a)
	}
}
