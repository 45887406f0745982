package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// northSouth are the statements about how packets leave the cloud and come into it.
func northSouth() map[string]statement {
	return map[string]statement{
		"gateways": {"gateways NAME…: chassis on which routers may have their gateways", func(w *words) action { return parseChassis(w, true) }},
		"uplink":   {"uplink ROUTER NETWORK [at ADDRESS,…] [nosnat]: gives the router its gateway on an external network", parseUplink},
		"unlink":   {"unlink ROUTER: takes its gateway away", parseUnlink},
		"floating": {"floating GUEST in NETWORK at ADDRESS: the floating IP stands for the guest, and no more for who had it", parseFloating},
		"sink":     {"sink ADDRESS: the floating IP stands for nobody any more", parseSink},
		"leader":   {"leader CHASSIS ROUTER: from here on, that name means the chassis that is the router's gateway now", parseLeader},
		"standby":  {"standby CHASSIS ROUTER: likewise that of two gateways that is not", parseStandby},
		"leads":    {"leads CHASSIS ROUTER: it, and it alone, is the router's gateway", parseLeads},
		"cut":      {"cut CHASSIS [database]: takes it off the underlay, or off the database, which all others keep", func(w *words) action { return parseCable(w, Cut) }},
		"mend":     {"mend CHASSIS [database]: puts it back", func(w *words) action { return parseCable(w, Mend) }},
		"heard":    {"heard CHASSIS: servers have its signs of life", func(w *words) action { return parseHeard(w, true) }},
		"missed":   {"missed CHASSIS: servers have none of its signs of life", func(w *words) action { return parseHeard(w, false) }},
	}
}

// chassis is what a name of a chassis means.
func (r *Run) chassis(name string) string {
	if found := r.leaders[name]; found != "" {
		return found
	}
	return name
}

func parseUplink(w *words) action {
	router, network := w.name(aRouter), w.name(aNetwork)
	info := cloud.Object{}
	if w.accept("at") {
		var fixed []cloud.Object
		for _, a := range w.addresses() {
			fixed = append(fixed, cloud.Object{"ip_address": a.String()})
		}
		info["external_fixed_ips"] = fixed
	}
	if w.accept("nosnat") {
		info["enable_snat"] = false
	}
	return func(ctx context.Context, r *Run) error {
		info["network_id"] = r.networks[network].id
		_, err := r.platform.API().Update(ctx, "router", r.routers[router], cloud.Object{"external_gateway_info": info})
		return err
	}
}

func parseUnlink(w *words) action {
	router := w.name(aRouter)
	return func(ctx context.Context, r *Run) error {
		_, err := r.platform.API().Update(ctx, "router", r.routers[router], cloud.Object{"external_gateway_info": cloud.Object{}})
		return err
	}
}

// gatewaysOf are the chassis that take in what comes from outside for a router: they have flows for its MAC address there.
func (r *Run) gatewaysOf(ctx context.Context, router string) (list []string, err error) {
	var found struct {
		Ports []cloud.Object `json:"ports"`
	}
	path := cloud.Path("port", "") + "?device_owner=network:router_gateway&device_id=" + r.routers[router]
	if err := r.platform.API().Get(ctx, path, &found); err != nil {
		return nil, err
	}
	if len(found.Ports) != 1 {
		return nil, fmt.Errorf("router %s has %d gateway ports", router, len(found.Ports))
	}
	for _, name := range r.gateways {
		flows, err := r.platform.Flows(ctx, name)
		if err != nil {
			continue // its switch does not run
		}
		if takesIn(flows, found.Ports[0].Text("mac_address")) {
			list = append(list, name)
		}
	}
	return list, nil
}

// takesIn reports whether a chassis takes what is for a MAC address to a router.
func takesIn(flows, mac string) bool {
	stage := fmt.Sprintf("table=%d,", pipeline.Routers.Table())
	for line := range strings.Lines(flows) {
		if strings.Contains(line, stage) && strings.Contains(line, "dl_dst="+mac) {
			return true
		}
	}
	return false
}

// oneGateway is the chassis that is the gateway when only one is.
func (r *Run) oneGateway(ctx context.Context, router string) (name string, err error) {
	err = eventually(ctx, func(ctx context.Context) error {
		list, err := r.gatewaysOf(ctx, router)
		if err != nil {
			return err
		}
		if len(list) != 1 {
			return fmt.Errorf("the gateways of %s are %v", router, list)
		}
		name = list[0]
		return nil
	})
	return name, err
}

func parseLeader(w *words) action {
	alias, router := w.declare(aChassis), w.name(aRouter)
	return func(ctx context.Context, r *Run) error {
		if len(r.gateways) == 0 {
			return errors.New("no chassis may be a gateway")
		}
		name, err := r.oneGateway(ctx, router)
		r.leaders[alias] = name
		r.log("           %s is %s", alias, name)
		return err
	}
}

func parseStandby(w *words) action {
	alias, router := w.declare(aChassis), w.name(aRouter)
	return func(ctx context.Context, r *Run) error {
		leader, err := r.oneGateway(ctx, router)
		if err != nil {
			return err
		}
		for _, name := range r.gateways {
			if name != leader {
				r.leaders[alias] = name
			}
		}
		r.log("           %s is %s", alias, r.leaders[alias])
		return nil
	}
}

func parseLeads(w *words) action {
	chassis, router := w.name(aChassis), w.name(aRouter)
	return func(ctx context.Context, r *Run) error {
		return eventually(ctx, func(ctx context.Context) error {
			list, err := r.gatewaysOf(ctx, router)
			if want := r.chassis(chassis); err == nil && (len(list) != 1 || list[0] != want) {
				err = fmt.Errorf("the gateways of %s are %v, not %s alone", router, list, want)
			}
			return err
		})
	}
}

func parseCable(w *words, verb Verb) action {
	chassis, part := w.name(aChassis), Host
	if w.accept(string(Database)) {
		part = Database
	}
	return func(ctx context.Context, r *Run) error {
		return r.platform.Do(ctx, Action{Verb: verb, Part: part, Name: r.chassis(chassis)})
	}
}

func parseHeard(w *words, alive bool) action {
	chassis := w.name(aChassis)
	return func(ctx context.Context, r *Run) error {
		name := r.chassis(chassis)
		return eventually(ctx, func(ctx context.Context) error {
			var found struct {
				Agents []struct {
					Alive bool `json:"alive"`
				} `json:"agents"`
			}
			if err := r.platform.API().Get(ctx, "/v2.0/agents?host="+name, &found); err != nil {
				return err
			}
			if len(found.Agents) != 1 || found.Agents[0].Alive != alive {
				return fmt.Errorf("the agents of %s are %+v", name, found.Agents)
			}
			return nil
		})
	}
}
