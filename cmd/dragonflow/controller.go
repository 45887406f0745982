package main

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/operate/local"
)

func controllerCommand(h *host) *cobra.Command {
	settings := config.Default()
	command := &cobra.Command{
		Use:     "controller",
		GroupID: groupRun,
		Short:   "program this host's Open vSwitch",
		Long: `Follows the part of the topology that the guests of this host need, and programs the local
Open vSwitch. It may be stopped, killed and upgraded at any time: guests do not notice.`,
		Example: `  dragonflow controller --db etcd://10.0.0.1:2379 --chassis compute-7`,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			d := newDaemon(h, settings)
			conn, err := d.openDatabase(command.Context())
			if err != nil {
				return err
			}
			if err := d.addController(command.Context(), conn, nil); err != nil {
				return errors.Join(err, conn.Close())
			}
			return d.run(command.Context(), "127.0.0.1:9698")
		},
	}
	return withSettings(h, command, settings, &settings.Process, &settings.Database, &settings.Chassis, &settings.Guests, &settings.Metadata, &settings.SecurityLog)
}

// addController makes the daemon serve this chassis. unbound may be nil.
func (d *daemon) addController(ctx context.Context, conn *db.Connection, unbound func(string)) error {
	s, guests := d.settings.Chassis, d.settings.Guests
	clients, err := d.addMetadata()
	if err != nil {
		return err
	}
	securityLog, err := d.addSecurityLog()
	if err != nil {
		return err
	}
	c, err := controller.New(ctx, controller.Options{
		Chassis: s.Name, Version: version, DB: conn, OVSDB: s.OVSDB, Bridge: s.Bridge, DatapathType: s.DatapathType,
		TunnelIP: s.Address(), TunnelTypes: s.Tunnels(),
		BridgeMappings: s.PhysicalNetworks(), Bandwidths: s.Kilobits(), Gateway: s.Gateway, AvailabilityZones: s.AvailabilityZones,
		StateDir: s.StateDir, Apps: apps.All(), Unbound: unbound, Clients: clients,
		Self: view.Chassis{
			DHCPLeaseTime: guests.LeaseSeconds(), DNSServers: strings.Join(guests.DNSServers, ","), DNSDomain: guests.DNSDomain,
			LogRate: uint32(d.settings.SecurityLog.Rate), LogBurst: uint32(d.settings.SecurityLog.Burst),
		},
		Log: d.log, SecurityLog: securityLog, Metrics: controller.NewMetrics(d.metrics),
	})
	if err != nil {
		return err
	}
	err = d.addQuestions(c, local.Options{
		Name: s.Name, Conditions: d.health.Conditions, Topology: operate.Stored(northbound.NewStore(conn)), Apps: apps.All(),
	})
	if err != nil {
		return err
	}
	d.addConditions(c)
	d.starting.Raise("switch", "the switch does not have what is desired yet")
	d.add(func(ctx context.Context) error {
		err := c.Run(ctx)
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
	d.add(func(ctx context.Context) error {
		if c.WaitSynced(ctx) {
			// Reading everything at once left as much garbage as there is view, which nothing would collect for long.
			debug.FreeOSMemory()
			d.starting.Clear("switch")
		}
		<-ctx.Done()
		return nil
	})
	return nil
}

// conditionsEvery is how often the process's health is told how the controller is.
const conditionsEvery = 2 * time.Second

// addConditions shows in the daemon's health what the controller reports.
func (d *daemon) addConditions(c *controller.Controller) {
	conditions := operate.NewConditions(d.health)
	d.add(func(ctx context.Context) error {
		tick := time.NewTicker(conditionsEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			var status controller.Status
			if c.Inspect(ctx, func(inside controller.Inside) { status = inside.Status }) != nil {
				return nil // the daemon ends
			}
			conditions.Update(status)
		}
	})
}
