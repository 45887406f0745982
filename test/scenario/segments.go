package scenario

import (
	"context"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// segmented are the statements about networks that are several links.
func segmented() map[string]statement {
	return map[string]statement{
		"physical": {"physical NAME: the provider's network, as the chassis that follow call it", parsePhysical},
		"segment":  {"segment NAME of NETWORK on PHYSICAL vlan N PREFIX…: one more link of a network, with subnets of its own", parseSegment},
		"leg":      {"leg NAME in NETWORK at ADDRESS[,ADDRESS]: a host outside gets one more interface, and becomes a router", parseLeg},
	}
}

func parsePhysical(w *words) action {
	w.names.physical = w.word("a name")
	return nil
}

// parseSegment reads a segment. It is like a network whose hosts outside are in its VLAN, and its subnets are the
// network's.
func parseSegment(w *words) action {
	n := &network{name: w.declare(aNetwork), mode: stateful, project: w.names.project}
	w.expect("of")
	of := w.name(aNetwork)
	w.expect("on")
	physical := w.word("a physical network")
	w.expect("vlan")
	n.vlan = uint16(w.number("a VLAN", 1, 4094))
	n.subnets = append(n.subnets, &subnet{prefix: w.prefix()})
	for w.more() {
		n.subnets = append(n.subnets, &subnet{prefix: w.prefix()})
	}
	return func(ctx context.Context, r *Run) error { return r.makeSegment(ctx, r.networks[of], n, physical) }
}

func (r *Run) makeSegment(ctx context.Context, of, n *network, physical string) error {
	api := r.platform.API().As(n.project)
	made, err := api.Create(ctx, "segment", cloud.Object{"name": n.name, "network_id": of.id, "network_type": "vlan", "physical_network": physical,
		"segmentation_id": n.vlan})
	if err != nil {
		return err
	}
	n.id, n.mtu = of.id, of.mtu
	for _, s := range n.subnets {
		if err := r.makeSubnet(ctx, api, n, s, cloud.Object{"segment_id": made.ID(), "enable_dhcp": true}); err != nil {
			return err
		}
	}
	of.subnets = append(of.subnets, n.subnets...)
	r.networks[n.name] = n
	return nil
}

// makeSubnet makes a subnet of a network; more are fields that are not as usual.
func (r *Run) makeSubnet(ctx context.Context, api *cloud.Client, n *network, s *subnet, more cloud.Object) error {
	fields := cloud.Object{"network_id": n.id, "cidr": s.prefix.String(), "ip_version": 4}
	if s.prefix.Addr().Is6() {
		fields["ip_version"] = 6
		fields["gateway_ip"] = s.prefix.Masked().Addr().Next().String() // Neutron's default is the address of any router (RFC 4291 section 2.6.1)
		if more["enable_dhcp"] == true {
			fields["ipv6_ra_mode"], fields["ipv6_address_mode"] = n.mode, n.mode
		}
	}
	for name, value := range more {
		fields[name] = value
	}
	answer, err := api.Create(ctx, "subnet", fields)
	if err != nil {
		return err
	}
	s.id = answer.ID()
	s.gateway, _ = netip.ParseAddr(answer.Text("gateway_ip")) // absent: no gateway
	return nil
}

// parseLeg reads another interface of a host outside.
func parseLeg(w *words) action {
	name := w.name(aGuest)
	w.expect("in")
	on := w.name(aNetwork)
	w.expect("at")
	addresses := w.addresses()
	return func(ctx context.Context, r *Run) error {
		n, leg := r.networks[on], Machine{Name: name, Outside: true, Leg: true, MAC: outsideMAC(name + " in " + on)}
		leg.VLAN = n.vlan
		for _, a := range addresses {
			leg.Router = append(leg.Router, netip.PrefixFrom(a, linkOf(a).prefix.Bits()))
		}
		if _, err := r.platform.Boot(ctx, "", leg); err != nil {
			return err
		}
		return r.machines[name].Configure(ctx, Settings{Forward: true})
	}
}
