package intake

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
)

// Metrics counts what a Neutron pushes. It is made before the server, whose Options it fills.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	pushed   *prometheus.CounterVec
}

// NewMetrics registers the metrics of requests and of changes.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dragonflow_intake_requests_total", Help: "Requests of a Neutron that were answered.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dragonflow_intake_push_seconds", Help: "Time to answer a request that pushes changes.",
			Buckets: prometheus.ExponentialBuckets(5e-4, 3, 10),
		}, nil),
		pushed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dragonflow_intake_changes_total", Help: "Changes that a Neutron pushed, by what became of them.",
		}, []string{"kind", "outcome"}),
	}
	r.MustRegister(m.requests, m.seconds, m.pushed)
	return m
}

// Observe counts a request; it is meant for Options.Observe.
func (m *Metrics) Observe(o api.Observation) {
	m.requests.WithLabelValues(o.Route, strconv.Itoa(o.Status)).Inc()
	if o.Route == pushRoute && o.Status == http.StatusOK {
		m.seconds.WithLabelValues().Observe(o.Duration.Seconds())
	}
}

// Pushed counts a change; it is meant for Options.Pushed.
func (m *Metrics) Pushed(kind string, outcome api.Outcome) {
	m.pushed.WithLabelValues(kind, string(outcome)).Inc()
}

// Watch registers what a server tells by itself.
func (m *Metrics) Watch(r prometheus.Registerer, s *api.Server) {
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "dragonflow_intake_drift_total",
		Help: "Differences between what was pushed and the logical topology that audits found and repaired; must stay 0.",
	}, func() float64 { return float64(s.Drift()) }))
}
