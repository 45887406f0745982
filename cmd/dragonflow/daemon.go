package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/telemetry"
)

// daemon is what every long-running command has.
type daemon struct {
	settings *config.Config
	log      *slog.Logger
	health   *telemetry.Health
	starting *telemetry.Signal
	metrics  *prometheus.Registry
	parts    []func(context.Context) error
	closers  []func() error
}

func newDaemon(h *host, settings *config.Config) *daemon {
	d := &daemon{settings: settings, log: settings.Process.Logger(h.err)}
	d.health, d.starting = telemetry.NewHealth(time.Now)
	d.metrics = telemetry.NewRegistry(version, d.health)
	return d
}

// add names something that runs until the daemon ends; whatever ends early ends the daemon.
func (d *daemon) add(part func(context.Context) error) { d.parts = append(d.parts, part) }

// openDatabase connects to the northbound database for the daemon's lifetime.
func (d *daemon) openDatabase(ctx context.Context) (*db.Connection, error) {
	s := d.settings.Database
	conn, err := northbound.Open(ctx, s.URL, northbound.Options{
		Prefix: s.Prefix, Cert: s.Cert, Key: s.Key, CA: s.CA, Log: d.log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	d.closers = append(d.closers, conn.Close)
	return conn, nil
}

// run works until ctx ends, which is no error, or a part fails.
func (d *daemon) run(ctx context.Context, metricsListen string) (err error) {
	defer func() {
		for _, closeIt := range d.closers {
			err = errors.Join(err, closeIt())
		}
	}()
	if address := d.settings.Process.MetricsAddress(metricsListen); address != "" {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("listen for metrics; --metrics-listen names another address: %w", err)
		}
		d.add(func(ctx context.Context) error {
			return telemetry.Serve(ctx, listener, d.metrics, d.health, d.log)
		})
	}
	d.add(func(ctx context.Context) error { return telemetry.Announce(ctx, d.health) })
	d.starting.Clear("") // what is still to come has been raised by the parts
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	for _, part := range d.parts {
		work.Go(func() { cancel(part(ctx)) })
	}
	work.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}
