package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
)

// configCommand shows what file, environment and flags come to.
func configCommand(h *host) *cobra.Command {
	settings := config.Default()
	command := &cobra.Command{
		Use:     "config",
		GroupID: groupMore,
		Short:   "show every setting and where it comes from",
		Long: `Reads the configuration file, the environment and the flags as the daemons do, refuses what is wrong in
them, and shows each setting with its value and where that comes from. Passwords are left out.`,
		Example: `  dragonflow config
  dragonflow config --config ./test.yaml
  DRAGONFLOW_BRIDGE=br-test dragonflow config
  dragonflow config example > /etc/dragonflow/dragonflow.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			table := tabwriter.NewWriter(h.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "SETTING\tVALUE\tFROM")
			for _, row := range settings.Rows() {
				fmt.Fprintf(table, "%s\t%s\t%s\n", row.Key, row.Value, row.Source)
			}
			return table.Flush()
		},
	}
	command.AddCommand(&cobra.Command{
		Use:   "example",
		Short: "print a configuration file that shows every setting with its default",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(h.out, config.Example())
			return err
		},
	})
	return withSettings(h, command, settings, settings.Components()...)
}
