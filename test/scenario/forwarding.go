package scenario

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// forwardings are the statements about port forwardings.
func forwardings() map[string]statement {
	return map[string]statement{
		"publish":  {"publish tcp|udp ADDRESS:PORT in NETWORK to GUEST:PORT: that port of the floating IP is the guest's, who answers there", parseForwarding},
		"withdraw": {"withdraw tcp|udp ADDRESS:PORT: no more", parseWithdraw},
	}
}

// external reads a port of a floating IP.
func (w *words) external() (protocol string, at netip.AddrPort) {
	protocol = w.oneOf("tcp", "udp")
	to := w.service()
	if w.err == nil && to.guest != "" {
		w.fail("a port of a floating IP is meant")
	}
	return protocol, netip.AddrPortFrom(to.address, uint16(to.port))
}

func parseForwarding(w *words) action {
	protocol, outside := w.external()
	w.expect("in")
	network := w.name(aNetwork)
	w.expect("to")
	inside := w.service()
	if w.err == nil && inside.guest == "" {
		w.fail("a port of a guest is meant")
	}
	return func(ctx context.Context, r *Run) error {
		api, address := r.platform.API(), outside.Addr()
		f := r.floating[address]
		if f == nil {
			made, err := api.Create(ctx, "floatingip", cloud.Object{"floating_network_id": r.networks[network].id, "floating_ip_address": address.String()})
			if err != nil {
				return err
			}
			f = &floating{id: made.ID(), forwardings: map[string]string{}}
			r.floating[address] = f
		}
		m := r.machines[inside.guest]
		if err := r.echo(ctx, m, protocol, inside.port); err != nil {
			return err
		}
		own, err := m.address(false)
		if err != nil {
			return err
		}
		fields := cloud.Object{"protocol": protocol, "external_port": outside.Port(), "internal_port": inside.port, "internal_port_id": m.port,
			"internal_ip_address": own.String()}
		var made map[string]cloud.Object
		err = api.Do(ctx, http.MethodPost, cloud.Path("floatingip", f.id)+"/port_forwardings", map[string]cloud.Object{"port_forwarding": fields}, &made)
		if err == nil {
			f.forwardings[protocol+outside.String()] = made["port_forwarding"].ID()
		}
		return err
	}
}

func parseWithdraw(w *words) action {
	protocol, outside := w.external()
	return func(ctx context.Context, r *Run) error {
		f := r.floating[outside.Addr()]
		if f == nil || f.forwardings[protocol+outside.String()] == "" {
			return fmt.Errorf("there is no port forwarding of %s %s", protocol, outside)
		}
		path := cloud.Path("floatingip", f.id) + "/port_forwardings/" + f.forwardings[protocol+outside.String()]
		return r.platform.API().Do(ctx, http.MethodDelete, path, nil, nil)
	}
}
