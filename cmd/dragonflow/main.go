// Command dragonflow is the whole of Dragonflow in one binary: server, controller, and the operator's
// tools. Each subcommand has a file here that turns settings into parts and runs them; nothing else
// lives in this folder. See dragonflow --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is what the linker wrote: make build names the commit.
var version = "devel"

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	// The first signal asks for an orderly end, a second one ends at once.
	context.AfterFunc(ctx, stop)
	h := &host{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ()}
	code := run(ctx, h, os.Args[1:])
	stop()
	os.Exit(code)
}

// host is what a command has from the host on which it runs, so that tests can bring their own.
type host struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
}

// run executes a command line and returns the exit code.
func run(ctx context.Context, h *host, args []string) int {
	root := rootCommand(h)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(h.err, "dragonflow: %v\n", err)
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// usageError is a mistake in the command line, the environment or the configuration file.
type usageError struct{ error }

// Unwrap returns what is wrong.
func (e *usageError) Unwrap() error { return e.error }
