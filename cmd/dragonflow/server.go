package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

func serverCommand(h *host) *cobra.Command {
	settings := config.Default()
	command := &cobra.Command{
		Use:     "server",
		GroupID: groupRun,
		Short:   "serve the Neutron API on a control host",
		Long: `Serves the Neutron-shaped API and keeps the logical topology in the northbound database.
Any number of servers may share one database.`,
		Example: `  dragonflow server --db etcd://127.0.0.1:2379
  openstack --os-auth-type none --os-endpoint http://127.0.0.1:9696 network create blue`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			d := newDaemon(h, settings)
			conn, err := d.openDatabase(command.Context())
			if err != nil {
				return err
			}
			if _, err := d.addServer(conn); err != nil {
				return errors.Join(err, conn.Close())
			}
			return d.run(command.Context(), "127.0.0.1:9697")
		},
	}
	return withSettings(h, command, settings, &settings.Process, &settings.Database, &settings.API)
}

// addServer makes the daemon serve the API.
func (d *daemon) addServer(conn *db.Connection) (*api.Server, error) {
	server, err := api.New(api.Options{DB: conn, Logger: d.log})
	if err != nil {
		return nil, err
	}
	listener, err := listenAPI(d.settings.API.Listen)
	if err != nil {
		return nil, err
	}
	d.starting.Raise("api", "the API does not follow the database yet")
	d.add(server.Run)
	d.add(func(ctx context.Context) error { return serveHTTP(ctx, listener, server.Handler()) })
	d.add(func(ctx context.Context) error {
		if err := server.WaitReady(ctx); err != nil {
			return nil // ended before
		}
		d.log.Info("the API serves", "address", listener.Addr().String())
		d.starting.Clear("api")
		<-ctx.Done()
		return nil
	})
	return server, nil
}

// listenAPI listens on loopback or a Unix socket: without authentication the API is for this host only.
func listenAPI(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("listen for the API: %w", err)
		}
		listener, err := net.Listen("unix", path)
		if err != nil {
			return nil, fmt.Errorf("listen for the API: %w", err)
		}
		return listener, os.Chmod(path, 0o600)
	}
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &usageError{fmt.Errorf("api-listen: %w", err)}
	}
	if ip := net.ParseIP(name); name != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, &usageError{fmt.Errorf("api-listen: %s is not loopback, and whoever reaches the API is admin; "+
			"use 127.0.0.1, [::1] or unix:/path, with a proxy that authenticates in front", address)}
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for the API; --api-listen names another address: %w", err)
	}
	return listener, nil
}

// Bounds of the API's HTTP server.
const (
	apiHeaderTimeout = 10 * time.Second
	apiBodyTimeout   = 30 * time.Second
	apiGrace         = 5 * time.Second
)

func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: apiHeaderTimeout, ReadTimeout: apiBodyTimeout,
		WriteTimeout: 2 * apiBodyTimeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the API: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("end the API: %w", err), server.Close())
	}
	<-served
	return nil
}
