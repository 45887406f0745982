package api_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/dbtest"
	"github.com/dragonflow/dragonflow/internal/northbound/db/embedded"
	"github.com/dragonflow/dragonflow/internal/northbound/db/etcd"
)

// etcdServer is Debian's etcd with its data in a private directory.
func etcdServer(t *testing.T) (process *dbtest.Process, address string) {
	t.Helper()
	client, peer := dbtest.FreeAddress(t), dbtest.FreeAddress(t)
	process = dbtest.NewProcess(t, dbtest.Binary(t, "etcd"), "--name=t", "--data-dir="+t.TempDir(), "--log-level=error",
		"--listen-client-urls=http://"+client, "--advertise-client-urls=http://"+client,
		"--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer,
		"--initial-cluster=t=http://"+peer, "--unsafe-no-fsync")
	process.WaitFor(client)
	return process, client
}

func openEtcd(t *testing.T, address string) *db.Connection {
	t.Helper()
	conn, err := etcd.Open(etcd.Config{Endpoints: []string{address}, Prefix: "/t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Three servers on a real etcd that is killed twice while sixteen clients work: what was refused is not there, what was
// accepted is, and nothing is left over.
func TestChurnWhileEtcdIsKilled(t *testing.T) {
	t.Parallel()
	process, address := etcdServer(t)
	patient := func(o *api.Options) { o.RequestTimeout = 20 * time.Second }
	var servers []*client
	for range 3 {
		servers = append(servers, start(t, openEtcd(t, address), patient))
	}
	n := servers[0].network(obj{})
	s := servers[0].subnet(n["id"], "10.2.0.0/24", nil)
	var work sync.WaitGroup
	work.Go(func() {
		each(servers, 16, func(c *client, i int) { churn(c, n["id"], s["id"], uint64(i), 503) })
	})
	for range 2 {
		eventually(t, func() bool { return servers[0].Server.Ready() })
		process.Kill()
		process.Start()
		process.WaitFor(address)
	}
	work.Wait()
	checkReservations(t, openEtcd(t, address), servers[1], n)
	for _, c := range servers {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Server.WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
		if err := c.Server.Audit(ctx); err != nil || c.Server.Drift() != 0 {
			t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
		}
	}
}

// The embedded database outlives its process: a port that was accepted is there after a restart, and its address is
// not given again.
func TestEmbeddedDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func(f func(c *client)) {
		conn, err := embedded.Open(t.Context(), embedded.Config{Dir: dir, Prefix: "/t"})
		if err != nil {
			t.Fatal(err)
		}
		t.Run("run", func(t *testing.T) { f(start(t, conn)) })
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	run(func(c *client) {
		n := c.network(obj{"name": "blue"})
		c.subnet(n["id"], "10.0.0.0/24", nil)
		c.port(n["id"], obj{"name": "one"})
	})
	run(func(c *client) {
		n := c.list("/v2.0/networks?name=blue")[0]
		p := c.port(n["id"], nil)
		if a := addresses(p)[0]; a == addresses(c.list("/v2.0/ports?name=one")[0])[0] {
			t.Errorf("%s was given twice", a)
		}
	})
}
