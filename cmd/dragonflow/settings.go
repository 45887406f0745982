package main

import (
	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
)

// withSettings gives a command the flags of some components of the settings, and fills the settings
// before the command runs.
func withSettings(h *host, command *cobra.Command, settings *config.Config, components ...config.Component) *cobra.Command {
	settings.Bind(command.Flags(), components...)
	command.PreRunE = func(*cobra.Command, []string) error {
		if err := settings.Load(command.Flags(), h.environ); err != nil {
			return &usageError{err}
		}
		return nil
	}
	return command
}
