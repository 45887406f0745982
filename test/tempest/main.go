// Command tempest runs Tempest's tests of the network API, and Neutron's own, on a real Neutron with Dragonflow behind
// it, and compares what passes with what passes with ML2/OVN and with what docs/tempest.md explains. It fails if a test
// passes there and not here and nobody says why, and also if an explanation is of a test that passes. Needs root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

// settings are what the command is told.
type settings struct {
	program, python, tests string // the server, and the environments of Neutron and of Tempest
	release                string
	out                    string
	regex, list            string
	concurrency, workers   int
	explained              string
	last                   bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read() (s settings, err error) {
	flag.StringVar(&s.program, "program", "bin/dragonflow", "the dragonflow `program`")
	flag.StringVar(&s.python, "python", ".cache/neutron", "the Python `environment` with Neutron")
	flag.StringVar(&s.tests, "tests", ".cache/tempest", "the Python `environment` with Tempest")
	flag.StringVar(&s.release, "release", "current", "the `release` of Neutron, by which docs/tempest.md calls it")
	flag.StringVar(&s.out, "out", "", "the `directory` of what the tests say; .cache/tempest-RELEASE unless told")
	flag.StringVar(&s.regex, "regex", "", "the tests; all of the network API's unless told")
	flag.StringVar(&s.list, "list", "", "a `file` with regular expressions of tests instead, one a line")
	flag.IntVar(&s.concurrency, "concurrency", 2, "how many tests run at a time")
	flag.IntVar(&s.workers, "workers", 2, "how many processes serve Neutron's API")
	flag.StringVar(&s.explained, "explained", "docs/tempest.md", "the `page` that explains what does not pass")
	flag.BoolVar(&s.last, "last", false, "run nothing: compare the last run again")
	flag.Parse()
	if s.out == "" {
		s.out = filepath.Join(".cache", "tempest-run-"+s.release)
	}
	for _, path := range []*string{&s.program, &s.python, &s.tests, &s.out} {
		if *path, err = filepath.Abs(*path); err != nil {
			return s, err
		}
	}
	return s, nil
}

func run(ctx context.Context) error {
	s, err := read()
	if err != nil {
		return err
	}
	explained, err := readExplanations(s.explained, s.release)
	if err != nil {
		return err
	}
	whole := s.regex == "" && s.list == ""
	if !s.last {
		if err := test(ctx, s); err != nil {
			return err
		}
	}
	ran, err := results(ctx, s)
	if err != nil {
		return err
	}
	verdict := compare(ran, baseline(), explained, whole, s.release == listed)
	if err := errors.Join(write(filepath.Join(s.out, "results.txt"), ran), verdict.print(os.Stdout)); err != nil {
		return err
	}
	if faults := verdict.faults(); faults > 0 {
		return fmt.Errorf("%d faults; what the tests said: %s", faults, filepath.Join(s.out, "results.txt"))
	}
	return nil
}
