package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/neutron/intake"
	"github.com/dragonflow/dragonflow/internal/operate/local"
)

func diffCommand(h *host) *cobra.Command {
	var fix, neutron bool
	settings, f := config.Default(), &form{}
	command := &cobra.Command{
		Use:     "diff",
		GroupID: groupLook,
		Short:   "compare database, view, desired flows and switch, and repair differences",
		Long: `Compares what the controller of this host knows with the database, what it wants of its switch with what it
knows, what the switch has with that, and bridge, ports and settings in the switch's database with the configuration, and lists what is missing, different or there without being wanted.
There should be nothing: slow audits repair differences by themselves, count and log them. While the
controller works, what is on its way to the switch is listed. What belongs to others is left alone.

With --fix it repairs at once: it reads what differs from the database again, derives the flows of the objects
concerned again, and makes the switch have what is desired. It then tells what was repaired.

With --neutron, on a control host, it has Neutron compare all its objects with what the server of this host has, and
with --fix push those that differ. What Neutron does not have is
deleted by the next audits.`,
		Example: `  dragonflow diff
  dragonflow diff --fix
  dragonflow diff --neutron --neutron-listen unix:/run/dragonflow/neutron.sock`,
		RunE: func(command *cobra.Command, _ []string) error {
			if neutron {
				return diffNeutron(command.Context(), h, f, &settings.Neutron, fix)
			}
			c := local.NewClient(settings.Chassis.StateDir)
			compare := c.Diff
			if fix {
				compare = c.Fix
			}
			list, err := compare(command.Context())
			if err != nil {
				return err
			}
			return f.write(h.out, list, list.Write)
		},
	}
	f.bind(command)
	command.Flags().BoolVar(&fix, "fix", false, "repair the differences")
	command.Flags().BoolVar(&neutron, "neutron", false, "compare Neutron with the database instead")
	return withSettings(h, command, settings, &settings.Chassis, &settings.Neutron)
}

// diffNeutron shows what Neutron and the database do not have alike.
func diffNeutron(ctx context.Context, h *host, f *form, s *config.Neutron, fix bool) error {
	c, err := intake.NewClient(s.Listen, s.Cert, s.Key, s.ClientCA)
	if err != nil {
		return err
	}
	report, err := c.Audit(ctx, fix)
	if err != nil {
		return err
	}
	return f.write(h.out, report, report.Write)
}
