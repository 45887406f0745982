package api_test

import (
	"fmt"
	"strings"
	"testing"
)

const nowhere = "11111111-2222-4333-8444-555555555555"

// What no client should send is refused with the status and the type of error that Neutron uses.
func TestBadInput(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{"name": "n"})
	s := c.subnet(n["id"], "10.0.0.0/24", obj{"name": "s"})
	c.subnet(n["id"], "2001:db8::/64", obj{"ip_version": 6, "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"})
	p := c.port(n["id"], obj{"mac_address": "fa:16:3e:00:00:01", "fixed_ips": []obj{{"ip_address": "10.0.0.9"}}})
	g := c.must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "g"}})
	for name, one := range map[string][]badRequest{
		"network": badNetworks(), "subnet": badSubnets(n), "port": badPorts(n, s), "security_group_rule": badRules(g),
	} {
		path := "/v2.0/" + strings.ReplaceAll(name, "_", "-") + "s"
		for _, b := range one {
			t.Run(fmt.Sprintf("%s/%.60v", name, b.attrs), func(t *testing.T) {
				cc := *c
				cc.t = t
				cc.refused(b.status, b.typ, "POST", path, obj{name: b.attrs})
			})
		}
	}
	for _, b := range badUpdates(n, s, p, g) {
		t.Run(fmt.Sprintf("PUT/%.80v", b.body), func(t *testing.T) {
			cc := *c
			cc.t = t
			cc.refused(b.status, b.typ, "PUT", b.path, b.body)
		})
	}
}

type badRequest struct {
	status int
	typ    string
	attrs  any
}

func badNetworks() []badRequest {
	const bad = "HTTPBadRequest"
	return []badRequest{
		{400, bad, obj{"nane": "x"}},
		{400, bad, obj{"id": nowhere}},
		{400, bad, obj{"status": "DOWN"}},
		{400, bad, obj{"router:external": "maybe"}},
		{409, "NoNetworkAvailable", obj{"provider:network_type": "vlan"}},
		{400, bad, obj{"segments": "x"}},
		{404, "QosPolicyNotFound", obj{"qos_policy_id": nowhere}},
		{400, bad, obj{"name": 7}},
		{400, bad, obj{"name": nil}},
		{400, bad, obj{"name": strings.Repeat("é", 256)}},
		{400, bad, obj{"admin_state_up": "maybe"}},
		{400, bad, obj{"admin_state_up": nil}},
		{400, bad, obj{"admin_state_up": []any{}}},
		{400, bad, obj{"admin_state_up": 2}},
		{400, bad, obj{"mtu": "many"}},
		{400, bad, obj{"mtu": -1}},
		{400, bad, obj{"mtu": 67}},
		{400, bad, obj{"mtu": 1e300}},
		{400, "InvalidInput", obj{"mtu": 9000}},
		{400, bad, obj{"dns_domain": "no.final.dot"}},
		{400, bad, obj{"dns_domain": "a..b."}},
		{400, bad, obj{"project_id": "a", "tenant_id": "b"}},
		{400, bad, obj{"project_id": obj{}}},
		{400, bad, obj{"tags": []any{"x"}}},
		{400, bad, obj{"description": strings.Repeat("x", 256)}},
		{400, bad, "text"},
		{400, bad, []any{}},
		{400, bad, nil},
	}
}

