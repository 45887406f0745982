package scenario

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// guestSpec is what a statement says of a guest.
type guestSpec struct {
	name, chassis, network, project string
	addresses                       []netip.Addr
	// how it gets its addresses: static, dhcp, ra or bare.
	how       string
	unsecured bool
	prefixes  []netip.Prefix
	groups    []string
}

func parseGuest(w *words) action {
	s := guestSpec{name: w.declare(aGuest), how: "static", project: w.names.project}
	w.expect("on")
	s.chassis = w.name(aChassis)
	w.expect("in")
	s.network = w.name(aNetwork)
	for w.more() {
		switch word := w.word("an option"); word {
		case "at":
			s.addresses = w.addresses()
		case "dhcp", "ra", "bare":
			s.how = word
		case "unsecured":
			s.unsecured = true
		case "pairs":
			s.prefixes = append(s.prefixes, w.prefix())
		case "groups":
			if s.groups = w.namesOf(aGroup); len(s.groups) == 0 {
				w.name(aGroup)
			}
		default:
			w.fail("a guest has no such option")
		}
	}
	mobile := w.names.mobile
	return func(ctx context.Context, r *Run) error { return r.makeGuest(ctx, s, mobile[s.name]) }
}

func (r *Run) makeGuest(ctx context.Context, s guestSpec, mobile bool) error {
	n := r.networks[s.network]
	s.chassis = r.chassis(s.chassis)
	port, err := r.platform.API().As(s.project).Create(ctx, "port", s.fields(r, n))
	if err != nil {
		return err
	}
	m := &machine{name: s.name, port: port.ID(), chassis: s.chassis, network: n, addresses: port.Addresses(), echoes: map[string]bool{}}
	if m.mac, err = parseMAC(port); err != nil {
		return err
	}
	m.Guest, err = r.platform.Boot(ctx, s.chassis, Machine{Name: s.name, Port: m.port, MAC: m.mac, Mobile: mobile, AcceptRA: s.how == "ra" || s.how == "dhcp"})
	if err != nil {
		return err
	}
	r.machines[s.name] = m
	if err := eventually(ctx, func(ctx context.Context) error { return r.active(ctx, m.port) }); err != nil {
		return err
	}
	return m.configure(ctx, s.how)
}

// parseDevice is for guests that come while something is watched that a new device on the switch would disturb.
func parseDevice(w *words) action {
	name := w.declare(aDevice)
	w.expect("on")
	chassis := w.name(aChassis)
	return func(ctx context.Context, r *Run) error {
		mac := net.HardwareAddr{0xfa, 0x16, 0x3e, 0xde, 0xf1, byte(len(r.devices) + 1)}
		r.devices[name] = mac
		return r.platform.Do(ctx, Action{Verb: Plug, Part: Guests, Name: name, To: chassis, MAC: mac})
	}
}

// fields are those of the guest's port.
func (s guestSpec) fields(r *Run, n *network) cloud.Object {
	fields := cloud.Object{"name": s.name, "network_id": n.id, "binding:host_id": s.chassis, "device_owner": "compute:nova", "device_id": instanceOf(s.name)}
	if len(s.addresses) > 0 {
		var fixed []cloud.Object
		for _, a := range s.addresses {
			fixed = append(fixed, cloud.Object{"ip_address": a.String()})
		}
		fields["fixed_ips"] = fixed
	}
	if mac, there := r.devices[s.name]; there {
		fields["mac_address"] = mac.String()
	}
	if s.unsecured {
		fields["port_security_enabled"], fields["security_groups"] = false, []string{}
	}
	if len(s.groups) > 0 {
		var ids []string
		for _, g := range s.groups {
			ids = append(ids, r.groups[g])
		}
		fields["security_groups"] = ids
	}
	var pairs []cloud.Object
	for _, p := range s.prefixes {
		pairs = append(pairs, cloud.Object{"ip_address": p.String()})
	}
	if len(pairs) > 0 {
		fields["allowed_address_pairs"] = pairs
	}
	return fields
}

// active returns an error until the port's chassis has reported it.
func (r *Run) active(ctx context.Context, port string) error {
	p, err := r.platform.API().Show(ctx, "port", port)
	if err == nil && p.Text("status") != "ACTIVE" {
		err = fmt.Errorf("port %s is %s", p.Text("name"), p.Text("status"))
	}
	return err
}

// configure gives the machine its addresses.
func (m *machine) configure(ctx context.Context, how string) error {
	if how == "static" {
		s := Settings{MTU: m.network.mtu}
		for _, a := range m.addresses {
			sub := m.network.subnetOf(a)
			if sub == nil {
				return fmt.Errorf("no subnet has %s", a)
			}
			s.Addresses = append(s.Addresses, netip.PrefixFrom(a, sub.prefix.Bits()))
			if sub.gateway.IsValid() && sub.gateway != a {
				s.Routes = append(s.Routes, Route{To: everywhere(a.Is6()), Via: sub.gateway})
			}
		}
		return m.Configure(ctx, s)
	}
	if how == "bare" {
		return nil
	}
	for _, a := range m.addresses {
		if a.Is6() && (how == "ra" || m.network.mode != stateful) {
			continue // the machine does it by itself
		}
		lease, err := m.Lease(ctx, a.Is6())
		if err != nil {
			return err
		}
		if lease.Address != a {
			return fmt.Errorf("%s was given %s, Neutron gave %s", m.name, lease.Address, a)
		}
		if a.Is4() && lease.MTU != m.network.mtu {
			return fmt.Errorf("%s was given the MTU %d, the network has %d", m.name, lease.MTU, m.network.mtu)
		}
	}
	return nil
}

func (n *network) subnetOf(a netip.Addr) *subnet {
	for _, s := range n.subnets {
		if s.prefix.Contains(a) {
			return s
		}
	}
	return nil
}

func everywhere(v6 bool) netip.Prefix {
	if v6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}
