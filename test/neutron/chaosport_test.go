//go:build neutron

package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

func (c *customer) chassis() string {
	all := c.site.All()
	return all[c.random.IntN(len(all))].Name()
}

// ofPort are the fields of a new port.
func (c *customer) ofPort(network *record) cloud.Object {
	fields := cloud.Object{"network_id": network.id, "name": c.name()}
	if c.chance(75) {
		fields["binding:host_id"], fields["device_owner"], fields["device_id"] = c.chassis(), "compute:nova", c.name()
	}
	if group := c.any("security_group"); group != nil && c.chance(60) {
		fields["security_groups"] = []string{group.id}
	}
	if c.chance(20) {
		fields["allowed_address_pairs"] = []cloud.Object{{"ip_address": fmt.Sprintf("10.%d.250.%d", c.number, c.random.IntN(250))}}
	}
	return fields
}

func (c *customer) port(ctx context.Context) {
	network := c.any("network")
	if network == nil {
		c.network(ctx)
		return
	}
	c.create(ctx, "port", nil, c.ofPort(network))
}

// ports makes several ports with one request, unless there are many.
func (c *customer) ports(ctx context.Context) {
	network := c.any("network")
	const most = 10
	if network == nil || len(c.of("port")) > most {
		return
	}
	list := []cloud.Object{c.ofPort(network), c.ofPort(network), c.ofPort(network)}
	var answer struct{ Ports []cloud.Object }
	if c.outcome(c.site.API.Do(ctx, http.MethodPost, cloud.Path("port", ""), map[string]any{"ports": list}, &answer)) != acknowledged {
		return
	}
	for _, p := range answer.Ports {
		c.note(&record{kind: "port", want: cloud.Object{}}, p, cloud.Object{"network_id": nil, "name": nil, "binding:host_id": nil})
	}
}

func (c *customer) changePort(ctx context.Context, r *record) {
	fields := []cloud.Object{
		{"name": c.name()},
		{"admin_state_up": c.chance(60)},
		{"port_security_enabled": false, "security_groups": []string{}, "allowed_address_pairs": []string{}},
		{"port_security_enabled": true},
		{"binding:host_id": c.chassis()},
		{"extra_dhcp_opts": []cloud.Object{{"opt_name": "mtu", "opt_value": fmt.Sprint(1200 + c.random.IntN(200))}}},
	}
	if group := c.any("security_group"); group != nil {
		fields = append(fields, cloud.Object{"security_groups": []string{group.id}})
	}
	c.update(ctx, r, fields[c.random.IntN(len(fields))])
}

// plug plugs the interface of a bound port, as Nova does, or unplugs one: also of ports that are gone or elsewhere.
func (c *customer) plug(ctx context.Context) error {
	if len(c.plugged) > 0 && c.chance(40) {
		for id, name := range c.plugged { // whichever: the seed decides little here
			return c.unplug(ctx, id, name)
		}
	}
	port := c.any("port")
	if port == nil || c.plugged[port.id] != "" {
		return nil
	}
	host, _ := port.want["binding:host_id"].(string)
	if c.site.Chassis(host) == nil {
		return nil
	}
	const short = 11
	name := "t" + port.id[:short]
	if _, err := c.site.Chassis(host).OVS.Vsctl(ctx, "add-port", cloud.Bridge, name, "--",
		"set", "interface", name, "type=internal", "external_ids:iface-id="+port.id); err != nil {
		return fmt.Errorf("plug port %s: %w", port.id, err)
	}
	c.plugged[port.id] = host
	return nil
}

func (c *customer) unplug(ctx context.Context, port, host string) error {
	const short = 11
	if _, err := c.site.Chassis(host).OVS.Vsctl(ctx, "del-port", cloud.Bridge, "t"+port[:short]); err != nil {
		return fmt.Errorf("unplug port %s: %w", port, err)
	}
	delete(c.plugged, port)
	return nil
}

