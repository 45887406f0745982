package scenario

import (
	"context"
	"net/http"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// parseSubPort makes a machine that is the VLAN of another machine's interface: as a guest with such an interface in each
// of two networks, but that they do not share their routes.
func parseSubPort(w *words) action {
	s := guestSpec{name: w.declare(aGuest), how: "static", project: w.names.project}
	w.expect("of")
	parent := w.name(aGuest)
	w.expect("in")
	s.network = w.name(aNetwork)
	w.expect("vlan")
	vlan := uint16(w.number("a VLAN", 1, 4094))
	for w.more() {
		switch word := w.word("an option"); word {
		case "at":
			s.addresses = w.addresses()
		case "dhcp", "ra", "bare":
			s.how = word
		case "groups":
			s.groups = w.namesOf(aGroup)
		default:
			w.fail("a sub-port has no such option")
		}
	}
	return func(ctx context.Context, r *Run) error { return r.makeSubPort(ctx, s, parent, vlan) }
}

func (r *Run) makeSubPort(ctx context.Context, s guestSpec, parent string, vlan uint16) error {
	on, n := r.machines[parent], r.networks[s.network]
	fields := s.fields(r, n)
	for _, bound := range []string{"binding:host_id", "device_owner", "device_id"} {
		delete(fields, bound) // it is where its parent is
	}
	api := r.platform.API().As(s.project)
	port, err := api.Create(ctx, "port", fields)
	if err != nil {
		return err
	}
	m := &machine{name: s.name, port: port.ID(), chassis: on.chassis, network: n, addresses: port.Addresses(), echoes: map[string]bool{}, parent: on}
	if m.mac, err = parseMAC(port); err != nil {
		return err
	}
	sub := []cloud.Object{{"port_id": m.port, "segmentation_type": "vlan", "segmentation_id": vlan}}
	if on.trunk == "" {
		made, err := api.Create(ctx, "trunk", cloud.Object{"port_id": on.port, "sub_ports": sub})
		if err != nil {
			return err
		}
		on.trunk = made.ID()
	} else if err := api.Do(ctx, http.MethodPut, cloud.Path("trunk", on.trunk)+"/add_subports", map[string]any{"sub_ports": sub}, nil); err != nil {
		return err
	}
	m.Guest, err = r.platform.Boot(ctx, on.chassis, Machine{Name: s.name, Port: m.port, MAC: m.mac, AcceptRA: s.how == "ra" || s.how == "dhcp",
		Trunk: parent, VLAN: vlan})
	if err != nil {
		return err
	}
	r.machines[s.name] = m
	if err := eventually(ctx, func(ctx context.Context) error { return r.active(ctx, m.port) }); err != nil {
		return err
	}
	return m.configure(ctx, s.how)
}

// parseLeave takes a sub-port out of its trunk. Its machine goes on to send in the VLAN.
func parseLeave(w *words) action {
	name := w.name(aGuest)
	return func(ctx context.Context, r *Run) error {
		m := r.machines[name]
		body := map[string]any{"sub_ports": []cloud.Object{{"port_id": m.port}}}
		return r.platform.API().Do(ctx, http.MethodPut, cloud.Path("trunk", m.parent.trunk)+"/remove_subports", body, nil)
	}
}
