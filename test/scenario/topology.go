package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// topology are the statements that make something.
func topology() map[string]statement {
	return map[string]statement{
		"tunnels": {"tunnels TYPE[,TYPE]: of the chassis that follow", parseTunnels},
		"nova":    {"nova: the chassis that follow serve metadata", parseNova},
		"chassis": {"chassis NAME…", func(w *words) action { return parseChassis(w, false) }},
		"project": {"project NAME: whose is what follows", parseProject},
		"network": {"network NAME PREFIX… [slaac|stateless|stateful] [shared] [geneve|vxlan|flat|vlan N] [external] [mtu N] [nodhcp] [scope SCOPE]", parseNetwork},
		"router":  {"router NAME [NETWORK…]", parseRouter},
		"attach":  {"attach ROUTER NETWORK", parseAttach},
		"detach":  {"detach ROUTER NETWORK", parseDetach},
		"route":   {"route ROUTER PREFIX via ADDRESS", func(w *words) action { return parseRoute(w, "add_extraroutes") }},
		"unroute": {"unroute ROUTER PREFIX via ADDRESS", func(w *words) action { return parseRoute(w, "remove_extraroutes") }},
		"group":   {"group NAME", parseGroup},
		"allow":   {"allow GROUP in|out v4|v6 PROTOCOL|any [PORT] [from PREFIX|GROUP]", parseAllow},
		"deny":    {"deny GROUP in|out v4|v6 PROTOCOL|any [PORT]: removes such rules", parseDeny},
		"guest":   {"guest NAME on CHASSIS in NETWORK [at ADDRESS,…] [dhcp|ra|bare] [unsecured] [pairs PREFIX,…] [groups GROUP…]", parseGuest},
		"subport": {"subport NAME of GUEST in NETWORK vlan N [at ADDRESS,…] [dhcp|ra|bare] [groups GROUP…]: a port in a VLAN of the guest's interface", parseSubPort},
		"leave":   {"leave SUBPORT: takes it out of its trunk", parseLeave},
		"device":  {"device GUEST on CHASSIS: its interface is on the switch before the guest comes", parseDevice},
		"outside": {"outside NAME in NETWORK at ADDRESS[,ADDRESS]: a host on the provider's network", parseOutside},
		"beyond":  {"beyond NAME behind OUTSIDE at ADDRESS[,ADDRESS]: a host behind one on the provider's network, which becomes its router", parseBeyond},
		"crowd":   {"crowd N on CHASSIS in NETWORK: ports that are plugged in, with nobody behind them", parseCrowd},
		"set":     {"set network|router|guest NAME FIELD=VALUE…", parseSet},
		"remove":  {"remove guest NAME", parseRemove},
		"address": {"address GUEST PREFIX…: of the machine itself", parseAddress},
		"gateway": {"gateway GUEST PREFIX via ADDRESS: a route of the machine itself", parseGateway},
		"forward": {"forward GUEST: the machine hands on what is for others", parseForward},
	}
}

func parseTunnels(w *words) action {
	w.names.tunnels = w.word("types")
	for kind := range strings.SplitSeq(w.names.tunnels, ",") {
		if w.err == nil && kind != "geneve" && kind != "vxlan" {
			w.fail("a tunnel is geneve or vxlan")
		}
	}
	return nil
}

func parseChassis(w *words, gateway bool) action {
	list := []Chassis{{Name: w.declare(aChassis)}}
	for w.more() {
		list = append(list, Chassis{Name: w.declare(aChassis)})
	}
	tunnels, physical := w.names.tunnels, cmp.Or(w.names.physical, PhysicalNetwork)
	return func(ctx context.Context, r *Run) error {
		for _, c := range list {
			c.Tunnels, c.Gateway, c.Physical = tunnels, gateway, physical
			if err := r.platform.AddChassis(ctx, c); err != nil {
				return err
			}
			if gateway {
				r.gateways = append(r.gateways, c.Name)
			}
		}
		return nil
	}
}

func parseProject(w *words) action {
	w.names.project = w.word("a name")
	return nil
}

// stateful is the mode of a network unless a statement says otherwise.
const stateful = "dhcpv6-stateful"

