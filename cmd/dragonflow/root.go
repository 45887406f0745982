package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dragonflow/dragonflow/internal/config"
)

// The groups of subcommands in --help.
const (
	groupRun  = "run"
	groupLook = "look"
	groupMore = "more"
)

// commands is the list of all subcommands, in the order of --help.
func commands(h *host) []*cobra.Command {
	return []*cobra.Command{
		serverCommand(h),
		controllerCommand(h),
		standaloneCommand(h),
		demoCommand(h),
		getCommand(h),
		statusCommand(h),
		whyCommand(h),
		traceCommand(h),
		flowsCommand(h),
		dropsCommand(h),
		diffCommand(h),
		adoptCommand(h),
		configCommand(h),
		dbCommand(h),
		versionCommand(h),
	}
}

func rootCommand(h *host) *cobra.Command {
	root := &cobra.Command{
		Use:   "dragonflow COMMAND",
		Short: "a lightweight, distributed SDN controller for OpenStack Neutron",
		Long: `Dragonflow turns Neutron's networks, ports and security groups into flows of the local Open vSwitch
on every hypervisor: no agents, no namespaces, no message bus.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          unknownCommand,
	}
	root.SetIn(h.in)
	root.SetOut(h.out)
	root.SetErr(h.err)
	root.SetFlagErrorFunc(explainFlag)
	root.SetHelpCommandGroupID(groupMore)
	root.SetCompletionCommandGroupID(groupMore)
	root.AddCommand(commands(h)...)
	addGroups(root)
	return root
}

// addGroups names the groups that have commands: an empty heading would only puzzle.
func addGroups(root *cobra.Command) {
	for _, group := range []*cobra.Group{
		{ID: groupRun, Title: "Run:"},
		{ID: groupLook, Title: "Look at what runs:"},
		{ID: groupMore, Title: "More:"},
	} {
		isUsed := func(c *cobra.Command) bool { return c.GroupID == group.ID }
		if slices.ContainsFunc(root.Commands(), isUsed) {
			root.AddGroup(group)
		}
	}
}

// unknownCommand shows the help, or the nearest command to what was typed.
func unknownCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return root.Help()
	}
	var names []string
	for _, command := range root.Commands() {
		names = append(names, command.Name())
	}
	return &usageError{fmt.Errorf("unknown command %q%s; dragonflow --help lists all", args[0], suggestion(args[0], names, ""))}
}

// explainFlag adds the nearest flag to the complaint about an unknown one.
func explainFlag(command *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return &usageError{err}
	}
	var names []string
	command.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	name := strings.TrimLeft(unknown.GetSpecifiedName(), "-")
	return &usageError{fmt.Errorf("%w%s", err, suggestion(name, names, "--"))}
}

func suggestion(word string, known []string, prefix string) string {
	if nearest := config.Nearest(word, known); nearest != "" {
		return fmt.Sprintf("; did you mean %s%s?", prefix, nearest)
	}
	return ""
}
