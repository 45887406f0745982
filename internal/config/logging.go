package config

import (
	"io"
	"log/slog"
)

// Logger returns the process's log, written to w as the settings say.
func (p *Process) Logger(w io.Writer) *slog.Logger {
	// Load has refused a level that is none.
	level, _ := p.level()
	options := &slog.HandlerOptions{Level: level}
	if p.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func (p *Process) level() (slog.Level, error) {
	var level slog.Level
	err := level.UnmarshalText([]byte(p.LogLevel))
	return level, err
}

// MetricsAddress returns where /metrics, /healthz and /readyz are served: where the settings say, else
// at the command's own default. It is empty if they are not served.
func (p *Process) MetricsAddress(fallback string) string {
	switch p.MetricsListen {
	case "":
		return fallback
	case "off":
		return ""
	}
	return p.MetricsListen
}
