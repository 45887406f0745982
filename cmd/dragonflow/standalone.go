package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
)

func standaloneCommand(h *host) *cobra.Command {
	settings := config.Default()
	command := &cobra.Command{
		Use:     "standalone",
		GroupID: groupRun,
		Short:   "server, controller and database in one process, for one host",
		Long: `Serves the Neutron API, keeps the topology in an embedded database and programs the local
Open vSwitch, all in one process. A port without a host is bound to this one when an interface with
its id appears on the bridge.`,
		Example: `  dragonflow standalone
  openstack --os-auth-type none --os-endpoint http://127.0.0.1:9696 port create --network blue vm1
  ovs-vsctl add-port br-int tap1 -- set interface tap1 external_ids:iface-id=PORT-ID`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runStandalone(command.Context(), h, settings)
		},
	}
	return withSettings(h, command, settings, &settings.Process, &settings.Database, &settings.API, &settings.Networks, &settings.Chassis, &settings.Guests, &settings.Metadata, &settings.SecurityLog)
}

func runStandalone(ctx context.Context, h *host, settings *config.Config) error {
	d := newDaemon(h, settings)
	conn, err := d.openDatabase(ctx)
	if err != nil {
		return err
	}
	server, err := d.addServer(conn)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	b := &binder{daemon: d, server: server, host: settings.Chassis.Name, ports: make(chan string, maxUnbound), failed: map[string]string{}}
	d.add(b.run)
	if err := d.addController(ctx, conn, b.unbound); err != nil {
		return errors.Join(err, conn.Close())
	}
	return d.run(ctx, "127.0.0.1:9697")
}

// binder binds ports without a host to this one when their interface appears.
type binder struct {
	daemon *daemon
	server *api.Server
	host   string
	ports  chan string
	// failed is why a port could not be bound when that was tried last; the controller names it again.
	failed map[string]string
}

// maxUnbound is how many ports may wait to be bound.
const maxUnbound = 4096

func (b *binder) unbound(port string) {
	select {
	case b.ports <- port:
	default:
		b.daemon.log.Warn("too many interfaces of unbound ports at once; plug it again", "port", port)
	}
}

func (b *binder) run(ctx context.Context) error {
	if b.server.WaitReady(ctx) != nil {
		return nil // ended before
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case port := <-b.ports:
			b.bind(ctx, port)
		}
	}
}

const bindTimeout = 5 * time.Second

func (b *binder) bind(ctx context.Context, port string) {
	limited, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	err := b.server.BindPort(limited, port, b.host)
	switch {
	case err == nil:
		delete(b.failed, port)
	case ctx.Err() == nil && b.failed[port] != err.Error():
		if len(b.failed) > maxUnbound {
			clear(b.failed)
		}
		b.failed[port] = err.Error()
		b.daemon.log.Warn("port not bound to this host, will be tried again", "port", port, "err", err)
	}
}
