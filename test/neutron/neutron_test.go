//go:build neutron

package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

var (
	program = flag.String("program", "../../bin/dragonflow", "the dragonflow program")
	python  = flag.String("python", "../../.cache/neutron", "the Python environment with Neutron")
)

// TestNeutron brings up one Neutron, which takes a minute, for all that is tried on it.
func TestNeutron(t *testing.T) {
	s := start(t, "c1", "c2")
	s.mustRun(t, "network", "create", "blue")
	s.mustRun(t, "subnet", "create", "--network", "blue", "--subnet-range", "10.0.0.0/24", "blue4")
	t.Run("chassis are agents", s.testAgents)
	t.Run("ports become ACTIVE and DOWN", s.testPorts)
	t.Run("a host without controller gets no port", s.testNowhere)
	t.Run("routers lead inside and outside", s.testRouter)
	t.Run("bandwidths are guaranteed where chassis can", s.testGuarantee)
	t.Run("live migration", s.testMigration)
	t.Run("the API goes on without server", s.testWithoutServer)
	t.Run("what a killed API had not pushed arrives", s.testKilledAPI)
	t.Run("the audit finds nothing", s.testAudit)
	t.Run("a dead chassis gets no port", s.testDeadChassis)
}

func (s *site) testAgents(t *testing.T) {
	eventually(t, func(ctx context.Context) error {
		var answer struct{ Agents []cloud.Object }
		err := s.API.Get(ctx, "/v2.0/agents", &answer)
		if err != nil {
			return err
		}
		alive := 0
		for _, agent := range answer.Agents {
			if is, _ := agent["alive"].(bool); is {
				alive++
			}
		}
		if alive != len(s.All()) {
			return fmt.Errorf("%d of %v live", alive, answer.Agents)
		}
		return nil
	})
}

func (s *site) testPorts(t *testing.T) {
	p := s.create(t, "p1", "c1")
	if p.VIFType != "ovs" || p.Status != "DOWN" {
		t.Fatalf("a port on a chassis that lives is created as %+v", p)
	}
	for range 2 { // a guest that is started again
		guest, err := s.boot(t.Context(), "c1", p)
		must(t, err)
		s.leases(t, guest, p)
		s.becomes(t, p, "ACTIVE")
		must(t, s.unplug(t.Context(), "c1", guest))
		s.becomes(t, p, "DOWN")
	}
}

func (s *site) testNowhere(t *testing.T) {
	if p := s.create(t, "p2", "nowhere"); p.VIFType != "binding_failed" {
		t.Errorf("a port on a host without a controller is created as %+v", p)
	}
}

// testGuarantee: the chassis here have their datapath in user space, where nothing can be guaranteed.
func (s *site) testGuarantee(t *testing.T) {
	s.mustRun(t, "network", "qos", "policy", "create", "gold")
	s.mustRun(t, "network", "qos", "rule", "create", "--type", "minimum-bandwidth", "--min-kbps", "1000", "--egress", "gold")
	err := s.openstack(t.Context(), nil, "port", "create", "--network", "blue", "--qos-policy", "gold", "refused")
	if err == nil || !strings.Contains(err.Error(), "minimum_bandwidth is not supported by port") {
		t.Errorf("a port in tunnels takes a guarantee: %v", err)
	}
	s.mustRun(t, "network", "create", "--provider-network-type", "vlan", "--provider-physical-network", "external", "--provider-segment", "77",
		"--qos-policy", "gold", "gilded")
	var p port
	must(t, s.openstack(t.Context(), &p, "port", "create", "--network", "gilded", "--host", "c1", "unguaranteed"))
	if p.VIFType != "binding_failed" {
		t.Errorf("a port with a guarantee on a chassis that gives none is created as %+v", p)
	}
	s.mustRun(t, "network", "set", "--no-qos-policy", "gilded")
	must(t, s.openstack(t.Context(), &p, "port", "create", "--network", "gilded", "--host", "c1", "bound"))
	if p.VIFType != "ovs" {
		t.Errorf("a port without is created as %+v", p)
	}
}

