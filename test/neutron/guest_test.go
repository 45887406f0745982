//go:build neutron

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

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
func differences(ctx context.Context, c *cloud.Cloud) ([]any, error) {
	intake := cloud.NewClient(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(c.Intake(), "unix:"))
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
