package main

import (
	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/operate/local"
)

func diffCommand(h *host) *cobra.Command {
	var fix bool
	command := &cobra.Command{
		Use:   "diff",
		Short: "compare database, view, desired flows and switch, and repair differences",
		Long: `Compares what the controller of this host knows with the database, what it wants of its switch with what it
knows, what the switch has with that, and bridge, ports and settings in the switch's database with the configuration, and lists what is missing, different or there without being wanted.
There should be nothing: slow audits repair differences by themselves, count and log them. While the
controller works, what is on its way to the switch is listed. What belongs to others is left alone.

With --fix it repairs at once: it reads what differs from the database again, derives the flows of the objects
concerned again, and makes the switch have what is desired. It then tells what was repaired.`,
		Example: `  dragonflow diff
  dragonflow diff --fix`,
		Args: cobra.NoArgs,
	}
	command.Flags().BoolVar(&fix, "fix", false, "repair the differences")
	return asking(h, command, func(c *local.Client, f *form, _ []string) error {
		compare := c.Diff
		if fix {
			compare = c.Fix
		}
		list, err := compare(command.Context())
		if err != nil {
			return err
		}
		return f.write(h.out, list, list.Write)
	})
}
