package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of the HTTP server: whoever reaches it may be slow or hostile.
const (
	requestTimeout = 10 * time.Second
	maxHeaderBytes = 16 << 10
	maxScrapes     = 4
	closeTimeout   = 2 * time.Second
)

// Serve answers /metrics, /healthz and /readyz on a listener until ctx ends, and closes the listener.
// The state of health is no secret from those who can reach the listener, and cannot be changed by them.
func Serve(ctx context.Context, listener net.Listener, metrics prometheus.Gatherer, health *Health, log *slog.Logger) error {
	server := &http.Server{
		Handler:           Handler(metrics, health),
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      2 * requestTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving metrics on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := server.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
		// Those who still wait have had their time; an error is theirs too.
		_ = server.Close()
	}
	<-served // http.ErrServerClosed, as we asked for
	return nil
}

// Handler answers /metrics, /healthz and /readyz.
func Handler(metrics prometheus.Gatherer, health *Health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes,
		Timeout:             requestTimeout,
	}))
	// That the process answers is its health; whether it is of use is its readiness.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, health) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		status := http.StatusOK
		if !health.Ready() {
			status = http.StatusServiceUnavailable
		}
		answer(w, status, health)
	})
	return mux
}

// Report is the body of /healthz and /readyz.
type Report struct {
	Ready      bool        `json:"ready"`
	Conditions []Condition `json:"conditions"`
}

func answer(w http.ResponseWriter, status int, health *Health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	// An error means that the reader has gone.
	_ = encoder.Encode(Report{Ready: health.Ready(), Conditions: health.Conditions()})
}
