package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/neutron/intake"
)

func dbRebuild(h *host) *cobra.Command {
	settings, fromNeutron, force := config.Default(), false, false
	var settle, patience time.Duration
	command := &cobra.Command{
		Use:   "rebuild --from-neutron",
		Short: "make a lost database anew of what Neutron has",
		Long: `Runs on a control host whose server takes what a Neutron pushes, after the database was lost or restored
to an older state. Chassis then hold fast to what they had. Neutron pushes what the database lacks, and when
everything is there, chassis are told to follow it; where it is as it was, nothing changes on them.`,
		Example: "  dragonflow db rebuild --from-neutron --neutron-listen unix:/run/dragonflow/neutron.sock",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !fromNeutron {
				return &usageError{errors.New("say --from-neutron: there is nothing else that a database can be rebuilt from; for a backup see db restore")}
			}
			s := settings.Neutron
			c, err := intake.NewClient(s.Listen, s.Cert, s.Key, s.ClientCA)
			if err != nil {
				return err
			}
			report, err := c.Audit(command.Context(), true)
			if err != nil {
				return err
			}
			fmt.Fprintf(h.out, "%d objects differed and have been pushed; waiting for chassis to register\n", report.Total)
			epoch, err := c.Accept(command.Context(), report, settle, patience, force)
			if err != nil {
				return fmt.Errorf("chassis stay frozen: %w; see that controllers run on them, or go on without them with --force", err)
			}
			fmt.Fprintf(h.out, "epoch %d: chassis follow the database as it is\n", epoch)
			return nil
		},
	}
	command.Flags().BoolVar(&fromNeutron, "from-neutron", false, "take everything from Neutron, as its database has it")
	command.Flags().BoolVar(&force, "force", false, "go on without chassis that do not come back; what is bound to them stays so")
	command.Flags().DurationVar(&settle, "settle", 20*time.Second, "least time in which chassis may register again: longer than their leases")
	command.Flags().DurationVar(&patience, "patience", 2*time.Minute, "time to wait for chassis to which ports are bound")
	return withSettings(h, command, settings, &settings.Neutron)
}
