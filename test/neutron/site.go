// Command neutron brings up a real Neutron with Dragonflow behind it: MariaDB, Keystone, Neutron's API and its periodic
// workers on loopback, and a server and chassis in network namespaces. It says how to call it, and ends it all when it is
// interrupted. Needs root.
package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/lab/openstack"
)

// site is a Dragonflow with a Neutron before it. Its API is Neutron's, which answers all without Keystone only.
type site struct {
	*cloud.Cloud
	Neutron *openstack.Stack
	dir     string
}

// newSite brings everything up. What it returns must be closed also when there is an error.
func newSite(ctx context.Context, program, python string, keystone bool, chassis ...string) (*site, error) {
	dir, err := os.MkdirTemp("", "df-os") // short: there are sockets in it
	if err != nil {
		return &site{}, err
	}
	s := &site{dir: dir}
	if s.Cloud, err = cloud.NewOfNeutron(ctx, program); err != nil {
		return s, err
	}
	s.Neutron, err = openstack.Start(ctx, openstack.Spec{Python: python, Dir: dir, Servers: s.Intake(), Keystone: keystone})
	if err != nil {
		return s, err
	}
	s.API = cloud.NewAdmin(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(s.Neutron.API, "http://"))
	})
	for _, name := range chassis {
		if _, err := s.AddChassis(ctx, name, "--bridge-mappings", "external:"+lab.ExternalBridge, "--gateway=true"); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *site) Close() error {
	var errs []error
	if s.Neutron != nil {
		errs = append(errs, s.Neutron.Close())
	}
	if s.Cloud != nil {
		errs = append(errs, s.Cloud.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// openrc writes the file that people source before they call the client.
func (s *site) openrc() (string, error) {
	var text string
	for _, variable := range s.Neutron.Environment() {
		text += "export " + variable + "\n"
	}
	path := filepath.Join(s.dir, "openrc")
	return path, os.WriteFile(path, []byte(text), 0o600)
}
