package etcd

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is Debian's etcd with its data in a private directory.
type server struct {
	*dbtest.Process
	address string
}

func newServer(t testing.TB, tls ...string) *server {
	t.Helper()
	scheme := "http://"
	if len(tls) > 0 {
		scheme = "https://"
	}
	client, peer := dbtest.FreeAddress(t), dbtest.FreeAddress(t)
	args := append([]string{dbtest.Binary(t, "etcd"), "--name=t", "--data-dir=" + t.TempDir(), "--log-level=error",
		"--listen-client-urls=" + scheme + client, "--advertise-client-urls=" + scheme + client,
		"--listen-peer-urls=http://" + peer, "--initial-advertise-peer-urls=http://" + peer,
		"--initial-cluster=t=http://" + peer, "--unsafe-no-fsync"}, tls...)
	s := &server{dbtest.NewProcess(t, args...), client}
	s.WaitFor(client)
	return s
}

func open(t testing.TB, cfg Config) *db.Connection {
	t.Helper()
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConformance(t *testing.T) {
	s := newServer(t)
	dbtest.Run(t, &dbtest.Database{
		Open: func(t testing.TB, prefix string) *db.Connection {
			return open(t, Config{Endpoints: []string{s.address}, Prefix: prefix})
		},
		OpenFaulty: func(t testing.TB, prefix string) (*db.Connection, dbtest.Fault) {
			p := dbtest.NewProxy(t, s.address)
			return open(t, Config{Endpoints: []string{p.Address()}, Prefix: prefix}), p
		},
		OpenNowhere: func(t testing.TB) *db.Connection {
			return open(t, Config{Endpoints: []string{dbtest.FreeAddress(t)}, Prefix: "/x"})
		},
		Compact: func(t testing.TB) { compact(t, s) },
		Restart: func(testing.TB) {
			s.Kill()
			s.Start()
			s.WaitFor(s.address)
		},
		Slow: keepAlive + keepAliveTimeout + 10*time.Second,
	})
}

// compact makes etcd forget everything but the present.
func compact(t testing.TB, s *server) {
	t.Helper()
	c := open(t, Config{Endpoints: []string{s.address}})
	defer c.Close()
	client := c.Driver.(*driver).client
	resp, err := client.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Compact(t.Context(), resp.Header.Revision); err != nil {
		t.Fatal(err)
	}
}
