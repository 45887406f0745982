package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// virtual are the statements about addresses that move between guests: virtual routers (VRRP, RFC 9568) by keepalived.
func virtual() map[string]statement {
	return map[string]statement{
		"virtual": {"virtual ADDRESSES of GUEST…: keepalived gives them to the first of the guests that runs it", parseVirtual},
		"resign":  {"resign GUEST: its keepalived ends, and another guest takes over", func(w *words) action { return parseCandidate(w, Stop) }},
		"rejoin":  {"rejoin GUEST: its keepalived starts again", func(w *words) action { return parseCandidate(w, Start) }},
		"keep":    {"keep NAME ADDRESS in NETWORK: a port without a machine keeps the address, which guests may have by their pairs", parseKeep},
		"claim":   {"claim GUEST ADDRESS: it has the address from now on, who had it has it no more, and it says so to its network", parseClaim},
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

// keepalived is a configuration. All addresses go with the first one, whose family the routers speak to each other. Of two
// masters that hear each other again the one that yields says so, that the other announces the addresses anew.
func keepalived(m *machine, addresses []netip.Addr, priority int) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "global_defs {\n router_id %s\n}\nvrrp_instance v {\n state BACKUP\n interface eth0\n virtual_router_id 7\n version 3\n"+
		" priority %d\n advert_int 0.2\n higher_prio_send_advert true\n garp_lower_prio_delay 1\n", m.name, priority)
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

// parseKeep reads what Octavia and others do for a virtual address: nobody else is given it, and a floating IP has a port
// to stand for.
func parseKeep(w *words) action {
	name, address := w.declare(aGuest), w.address()
	w.expect("in")
	network := w.name(aNetwork)
	return func(ctx context.Context, r *Run) error {
		n := r.networks[network]
		port, err := r.platform.API().As(n.project).Create(ctx, "port", cloud.Object{
			"name": name, "network_id": n.id, "fixed_ips": []cloud.Object{{"ip_address": address.String()}},
		})
		if err != nil {
			return err
		}
		r.machines[name] = &machine{name: name, port: port.ID(), network: n, addresses: port.Addresses()}
		return nil
	}
}

func parseClaim(w *words) action {
	name, address := w.name(aGuest), w.address()
	return func(ctx context.Context, r *Run) (err error) {
		m := r.machines[name]
		s := m.network.subnetOf(address)
		if s == nil {
			return fmt.Errorf("no subnet has %s", address)
		}
		prefix := []netip.Prefix{netip.PrefixFrom(address, s.prefix.Bits())}
		if had := r.claimed[address]; had != nil {
			// Else it would answer the announcement, and so claim it again.
			if err := had.Configure(ctx, Settings{Without: prefix}); err != nil {
				return err
			}
		}
		if err := m.Configure(ctx, Settings{Addresses: prefix}); err != nil {
			return err
		}
		r.claimed[address] = m
		wire, err := m.Wire(ctx)
		if err != nil {
			return err
		}
		return errors.Join(wire.Send(announcement(m.mac, address)), wire.Close())
	}
}

// announcement says to all nodes who has an address (RFC 5227 section 3, RFC 4861 section 7.2.6).
func announcement(mac net.HardwareAddr, a netip.Addr) []byte {
	if a.Is4() {
		return packet.Build(packet.Ethernet(mac, packet.Broadcast), packet.ARPRequest(mac, a, a))
	}
	return packet.Build(packet.Ethernet(mac, "33:33:00:00:00:01"), packet.IP(a, "ff02::1"), packet.TTL(255), packet.NeighborAdvertisement(a, mac, packet.Override))
}
