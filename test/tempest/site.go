package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/lab/openstack"
)

// site is a Dragonflow with a Neutron before it, and what the tests expect to be there.
type site struct {
	*cloud.Cloud
	neutron    *openstack.Stack
	dir        string
	public     string // the external network
	extensions []string
}

// newSite brings everything up. What it returns must be closed also when there is an error.
func newSite(ctx context.Context, o settings) (*site, error) {
	dir, err := os.MkdirTemp("", "df-tp") // short: there are sockets in it
	if err != nil {
		return &site{}, err
	}
	s := &site{dir: dir}
	if s.Cloud, err = cloud.NewOfNeutron(ctx, o.program); err != nil {
		return s, err
	}
	spec := openstack.Spec{Python: o.python, Dir: dir, Servers: s.Intake(), Keystone: true, Workers: o.workers}
	if s.neutron, err = openstack.Start(ctx, spec); err != nil {
		return s, err
	}
	for _, name := range []string{"c1", "c2"} { // tests of lists of agents want two
		if _, err := s.AddChassis(ctx, name, "--bridge-mappings", "external:"+lab.ExternalBridge, "--gateway=true"); err != nil {
			return s, err
		}
	}
	if err := s.seed(ctx); err != nil {
		return s, err
	}
	return s, cloud.Eventually(ctx, cloud.Patience, s.agents)
}

func (s *site) Close() error {
	var errs []error
	if s.neutron != nil {
		errs = append(errs, s.neutron.Close())
	}
	if s.Cloud != nil {
		errs = append(errs, s.Cloud.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// seed makes the external network, as an operator would, and asks what is served.
func (s *site) seed(ctx context.Context) error {
	var network struct{ ID string }
	err := s.client(ctx, &network, "network", "create", "--external", "--default", "--provider-network-type", "flat",
		"--provider-physical-network", "external", "public")
	if err != nil {
		return err
	}
	s.public = network.ID
	for _, subnet := range [][]string{
		{"--subnet-range", "172.24.4.0/22", "--gateway", "172.24.4.1", "public4"},
		{"--ip-version", "6", "--subnet-range", "2001:db8::/64", "--gateway", "2001:db8::2", "public6"},
	} {
		if err := s.client(ctx, nil, append([]string{"subnet", "create", "--network", "public", "--no-dhcp"}, subnet...)...); err != nil {
			return err
		}
	}
	var extensions []struct{ Alias string }
	if err := s.client(ctx, &extensions, "extension", "list", "--network"); err != nil {
		return err
	}
	for _, e := range extensions {
		s.extensions = append(s.extensions, e.Alias)
	}
	return nil
}

// agents waits for the chassis to be known.
func (s *site) agents(ctx context.Context) error {
	var agents []struct{ Alive bool }
	if err := s.client(ctx, &agents, "network", "agent", "list"); err != nil {
		return err
	}
	alive := 0
	for _, agent := range agents {
		if agent.Alive {
			alive++
		}
	}
	if alive != len(s.All()) {
		return fmt.Errorf("%d of %d chassis are agents that live", alive, len(s.All()))
	}
	return nil
}

// client runs the openstack client and reads what it prints.
func (s *site) client(ctx context.Context, into any, args ...string) error {
	said, err := s.neutron.Client(ctx, append(args, "-f", "json")...)
	if err != nil {
		return err
	}
	if into == nil {
		return nil
	}
	start := strings.IndexAny(said, "[{")
	if start < 0 {
		return fmt.Errorf("openstack %s: %q", strings.Join(args, " "), said)
	}
	if err := json.NewDecoder(strings.NewReader(said[start:])).Decode(into); err != nil {
		return fmt.Errorf("openstack %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
