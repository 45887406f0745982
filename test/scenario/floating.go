package scenario

import (
	"context"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// floating is a floating IP of the scenario.
type floating struct {
	id string
	// guest is whom it stands for, empty for nobody.
	guest string
	// forwardings are those of its ports, by protocol, address and port.
	forwardings map[string]string
}

func parseFloating(w *words) action {
	guest := w.name(aGuest)
	w.expect("in")
	network := w.name(aNetwork)
	w.expect("at")
	address := w.address()
	return func(ctx context.Context, r *Run) error {
		api := r.platform.API()
		fields := cloud.Object{"port_id": r.machines[guest].port}
		if f, there := r.floating[address]; there {
			f.guest = guest
			_, err := api.Update(ctx, "floatingip", f.id, fields)
			return err
		}
		fields["floating_network_id"], fields["floating_ip_address"] = r.networks[network].id, address.String()
		made, err := api.Create(ctx, "floatingip", fields)
		if err != nil {
			return err
		}
		r.floating[address] = &floating{id: made.ID(), guest: guest}
		return nil
	}
}

func parseSink(w *words) action {
	address := w.address()
	return func(ctx context.Context, r *Run) error {
		f, there := r.floating[address]
		if !there {
			return fmt.Errorf("there is no floating IP %s", address)
		}
		f.guest = ""
		_, err := r.platform.API().Update(ctx, "floatingip", f.id, cloud.Object{"port_id": nil})
		return err
	}
}

// server is who serves what a machine calls: the guest that is named, or for whom the floating IP stands; nobody if
// it is another address, or one that guests share.
func (r *Run) server(to target) *machine {
	if to.guest != "" {
		return r.machines[to.guest]
	}
	if f, there := r.floating[to.address]; there && f.guest != "" && r.machines[f.guest].Guest != nil {
		return r.machines[f.guest]
	}
	return nil
}
