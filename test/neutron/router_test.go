//go:build neutron

package main

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

func (s *site) testRouter(t *testing.T) {
	ctx := t.Context()
	outside := netip.MustParsePrefix("203.0.113.254/24")
	must(t, s.Fabric.Address(lab.External, outside))
	for _, command := range [][]string{
		{"network", "create", "--external", "--provider-network-type", "flat", "--provider-physical-network", "external", "public"},
		{"subnet", "create", "--network", "public", "--no-dhcp", "--subnet-range", "203.0.113.0/24", "--gateway", "203.0.113.254", "public4"},
		{"network", "create", "red"},
		{"subnet", "create", "--network", "red", "--subnet-range", "10.0.1.0/24", "red4"},
		{"router", "create", "--external-gateway", "public", "hub"},
		{"router", "add", "subnet", "hub", "blue4"},
		{"router", "add", "subnet", "hub", "red4"},
		{"security", "group", "create", "open"},
		{"security", "group", "rule", "create", "--ingress", "--protocol", "icmp", "open"},
	} {
		s.mustRun(t, command...)
	}
	var here, there port
	must(t, s.openstack(ctx, &here, "port", "create", "--network", "blue", "--host", "c1", "here"))
	must(t, s.openstack(ctx, &there, "port", "create", "--network", "red", "--host", "c2", "--security-group", "open", "there"))
	a := s.guest(t, "c1", here)
	s.guest(t, "c2", there)
	answers(t, a.Namespace, netip.MustParseAddr(there.FixedIP[0].Address))
	answers(t, a.Namespace, outside.Addr())

	var floating struct {
		ID      string `json:"id"`
		Address string `json:"floating_ip_address"`
	}
	must(t, s.openstack(ctx, &floating, "floating", "ip", "create", "--port", "there", "public"))
	eventually(t, func(ctx context.Context) error {
		shown, err := s.API.Show(ctx, "floatingip", floating.ID)
		if err == nil && shown.Text("status") != "ACTIVE" {
			err = errors.New("the floating IP is " + shown.Text("status"))
		}
		return err
	})
	answers(t, s.Fabric.Namespace, netip.MustParseAddr(floating.Address))
}

// testMigration moves a port as Nova does, but for the guest, which is plugged anew.
func (s *site) testMigration(t *testing.T) {
	ctx := t.Context()
	var p port
	must(t, s.openstack(ctx, &p, "port", "create", "--network", "blue", "--host", "c1", "--device-owner", "compute:nova", "mobile"))
	first, err := s.boot(ctx, "c1", p)
	must(t, err)
	s.leases(t, first, p)
	s.becomes(t, p, "ACTIVE")
	bindings := cloud.Path("port", p.ID) + "/bindings"
	must(t, s.API.Do(ctx, "POST", bindings, map[string]cloud.Object{"binding": {"host": "c2"}}, nil))
	must(t, s.unplug(ctx, "c1", first))
	must(t, s.API.Activate(ctx, p.ID, "c2"))
	must(t, s.API.Do(ctx, "DELETE", bindings+"/c1", nil, nil))
	second := s.guest(t, "c2", p)
	if _, err := second.LinkLocal(ctx); err != nil {
		t.Error(err)
	}
}

// guest starts a guest until the test ends, which has its address and whose port is ACTIVE.
func (s *site) guest(t *testing.T, chassis string, p port) *lab.Guest {
	t.Helper()
	g, err := s.boot(t.Context(), chassis, p)
	must(t, err)
	t.Cleanup(func() { must(t, s.unplug(context.WithoutCancel(t.Context()), chassis, g)) })
	s.leases(t, g, p)
	s.becomes(t, p, "ACTIVE")
	return g
}

// answers waits until an address answers.
func answers(t *testing.T, from *lab.Namespace, to netip.Addr) {
	t.Helper()
	ping, err := from.StartPing(to, 200*time.Millisecond)
	must(t, err)
	defer func() { _, _ = ping.Stop(context.WithoutCancel(t.Context())) }()
	eventually(t, func(context.Context) error {
		if !ping.Answered() {
			return errors.New(to.String() + " does not answer " + from.Name())
		}
		return nil
	})
}
