package scenario

import (
	"context"
	"errors"
	"hash/fnv"
	"net"
	"net/netip"
)

// parseOutside reads a host on the provider's network, which is like a guest but for its having no port.
func parseOutside(w *words) action {
	name := w.declare(aGuest)
	w.expect("in")
	network := w.name(aNetwork)
	w.expect("at")
	addresses := w.addresses()
	return func(ctx context.Context, r *Run) error {
		n := r.networks[network]
		m := &machine{name: name, network: n, addresses: addresses, echoes: map[string]bool{}, mac: outsideMAC(name)}
		var err error
		if m.Guest, err = r.platform.Boot(ctx, "", Machine{Name: name, MAC: m.mac, Outside: true, VLAN: n.vlan}); err != nil {
			return err
		}
		r.machines[name] = m
		return m.configure(ctx, "static")
	}
}

// parseBeyond reads a host behind one on the provider's network, which becomes a router.
func parseBeyond(w *words) action {
	name := w.declare(aGuest)
	w.expect("behind")
	router := w.name(aGuest)
	w.expect("at")
	addresses := w.addresses()
	return func(ctx context.Context, r *Run) error {
		n := &network{name: "behind " + router}
		m := &machine{name: name, network: n, addresses: addresses, echoes: map[string]bool{}, mac: outsideMAC(name)}
		spec := Machine{Name: name, MAC: m.mac, Outside: true, Behind: router}
		for _, a := range addresses {
			s := linkOf(a)
			n.subnets = append(n.subnets, s)
			spec.Router = append(spec.Router, netip.PrefixFrom(s.gateway, s.prefix.Bits()))
		}
		if err := r.machines[router].Configure(ctx, Settings{Forward: true}); err != nil {
			return err
		}
		var err error
		if m.Guest, err = r.platform.Boot(ctx, "", spec); err != nil {
			return err
		}
		r.machines[name] = m
		return m.configure(ctx, "static")
	}
}

// linkOf is the subnet of a usual length that an address lies in. The router there has the first address.
func linkOf(a netip.Addr) *subnet {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p := netip.PrefixFrom(a, bits).Masked()
	return &subnet{prefix: p, gateway: p.Addr().Next()}
}

func outsideMAC(name string) net.HardwareAddr {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // cannot fail
	return append(net.HardwareAddr{0x52, 0x54}, h.Sum(nil)...)
}

func parseSteady(*words) action {
	return func(ctx context.Context, r *Run) error {
		err := r.platform.Do(ctx, Action{Verb: Steady})
		var unjudged NotJudged
		if errors.As(err, &unjudged) {
			r.log("           NOT JUDGED: %v", unjudged)
			return nil
		}
		return err
	}
}
