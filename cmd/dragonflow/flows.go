package main

import (
	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/operate/local"
)

func flowsCommand(h *host) *cobra.Command {
	command := &cobra.Command{
		Use:   "flows [PORT]",
		Short: "list flows with their stage, owner, reason and counters",
		Long: `Lists the flows that the controller of this host wants, in the order of the pipeline, each with whose it
is, why it exists and what the switch counted. With a port's id or name (or its interface's name) it
lists those that concern the port.`,
		Example: `  dragonflow flows web1
  dragonflow flows -o json | jq '.[] | select(.on_switch | not)'`,
		Args: cobra.MaximumNArgs(1),
	}
	return asking(h, command, func(c *local.Client, f *form, args []string) error {
		port := ""
		if len(args) > 0 {
			port = args[0]
		}
		list, err := c.Flows(command.Context(), port)
		if err != nil {
			return err
		}
		return f.write(h.out, list, list.Write)
	})
}
