package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dragonflow/dragonflow/internal/telemetry"
)

// addSecurityLog makes the daemon write the log of security groups into a file of its own; nil if it has none.
func (d *daemon) addSecurityLog() (*slog.Logger, error) {
	path := d.settings.SecurityLog.File
	if path == "" {
		return nil, nil
	}
	unwritten := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "dragonflow_security_log_unwritten_total",
		Help: "Lines of the log of security groups that are not in its file, since it was too slow or full.",
	})
	d.metrics.MustRegister(unwritten)
	file, err := telemetry.OpenLogFile(path, unwritten.Inc)
	if err != nil {
		return nil, fmt.Errorf("log of security groups: %w", err)
	}
	d.add(func(ctx context.Context) error { file.Run(ctx, d.log); return nil })
	return slog.New(slog.NewJSONHandler(file, nil)), nil
}
