package api

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what the API does. It is made before the server, whose Options.Observe it fills, and
// registered with Watch once the server is there.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics registers the metrics of requests.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dragonflow_api_requests_total", Help: "Requests answered by the Neutron API.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dragonflow_api_request_seconds", Help: "Time to answer a request.",
			Buckets: prometheus.ExponentialBuckets(5e-4, 3, 10),
		}, []string{"method", "route"}),
	}
	r.MustRegister(m.requests, m.seconds)
	return m
}

// Observe counts a request; it is meant for Options.Observe.
func (m *Metrics) Observe(o Observation) {
	method := o.Method
	if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete}, method) {
		method = "other" // callers choose the word, and each would be a series of its own
	}
	m.requests.WithLabelValues(method, o.Route, strconv.Itoa(o.Status)).Inc()
	m.seconds.WithLabelValues(method, o.Route).Observe(o.Duration.Seconds())
}

// Watch registers what a server tells by itself.
func (m *Metrics) Watch(r prometheus.Registerer, s *Server) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "dragonflow_api_drift_total",
		Help: "Differences between Neutron's resources and the logical topology that audits found and repaired; must stay 0.",
	}, func() float64 { return float64(s.Drift()) }))
}
