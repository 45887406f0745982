package etcd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/dbtest"
)

// TestFailover kills the leader of a cluster of three.
func TestFailover(t *testing.T) {
	t.Parallel()
	var members []*server
	var peers, initial []string
	for i := range 3 {
		peers = append(peers, dbtest.FreeAddress(t))
		initial = append(initial, fmt.Sprintf("m%d=http://%s", i, peers[i]))
	}
	var endpoints []string
	for i, peer := range peers {
		client := dbtest.FreeAddress(t)
		endpoints = append(endpoints, client)
		members = append(members, &server{dbtest.NewProcess(t, dbtest.Binary(t, "etcd"), fmt.Sprintf("--name=m%d", i),
			"--data-dir="+t.TempDir(), "--log-level=error",
			"--listen-client-urls=http://"+client, "--advertise-client-urls=http://"+client,
			"--listen-peer-urls=http://"+peer, "--initial-advertise-peer-urls=http://"+peer,
			"--initial-cluster="+strings.Join(initial, ","), "--unsafe-no-fsync"), client})
	}
	for _, m := range members {
		m.WaitFor(m.address)
	}
	d := &dbtest.Database{Open: func(t testing.TB, prefix string) *db.Connection {
		return open(t, Config{Endpoints: endpoints, Prefix: prefix})
	}}
	dbtest.Failover(t, d, func() { leader(t, members).Kill() })
}

// leader asks every member who leads.
func leader(t *testing.T, members []*server) *server {
	t.Helper()
	c := open(t, Config{Endpoints: []string{members[0].address}})
	defer c.Close()
	for _, m := range members {
		st, err := c.Driver.(*driver).client.Status(t.Context(), m.address)
		if err != nil {
			t.Fatal(err)
		}
		if st.Leader == st.Header.MemberId {
			return m
		}
	}
	t.Fatal("nobody leads")
	return nil
}
