// Command neutron brings up a real Neutron with Dragonflow behind it: MariaDB, Keystone, Neutron's API and its periodic
// workers on loopback, and a server and chassis in network namespaces. It says how to call it, and ends it all when it is
// interrupted. Needs root.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	s.API = cloud.NewClient(func(ctx context.Context) (net.Conn, error) {
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

// openstack runs the client that people use, and reads what it shows into out unless that is nil.
func (s *site) openstack(ctx context.Context, out any, args ...string) error {
	if out != nil {
		args = append(args, "-f", "json")
	}
	text, err := s.Neutron.Client(ctx, args...)
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		return fmt.Errorf("openstack %v: %w: %s", args, err, text)
	}
	return nil
}

// port is what the client shows of a port.
type port struct {
	ID      string `json:"id"`
	MAC     string `json:"mac_address"`
	Status  string `json:"status"`
	VIFType string `json:"binding_vif_type"`
	FixedIP []struct {
		Address string `json:"ip_address"`
	} `json:"fixed_ips"`
}

// boot starts a guest for a port, as Nova would.
func (s *site) boot(ctx context.Context, chassis string, p port) (*lab.Guest, error) {
	mac, err := net.ParseMAC(p.MAC)
	if err != nil {
		return nil, err
	}
	const short = 8
	name := "tap-" + p.ID[:short]
	return s.Chassis(chassis).Boot(ctx, cloud.Bridge, p.ID, lab.Spec{Name: name, Port: name, MAC: mac, AcceptRA: true})
}

// unplug takes a guest's interface out of the switch, as Nova does.
func (s *site) unplug(ctx context.Context, chassis string, g *lab.Guest) error {
	_, err := s.Chassis(chassis).OVS.Vsctl(ctx, "del-port", cloud.Bridge, g.Spec().Port)
	return errors.Join(err, g.Close())
}

// differences asks for an audit and returns what Neutron and the server do not agree about.
func (s *site) differences(ctx context.Context) ([]any, error) {
	intake := cloud.NewClient(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(s.Intake(), "unix:"))
	})
	var audit struct {
		ID, State   string
		Differences []any
	}
	if err := intake.Do(ctx, http.MethodPost, "/v1/audits", map[string]bool{"fix": false}, &audit); err != nil {
		return nil, err
	}
	if err := intake.Get(ctx, "/v1/audits/"+audit.ID+"?wait=25", &audit); err != nil {
		return nil, err
	}
	if audit.State != "done" {
		return nil, fmt.Errorf("the audit is %q", audit.State)
	}
	return audit.Differences, nil
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