func (c *customer) router(ctx context.Context) {
	fields := cloud.Object{"name": c.name()}
	if c.chance(60) {
		fields["external_gateway_info"] = cloud.Object{"network_id": c.outside}
	}
	c.create(ctx, "router", nil, fields)
}

func (c *customer) changeRouter(ctx context.Context, r *record) {
	fields := []cloud.Object{
		{"name": c.name()}, {"admin_state_up": c.chance(70)}, {"external_gateway_info": cloud.Object{}},
		{"external_gateway_info": cloud.Object{"network_id": c.outside, "enable_snat": c.chance(70)}},
		{"routes": []cloud.Object{}},
	}
	if subnet := c.any("subnet"); subnet != nil {
		near, there := strings.CutSuffix(subnet.want.Text("cidr"), ".0/24")
		if there {
			fields = append(fields, cloud.Object{"routes": []cloud.Object{
				{"destination": fmt.Sprintf("172.16.%d.0/24", c.random.IntN(250)), "nexthop": near + ".200"}}})
		}
	}
	change := fields[c.random.IntN(len(fields))]
	const gateway = "external_gateway_info"
	if _, ofGateway := change[gateway]; c.update(ctx, r, change) == refused && ofGateway {
		delete(r.want, gateway) // Neutron has stored enable_snat, or its default, before it refuses the rest (l3_gwmode_db)
	}
}

// interfaces adds an interface to a router, or removes one.
func (c *customer) interfaces(ctx context.Context) {
	if leg := c.any("interface"); leg != nil && c.chance(40) {
		c.removeInterface(ctx, leg)
		return
	}
	router, subnet := c.any("router"), c.any("subnet")
	if router == nil || subnet == nil {
		return
	}
	var answer cloud.Object
	err := c.site.API.Do(ctx, http.MethodPut, router.path()+"/add_router_interface", cloud.Object{"subnet_id": subnet.id}, &answer)
	if c.outcome(err) != acknowledged {
		return
	}
	port := answer.Text("port_id")
	known := func(leg *record) bool { return leg.id == port } // IPv6 subnets of one network share a port, which goes once
	if !slices.ContainsFunc(c.of("interface"), known) {
		c.records = append(c.records, &record{kind: "interface", id: port, parent: router, want: cloud.Object{"device_id": router.id}})
	}
}

func (c *customer) removeInterface(ctx context.Context, leg *record) {
	switch c.outcome(c.site.API.Do(ctx, http.MethodPut, leg.parent.path()+"/remove_router_interface", cloud.Object{"port_id": leg.id}, nil)) {
	case acknowledged:
		leg.state = gone
	case unknown:
		leg.state = unsure
	}
}

func (c *customer) floating(ctx context.Context) {
	fields := cloud.Object{"floating_network_id": c.outside}
	if port := c.any("port"); port != nil && c.chance(50) {
		fields["port_id"] = port.id
	}
	c.create(ctx, "floatingip", nil, fields)
}

func (c *customer) changeFloating(ctx context.Context, r *record) {
	fields := cloud.Object{"port_id": nil}
	if port := c.any("port"); port != nil && c.chance(60) {
		fields["port_id"] = port.id
	}
	c.update(ctx, r, fields)
}

func (c *customer) forwarding(ctx context.Context) {
	address, port := c.any("floatingip"), c.any("port")
	if address == nil || port == nil {
		return
	}
	shown, err := c.site.API.Show(ctx, "port", port.id)
	if err != nil || len(shown.Addresses()) == 0 {
		return
	}
	c.create(ctx, "port_forwarding", address, cloud.Object{
		"protocol": "tcp", "internal_port_id": port.id, "internal_ip_address": shown.Addresses()[0].String(),
		"internal_port": 1 + c.random.IntN(60000), "external_port": 1 + c.random.IntN(60000),
	})
}

func (c *customer) changeForwarding(ctx context.Context, r *record) {
	c.update(ctx, r, cloud.Object{"internal_port": 1 + c.random.IntN(60000)})
}
