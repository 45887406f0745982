package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

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
	spec := openstack.Spec{Python: o.python, Dir: dir, Servers: s.Intake(), Keystone: true, Workers: o.workers, VXLAN: true}
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

type object map[string]any

// seed makes the external network, as an operator would, and asks what is served.
func (s *site) seed(ctx context.Context) error {
	var made struct{ Network struct{ ID string } }
	err := s.neutron.Do(ctx, http.MethodPost, "/v2.0/networks", object{"network": object{
		"name": "public", "router:external": true, "is_default": true,
		"provider:network_type": "flat", "provider:physical_network": "external",
	}}, &made)
	if err != nil {
		return err
	}
	s.public = made.Network.ID
	for _, subnet := range []object{
		{"name": "public4", "ip_version": 4, "cidr": "172.24.4.0/22", "gateway_ip": "172.24.4.1"},
		{"name": "public6", "ip_version": 6, "cidr": "2001:db8::/64", "gateway_ip": "2001:db8::2"},
	} {
		subnet["network_id"], subnet["enable_dhcp"] = s.public, false
		if err := s.neutron.Do(ctx, http.MethodPost, "/v2.0/subnets", object{"subnet": subnet}, nil); err != nil {
			return err
		}
	}
	var served struct{ Extensions []struct{ Alias string } }
	if err := s.neutron.Do(ctx, http.MethodGet, "/v2.0/extensions", nil, &served); err != nil {
		return err
	}
	for _, e := range served.Extensions {
		s.extensions = append(s.extensions, e.Alias)
	}
	return nil
}

// agents waits for the chassis to be known.
func (s *site) agents(ctx context.Context) error {
	var known struct{ Agents []struct{ Alive bool } }
	if err := s.neutron.Do(ctx, http.MethodGet, "/v2.0/agents", nil, &known); err != nil {
		return err
	}
	alive := 0
	for _, agent := range known.Agents {
		if agent.Alive {
			alive++
		}
	}
	if alive != len(s.All()) {
		return fmt.Errorf("%d of %d chassis are agents that live", alive, len(s.All()))
	}
	return nil
}
