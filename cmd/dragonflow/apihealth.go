package main

import (
	"context"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/telemetry"
)

// apiLookedAt is how often the process's health is told whether the API has its database.
const apiLookedAt = time.Second

// addAPICondition shows in the daemon's health when the API loses its database, so that a balancer in
// front of several servers asks another one.
func (d *daemon) addAPICondition(server *api.Server) {
	lost := d.health.Register(telemetry.Warning{
		Code: "api-without-database", Severity: telemetry.NotReady,
		Title:  "The northbound database cannot be reached: the API answers 503. Guests' traffic goes on.",
		Remedy: "See that the database runs and that --db names it.",
	})
	d.add(func(ctx context.Context) error {
		if server.WaitReady(ctx) != nil {
			return nil // ended before
		}
		tick := time.NewTicker(apiLookedAt)
		defer tick.Stop()
		for {
			if server.Ready() {
				lost.Clear("")
			} else {
				lost.Raise("", "its changes do not arrive")
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
		}
	})
}
