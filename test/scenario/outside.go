package scenario

import (
	"context"
	"hash/fnv"
	"net"
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

func outsideMAC(name string) net.HardwareAddr {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // cannot fail
	return append(net.HardwareAddr{0x52, 0x54}, h.Sum(nil)...)
}

func parseSteady(*words) action {
	return func(ctx context.Context, r *Run) error { return r.platform.Do(ctx, Action{Verb: Steady}) }
}
