package main

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/northbound/db/dbtest"
)

// A server is ready as long as it has its database, and says what is wrong when it has not.
func TestAServerWithoutItsDatabaseIsNotReady(t *testing.T) {
	client, peer := dbtest.FreeAddress(t), dbtest.FreeAddress(t)
	etcd := dbtest.NewProcess(t, dbtest.Binary(t, "etcd"), "--name=t", "--data-dir="+t.TempDir(), "--log-level=error",
		"--listen-client-urls=http://"+client, "--advertise-client-urls=http://"+client, "--listen-peer-urls=http://"+peer,
		"--initial-advertise-peer-urls=http://"+peer, "--initial-cluster=t=http://"+peer, "--unsafe-no-fsync")
	etcd.WaitFor(client)
	api, metrics := freeAddress(t), freeAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	log := &output{}
	ended := make(chan int, 1)
	go func() {
		h := &host{in: strings.NewReader(""), out: log, err: log}
		ended <- run(ctx, h, []string{"server", "--db", "etcd://" + client, "--api-listen", api, "--metrics-listen", metrics})
	}()
	defer func() { cancel(); <-ended }()
	ready := "http://" + metrics + "/readyz"
	await(t, ready, http.StatusOK)
	etcd.Kill()
	if body := await(t, ready, http.StatusServiceUnavailable); !strings.Contains(body, "api-without-database") {
		t.Errorf("/readyz answers %s", body)
	}
	await(t, "http://"+metrics+"/healthz", http.StatusOK)
	etcd.Start()
	if body := await(t, ready, http.StatusOK); strings.Contains(body, "api-without-database") {
		t.Errorf("/readyz answers %s", body)
	}
}
