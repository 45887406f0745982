//go:build neutron

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/lab/openstack"
	"github.com/dragonflow/dragonflow/test/scenario"
	"github.com/dragonflow/dragonflow/test/scenario/real"
)

// stage is a Neutron before which clouds come and go, one for each scenario.
type stage struct {
	neutron *openstack.Stack
	program string
	socket  string // of whichever server is there
	api     *cloud.Client
}

// projectless is whose is what is made without Keystone for nobody in particular.
const projectless = "fake_project_id"

// newStage starts a Neutron that has no server yet. What it returns must be closed also when there is an error.
func newStage(ctx context.Context, program, python, dir string) (*stage, error) {
	s := &stage{program: program, socket: filepath.Join(dir, "intake.sock")}
	var err error
	s.neutron, err = openstack.Start(ctx, openstack.Spec{
		Python: python, Dir: dir, Servers: "unix:" + s.socket, Physical: []string{scenario.PhysicalNetwork, "rack1", "rack2"},
	})
	if err != nil {
		return s, err
	}
	s.api = cloud.NewAdmin(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(s.neutron.API, "http://"))
	})
	unlimited := cloud.Object{}
	for _, kind := range []string{"port", "network", "subnet", "router", "floatingip", "security_group", "security_group_rule"} {
		unlimited[kind] = -1
	}
	return s, s.api.Do(ctx, http.MethodPut, "/v2.0/quotas/"+projectless, map[string]cloud.Object{"quota": unlimited}, nil)
}

// player is the platform of one scenario: a cloud of namespaces whose API is Neutron's. Beyond what the scenario asks it sees
// that Neutron shows how ports and chassis are.
type player struct {
	*real.Platform
	stage *stage
	// plugged are the chassis of machines that have a port, by name.
	plugged map[string]plug
}

// plug is where the machine of a port is, and was.
type plug struct {
	port    string
	chassis []string
	resumed string // where it came by a live migration, empty if by none
}

func (s *stage) player(ctx context.Context) (*player, error) {
	c, err := cloud.NewAtSocket(ctx, s.program, s.socket)
	if err != nil {
		return nil, err
	}
	c.API = s.api
	return &player{Platform: real.On(c), stage: s, plugged: map[string]plug{}}, nil
}

// AddChassis returns when Neutron knows what the chassis has: before that no port could be bound to it.
func (p *player) AddChassis(ctx context.Context, c scenario.Chassis) error {
	if err := p.Platform.AddChassis(ctx, c); err != nil {
		return err
	}
	return soon(ctx, func(ctx context.Context) error {
		agents, err := p.list(ctx, "agent", "?host="+c.Name)
		if err != nil {
			return err
		}
		for _, agent := range agents {
			has, _ := agent["configurations"].(map[string]any)
			if agent["alive"] == true && strings.Contains(fmt.Sprint(has["physical_networks"]), c.Physical) &&
				strings.Contains(fmt.Sprint(has["tunnel_types"]), c.Tunnels) {
				return nil
			}
		}
		return fmt.Errorf("the agents on %s are %v", c.Name, agents)
	})
}

// Boot sees that the port is DOWN before.
func (p *player) Boot(ctx context.Context, chassis string, m scenario.Machine) (scenario.Guest, error) {
	if m.Outside {
		return p.Platform.Boot(ctx, chassis, m)
	}
	at, moves := p.plugged[m.Name]
	if !moves {
		at.port = m.Port
		if err := p.shows(ctx, m.Port, "DOWN"); err != nil {
			return nil, err
		}
	}
	at.chassis = append(at.chassis, chassis)
	p.plugged[m.Name] = at
	return p.Platform.Boot(ctx, chassis, m)
}

// Do keeps account of where machines are. As Nova does, it has the binding active where a machine goes on before it takes it
// off where it was.
func (p *player) Do(ctx context.Context, a scenario.Action) error {
	at := p.plugged[a.Name]
	if a.Verb == scenario.Unplug && at.resumed != "" && at.resumed != a.To {
		if err := p.API().Activate(ctx, at.port, at.resumed); err != nil {
			return err
		}
	}
	err := p.Platform.Do(ctx, a)
	switch {
	case err != nil || at.port == "":
		return err
	case a.Verb == scenario.Resume:
		at.resumed = a.To
	case a.Verb == scenario.Unplug:
		at.chassis = slices.DeleteFunc(slices.Clone(at.chassis), func(name string) bool { return name == a.To })
	}
	p.plugged[a.Name] = at
	return nil
}

