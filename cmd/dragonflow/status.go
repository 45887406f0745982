package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/operate/local"
)

func statusCommand(h *host) *cobra.Command {
	var ports bool
	command := &cobra.Command{
		Use:   "status",
		Short: "say how the controller of this host is",
		Long: `Asks the controller of this host what it follows, what the switch has of it, and what is in its way:
scopes that are not in sync, objects that cannot be used, flows that wait or were refused.`,
		Example: `  dragonflow status
  dragonflow status --ports
  dragonflow status -o json`,
		Args: cobra.NoArgs,
	}
	command.Flags().BoolVar(&ports, "ports", false, "list the ports that it serves")
	return asking(h, command, func(c *local.Client, f *form, _ []string) error {
		s, err := c.Status(command.Context())
		if err != nil {
			return err
		}
		return f.write(h.out, s, func(w io.Writer) error { return s.Write(w, ports) })
	})
}
