//go:build neutron

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/lab/openstack"
)

var (
	duration = flag.Duration("duration", 0, "for how long the test of consistency under fire kills; 0 leaves it out")
	seed     = flag.Uint64("seed", 0, "what decides what its clients and its killer do; 0 is another each time")
)

// interval is how often the plugin audits everything, as it is installed.
const interval = 60 * time.Second

// TestChaos has clients make, change and delete everything that Neutron has, while everything but Neutron's own database
// is killed at random. When nothing is killed any more, Neutron, the database and the switches have to agree within
// one interval of the audit, and what was acknowledged has to be there.
func TestChaos(t *testing.T) {
	if *duration == 0 {
		t.Skip("needs -duration: make neutron-chaos")
	}
	if *seed == 0 {
		*seed = rand.Uint64N(1 << 20)
	}
	t.Logf("seed %d, %v", *seed, *duration)
	s, servers := startFragile(t)
	outside := s.outside(t)
	customers := make([]*customer, 5)
	for i := range customers {
		customers[i] = &customer{book: &book{counts: map[string]int{}}, site: s, number: i + 1, outside: outside,
			random: rand.New(rand.NewPCG(*seed, uint64(i))), plugged: map[string]string{}}
	}
	log := &events{began: time.Now(), counts: map[string]int{}}
	must(t, s.fire(t.Context(), customers, s.victims(t.Context(), servers), log))
	ended := time.Now()
	err := s.agreement(t.Context(), t, servers, customers, ended)
	if err != nil {
		t.Errorf("one interval after the end: %v", err)
	} else {
		t.Logf("all agreed %.1f s after the end", time.Since(ended).Seconds())
	}
	log.log(t, t.Failed())
	unexpected, err := exceptions(s.Neutron, t.ArtifactDir())
	must(t, err)
	if len(unexpected) > 0 {
		t.Errorf("Neutron has not expected:\n%s", strings.Join(unexpected, "\n"))
	}
	for _, c := range customers {
		t.Logf("client %d: %v, alive %d", c.number, c.counts, len(c.alive()))
		if t.Failed() {
			t.Logf("without answer:\n%s", strings.Join(c.lost, "\n"))
		}
	}
}

// fire lets clients and killers loose, and returns when all of them have ended and everything that was killed serves.
func (s *site) fire(ctx context.Context, customers []*customer, victims []victim, log *events) error {
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	var all []func() error
	for i := range victims {
		random := rand.New(rand.NewPCG(*seed, 1000+uint64(i)))
		all = append(all, func() error { return victims[i].haunt(ctx, random, log) })
	}
	for _, c := range customers {
		all = append(all, func() error { return c.trade(ctx) })
	}
	ended := make(chan error)
	for _, one := range all {
		go func() { ended <- one() }()
	}
	var failed error
	for range all {
		if err := <-ended; err != nil {
			failed = errors.Join(failed, err)
			cancel() // nothing of it counts any more
		}
	}
	return failed
}

// startFragile is a site with two servers, several processes of Neutron's API, and three chassis.
func startFragile(t *testing.T) (*site, []*cloud.Daemon) {
	t.Helper()
	bin, err := filepath.Abs(*program)
	must(t, err)
	environment, err := filepath.Abs(*python)
	must(t, err)
	s := &site{}
	t.Cleanup(func() {
		if t.Failed() && s.Neutron != nil {
			t.Log(s.Neutron.Said())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.dir, err = os.MkdirTemp("", "df-os")
	must(t, err)
	s.Cloud, err = cloud.NewOfNeutron(t.Context(), bin)
	must(t, err)
	second, address, err := s.AddServer(t.Context())
	must(t, err)
	s.Neutron, err = openstack.Start(t.Context(), openstack.Spec{Python: environment, Dir: s.dir, Servers: s.Intake() + "," + address,
		Workers: 4, Log: filepath.Join(s.dir, "neutron.log")})
	must(t, err)
	s.API = cloud.NewAdmin(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(s.Neutron.API, "http://"))
	})
	for i := range 3 {
		_, err := s.AddChassis(t.Context(), fmt.Sprint("c", i+1), "--bridge-mappings", "external:"+lab.ExternalBridge, "--gateway=true")
		must(t, err)
	}
	return s, []*cloud.Daemon{s.Server, second}
}

// outside makes an external network, and lets everybody have as much of everything as they like.
func (s *site) outside(t *testing.T) string {
	t.Helper()
	network, err := s.API.Create(t.Context(), "network", cloud.Object{"name": "outside", "router:external": true,
		"provider:network_type": "flat", "provider:physical_network": "external"})
	must(t, err)
	_, err = s.API.Create(t.Context(), "subnet", cloud.Object{"network_id": network.ID(), "ip_version": 4, "cidr": "100.64.0.0/16", "enable_dhcp": false})
	must(t, err)
	quota := cloud.Object{}
	for _, kind := range []string{"network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule"} {
		quota[kind] = -1
	}
	must(t, s.API.Do(t.Context(), "PUT", "/v2.0/quotas/"+network.Text("project_id"), map[string]cloud.Object{"quota": quota}, nil))
	return network.ID()
}

func (b *book) alive() (list []*record) {
	for _, r := range b.records {
		if r.state == alive {
			list = append(list, r)
		}
	}
	return list
}
