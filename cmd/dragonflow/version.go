package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// versionCommand says which build this is.
func versionCommand(h *host) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		GroupID: groupMore,
		Short:   "print the version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(h.out, "dragonflow %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
