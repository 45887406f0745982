package main

import (
	"context"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/intake"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// longestIntake is what a request of a Neutron may take: one that waits for changes, and the database beside it.
const longestIntake = time.Minute

// addIntake makes the daemon take what a Neutron pushes.
func (d *daemon) addIntake(conn *db.Connection) error {
	metrics := intake.NewMetrics(d.metrics)
	server, err := api.New(api.Options{DB: conn, Logger: d.log, Segments: d.settings.Networks.Plan(), Neutron: true})
	if err != nil {
		return err
	}
	metrics.Watch(d.metrics, server)
	door := intake.New(intake.Options{Server: server, Logger: d.log, Observe: metrics.Observe, Pushed: metrics.Pushed})
	s := d.settings.Neutron
	opened, err := api.OpenDoor(api.Access{Listen: s.Listen, Group: s.Group, Cert: s.Cert, Key: s.Key, ClientCA: s.ClientCA, Mutual: true},
		door.Handler(), longestIntake)
	if err != nil {
		return err
	}
	opened.OnEnd(door.Close)
	d.starting.Raise("intake", "the server does not follow the database yet")
	d.addAPICondition(server)
	d.add(server.Run)
	d.add(opened.Serve)
	d.add(func(ctx context.Context) error {
		if err := server.WaitReady(ctx); err != nil {
			return nil // ended before
		}
		d.log.Info("a Neutron may push", "address", opened.Address().String())
		d.starting.Clear("intake")
		<-ctx.Done()
		return nil
	})
	return nil
}
