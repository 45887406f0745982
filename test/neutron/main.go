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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	program := flag.String("program", "bin/dragonflow", "the dragonflow `program`")
	python := flag.String("python", ".cache/neutron", "the Python `environment` with Neutron")
	noauth := flag.Bool("noauth", false, "no Keystone: everybody is admin")
	flag.Parse()
	if *program, err = filepath.Abs(*program); err != nil {
		return err
	}
	if *python, err = filepath.Abs(*python); err != nil {
		return err
	}
	fmt.Println("bringing up MariaDB, Keystone, Neutron, a server, and the chassis c1, c2 and c3: a minute or two")
	s, err := newSite(ctx, *program, *python, !*noauth, "c1", "c2", "c3")
	defer func() { err = errors.Join(err, s.Close()) }()
	if err != nil {
		return err
	}
	openrc, err := s.openrc()
	if err != nil {
		return err
	}
	fmt.Printf(`Neutron serves at %s. In another terminal:

    . %s
    %s network agent list

Interrupt this to end it all.
`, s.Neutron.API, openrc, filepath.Join(*python, "bin", "openstack"))
	<-ctx.Done()
	return nil
}
