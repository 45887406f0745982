package scenario

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// events are the statements that do something to the cloud.
func events() map[string]statement {
	table := map[string]statement{
		"move":      {"move CHASSIS PREFIX: it gets another address on the underlay", parseMove},
		"prepare":   {"prepare GUEST on CHASSIS: a live migration begins", parsePrepare},
		"activate":  {"activate GUEST on CHASSIS: the API makes its binding there the active one", parseActivate},
		"resume":    {"resume GUEST on CHASSIS: the machine goes on there, and says so", parseResume},
		"finish":    {"finish GUEST on CHASSIS: what it left behind there is removed", parseFinish},
		"churn":     {"churn N: so many changes to the topology that concern nobody", parseChurn},
		"remember":  {"remember CHASSIS: its flows", parseRemember},
		"unchanged": {"unchanged CHASSIS: it has the flows remembered", parseUnchanged},
		"pause":     {"pause SECONDS", parsePause},
		"load":      {"load SECONDS: two processes for each processor want nothing but it", parseLoad},
	}
	for _, verb := range []Verb{Freeze, Thaw} {
		table[string(verb)] = statement{string(verb) + " switch CHASSIS", func(w *words) action { return parseStill(w, verb) }}
	}
	for _, verb := range []Verb{Kill, Stop, Start} {
		table[string(verb)] = statement{
			string(verb) + " server|database|controller CHASSIS|switch CHASSIS|chassis CHASSIS",
			func(w *words) action { return parseAction(w, verb) },
		}
	}
	return table
}

// parseStill reads what stands still, or goes on: the process that moves a chassis' packets.
func parseStill(w *words, verb Verb) action {
	w.expect(string(Switch))
	chassis := w.name(aChassis)
	return func(ctx context.Context, r *Run) error {
		return r.platform.Do(ctx, Action{Verb: verb, Part: Switch, Name: r.chassis(chassis)})
	}
}

func parseAction(w *words, verb Verb) action {
	a := Action{Verb: verb, Part: Part(w.oneOf(string(Server), string(Database), string(Controller), string(Switch), string(Host)))}
	if a.Part == Controller || a.Part == Switch || a.Part == Host {
		a.Name = w.name(aChassis)
	}
	return func(ctx context.Context, r *Run) error {
		a := a
		a.Name = r.chassis(a.Name)
		began := time.Now()
		err := r.platform.Do(ctx, a)
		if a.Part == Switch && a.Verb == Start {
			r.starts[a.Name] = time.Since(began)
		}
		return err
	}
}

func parseMove(w *words) action {
	a := Action{Verb: Address, Part: Host, Name: w.name(aChassis), Prefix: w.prefix()}
	return func(ctx context.Context, r *Run) error { return r.platform.Do(ctx, a) }
}

// guestOn reads "GUEST on CHASSIS".
func guestOn(w *words) (guest, chassis string) {
	guest = w.name(aGuest)
	w.expect("on")
	return guest, w.name(aChassis)
}

func parsePrepare(w *words) action {
	guest, chassis := guestOn(w)
	w.names.mobile[guest] = true
	return func(ctx context.Context, r *Run) error {
		m := r.machines[guest]
		binding := map[string]cloud.Object{"binding": {"host": chassis}}
		if err := r.platform.API().Do(ctx, http.MethodPost, cloud.Path("port", m.port)+"/bindings", binding, nil); err != nil {
			return err
		}
		_, err := r.platform.Boot(ctx, chassis, Machine{Name: guest, Port: m.port, MAC: m.mac, Mobile: true})
		if err != nil {
			return err
		}
		return eventually(ctx, func(ctx context.Context) error { return r.holds(ctx, chassis, m) })
	}
}

// holds returns an error until a chassis listens for the machine: has flows for what comes from its MAC address.
// Flows to that address are there before, and after the machine has left.
func (r *Run) holds(ctx context.Context, chassis string, m *machine) error {
	flows, err := r.platform.Flows(ctx, chassis)
	if err == nil && !strings.Contains(flows, "dl_src="+m.mac.String()) {
		err = fmt.Errorf("%s has nothing of %s", chassis, m.name)
	}
	return err
}

func parseActivate(w *words) action {
	guest, chassis := guestOn(w)
	return func(ctx context.Context, r *Run) error {
		if neutron, is := r.platform.(OfNeutron); is {
			return neutron.Activate(ctx, r.machines[guest].port, chassis)
		}
		return r.platform.API().Activate(ctx, r.machines[guest].port, chassis)
	}
}

func parseResume(w *words) action {
	guest, chassis := guestOn(w)
	return func(ctx context.Context, r *Run) error {
		return r.platform.Do(ctx, Action{Verb: Resume, Part: Guests, Name: guest, To: chassis})
	}
}

