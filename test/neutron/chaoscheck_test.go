//go:build neutron

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// agreement waits until everything serves, and then at most one interval of the audit until everybody agrees.
func (s *site) agreement(ctx context.Context, t *testing.T, servers []*cloud.Daemon, customers []*customer, ended time.Time) error {
	t.Helper()
	for _, d := range append([]*cloud.Daemon{s.Database}, servers...) {
		must(t, d.Wait(ctx))
	}
	for _, ch := range s.All() {
		must(t, ch.Controller.Wait(ctx))
	}
	must(t, cloud.Eventually(ctx, 5*time.Minute, s.neutronServes))
	t.Logf("everything serves %.1f s after the end", time.Since(ended).Seconds())
	began, last := time.Now(), ""
	for {
		err := s.agrees(ctx, t, customers)
		if err == nil {
			return s.recomputed(ctx)
		}
		if time.Since(began) > interval {
			return err
		}
		if now := brief(err); now != last {
			t.Logf("%.1f s after the end: %s", time.Since(ended).Seconds(), now)
			last = now
		}
	}
}

// neutronServes returns an error as long as not all of Neutron's processes are there: they take long to start.
func (s *site) neutronServes(ctx context.Context) error {
	for what, list := range map[string]func() ([]int, error){"API": s.Neutron.APIWorkers, "periodic": s.Neutron.PeriodicWorkers} {
		workers, err := list()
		if err != nil {
			return err
		}
		if len(workers) == 0 {
			return fmt.Errorf("no %s worker of Neutron runs", what)
		}
	}
	for range 2 * s.Neutron.Workers { // each by another process, most likely
		if err := s.API.Get(ctx, cloud.Path("port", ""), nil); err != nil {
			return err
		}
	}
	return nil
}

// brief is the first line of an error.
func brief(err error) string {
	lines := strings.Split(err.Error(), "\n")
	return fmt.Sprintf("%d differences, such as %.200s", len(lines), lines[0])
}

// agrees compares what clients were told, Neutron, the database, and switches.
func (s *site) agrees(ctx context.Context, t *testing.T, customers []*customer) error {
	neutron, err := read(ctx, s.API)
	if err != nil {
		return err
	}
	var found []string
	for _, c := range customers {
		found = append(found, c.missed(neutron)...)
	}
	differ, err := s.databaseDiffers(ctx, t, neutron)
	if err != nil {
		return err
	}
	found = append(found, differ...)
	found = append(found, s.wronglyShown(ctx, s.servers(), neutron, customers)...)
	for _, ch := range s.All() {
		differ, err := differs(ctx, ch)
		if err != nil {
			return err
		}
		found = append(found, differ...)
	}
	if len(found) > 0 {
		return errors.New(strings.Join(found, "\n"))
	}
	// The plugin's own comparison, which has to see nothing either.
	own, err := differences(ctx, s.Cloud)
	if err == nil && len(own) > 0 {
		err = fmt.Errorf("the audit of the plugin still finds %v", own)
	}
	return err
}

// wronglyShown are ports whose status or binding is not that of the interface in the switch.
func (s *site) wronglyShown(ctx context.Context, servers []string, neutron shown, customers []*customer) (out []string) {
	plugged := map[string]string{}
	for _, c := range customers {
		for id, host := range c.plugged {
			plugged[id] = host
		}
	}
	for id, p := range neutron["port"] {
		owner := p.Text("device_owner")
		if owner != "" && owner != "compute:nova" {
			continue
		}
		// A network that is down carries nothing, so its ports are down, too.
		host, up := p.Text("binding:host_id"), p["admin_state_up"] == true && neutron["network"][p.Text("network_id")]["admin_state_up"] == true
		want := "DOWN"
		if host != "" && plugged[id] == host && up {
			want = "ACTIVE"
		}
		if host != "" && p.Text("binding:vif_type") != "ovs" {
			out = append(out, fmt.Sprintf("port %s is bound to %s with the type %s", id, host, p.Text("binding:vif_type")))
		}
		if p.Text("status") != want {
			out = append(out, fmt.Sprintf("port %s on %q is %s and not %s: plugged at %q, up %v; servers say %v",
				id, host, p.Text("status"), want, plugged[id], up, told(ctx, servers, id)))
		}
	}
	slices.Sort(out)
	return out
}

// servers are the addresses of those that Neutron uses.
func (s *site) servers() []string { return strings.Split(s.Neutron.Servers, ",") }

// told is what servers tell of a port.
func told(ctx context.Context, servers []string, port string) (out []string) {
	for _, address := range servers {
		client := cloud.NewClient(func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(address, "unix:"))
		})
		var status struct{ Ports []cloud.Object }
		if err := client.Get(ctx, "/v1/status?wait=1", &status); err != nil {
			out = append(out, err.Error())
			continue
		}
		says := "nothing"
		for _, p := range status.Ports {
			if p.ID() == port {
				says = fmt.Sprint(p)
			}
		}
		out = append(out, says)
	}
	return out
}

// differs lists where database, view, desired flows and switch of a chassis differ.
func differs(ctx context.Context, ch *cloud.Chassis) ([]string, error) {
	out, err := ch.Ask(ctx, "diff", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list []any
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("diff on %s: %w: %s", ch.Name(), err, out)
	}
	found := make([]string, len(list))
	for i, difference := range list {
		found[i] = fmt.Sprintf("%s: %v", ch.Name(), difference)
	}
	return found, nil
}

// recomputed starts the controllers anew, which make everything anew out of the database: the switches must have had it.
func (s *site) recomputed(ctx context.Context) error {
	for _, ch := range s.All() {
		before, err := ch.Flows(ctx)
		if err != nil {
			return err
		}
		ch.Controller.Kill()
		if err := ch.Controller.Start(ctx); err != nil {
			return err
		}
		after, err := ch.Flows(ctx)
		if err != nil {
			return err
		}
		if difference := cmp.Diff(withoutMarker(before), withoutMarker(after)); difference != "" {
			return fmt.Errorf("%s has other flows after its controller was started anew:\n%s", ch.Name(), difference)
		}
	}
	return nil
}

// withoutMarker are flows without the one that says up to when the switch has everything.
func withoutMarker(flows string) []string {
	return slices.DeleteFunc(strings.Split(flows, "\n"), func(f string) bool { return strings.Contains(f, "actions=note:") })
}
