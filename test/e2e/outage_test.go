package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/operate"
)

// The database hangs, or is killed, for some seconds. On the network nothing is lost, guests that are known get and
// renew their leases, the API says what is the matter, and all of it recovers by itself.
func TestDatabaseOutage(t *testing.T) {
	for _, outage := range []struct {
		name       string
		begin, end func(*daemon)
	}{
		{"hanging", func(d *daemon) { signal(d, syscall.SIGSTOP) }, func(d *daemon) { signal(d, syscall.SIGCONT) }},
		{"killed", (*daemon).Kill, (*daemon).start},
	} {
		t.Run(outage.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			etcd := c.etcd()
			c.server()
			ctl := c.controller()
			a, b := c.pair()
			known := c.guest(b.network(), "known", nil) // has not asked for its address yet
			client := a.DHCP(lab.Udhcpc)
			c.waitSettled()
			flows := c.flows()
			tr := c.traffic(a, b)

			outage.begin(etcd)
			c.refusedByAPI()
			c.waitStatus("status says that the database is away", isStale)
			a.renew(client)
			if l := known.Lease(known.DHCP(lab.Udhcpc)); l.Address.Addr() != known.v4 {
				t.Errorf("a new lease: %v, not %v", l.Address, known.v4)
			}
			known.Reaches(a.v4.String())
			c.restartWithoutDatabase(ctl, func() { a.renew(client) })
			tr.check("database away, controller restarted")
			c.sameFlows("database away, controller restarted", flows)

			tr = c.traffic(b, a)
			outage.end(etcd)
			c.eventually("the API serves again", func() error {
				return c.tryCreate("network", obj{"name": "after"})
			})
			c.waitSettled()
			c.waitStatus("nothing is stale any more", func(s *operate.Status) bool { return !isStale(s) })
			late := c.guest(b.network(), "late", nil).static()
			late.Reaches(a.v4.String())
			tr.check("database back")
			if ports := c.list("port"); len(ports) != 4 {
				t.Errorf("%d ports, not 4: %v", len(ports), ports)
			}
		})
	}
}

// A hypervisor starts again while there is no database: the switch has lost its flows, and the controller gives them
// back out of its snapshot.
func TestHypervisorRestartsWithoutDatabase(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	etcd := c.etcd()
	c.server()
	ctl := c.controller()
	a, b := c.pair()
	c.waitSettled()
	flows := withoutMarker(c.flows())
	etcd.Kill()
	ctl.Kill()
	c.KillVswitchd()
	c.KillOVSDB()
	c.StartOVSDB()
	c.StartVswitchd()
	ctl.start()
	a.Reaches(b.v4.String())
	b.Reaches(a.v6.String())
	if difference := cmp.Diff(flows, withoutMarker(c.flows())); difference != "" {
		t.Errorf("the flows have changed:\n%s", difference)
	}
	if l := a.Lease(a.DHCP(lab.Udhcpc)); l.Address.Addr() != a.v4 {
		t.Errorf("lease %v, not %v", l.Address, a.v4)
	}

	// Both guests start again: what only they needed of the topology must not have been forgotten meanwhile.
	for _, g := range []*guest{a, b} {
		c.Vsctl("del-port", bridge, g.Spec().Port)
	}
	c.waitStatus("no port is served", func(s *operate.Status) bool { return s.Ports == 0 })
	for _, g := range []*guest{a, b} {
		c.AddPort(bridge, g.Spec().Port, "iface-id="+g.id, fmt.Sprintf("attached-mac=%q", g.Spec().MAC))
	}
	a.Reaches(b.v4.String())
	b.Reaches(a.v6.String())
}

func signal(d *daemon, s syscall.Signal) {
	d.c.t.Helper()
	if err := d.Signal(s); err != nil {
		d.c.t.Fatal(err)
	}
}

// network is the network of the guest's port.
func (g *guest) network() string {
	g.c.t.Helper()
	return g.c.must(http.MethodGet, path("port", g.id), nil)["port"].(map[string]any)["network_id"].(string)
}

// refusedByAPI waits until the API answers that the database is away, to readers and to writers.
func (c *cloud) refusedByAPI() {
	c.t.Helper()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		c.eventually("the API says that the database is away", func() error {
			status, answer, err := c.try(method, "/v2.0/networks", map[string]obj{http.MethodPost: {"network": obj{"name": "never"}}}[method])
			if text, _ := json.Marshal(answer); err == nil && (status != 503 || !strings.Contains(string(text), "database cannot be reached")) {
				err = fmt.Errorf("%s: %d %s", method, status, text)
			}
			return err
		})
	}
}

// tryCreate is create as long as it may fail.
func (c *cloud) tryCreate(kind string, fields obj) error {
	status, answer, err := c.try(http.MethodPost, path(kind, ""), obj{kind: fields})
	if err == nil && status != http.StatusCreated {
		err = fmt.Errorf("create %s: %d %v", kind, status, answer)
	}
	return err
}

func (c *cloud) list(kind string) (list []obj) {
	c.t.Helper()
	for _, o := range c.must(http.MethodGet, path(kind, ""), nil)[kind+"s"].([]any) {
		list = append(list, o.(map[string]any))
	}
	return list
}

func isStale(s *operate.Status) bool {
	for _, sc := range s.Scopes {
		if sc.Stale || !sc.Live {
			return true
		}
	}
	return false
}

// renew has a client ask again for its lease, and get the same.
func (g *guest) renew(d *lab.DHCP) {
	g.c.t.Helper()
	ctx, cancel := soon()
	defer cancel()
	l, err := d.Renew(ctx)
	if err != nil {
		g.c.t.Fatal(err)
	}
	if l.Address.Addr() != g.v4 {
		g.c.t.Errorf("renewed %v, not %v", l.Address, g.v4)
	}
}

// restartWithoutDatabase kills the controller and starts it again while there is no database: it works from its
// snapshot, and says so. Guests are served as soon as it has the switch.
func (c *cloud) restartWithoutDatabase(ctl *daemon, serves func()) {
	c.t.Helper()
	ctl.Kill()
	ctl.start()
	began := time.Now()
	c.waitStatus("the controller has the switch", func(s *operate.Status) bool { return s.Phase != "down" })
	serves()
	c.t.Logf("the controller serves guests after %v", time.Since(began).Round(time.Millisecond))
	c.waitStatus("the controller works from its snapshot", func(s *operate.Status) bool {
		return s.Synced && s.Phase == "idle" && s.Ports == 3 && isStale(s)
	})
	c.t.Logf("the controller works from its snapshot after %v", time.Since(began).Round(time.Millisecond))
	out, err := c.ask("status")
	if err != nil || !strings.Contains(out, "as they were when the database was last seen") {
		c.t.Errorf("status does not say that the view is old: %v\n%s", err, out)
	}
}
