package main

import (
	"context"
	"fmt"
	"slices"
)

// ovnTopology remembers the rows that ports refer to, by network and group.
type ovnTopology struct {
	switches, dhcp4, dhcp6, groups []string
	drop                           string
}

// base implements cloud: the same networks, routers and groups as ours, in the form in which Neutron's
// driver for OVN writes them.
func (c *ovnCloud) base(ctx context.Context) error {
	s, t := c.shape, &c.topology
	for n := range s.networks {
		dhcp4, dhcp6 := ovnDHCP(n)
		got, err := c.nb.transact(ctx,
			ovsdbOp{"op": "insert", "table": "Logical_Switch", "row": map[string]any{
				"name": "neutron-" + uuid(aNetwork, n), "other_config": ovsdbMap("mcast_snoop", "false", "vlan-passthru", "false"),
			}}, dhcp4, dhcp6)
		if err != nil {
			return err
		}
		t.switches, t.dhcp4, t.dhcp6 = append(t.switches, got[0].UUID[1]), append(t.dhcp4, got[1].UUID[1]), append(t.dhcp6, got[2].UUID[1])
	}
	for n := range s.routers() {
		if _, err := c.nb.transact(ctx, c.router(n)...); err != nil {
			return err
		}
	}
	for n := range s.groups() {
		id, err := c.group(ctx, fmt.Sprintf("pg_%d", n), ovnRules(fmt.Sprintf("pg_%d", n))...)
		if err != nil {
			return err
		}
		t.groups = append(t.groups, id)
	}
	var err error
	t.drop, err = c.group(ctx, "neutron_pg_drop", ovnACL("from-lport", 1001, "inport == @neutron_pg_drop && ip", "drop"),
		ovnACL("to-lport", 1001, "outport == @neutron_pg_drop && ip", "drop"))
	return err
}

func ovnDHCP(n int) (v4, v6 ovsdbOp) {
	server := routerMAC(n).String()
	v4 = ovsdbOp{"op": "insert", "table": "DHCP_Options", "row": map[string]any{
		"cidr": subnet4(n).String(), "options": ovsdbMap("server_id", gateway4(n).String(), "server_mac", server,
			"lease_time", "86400", "mtu", "1442", "router", gateway4(n).String(), "dns_server", "{10.255.255.1}"),
	}}
	v6 = ovsdbOp{"op": "insert", "table": "DHCP_Options", "row": map[string]any{
		"cidr": subnet6(n).String(), "options": ovsdbMap("server_id", server),
	}}
	return v4, v6
}

// router joins networks 2n and 2n+1.
func (c *ovnCloud) router(n int) []ovsdbOp {
	var ops []ovsdbOp
	var legs []any
	for i, net := range []int{2 * n, 2*n + 1} {
		leg, peer := fmt.Sprintf("leg%d", i), fmt.Sprintf("peer%d", i)
		port := fmt.Sprintf("lrp-%d-%d", n, net)
		ops = append(ops,
			ovsdbOp{"op": "insert", "table": "Logical_Router_Port", "uuid-name": leg, "row": map[string]any{
				"name": port, "mac": routerMAC(net).String(), "networks": ovsdbSet(gateway4(net).String()+"/16", gateway6(net).String()+"/64"),
				"ipv6_ra_configs": ovsdbMap("address_mode", "dhcpv6_stateful", "send_periodic", "true", "mtu", "1442"),
			}},
			ovsdbOp{"op": "insert", "table": "Logical_Switch_Port", "uuid-name": peer, "row": map[string]any{
				"name": fmt.Sprintf("router-%d-%d", n, net), "type": "router", "addresses": "router", "options": ovsdbMap("router-port", port),
			}},
			ovsdbOp{"op": "mutate", "table": "Logical_Switch", "where": []any{[]any{"_uuid", "==", ovsdbUUID(c.topology.switches[net])}},
				"mutations": []any{[]any{"ports", "insert", ovsdbSet(any(named(peer)))}}})
		legs = append(legs, named(leg))
	}
	return append(ops, ovsdbOp{"op": "insert", "table": "Logical_Router", "row": map[string]any{
		"name": fmt.Sprintf("neutron-router%d", n), "ports": ovsdbSet(legs...),
	}})
}

func ovnACL(direction string, priority int, match, action string) map[string]any {
	return map[string]any{"direction": direction, "priority": priority, "match": match, "action": action}
}

// ovnRules are the five rules that each group has.
func ovnRules(group string) []map[string]any {
	in, out := "outport == @"+group, "inport == @"+group
	return []map[string]any{
		ovnACL("from-lport", 1002, out+" && ip4", "allow-related"),
		ovnACL("from-lport", 1002, out+" && ip6", "allow-related"),
		ovnACL("to-lport", 1002, in+" && ip4 && ip4.src == $"+group+"_ip4", "allow-related"),
		ovnACL("to-lport", 1002, in+" && ip6 && ip6.src == $"+group+"_ip6", "allow-related"),
		ovnACL("to-lport", 1002, in+" && ip4 && ip4.src == 0.0.0.0/0 && tcp && tcp.dst == 22", "allow-related"),
	}
}

func (c *ovnCloud) group(ctx context.Context, name string, acls ...map[string]any) (string, error) {
	var ops []ovsdbOp
	var refs []any
	for i, acl := range acls {
		id := fmt.Sprintf("acl%d", i)
		ops = append(ops, ovsdbOp{"op": "insert", "table": "ACL", "uuid-name": id, "row": acl})
		refs = append(refs, named(id))
	}
	ops = append(ops, ovsdbOp{"op": "insert", "table": "Port_Group", "row": map[string]any{"name": name, "acls": ovsdbSet(refs...)}})
	got, err := c.nb.transact(ctx, ops...)
	if err != nil {
		return "", err
	}
	return got[len(ops)-1].UUID[1], nil
}

// ports implements cloud.
func (c *ovnCloud) ports(ctx context.Context, numbers []int) error {
	for batch := range slices.Chunk(numbers, 20) {
		var ops []ovsdbOp
		for i, n := range batch {
			ops = append(ops, c.port(n, fmt.Sprintf("p%d", i))...)
		}
		if _, err := c.nb.transact(ctx, ops...); err != nil {
			return err
		}
	}
	return nil
}

// port is one port with its memberships.
func (c *ovnCloud) port(n int, name string) []ovsdbOp {
	s, t := c.shape, &c.topology
	net := s.networkOf(n)
	addresses := fmt.Sprintf("%s %s %s", mac(n), s.address4(n), s.address6(n))
	member := ovsdbSet(any(named(name)))
	join := func(table, row string) ovsdbOp {
		return ovsdbOp{"op": "mutate", "table": table, "where": []any{[]any{"_uuid", "==", ovsdbUUID(row)}},
			"mutations": []any{[]any{"ports", "insert", member}}}
	}
	return []ovsdbOp{
		{"op": "insert", "table": "Logical_Switch_Port", "uuid-name": name, "row": map[string]any{
			"name": uuid(aPort, n), "addresses": addresses, "port_security": addresses, "enabled": true,
			"dhcpv4_options": ovsdbUUID(t.dhcp4[net]), "dhcpv6_options": ovsdbUUID(t.dhcp6[net]),
			"options": ovsdbMap("requested-chassis", chassisName(c.rack.home(n))),
		}},
		join("Logical_Switch", t.switches[net]), join("Port_Group", t.groups[s.groupOf(n)]), join("Port_Group", t.drop),
	}
}
