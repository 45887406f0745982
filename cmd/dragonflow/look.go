package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/operate/local"
)

// form is how a command shows what it found: a table for people, or JSON for programs.
type form struct{ name string }

func (f *form) bind(command *cobra.Command) {
	command.Flags().StringVarP(&f.name, "output", "o", "table", "table for people, json for programs")
}

// write shows an answer; table writes it for people.
func (f *form) write(w io.Writer, answer any, table func(io.Writer) error) error {
	switch f.name {
	case "table":
		return table(w)
	case "json":
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(answer)
	}
	return &usageError{fmt.Errorf("--output must be table or json, not %q", f.name)}
}

// asking makes a command that asks the controller of this host.
func asking(h *host, command *cobra.Command, ask func(c *local.Client, f *form, args []string) error) *cobra.Command {
	settings, f := config.Default(), &form{}
	command.GroupID = groupLook
	f.bind(command)
	command.RunE = func(_ *cobra.Command, args []string) error {
		return ask(local.NewClient(settings.Chassis.StateDir), f, args)
	}
	return withSettings(h, command, settings, &settings.Chassis)
}