func parseNetwork(w *words) action {
	n := &network{name: w.declare(aNetwork), project: w.names.project}
	fields, dhcp := cloud.Object{"name": n.name}, true
	n.mode = stateful
	for w.more() && strings.Contains(w.peek(), "/") {
		n.subnets = append(n.subnets, &subnet{prefix: w.prefix()})
	}
	for w.more() {
		switch word := w.word("an option"); word {
		case "slaac":
			n.mode = word
		case "stateless", "stateful":
			n.mode = "dhcpv6-" + word
		case "shared":
			fields["shared"] = true
		case "external":
			fields["router:external"] = true
		case "geneve", "vxlan":
			fields["provider:network_type"] = word
		case "flat", "vlan":
			fields["provider:network_type"], fields["provider:physical_network"] = word, PhysicalNetwork
			if word == "vlan" {
				n.vlan = uint16(w.number("a VLAN", 1, 4094))
				fields["provider:segmentation_id"] = n.vlan
			}
		case "mtu":
			fields["mtu"] = w.number("an MTU", 68, 9000)
		case "nodhcp":
			dhcp = false
		case aScope:
			n.scope = w.name(aScope)
		default:
			w.fail("a network has no such option")
		}
	}
	return func(ctx context.Context, r *Run) error { return r.makeNetwork(ctx, n, fields, dhcp) }
}

func (r *Run) makeNetwork(ctx context.Context, n *network, fields cloud.Object, dhcp bool) error {
	api := r.platform.API().As(n.project)
	made, err := api.Create(ctx, "network", fields)
	if err != nil {
		return err
	}
	n.id = made.ID()
	if mtu, ok := made["mtu"].(float64); ok {
		n.mtu = int(mtu)
	}
	for _, s := range n.subnets {
		fields := cloud.Object{"enable_dhcp": dhcp}
		if n.scope != "" {
			if err := r.pool(ctx, api, n, s); err != nil {
				return err
			}
			fields["subnetpool_id"] = s.pool
		}
		if err := r.makeSubnet(ctx, api, n, s, fields); err != nil {
			return err
		}
	}
	r.networks[n.name] = n
	return nil
}

func parseRouter(w *words) action {
	name, project := w.declare(aRouter), w.names.project
	networks := w.namesOf(aNetwork)
	return func(ctx context.Context, r *Run) error {
		made, err := r.platform.API().As(project).Create(ctx, "router", cloud.Object{"name": name})
		if err != nil {
			return err
		}
		r.routers[name] = made.ID()
		for _, n := range networks {
			if err := r.attach(ctx, name, n, "add_router_interface"); err != nil {
				return err
			}
		}
		return nil
	}
}

func parseAttach(w *words) action {
	router, network := w.name(aRouter), w.name(aNetwork)
	return func(ctx context.Context, r *Run) error { return r.attach(ctx, router, network, "add_router_interface") }
}

func parseDetach(w *words) action {
	router, network := w.name(aRouter), w.name(aNetwork)
	return func(ctx context.Context, r *Run) error {
		return r.attach(ctx, router, network, "remove_router_interface")
	}
}

