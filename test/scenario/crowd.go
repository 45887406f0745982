package scenario

import (
	"context"
	"fmt"
	"net/http"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// parseCrowd makes ports that are plugged in and have nobody behind them.
func parseCrowd(w *words) action {
	n := w.number("a number of ports", 1, 10000)
	w.expect("on")
	chassis := w.name(aChassis)
	w.expect("in")
	network, project := w.name(aNetwork), w.names.project
	return func(ctx context.Context, r *Run) error {
		n := n
		if neutron, is := r.platform.(OfNeutron); is {
			n = neutron.Crowd(n)
		}
		api := r.platform.API().As(project)
		if err := unlimited(ctx, api, project); err != nil {
			return err
		}
		ids, err := r.boundPorts(ctx, api, r.networks[network].id, chassis, n)
		if err != nil {
			return err
		}
		if err := r.platform.Do(ctx, Action{Verb: Start, Part: Crowd, Name: chassis, Ports: ids}); err != nil {
			return err
		}
		return cloud.Eventually(ctx, stepPatience, func(ctx context.Context) error { return r.activePorts(ctx, network, n) })
	}
}

// unlimited lets a project have as many ports as it likes.
func unlimited(ctx context.Context, api *cloud.Client, project string) error {
	if project == "" {
		project = "default"
	}
	return api.Do(ctx, http.MethodPut, "/v2.0/quotas/"+project, map[string]cloud.Object{"quota": {"port": -1}}, nil)
}

// boundPorts makes ports, some in each request: as many as every server makes within a client's patience.
func (r *Run) boundPorts(ctx context.Context, api *cloud.Client, network, chassis string, n int) (ids []string, err error) {
	const batch = 20
	for len(ids) < n {
		var list []cloud.Object
		for range min(batch, n-len(ids)) {
			list = append(list, cloud.Object{"network_id": network, "binding:host_id": chassis})
		}
		var made struct {
			Ports []cloud.Object `json:"ports"`
		}
		if err := api.Do(ctx, http.MethodPost, cloud.Path("port", ""), map[string]any{"ports": list}, &made); err != nil {
			return nil, err
		}
		for _, p := range made.Ports {
			ids = append(ids, p.ID())
		}
	}
	return ids, nil
}

// activePorts returns an error until so many ports of a network are active: their chassis have confirmed their flows.
func (r *Run) activePorts(ctx context.Context, network string, n int) error {
	var list struct {
		Ports []cloud.Object `json:"ports"`
	}
	path := cloud.Path("port", "") + "?status=ACTIVE&fields=id&network_id=" + r.networks[network].id
	err := r.platform.API().Get(ctx, path, &list)
	if err == nil && len(list.Ports) < n {
		err = fmt.Errorf("%d of %d ports are active", len(list.Ports), n)
	}
	return err
}
