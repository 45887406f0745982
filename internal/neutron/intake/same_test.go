package intake_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/translate"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// build makes a cloud of everything by the API.
func build(t *testing.T, d *door) {
	t.Helper()
	ext := d.make("network", "networks", obj{"router:external": true, "provider:network_type": "flat", "provider:physical_network": "phys"})
	d.make("subnet", "subnets", obj{"network_id": ext["id"], "ip_version": 4, "cidr": "203.0.113.0/24", "enable_dhcp": false})
	blue := d.make("network", "networks", obj{"name": "blue", "mtu": 1400, "dns_domain": "blue.example."})
	d.make("network", "networks", obj{"segments": []obj{{"provider:network_type": "flat", "provider:physical_network": "p2"},
		{"provider:network_type": "vlan", "provider:physical_network": "p3", "provider:segmentation_id": 7}}})
	routed := d.make("network", "networks", obj{"provider:network_type": "vlan", "provider:physical_network": "p4", "provider:segmentation_id": 9})
	second := d.make("segment", "segments", obj{"network_id": routed["id"], "network_type": "vlan", "physical_network": "p5", "segmentation_id": 9})
	for _, s := range d.segments(routed) {
		cidr := "10.4.0.0/24"
		if s.(obj)["id"] == second["id"] {
			cidr = "10.5.0.0/24"
		}
		d.make("subnet", "subnets", obj{"network_id": routed["id"], "ip_version": 4, "cidr": cidr, "segment_id": s.(obj)["id"]})
	}
	scope := d.make("address_scope", "address-scopes", obj{"name": "s", "ip_version": 6})
	pool := d.make("subnetpool", "subnetpools", obj{"name": "p", "prefixes": []string{"2001:db8::/48"}, "default_prefixlen": 64, "address_scope_id": scope["id"]})
	four := d.make("subnet", "subnets", obj{"network_id": blue["id"], "ip_version": 4, "cidr": "10.0.0.0/24", "dns_nameservers": []string{"8.8.8.8"},
		"host_routes": []obj{{"destination": "1.2.3.0/24", "nexthop": "10.0.0.9"}}})
	six := d.make("subnet", "subnets", obj{"network_id": blue["id"], "ip_version": 6, "subnetpool_id": pool["id"], "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"})
	web := d.make("security_group", "security-groups", obj{"name": "web", "stateful": false})
	for _, rule := range []obj{
		{"direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 90, "remote_ip_prefix": "10.0.0.0/8"},
		{"direction": "ingress", "ethertype": "IPv6", "protocol": "icmp", "port_range_min": 128, "remote_group_id": web["id"]},
		{"direction": "egress", "protocol": "132"},
	} {
		rule["security_group_id"] = web["id"]
		d.make("security_group_rule", "security-group-rules", rule)
	}
	r := d.make("router", "routers", obj{"name": "hub", "external_gateway_info": obj{"network_id": ext["id"]}, "availability_zone_hints": []string{"east"}})
	for _, s := range []obj{four, six} {
		d.must(200, "PUT", "/v2.0/routers/"+r["id"].(string)+"/add_router_interface", obj{"subnet_id": s["id"]})
	}
	d.must(200, "PUT", "/v2.0/routers/"+r["id"].(string), obj{"router": obj{"routes": []obj{{"destination": "172.16.0.0/12", "nexthop": "10.0.0.77"}}}})
	a := d.make("port", "ports", obj{"network_id": blue["id"], "name": "a", "binding:host_id": "c1", "device_owner": "compute:nova", "dns_name": "a",
		"security_groups": []any{web["id"]}, "allowed_address_pairs": []obj{{"ip_address": "10.0.0.50"}, {"ip_address": "10.1.0.0/16", "mac_address": "fa:16:3e:00:00:77"}},
		"extra_dhcp_opts": []obj{{"opt_name": "mtu", "opt_value": "1300"}}})
	d.must(201, "POST", "/v2.0/ports/"+a["id"].(string)+"/bindings", obj{"binding": obj{"host": "c2"}})
	b := d.make("port", "ports", obj{"network_id": blue["id"], "binding:host_id": "c2"})
	d.make("port", "ports", obj{"network_id": blue["id"], "port_security_enabled": false, "admin_state_up": false})
	red := d.make("port", "ports", obj{"network_id": blue["id"], "name": "red"})
	d.make("trunk", "trunks", obj{"port_id": a["id"], "sub_ports": []obj{{"port_id": red["id"], "segmentation_type": "vlan", "segmentation_id": 10},
		{"port_id": d.make("port", "ports", obj{"network_id": blue["id"]})["id"], "segmentation_type": "vlan", "segmentation_id": 11}}})
	d.make("trunk", "trunks", obj{"port_id": b["id"], "admin_state_up": false})
	d.make("log", "log/logs", obj{"name": "a", "resource_type": "security_group", "resource_id": web["id"], "target_id": a["id"], "event": "DROP"})
	d.make("log", "log/logs", obj{"resource_type": "security_group", "enabled": false})
	d.make("floatingip", "floatingips", obj{"floating_network_id": ext["id"], "port_id": red["id"]})
	d.make("floatingip", "floatingips", obj{"floating_network_id": ext["id"], "port_id": a["id"]})
	d.make("floatingip", "floatingips", obj{"floating_network_id": ext["id"]})
	f := d.make("floatingip", "floatingips", obj{"floating_network_id": ext["id"]})
	address := ""
	for _, x := range b["fixed_ips"].([]any) {
		if x.(obj)["subnet_id"] == four["id"] {
			address = x.(obj)["ip_address"].(string)
		}
	}
	d.make("port_forwarding", "floatingips/"+f["id"].(string)+"/port_forwardings", obj{"protocol": "tcp", "internal_port_id": b["id"],
		"internal_ip_address": address, "internal_port": 8080, "external_port": 80})
}

// site is a database with the chassis of the tests.
func site(t *testing.T) *db.Connection {
	t.Helper()
	conn := memory.Open()
	for _, name := range []string{"c1", "c2", "g1", "g2", "g3"} {
		chassis(t, conn, name, name[0] == 'g')
	}
	return conn
}

// What the API makes of a cloud, and what the intake makes of the same cloud, is the same, in whatever order it is pushed, and
// however it is cut into requests.
func TestSameAsAPI(t *testing.T) {
	t.Parallel()
	reference := run(t, site(t), false)
	build(t, reference)
	all := reference.everything()
	for name, order := range map[string]func([]obj){
		"in order":  func([]obj) {},
		"reversed":  slices.Reverse[[]obj],
		"shuffled":  func(l []obj) { rand.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] }) },
		"and again": func(l []obj) { rand.Shuffle(len(l), func(i, j int) { l[i], l[j] = l[j], l[i] }) },
	} {
		t.Run(name, func(t *testing.T) {
			changes := slices.Clone(all)
			order(changes)
			d := run(t, site(t), true)
			for step := range slices.Chunk(changes, 1+rand.IntN(len(changes))) {
				for i, outcome := range d.push(step...) {
					if outcome != "stored" {
						t.Fatalf("%v: %s", step[i], outcome)
					}
				}
			}
			wantSame(t, d.conn, topology(t, reference.conn))
			for _, outcome := range d.push(changes...) {
				if outcome != "same" {
					t.Errorf("pushed again: %s", outcome)
				}
			}
		})
	}
}

// ordered puts the segments of a network in the order of their ids, in which the API lists them.
func ordered(o model.Object) model.Object {
	n, ok := o.(*model.Network)
	if !ok {
		return o
	}
	c := *n
	c.Segments = slices.SortedFunc(slices.Values(n.Segments), func(a, b model.Segment) int { return strings.Compare(a.ID, b.ID) })
	return &c
}

// wantSame waits until a database holds what another one does.
func wantSame(t *testing.T, conn *db.Connection, want map[db.Key]model.Object) {
	t.Helper()
	var differences []string
	if !happens(func() bool {
		differences = compare(want, topology(t, conn))
		return len(differences) == 0
	}) {
		t.Error(strings.Join(differences, "\n"))
	}
}

func compare(want, got map[db.Key]model.Object) []string {
	var out []string
	for key, o := range want {
		switch other := got[key]; {
		case other == nil:
			out = append(out, fmt.Sprintf("%s is missing", key))
		case !translate.SameStored(ordered(o), ordered(other)):
			out = append(out, fmt.Sprintf("%s: want %+v, have %+v", key, o, other))
		}
	}
	for key, o := range got {
		if want[key] == nil {
			out = append(out, fmt.Sprintf("%s is too many: %+v", key, o))
		}
	}
	return out
}
