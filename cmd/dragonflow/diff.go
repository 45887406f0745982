package main

import (
	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/operate/local"
)

func diffCommand(h *host) *cobra.Command {
	command := &cobra.Command{
		Use:   "diff",
		Short: "compare the flows of the switch with those that are wanted",
		Long: `Lists the flows that are missing on this host's switch, differ, or are there without being wanted. The
controller repairs them at its next audit, within a minute; while it works, what is on its way is listed.
Flows of others are left alone and not listed.`,
		Args: cobra.NoArgs,
	}
	return asking(h, command, func(c *local.Client, f *form, _ []string) error {
		list, err := c.Diff(command.Context())
		if err != nil {
			return err
		}
		return f.write(h.out, list, list.Write)
	})
}
