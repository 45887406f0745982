package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/adopt"
	"github.com/dragonflow/dragonflow/internal/config"
)

// adoptCommand tells what a host needs that agents or OVN have served.
func adoptCommand(h *host) *cobra.Command {
	standard, f := config.Default().Chassis, &form{}
	command := &cobra.Command{
		Use:     "adopt",
		GroupID: groupMore,
		Short:   "tell what this host needs after ML2/OVS or ML2/OVN; changes nothing",
		Long: `Looks at the Open vSwitch, the processes and the network namespaces of a host that agents of ML2/OVS or the
controller of OVN have served, and prints the settings of its controller, and the commands that clear its way, in
order. It runs none of them: read them, and run them in the hour of the adoption.`,
		Example: `  dragonflow adopt
  dragonflow adopt > clear.sh && less clear.sh`,
		Args: cobra.NoArgs,
	}
	f.bind(command)
	where := adopt.Where{Proc: "/proc", Netns: "/run/netns"}
	command.Flags().StringVar(&where.OVSDB, "ovsdb", standard.OVSDB, "the local Open vSwitch database")
	command.Flags().StringVar(&where.Bridge, "bridge", standard.Bridge, "the integration bridge")
	command.RunE = func(command *cobra.Command, _ []string) error {
		const patience = 10 * time.Second
		ctx, cancel := context.WithTimeoutCause(command.Context(), patience, fmt.Errorf("no answer within %v; does Open vSwitch run?", patience))
		defer cancel()
		seen, err := adopt.Observe(ctx, where)
		if err != nil {
			return err
		}
		plan := adopt.Make(seen)
		return f.write(h.out, plan, plan.Write)
	}
	return command
}
