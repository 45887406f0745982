package metadata

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what the service does. A nil Metrics counts nothing.
type Metrics struct {
	requests    *prometheus.CounterVec
	refused     *prometheus.CounterVec
	seconds     prometheus.Histogram
	connections prometheus.Gauge
}

// NewMetrics registers the service's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dragonflow_metadata_requests_total", Help: "Requests for metadata, by the status of the answer.",
		}, []string{"code"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dragonflow_metadata_refused_total", Help: "What was refused: connections or requests of guests that have their share, and connections of unknown sources.",
		}, []string{"what"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "dragonflow_metadata_request_seconds", Help: "Time to answer a request for metadata, Nova's included.",
			Buckets: prometheus.ExponentialBuckets(1e-3, 4, 9),
		}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "dragonflow_metadata_connections", Help: "Connections of guests to the service of metadata.",
		}),
	}
	r.MustRegister(m.requests, m.refused, m.seconds, m.connections)
	for _, what := range []string{"connections", "requests", "unknown"} {
		m.refused.WithLabelValues(what)
	}
	return m
}

func (m *Metrics) answered(code int, took time.Duration) {
	if m != nil {
		m.requests.WithLabelValues(strconv.Itoa(code)).Inc()
		m.seconds.Observe(took.Seconds())
	}
}

func (m *Metrics) refuse(what string) {
	if m != nil {
		m.refused.WithLabelValues(what).Inc()
	}
}

func (m *Metrics) connected(n float64) {
	if m != nil {
		m.connections.Add(n)
	}
}
