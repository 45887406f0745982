package main

import (
	"context"
	"errors"

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
Any number of servers may share one database.

With --neutron-listen it takes what a real Neutron pushes instead, and serves no API: Neutron does. A database
belongs either to clients of this API or to a Neutron.`,
		Example: `  dragonflow server --db etcd://127.0.0.1:2379
  dragonflow server --db etcd://127.0.0.1:2379 --neutron-listen unix:/run/dragonflow/neutron.sock --neutron-group neutron
  openstack --os-auth-type none --os-endpoint http://127.0.0.1:9696 network create blue`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			d := newDaemon(h, settings)
			conn, err := d.openDatabase(command.Context())
			if err != nil {
				return err
			}
			if settings.Neutron.Listen != "" {
				err = d.addIntake(conn)
			} else {
				_, err = d.addServer(conn)
			}
			if err != nil {
				return errors.Join(err, conn.Close())
			}
			return d.run(command.Context(), "127.0.0.1:9697")
		},
	}
	return withSettings(h, command, settings, &settings.Process, &settings.Database, &settings.API, &settings.Neutron, &settings.Networks)
}

// addServer makes the daemon serve the API.
func (d *daemon) addServer(conn *db.Connection) (*api.Server, error) {
	metrics := api.NewMetrics(d.metrics)
	server, err := api.New(api.Options{
		DB: conn, Logger: d.log, Observe: metrics.Observe, Segments: d.settings.Networks.Plan(),
	})
	if err != nil {
		return nil, err
	}
	metrics.Watch(d.metrics, server)
	door, err := server.Open(accessTo(d.settings.API))
	if err != nil {
		return nil, err
	}
	d.starting.Raise("api", "the API does not follow the database yet")
	d.addAPICondition(server)
	d.add(server.Run)
	d.add(door.Serve)
	d.add(func(ctx context.Context) error {
		if err := server.WaitReady(ctx); err != nil {
			return nil // ended before
		}
		d.log.Info("the API serves", "address", door.Address().String())
		d.starting.Clear("api")
		<-ctx.Done()
		return nil
	})
	return server, nil
}

// accessTo is where and to whom the settings open the API.
func accessTo(a config.API) api.Access {
	return api.Access{Listen: a.Listen, Cert: a.Cert, Key: a.Key, ClientCA: a.ClientCA, TokenFile: a.TokenFile}
}