func parseFinish(w *words) action {
	guest, chassis := guestOn(w)
	return func(ctx context.Context, r *Run) error {
		m := r.machines[guest]
		if err := r.platform.Do(ctx, Action{Verb: Unplug, Part: Guests, Name: guest, To: chassis}); err != nil {
			return err
		}
		return r.platform.API().Do(ctx, http.MethodDelete, cloud.Path("port", m.port)+"/bindings/"+chassis, nil, nil)
	}
}

func parseChurn(w *words) action {
	n := w.number("a number of changes", 1, 100000)
	return func(ctx context.Context, r *Run) error { return r.churn(ctx, n) }
}

// churn makes, changes and removes ports and rules: half of the ports on the networks of the scenario, the others on one
// of their own. None of it concerns the machines.
func (r *Run) churn(ctx context.Context, n int) error {
	api := r.platform.API().As("churn")
	own, err := api.Create(ctx, "network", cloud.Object{"name": "churn"})
	if err != nil {
		return err
	}
	if _, err := api.Create(ctx, "subnet", cloud.Object{"network_id": own.ID(), "ip_version": 4, "cidr": "10.0.0.0/16"}); err != nil {
		return err
	}
	networks := []string{own.ID()}
	for _, n := range r.networks {
		networks = append(networks, n.id)
	}
	_, ofNeutron := r.platform.(OfNeutron)
	for done := 0; done < n; {
		fields := cloud.Object{"network_id": networks[done%len(networks)]}
		if !ofNeutron { // which would try for a second or two to bind the port to a host without a chassis
			fields["binding:host_id"] = "elsewhere"
		}
		port, err := api.Create(ctx, "port", fields)
		if err != nil {
			return err
		}
		if _, err := api.Update(ctx, "port", port.ID(), cloud.Object{"admin_state_up": false}); err != nil {
			return err
		}
		if err := api.Delete(ctx, "port", port.ID()); err != nil {
			return err
		}
		done += 3
	}
	return nil
}

func parseRemember(w *words) action {
	chassis := w.name(aChassis)
	return func(ctx context.Context, r *Run) error {
		flows, err := r.settledFlows(ctx, chassis)
		r.memories[chassis] = flows
		return err
	}
}

// settledFlows are the flows when they have stayed the same for a moment.
func (r *Run) settledFlows(ctx context.Context, chassis string) (string, error) {
	last := ""
	err := eventually(ctx, func(ctx context.Context) error {
		flows, err := r.flows(ctx, chassis)
		if err == nil && flows != last {
			err = fmt.Errorf("the flows of %s are changing", chassis)
		}
		last = flows
		return err
	})
	return last, err
}

// flows are those of a chassis without the one that says how much of the snapshot the switch has, in an order of their
// own: a switch lists flows of one priority as it likes.
func (r *Run) flows(ctx context.Context, chassis string) (string, error) {
	all, err := r.platform.Flows(ctx, r.chassis(chassis))
	var kept []string
	for line := range strings.Lines(all) {
		if !strings.Contains(line, "actions=note:") {
			kept = append(kept, line)
		}
	}
	slices.Sort(kept)
	return strings.Join(kept, ""), err
}

func parseUnchanged(w *words) action {
	chassis := w.name(aChassis)
	return func(ctx context.Context, r *Run) error {
		return eventually(ctx, func(ctx context.Context) error {
			now, err := r.flows(ctx, chassis)
			if err == nil && now != r.memories[chassis] {
				err = fmt.Errorf("the flows have changed:\n%s", difference(r.memories[chassis], now))
			}
			return err
		})
	}
}

// difference is what one text has and the other has not.
func difference(before, after string) string {
	const most = 10
	var list []string
	had, has := slices.Collect(strings.Lines(before)), slices.Collect(strings.Lines(after))
	for _, line := range had {
		if !slices.Contains(has, line) {
			list = append(list, "- "+line)
		}
	}
	for _, line := range has {
		if !slices.Contains(had, line) {
			list = append(list, "+ "+line)
		}
	}
	return strings.Join(list[:min(most, len(list))], "")
}

func parsePause(w *words) action {
	d := time.Duration(w.number("seconds", 1, 120)) * time.Second
	return func(ctx context.Context, r *Run) error {
		over, forget := time.After(d), r.forgetting()
		defer forget.Stop()
		for {
			select {
			case <-over:
				return nil
			case <-forget.C:
				if _, err := r.platform.(Forgetter).Forget(ctx); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// forgetting tells when switches are to forget; never, if the scenario is not Forgetful.
func (r *Run) forgetting() *time.Ticker {
	tick := time.NewTicker(500 * time.Millisecond)
	if _, can := r.platform.(Forgetter); !can || !r.forgetful {
		tick.Stop()
	}
	return tick
}