func badSubnets(n obj) []badRequest {
	with := func(status int, typ, cidr string, attrs obj) badRequest {
		body := obj{"network_id": n["id"], "ip_version": 4, "cidr": cidr}
		if strings.Contains(cidr, ":") {
			body["ip_version"] = 6
		}
		for k, v := range attrs {
			body[k] = v
		}
		return badRequest{status, typ, body}
	}
	pool := func(start, end string) obj { return obj{"allocation_pools": []obj{{"start": start, "end": end}}} }
	const bad, input = "HTTPBadRequest", "InvalidInput"
	return []badRequest{
		{400, bad, obj{"cidr": "10.9.0.0/24", "ip_version": 4}},
		{404, "NetworkNotFound", obj{"network_id": nowhere, "cidr": "10.9.0.0/24", "ip_version": 4}},
		{400, bad, obj{"network_id": "here", "cidr": "10.9.0.0/24", "ip_version": 4}},
		{400, "BadRequest", obj{"network_id": n["id"], "ip_version": 4}},
		with(400, input, "10.0.0.0/24", nil),
		with(400, input, "10.0.0.128/25", nil),
		with(400, input, "10.0.0.0/8", nil),
		with(400, input, "0.0.0.0/0", nil),
		with(400, bad, "10.9.0.1/24", nil),
		with(400, bad, "10.9.0.0", nil),
		with(400, bad, "10.9.0.0/33", nil),
		with(400, bad, "10.09.0.0/16", nil),
		with(400, bad, "fe80::%eth0/64", nil),
		with(400, bad, "::ffff:10.9.0.0/120", nil),
		with(400, bad, "nonsense", nil),
		with(400, bad, "10.9.0.0/24", obj{"ip_version": 5}),
		with(400, input, "10.9.0.0/24", obj{"ip_version": 6}),
		with(400, input, "10.9.0.0/31", nil),
		with(400, input, "10.9.0.0/32", nil),
		with(400, input, "224.0.0.0/24", nil),
		with(400, input, "127.0.0.0/8", nil),
		with(400, input, "::/64", nil),
		with(400, input, "10.9.0.0/24", obj{"gateway_ip": "2001:db9::1"}),
		with(400, input, "10.9.0.0/24", obj{"gateway_ip": "10.9.0.255"}),
		with(400, input, "10.9.0.0/24", obj{"gateway_ip": "10.9.0.0"}),
		with(400, bad, "10.9.0.0/24", obj{"gateway_ip": "10.9.0"}),
		with(400, "OutOfBoundsAllocationPool", "10.9.0.0/24", pool("10.9.0.250", "10.9.1.5")),
		with(400, "OutOfBoundsAllocationPool", "10.9.0.0/24", pool("10.9.0.0", "10.9.0.5")),
		with(400, "InvalidAllocationPool", "10.9.0.0/24", pool("10.9.0.9", "10.9.0.5")),
		with(400, "InvalidAllocationPool", "10.9.0.0/24", pool("10.9.0.9", "2001:db9::5")),
		with(409, "GatewayConflictWithAllocationPools", "10.9.0.0/24", pool("10.9.0.1", "10.9.0.5")),
		with(409, "OverlappingAllocationPools", "10.9.0.0/24",
			obj{"allocation_pools": []obj{{"start": "10.9.0.2", "end": "10.9.0.9"}, {"start": "10.9.0.5", "end": "10.9.0.20"}}}),
		with(400, bad, "10.9.0.0/24", obj{"allocation_pools": obj{}}),
		with(400, bad, "10.9.0.0/24", obj{"allocation_pools": []any{obj{"start": "10.9.0.2"}}}),
		with(400, bad, "10.9.0.0/24", obj{"allocation_pools": []any{"10.9.0.2-10.9.0.5"}}),
		with(400, bad, "10.9.0.0/24", obj{"dns_nameservers": []any{"one.one.one.one"}}),
		with(400, bad, "10.9.0.0/24", obj{"dns_nameservers": []any{"1.1.1.1", "1.1.1.1"}}),
		with(400, "DNSNameServersExhausted", "10.9.0.0/24",
			obj{"dns_nameservers": []any{"1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "1.1.1.6"}}),
		with(400, bad, "10.9.0.0/24", obj{"host_routes": []obj{{"destination": "1.2.3.4/8", "nexthop": "10.9.0.2"}}}),
		with(400, input, "10.9.0.0/24", obj{"host_routes": []obj{{"destination": "1.2.3.0/24", "nexthop": "::1"}}}),
		with(400, input, "10.9.0.0/24", obj{"ipv6_ra_mode": "slaac"}),
		with(400, input, "2001:db9::/64", obj{"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}),
		with(400, input, "2001:db9::/64", obj{"ipv6_address_mode": "slaac", "enable_dhcp": false}),
		with(400, input, "2001:db9::/56", obj{"ipv6_address_mode": "slaac"}),
		with(400, bad, "2001:db9::/64", obj{"ipv6_address_mode": "magic"}),
		with(404, "SubnetPoolNotFound", "10.9.0.0/24", obj{"subnetpool_id": nowhere}),
		with(400, "BadRequest", "10.9.0.0/24", obj{"use_default_subnetpool": true}),
		with(400, bad, "10.9.0.0/24", obj{"service_types": []any{"compute:nova"}}),
	}
}

func badPorts(n, s obj) []badRequest {
	with := func(status int, typ string, attrs obj) badRequest {
		attrs["network_id"] = n["id"]
		return badRequest{status, typ, attrs}
	}
	ips := func(list ...obj) obj { return obj{"fixed_ips": list} }
	const bad, input = "HTTPBadRequest", "InvalidInput"
	return []badRequest{
		{400, bad, obj{}},
		{404, "NetworkNotFound", obj{"network_id": nowhere}},
		with(409, "MacAddressInUse", obj{"mac_address": "FA-16-3E-00-00-01"}),
		with(400, bad, obj{"mac_address": "ff:ff:ff:ff:ff:ff"}),
		with(400, bad, obj{"mac_address": "00:00:00:00:00:00"}),
		with(400, bad, obj{"mac_address": "fa:16:3e:00:01"}),
		with(400, bad, obj{"mac_address": 5}),
		with(409, "IpAddressAlreadyAllocated", ips(obj{"ip_address": "10.0.0.9"})),
		with(400, "InvalidIpForNetwork", ips(obj{"ip_address": "10.7.0.9"})),
		with(400, "InvalidIpForSubnet", ips(obj{"ip_address": "10.7.0.9", "subnet_id": s["id"]})),
		with(400, "InvalidIpForSubnet", ips(obj{"ip_address": "10.0.0.255", "subnet_id": s["id"]})),
		with(400, input, ips(obj{"ip_address": "2001:db8::5"})),
		with(400, input, ips(obj{"subnet_id": nowhere})),
		with(400, input, ips(obj{})),
		with(400, bad, ips(obj{"ip_address": "10.0.0.20"}, obj{"ip_address": "10.0.0.20"})),
		with(400, bad, ips(obj{"ip": "10.0.0.20"})),
		with(400, bad, obj{"fixed_ips": "10.0.0.20"}),
		with(400, input, ips(obj{"subnet_id": s["id"]}, obj{"subnet_id": s["id"]}, obj{"subnet_id": s["id"]},
			obj{"subnet_id": s["id"]}, obj{"subnet_id": s["id"]}, obj{"subnet_id": s["id"]})),
		with(404, "SecurityGroupNotFound", obj{"security_groups": []any{nowhere}}),
		with(400, bad, obj{"security_groups": []any{"default"}}),
		with(400, "PortSecurityAndIPRequiredForSecurityGroups",
			obj{"port_security_enabled": false, "security_groups": []any{nowhere}}),
		with(409, "AddressPairAndPortSecurityRequired",
			obj{"port_security_enabled": false, "allowed_address_pairs": []obj{{"ip_address": "10.0.0.50"}}}),
		with(400, "AllowedAddressPairsMissingIP", obj{"allowed_address_pairs": []obj{{"mac_address": "fa:16:3e:00:00:09"}}}),
		with(400, "DuplicateAddressPairInRequest",
			obj{"allowed_address_pairs": []obj{{"ip_address": "10.0.0.5"}, {"ip_address": "10.0.0.5"}}}),
		with(400, bad, obj{"allowed_address_pairs": []obj{{"ip_address": "anything"}}}),
		with(400, "AllowedAddressPairExhausted", obj{"allowed_address_pairs": manyPairs(11)}),
		with(400, bad, obj{"extra_dhcp_opts": []obj{{"opt_name": "", "opt_value": "x"}}}),
		with(400, bad, obj{"extra_dhcp_opts": []obj{{"opt_name": "mtu", "opt_value": 5}}}),
		with(400, bad, obj{"extra_dhcp_opts": []obj{{"opt_name": "mtu", "opt_value": "5", "ip_version": 5}}}),
		with(400, bad, obj{"binding:vnic_type": "direct"}),
		with(400, bad, obj{"binding:profile": "x"}),
		with(400, bad, obj{"binding:vif_type": "ovs"}),
		with(400, bad, obj{"binding:host_id": "../x/y"}),
		with(400, input, obj{"binding:profile": obj{"x": strings.Repeat("y", 5000)}}),
		with(400, bad, obj{"dns_name": "not_a_label"}),
		with(400, bad, obj{"dns_name": "-x"}),
		with(400, bad, obj{"device_id": nil}),
		with(404, "QosPolicyNotFound", obj{"qos_policy_id": nowhere}),
	}
}

func manyPairs(n int) []obj {
	var out []obj
	for i := range n {
		out = append(out, obj{"ip_address": fmt.Sprintf("10.0.9.%d", i)})
	}
	return out
}

func badRules(g obj) []badRequest {
	with := func(typ string, attrs obj) badRequest {
		attrs["security_group_id"] = g["id"]
		if attrs["direction"] == nil {
			attrs["direction"] = "ingress"
		}
		return badRequest{400, typ, attrs}
	}
	return []badRequest{
		{404, "SecurityGroupNotFound", obj{"security_group_id": nowhere, "direction": "ingress"}},
		{400, "HTTPBadRequest", obj{"security_group_id": g["id"]}},
		{404, "SecurityGroupNotFound", obj{"security_group_id": g["id"], "direction": "ingress", "remote_group_id": nowhere}},
		{409, "SecurityGroupRuleExists", obj{"security_group_id": g["id"], "direction": "egress", "remote_ip_prefix": "0.0.0.0/0"}},
		with("HTTPBadRequest", obj{"direction": "sideways"}),
		with("SecurityGroupRuleInvalidEtherType", obj{"ethertype": "IPv5"}),
		with("SecurityGroupRuleInvalidProtocol", obj{"protocol": "carrier-pigeon"}),
		with("SecurityGroupRuleInvalidProtocol", obj{"protocol": 256}),
		with("SecurityGroupRuleInvalidProtocol", obj{"protocol": "-1"}),
		with("SecurityGroupRuleInvalidProtocol", obj{"protocol": true}),
		with("SecurityGroupEthertypeConflictWithProtocol", obj{"protocol": "icmpv6", "ethertype": "IPv4"}),
		with("SecurityGroupProtocolRequiredWithPorts", obj{"port_range_min": 1, "port_range_max": 2}),
		with("SecurityGroupInvalidPortRange", obj{"protocol": "tcp", "port_range_min": 9, "port_range_max": 2}),
		with("SecurityGroupInvalidPortRange", obj{"protocol": "17", "port_range_min": 9}),
		with("SecurityGroupInvalidPortValue", obj{"protocol": "tcp", "port_range_min": 0, "port_range_max": 5}),
		with("SecurityGroupInvalidPortValue", obj{"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}),
		with("SecurityGroupInvalidPortValue", obj{"protocol": "tcp", "port_range_min": "ssh"}),
		with("SecurityGroupInvalidProtocolForPort", obj{"protocol": "gre", "port_range_min": 1, "port_range_max": 2}),
		with("SecurityGroupInvalidIcmpValue", obj{"protocol": "icmp", "port_range_min": 256}),
		with("SecurityGroupMissingIcmpType", obj{"protocol": "icmp", "port_range_max": 0}),
		with("SecurityGroupMultipleRemoteEntites", obj{"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": g["id"]}),
		with("SecurityGroupRuleParameterConflict", obj{"remote_ip_prefix": "2001:db8::/32"}),
		with("InvalidCIDR", obj{"remote_ip_prefix": "10.0.0.0/99"}),
		with("HTTPBadRequest", obj{"remote_address_group_id": nowhere}),
	}
}

type badUpdate struct {
	status    int
	typ, path string
	body      any
}

func badUpdates(n, s, p, g obj) []badUpdate {
	const bad = "HTTPBadRequest"
	net, sub, port, group := "/v2.0/networks/"+id(n), "/v2.0/subnets/"+id(s), "/v2.0/ports/"+id(p), "/v2.0/security-groups/"+id(g)
	return []badUpdate{
		{404, "NetworkNotFound", "/v2.0/networks/" + nowhere, obj{"network": obj{"name": "x"}}},
		{404, "NetworkNotFound", "/v2.0/networks/" + strings.Repeat("x", 3000), obj{"network": obj{"name": "x"}}},
		{400, bad, net, obj{"network": obj{"project_id": "x"}}},
		{400, bad, net, obj{"networks": []obj{{"name": "x"}}}},
		{400, bad, net, obj{"subnet": obj{"name": "x"}}},
		{409, "NetworkMTUSubnetConflict", net, obj{"network": obj{"mtu": 1000}}},
		{400, bad, sub, obj{"subnet": obj{"cidr": "10.5.0.0/24"}}},
		{409, "GatewayConflictWithAllocationPools", sub, obj{"subnet": obj{"gateway_ip": "10.0.0.77"}}},
		{400, bad, sub, obj{"subnet": obj{"ipv6_ra_mode": "slaac"}}},
		{400, bad, port, obj{"port": obj{"network_id": nowhere}}},
		{409, "PortSecurityPortHasSecurityGroup", port, obj{"port": obj{"port_security_enabled": false}}},
		{404, "SecurityGroupNotFound", port, obj{"port": obj{"security_groups": []any{nowhere}}}},
		{400, "InvalidIpForNetwork", port, obj{"port": obj{"fixed_ips": []obj{{"ip_address": "192.0.2.1"}}}}},
		{409, "SecurityGroupDefaultAlreadyExists", group, obj{"security_group": obj{"name": "Default"}}},
	}
}

// Bodies that are no JSON objects, or too large, are refused before they are looked at.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, body := range []string{
		"", "{", "[]", "null", "7", `"x"`, `{"network": {}} trailing`, `{"network": {"name": "\ud800"}`, "\x00\x01",
		strings.Repeat("[", 100000), `{"network": {}, "subnet": {}}`, `{}`, `{"networks": []}`, `{"networks": [7]}`,
	} {
		c.refused(400, "HTTPBadRequest", "POST", "/v2.0/networks", body)
	}
	c.refused(413, "HTTPRequestEntityTooLarge", "POST", "/v2.0/networks",
		`{"network": {"name": "`+strings.Repeat("x", 2<<20)+`"}}`)
	hostile := "'; DROP TABLE networks; -- \u202e\n\t\"</script>"
	n := c.network(obj{"name": hostile})
	if l := c.list("/v2.0/networks?name=" + "%27%3B%20DROP%20TABLE%20networks%3B%20--%20%E2%80%AE%0A%09%22%3C%2Fscript%3E"); len(l) != 1 ||
		l[0]["name"] != hostile || n["name"] != hostile {
		t.Errorf("a hostile name came back as %q", l)
	}
	c.refused(404, "HTTPNotFound", "GET", "/v2.0/firewalls", nil)
	c.refused(404, "HTTPNotFound", "GET", "/etc/passwd", nil)
	c.refused(404, "HTTPNotFound", "GET", "/v2.0/networks/x/y/z", nil)
	c.refused(405, "HTTPMethodNotAllowed", "DELETE", "/v2.0/networks", nil)
	c.refused(405, "HTTPMethodNotAllowed", "PATCH", "/v2.0/networks/"+id(n), obj{})
	if status, out := c.do("HEAD", "/v2.0/networks/"+id(n), nil); status != 200 || out != nil {
		t.Errorf("HEAD: %d %v", status, out)
	}
}