func (s *site) testWithoutServer(t *testing.T) {
	gone := s.create(t, "gone", "c1")
	s.Server.Kill()
	s.mustRun(t, "port", "delete", "gone")
	p := s.create(t, "p3", "c2")
	s.mustRun(t, "port", "set", "--dns-name", "named-while-away", "p3")
	must(t, s.Server.Start(t.Context()))
	guest, err := s.boot(t.Context(), "c2", p)
	must(t, err)
	defer func() { must(t, s.unplug(context.WithoutCancel(t.Context()), "c2", guest)) }()
	s.leases(t, guest, p)
	s.becomes(t, p, "ACTIVE")

	// That was perhaps the audit's doing: the process of Neutron that has the deletion looks for the server every five seconds.
	s.testAudit(t)
	ghost, err := s.boot(t.Context(), "c1", gone)
	must(t, err)
	defer func() { must(t, s.unplug(context.WithoutCancel(t.Context()), "c1", ghost)) }()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := ghost.DHCP(ctx, lab.Dhclient4); err == nil {
		t.Error("a port that was deleted while the server was away is served")
	}
}

// testKilledAPI has Neutron commit what the process that did it cannot push any more.
func (s *site) testKilledAPI(t *testing.T) {
	s.Server.Kill()
	p := s.create(t, "p5", "c1")
	must(t, s.Neutron.RestartAPI(t.Context()))
	must(t, s.Server.Start(t.Context()))
	guest, err := s.boot(t.Context(), "c1", p)
	must(t, err)
	defer func() { must(t, s.unplug(context.WithoutCancel(t.Context()), "c1", guest)) }()
	s.leases(t, guest, p)
	s.becomes(t, p, "ACTIVE")
}

// testDeadChassis is the last: the chassis stays dead.
func (s *site) testDeadChassis(t *testing.T) {
	s.Chassis("c2").Controller.Kill()
	eventually(t, func(ctx context.Context) error {
		var answer struct{ Agents []cloud.Object }
		err := s.API.Get(ctx, "/v2.0/agents?host=c2", &answer)
		if err == nil && (len(answer.Agents) != 1 || answer.Agents[0]["alive"] != false) {
			err = fmt.Errorf("agents: %v", answer.Agents)
		}
		return err
	})
	if p := s.create(t, "p6", "c2"); p.VIFType != "binding_failed" {
		t.Errorf("a port on a chassis that is dead is created as %+v", p)
	}
}

// testAudit asks whether Neutron and the server agree after all of this.
func (s *site) testAudit(t *testing.T) {
	eventually(t, func(ctx context.Context) error {
		found, err := differences(ctx, s.Cloud)
		if err == nil && len(found) > 0 {
			err = fmt.Errorf("differences: %v", found)
		}
		return err
	})
}

func start(t *testing.T, chassis ...string) *site {
	t.Helper()
	bin, err := filepath.Abs(*program)
	must(t, err)
	environment, err := filepath.Abs(*python)
	must(t, err)
	s, err := newSite(t.Context(), bin, environment, false, chassis...)
	t.Cleanup(func() {
		if t.Failed() && s.Neutron != nil {
			t.Log(s.Neutron.Said())
			t.Log(s.Server.Said())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, err)
	return s
}

func (s *site) mustRun(t *testing.T, args ...string) {
	t.Helper()
	must(t, s.openstack(t.Context(), nil, args...))
}

func (s *site) create(t *testing.T, name, host string) (p port) {
	t.Helper()
	must(t, s.openstack(t.Context(), &p, "port", "create", "--network", "blue", "--host", host, name))
	return p
}

// leases has a guest get its address by DHCP.
func (s *site) leases(t *testing.T, g *lab.Guest, p port) {
	t.Helper()
	client, err := g.DHCP(t.Context(), lab.Dhclient4)
	must(t, err)
	lease, err := client.Lease()
	must(t, err)
	if got := lease.Address.Addr().String(); got != p.FixedIP[0].Address {
		t.Errorf("the guest got %s instead of %s", got, p.FixedIP[0].Address)
	}
}

func (s *site) becomes(t *testing.T, p port, status string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		shown, err := s.API.Show(ctx, "port", p.ID)
		if err == nil && shown.Text("status") != status {
			err = fmt.Errorf("port %s is %s and not %s", p.ID, shown.Text("status"), status)
		}
		return err
	})
}

func eventually(t *testing.T, f func(context.Context) error) {
	t.Helper()
	if err := cloud.Eventually(t.Context(), cloud.Patience, f); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
