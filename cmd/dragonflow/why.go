package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/operate/local"
)

const aboutPackets = `PORT is the sender's id or name; DST is the id or name of a port, an address, or the word broadcast; PACKET is
tcp/PORT, udp/PORT, icmp, icmp/TYPE/CODE or the number of an IP protocol, and a ping if it is missing.
Instead of DST and PACKET, --frame takes any Ethernet frame in hexadecimal digits, as tcpdump -xx shows it, spoofed ones too.

The controller of this host answers for its own guests from the flows that it wants; what other chassis do is
computed from the database. With --db everything is computed from the database, and any host can ask about any port.`

func whyCommand(h *host) *cobra.Command {
	command := &cobra.Command{
		Use:   "why PORT DST [PACKET]",
		Short: "say what becomes of a packet, and which rule lets it through or is missing",
		Long: `Follows a packet that a guest would send through the flows of its chassis, through routers and tunnels to
other chassis, and says in a sentence what becomes of it.

` + aboutPackets,
		Example: `  dragonflow why web1 db1 tcp/5432
  dragonflow why web1 10.0.3.7 --trace
  dragonflow why web1 --frame "fa163e000002fa163e00000188b5 0000"
  dragonflow why web1 db1 tcp/5432 --db etcd://10.0.0.1:2379`,
		Args: packetArgs,
	}
	trace := command.Flags().Bool("trace", false, "show the whole way, flow by flow")
	return asksAboutPackets(h, command, func(w io.Writer, answer *operate.Answer) error {
		if err := answer.Write(w); err != nil || !*trace || answer.Journey == nil {
			return err
		}
		return answer.Journey.Write(w)
	})
}

func traceCommand(h *host) *cobra.Command {
	command := &cobra.Command{
		Use:   "trace PORT DST [PACKET]",
		Short: "show the way of a packet, flow by flow, from chassis to chassis",
		Long: `Shows every flow that a packet meets on its way, with the object for which it is there and the reason, on
its own chassis and on those to which tunnels bring it, and ends with the sentence of dragonflow why.

` + aboutPackets,
		Example: `  dragonflow trace web1 db1 tcp/5432
  dragonflow trace web1 192.0.2.7 icmp --ttl 1
  dragonflow trace db1 web1 tcp/5432 --state reply`,
		Args: packetArgs,
	}
	return asksAboutPackets(h, command, func(w io.Writer, answer *operate.Answer) error {
		if answer.Journey != nil {
			if err := answer.Journey.Write(w); err != nil {
				return err
			}
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		return answer.Write(w)
	})
}

// packetArgs are PORT DST [PACKET], or PORT with a frame.
func packetArgs(command *cobra.Command, args []string) error {
	if command.Flags().Changed("frame") {
		return cobra.ExactArgs(1)(command, args)
	}
	return cobra.RangeArgs(2, 3)(command, args)
}

// asksAboutPackets makes a command that asks what becomes of a packet.
func asksAboutPackets(h *host, command *cobra.Command, show func(io.Writer, *operate.Answer) error) *cobra.Command {
	settings, f := config.Default(), &form{}
	var q operate.Question
	var state string
	command.GroupID = groupLook
	f.bind(command)
	command.Flags().StringVar(&state, "state", string(operate.New), "where in its connection the packet is: new, established or reply")
	command.Flags().IntVar(&q.Size, "size", 0, "length of the IP packet in bytes (default: within all limits)")
	command.Flags().IntVar(&q.TTL, "ttl", 0, "time to live or hop limit that the packet begins with (default: 64)")
	command.Flags().StringVar(&q.Frame, "frame", "", "the Ethernet frame itself, in hexadecimal digits")
	command.Flags().StringVar(&q.First, "first", "", "the first fragment of the datagram, if the frame is a later one")
	command.RunE = func(_ *cobra.Command, args []string) error {
		args = append(args, "", "")
		q.Port, q.Dst, q.What, q.State = args[0], args[1], args[2], operate.State(state)
		answer, err := why(command, settings, q)
		if err != nil {
			return err
		}
		return f.write(h.out, answer, func(w io.Writer) error { return show(w, answer) })
	}
	return withSettings(h, command, settings, &settings.Database, &settings.Chassis)
}

// why asks the database if the command line names one, else the controller of this host.
func why(command *cobra.Command, settings *config.Config, q operate.Question) (answer *operate.Answer, err error) {
	if !command.Flags().Changed("db") {
		return local.NewClient(settings.Chassis.StateDir).Why(command.Context(), q)
	}
	err = withStore(command.Context(), settings, func(store *northbound.Store) error {
		cloud := &operate.Cloud{Topology: operate.Stored(store), Apps: apps.All()}
		answer, err = cloud.Why(command.Context(), q)
		return err
	})
	return answer, err
}

// withStore opens the database of the settings for the time of a function.
func withStore(ctx context.Context, settings *config.Config, use func(*northbound.Store) error) (err error) {
	s := settings.Database
	conn, err := northbound.Open(ctx, s.URL, northbound.Options{Prefix: s.Prefix, Cert: s.Cert, Key: s.Key, CA: s.CA})
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return use(northbound.NewStore(conn))
}
