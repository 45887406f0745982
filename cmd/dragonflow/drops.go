package main

import (
	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/operate/local"
)

func dropsCommand(h *host) *cobra.Command {
	var all bool
	command := &cobra.Command{
		Use:   "drops",
		Short: "list what was dropped, by reason and object",
		Long: `Lists the flows of this host's switch that drop packets and have dropped some, most packets first, with
the reason and whose packets they were.`,
		Example: `  dragonflow drops
  watch -d dragonflow drops`,
		Args: cobra.NoArgs,
	}
	command.Flags().BoolVar(&all, "all", false, "list reasons for which nothing was dropped, too")
	return asking(h, command, func(c *local.Client, f *form, _ []string) error {
		list, err := c.Drops(command.Context(), all)
		if err != nil {
			return err
		}
		return f.write(h.out, list, list.Write)
	})
}