// attach joins a router to each subnet of a network, or takes it off. A gateway's address that another router has is
// left to it: this one gets a port with an address of its own.
func (r *Run) attach(ctx context.Context, router, name, how string) error {
	n := r.networks[name]
	api := r.platform.API().As(n.project)
	path := cloud.Path("router", r.routers[router]) + "/" + how
	for _, s := range n.subnets {
		err := api.Do(ctx, http.MethodPut, path, cloud.Object{"subnet_id": s.id}, nil)
		var status *cloud.StatusError
		if how == "add_router_interface" && errors.As(err, &status) && status.Status == http.StatusConflict {
			err = r.attachPort(ctx, api, path, n, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Run) attachPort(ctx context.Context, api *cloud.Client, path string, n *network, s *subnet) error {
	port, err := api.Create(ctx, "port", cloud.Object{"network_id": n.id, "fixed_ips": []cloud.Object{{"subnet_id": s.id}}})
	if err != nil {
		return err
	}
	return api.Do(ctx, http.MethodPut, path, cloud.Object{"port_id": port.ID()}, nil)
}

func parseRoute(w *words, how string) action {
	router, to := w.name(aRouter), w.prefix()
	w.expect("via")
	via := w.address()
	return func(ctx context.Context, r *Run) error {
		route := cloud.Object{"routes": []cloud.Object{{"destination": to.String(), "nexthop": via.String()}}}
		return r.platform.API().Do(ctx, http.MethodPut, cloud.Path("router", r.routers[router])+"/"+how, map[string]cloud.Object{"router": route}, nil)
	}
}

func parseGroup(w *words) action {
	name, project := w.declare(aGroup), w.names.project
	return func(ctx context.Context, r *Run) error {
		made, err := r.platform.API().As(project).Create(ctx, "security_group", cloud.Object{"name": name})
		r.groups[name] = made.ID()
		return err
	}
}

// rule is a rule of a security group as statements name it.
type rule struct {
	group, project, remote string
	fields                 cloud.Object
}

func parseRule(w *words) rule {
	u := rule{group: w.name(aGroup), project: w.names.project}
	u.fields = cloud.Object{
		"direction": map[string]string{"in": "ingress", "out": "egress"}[w.oneOf("in", "out")],
		"ethertype": map[string]string{"v4": "IPv4", "v6": "IPv6"}[w.oneOf("v4", "v6")],
	}
	if protocol := w.word("a protocol"); protocol != "any" {
		u.fields["protocol"] = protocol
	}
	if w.more() && w.peek() != "from" {
		port := w.number("a port", 1, 65535)
		u.fields["port_range_min"], u.fields["port_range_max"] = port, port
	}
	return u
}

func parseAllow(w *words) action {
	u := parseRule(w)
	if w.accept("from") {
		if w.known(aGroup, w.peek()) {
			u.remote = w.name(aGroup)
		} else {
			u.fields["remote_ip_prefix"] = w.prefix().String()
		}
	}
	return func(ctx context.Context, r *Run) error {
		u.fields["security_group_id"] = r.groups[u.group]
		if u.remote != "" {
			u.fields["remote_group_id"] = r.groups[u.remote]
		}
		_, err := r.platform.API().As(u.project).Create(ctx, "security_group_rule", u.fields)
		return err
	}
}

func parseDeny(w *words) action {
	u := parseRule(w)
	return func(ctx context.Context, r *Run) error {
		query := "?security_group_id=" + r.groups[u.group]
		for key, value := range u.fields {
			query += fmt.Sprintf("&%s=%v", key, value)
		}
		var found struct {
			Rules []cloud.Object `json:"security_group_rules"`
		}
		api := r.platform.API()
		if err := api.Get(ctx, cloud.Path("security_group_rule", "")+query, &found); err != nil {
			return err
		}
		if len(found.Rules) == 0 {
			return errors.New("there is no such rule")
		}
		for _, u := range found.Rules {
			if err := api.Delete(ctx, "security_group_rule", u.ID()); err != nil {
				return err
			}
		}
		return nil
	}
}

func parseSet(w *words) action {
	kind := w.oneOf(aNetwork, aRouter, aGuest)
	name := w.name(kind)
	fields := cloud.Object{}
	for first := true; first || w.more(); first = false {
		key, value, ok := strings.Cut(w.word("a field and its value"), "=")
		if w.err == nil && !ok {
			w.fail("expected FIELD=VALUE")
		}
		fields[key] = value
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			fields[key] = n
		} else if b, err := strconv.ParseBool(value); err == nil {
			fields[key] = b
		}
	}
	return func(ctx context.Context, r *Run) error {
		id, resource := r.id(kind, name), kind
		if kind == aGuest {
			resource = "port"
		}
		if neutron, is := r.platform.(OfNeutron); is {
			return neutron.Set(ctx, resource, id, fields)
		}
		_, err := r.platform.API().Update(ctx, resource, id, fields)
		return err
	}
}

// id is that of something that a statement made.
func (r *Run) id(kind, name string) string {
	switch kind {
	case aNetwork:
		return r.networks[name].id
	case aRouter:
		return r.routers[name]
	case aGuest:
		return r.machines[name].port
	}
	return r.groups[name]
}

func parseRemove(w *words) action {
	w.expect(aGuest)
	name := w.name(aGuest)
	return func(ctx context.Context, r *Run) error {
		m := r.machines[name]
		err := r.platform.API().Delete(ctx, "port", m.port)
		return errors.Join(err, r.platform.Do(ctx, Action{Verb: Unplug, Part: Guests, Name: name, To: m.chassis}))
	}
}

func parseAddress(w *words) action {
	name := w.name(aGuest)
	list := []netip.Prefix{w.prefix()}
	for w.more() {
		list = append(list, w.prefix())
	}
	return func(ctx context.Context, r *Run) error {
		return r.machines[name].Configure(ctx, Settings{Addresses: list})
	}
}

func parseGateway(w *words) action {
	name, to := w.name(aGuest), w.prefix()
	w.expect("via")
	via := w.address()
	return func(ctx context.Context, r *Run) error {
		return r.machines[name].Configure(ctx, Settings{Routes: []Route{{To: to, Via: via}}})
	}
}

func parseForward(w *words) action {
	name := w.name(aGuest)
	return func(ctx context.Context, r *Run) error {
		return r.machines[name].Configure(ctx, Settings{Forward: true})
	}
}

func parseMAC(p cloud.Object) (net.HardwareAddr, error) { return net.ParseMAC(p.Text("mac_address")) }
