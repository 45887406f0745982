package scenario

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
)

// virtual are the statements about addresses that move between guests: virtual routers (VRRP, RFC 9568) by keepalived.
func virtual() map[string]statement {
	return map[string]statement{
		"virtual": {"virtual ADDRESSES of GUEST…: keepalived gives them to the first of the guests that runs it", parseVirtual},
		"resign":  {"resign GUEST: its keepalived ends, and another guest takes over", func(w *words) action { return parseCandidate(w, Stop) }},
		"rejoin":  {"rejoin GUEST: its keepalived starts again", func(w *words) action { return parseCandidate(w, Start) }},
	}
}

// highest is the priority of the first guest (RFC 9568 section 5.2.4: 255 is the owner's).
const highest = 200

func parseVirtual(w *words) action {
	addresses := w.addresses()
	w.expect("of")
	guests := w.namesOf(aGuest)
	if len(guests) == 0 {
		w.name(aGuest)
	}
	return func(ctx context.Context, r *Run) error {
		for i, name := range guests {
			m := r.machines[name]
			config, err := keepalived(m, addresses, highest-i)
			if err != nil {
				return err
			}
			if err := r.platform.Do(ctx, Action{Verb: Start, Part: Keepalived, Name: name, Config: config}); err != nil {
				return err
			}
		}
		return nil
	}
}

// keepalived is a configuration. All addresses go with the first one, whose family the routers speak to each other.
func keepalived(m *machine, addresses []netip.Addr, priority int) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "global_defs {\n router_id %s\n}\nvrrp_instance v {\n state BACKUP\n interface eth0\n virtual_router_id 7\n version 3\n"+
		" priority %d\n advert_int 0.2\n", m.name, priority)
	for i, a := range addresses {
		s := m.network.subnetOf(a)
		if s == nil {
			return "", fmt.Errorf("no subnet has %s", a)
		}
		block := "virtual_ipaddress"
		if i > 0 {
			block = "virtual_ipaddress_excluded"
		}
		fmt.Fprintf(&b, " %s {\n  %s/%d dev eth0\n }\n", block, a, s.prefix.Bits())
	}
	return b.String() + "}\n", nil
}

func parseCandidate(w *words, verb Verb) action {
	guest := w.name(aGuest)
	return func(ctx context.Context, r *Run) error {
		return r.platform.Do(ctx, Action{Verb: verb, Part: Keepalived, Name: guest})
	}
}
