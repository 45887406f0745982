package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/operate/local"
)

func statusCommand(h *host) *cobra.Command {
	var ports, all bool
	settings, f := config.Default(), &form{}
	command := &cobra.Command{
		Use:   "status",
		Short: "say how the controller of this host is",
		Long: `Asks the controller of this host what it follows, what the switch has of it, and what is in its way:
scopes that are not in sync, objects that cannot be used, flows that wait or were refused.

With --all it reads from the database, which --db names, how every chassis is: whether it is alive, how far it
has read the database, and how far its switch has confirmed that.`,
		Example: `  dragonflow status
  dragonflow status --ports
  dragonflow status --all --db etcd://10.0.0.1:2379
  dragonflow status -o json`,
		Args: cobra.NoArgs,
	}
	command.Flags().BoolVar(&ports, "ports", false, "list the ports that it serves")
	command.Flags().BoolVar(&all, "all", false, "show all chassis, from the database")
	command.GroupID = groupLook
	f.bind(command)
	command.RunE = func(*cobra.Command, []string) error {
		if all {
			return showFleet(command.Context(), h, settings, f)
		}
		s, err := local.NewClient(settings.Chassis.StateDir).Status(command.Context())
		if err != nil {
			return err
		}
		return f.write(h.out, s, func(w io.Writer) error { return s.Write(w, ports) })
	}
	return withSettings(h, command, settings, &settings.Database, &settings.Chassis)
}

// showFleet shows all chassis.
func showFleet(ctx context.Context, h *host, settings *config.Config, f *form) error {
	return withStore(ctx, settings, func(store *northbound.Store) error {
		countsOnce := store.Connection().Name != "redis" // which counts for each scope by itself
		fleet, err := operate.FleetOf(ctx, operate.Stored(store), countsOnce, time.Now())
		if err != nil {
			return err
		}
		return f.write(h.out, fleet, fleet.Write)
	})
}