// Set says by a tag what Neutron's routers have no field for.
func (p *player) Set(ctx context.Context, kind, id string, fields cloud.Object) error {
	const distributed = "distributed_snat"
	rest := maps.Clone(fields)
	if wanted, told := fields[distributed]; told {
		delete(rest, distributed)
		method := http.MethodDelete
		if wanted == true {
			method = http.MethodPut
		}
		if err := p.API().Do(ctx, method, cloud.Path(kind, id)+"/tags/distributed-snat", nil, nil); err != nil {
			return err
		}
	}
	if len(rest) == 0 {
		return nil
	}
	_, err := p.API().Update(ctx, kind, id, rest)
	return err
}

// Activate does what Nova does when a guest is to go on where it was: it removes the other bindings, since to Neutron the one
// there has never ceased to be the active one.
func (p *player) Activate(ctx context.Context, port, chassis string) error {
	path := cloud.Path("port", port) + "/bindings"
	var found struct{ Bindings []cloud.Object }
	if err := p.API().Get(ctx, path, &found); err != nil {
		return err
	}
	here := func(b cloud.Object) bool { return b.Text("host") == chassis }
	at := slices.IndexFunc(found.Bindings, here)
	if at < 0 || found.Bindings[at].Text("status") != "ACTIVE" {
		return p.API().Activate(ctx, port, chassis)
	}
	for _, b := range found.Bindings {
		if here(b) {
			continue
		}
		if err := p.API().Do(ctx, http.MethodDelete, path+"/"+b.Text("host"), nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// Crowd is smaller: Neutron makes, shows and removes some ports a second.
func (p *player) Crowd(ports int) int {
	const most = 100
	return min(ports, most)
}

// finish unplugs all machines and sees that their ports become DOWN, and that Neutron and the server agree.
func (p *player) finish(ctx context.Context) error {
	for name, at := range p.plugged {
		for _, chassis := range slices.Clone(at.chassis) {
			if !p.Cloud.Chassis(chassis).Controller.Running() {
				continue // whose switch may not run either
			}
			err := p.Do(ctx, scenario.Action{Verb: scenario.Unplug, Part: scenario.Guests, Name: name, To: chassis})
			if err != nil {
				return fmt.Errorf("unplug %s: %w", name, err)
			}
		}
	}
	ports, err := p.list(ctx, "port", "")
	if err != nil {
		return err
	}
	for _, port := range ports {
		for name, at := range p.plugged {
			if at.port != port.ID() || len(p.plugged[name].chassis) > 0 {
				continue
			}
			if err := soon(ctx, func(ctx context.Context) error { return p.shows(ctx, at.port, "DOWN") }); err != nil {
				return fmt.Errorf("%s was unplugged: %w", name, err)
			}
		}
	}
	return soon(ctx, func(ctx context.Context) error {
		found, err := differences(ctx, p.Cloud)
		if err == nil && len(found) > 0 {
			err = fmt.Errorf("Neutron and the server differ: %v", found)
		}
		return err
	})
}

// shows returns an error unless Neutron shows a port with that status.
func (p *player) shows(ctx context.Context, port, status string) error {
	shown, err := p.API().Show(ctx, "port", port)
	if err == nil && shown.Text("status") != status {
		err = fmt.Errorf("port %s is %s and not %s", shown.Text("name"), shown.Text("status"), status)
	}
	return err
}

func (p *player) list(ctx context.Context, kind, query string) ([]cloud.Object, error) {
	return list(ctx, p.API(), kind, query)
}

func list(ctx context.Context, api *cloud.Client, kind, query string) ([]cloud.Object, error) {
	answer := map[string][]cloud.Object{}
	path := cloud.Path(kind, "")
	if err := api.Get(ctx, path+query, &answer); err != nil {
		return nil, err
	}
	return answer[strings.ReplaceAll(strings.TrimPrefix(path, "/v2.0/"), "-", "_")], nil
}

func soon(ctx context.Context, f func(context.Context) error) error {
	return cloud.Eventually(ctx, cloud.Patience, f)
}

// leave ends the chassis and the server, and sees that Neutron notices.
func (p *player) leave(ctx context.Context) error {
	var errs []error
	for _, c := range p.Cloud.All() {
		if c.Controller.Running() {
			errs = append(errs, c.Controller.Terminate())
		}
	}
	errs = append(errs, soon(ctx, func(ctx context.Context) error {
		agents, err := p.list(ctx, "agent", "?alive=true")
		if err == nil && len(agents) > 0 {
			err = fmt.Errorf("agents of chassis whose controllers have ended live: %v", agents)
		}
		return err
	}))
	return errors.Join(errs...)
}
