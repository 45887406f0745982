package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/operate/local"
)

func whyCommand(h *host) *cobra.Command {
	var trace bool
	command := &cobra.Command{
		Use:   "why PORT DST [PACKET]",
		Short: "say what becomes of a packet, and which rule lets it through or is missing",
		Long: `Follows a packet that a guest of this host would send through the flows that its controller wants, and
says in a sentence what becomes of it. PORT is the sender's id or name; DST is the id or name of a port,
or an address, on the same network; PACKET is tcp/PORT, udp/PORT, icmp, icmp/TYPE/CODE or the number of an
IP protocol, and a ping if it is missing.`,
		Example: `  dragonflow why web1 db1 tcp/5432
  dragonflow why web1 10.0.3.7 --trace`,
		Args: cobra.RangeArgs(2, 3),
	}
	command.Flags().BoolVar(&trace, "trace", false, "show the whole way, flow by flow")
	return asking(h, command, func(c *local.Client, f *form, args []string) error {
		q := operate.Question{Port: args[0], Dst: args[1]}
		if len(args) > 2 {
			q.What = args[2]
		}
		answer, err := c.Why(command.Context(), q)
		if err != nil {
			return err
		}
		return f.write(h.out, answer, func(w io.Writer) error {
			if err := answer.Write(w); err != nil || !trace || answer.Trace == nil {
				return err
			}
			return answer.Trace.Write(w)
		})
	})
}
