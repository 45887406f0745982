package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/demo"
)

func demoCommand(h *host) *cobra.Command {
	o := demo.Options{Out: h.out}
	command := &cobra.Command{
		Use:     "demo",
		GroupID: groupRun,
		Short:   "show everything working on this machine, with guests out of network namespaces",
		Long: `Builds a small cloud on this machine: three hypervisors and two gateways out of network namespaces, each
with a private Open vSwitch and a controller, an API server, etcd, and guests of two projects; shows
DHCP, tunnels, routing, metadata, security groups, addresses outside by the openstack client, a crash
of everything and a live migration under traffic, and a gateway that fails; tells what was measured;
cleans up. Needs root; touches nothing else on the host.`,
		Example: `  dragonflow demo
  dragonflow demo --keep     # and then look around`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program's file: %w", err)
			}
			o.Binary = self
			return demo.Run(command.Context(), o)
		},
	}
	command.Flags().BoolVar(&o.Keep, "keep", false, "leave the cloud running until Ctrl-C")
	return command
}
