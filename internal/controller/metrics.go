package controller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dragonflow/dragonflow/internal/vswitch/reconcile"
)

// Metrics counts what a controller does. A nil Metrics counts nothing.
type Metrics struct {
	steps, flowMods, bundles, dropped prometheus.Counter
	stepTime                          prometheus.Histogram
	packets, drift, lines             *prometheus.CounterVec
}

// NewMetrics registers the controller's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		steps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dragonflow_controller_steps_total", Help: "Batches of changes for which flows were derived.",
		}),
		flowMods: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dragonflow_controller_flow_mods_total", Help: "Flow changes that the switch confirmed.",
		}),
		bundles: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dragonflow_controller_bundles_total", Help: "Bundles of flow changes that the switch confirmed.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dragonflow_controller_packets_dropped_total",
			Help: "Packets of guests or to them that were dropped because a queue was full.",
		}),
		drift: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dragonflow_controller_drift_total",
			Help: "Differences that audits found and repaired between the database and the view, the view and what is derived of it, and that and the switch; must stay 0.",
		}, []string{"layer"}),
		stepTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "dragonflow_controller_step_seconds", Help: "Time to derive the flows of one batch.",
			Buckets: prometheus.ExponentialBuckets(1e-5, 4, 10),
		}),
		packets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dragonflow_controller_packet_ins_total", Help: "Packets that the switch sent to an app, by what came of them.",
		}, []string{"app", "event"}),
	}
	m.lines = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "dragonflow_security_log_lines_total", Help: "Lines that the log of security groups was given, by event.",
	}, []string{"event"})
	r.MustRegister(m.lines, m.steps, m.flowMods, m.bundles, m.dropped, m.drift, m.stepTime, m.packets)
	for _, l := range layers() {
		m.drift.WithLabelValues(string(l))
	}
	return m
}

func (m *Metrics) stepped(d time.Duration) {
	if m != nil {
		m.steps.Inc()
		m.stepTime.Observe(d.Seconds())
	}
}

func (m *Metrics) applied(o reconcile.Outcome) {
	if m != nil {
		m.flowMods.Add(float64(o.FlowMods))
		m.bundles.Add(float64(o.Bundles))
	}
}

func (m *Metrics) packetIn(app, event string) {
	if m != nil {
		m.packets.WithLabelValues(app, event).Inc()
	}
}

func (m *Metrics) logged(event string) {
	if m != nil {
		m.lines.WithLabelValues(event).Inc()
	}
}

func (m *Metrics) packetDropped() {
	if m != nil {
		m.dropped.Inc()
	}
}

func (m *Metrics) drifted(l Layer, n int) {
	if m != nil {
		m.drift.WithLabelValues(string(l)).Add(float64(n))
	}
}
