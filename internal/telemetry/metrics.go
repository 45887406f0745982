package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry with what every process shows: its build, its conditions, and what the
// Go runtime and the operating system know of it.
func NewRegistry(version string, health *Health) *prometheus.Registry {
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "dragonflow_build_info",
		Help: "Constant 1, labelled with the version that runs.",
	}, []string{"version"})
	build.WithLabelValues(version).Set(1)

	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build,
		newConditionCollector(health),
	)
	return registry
}

// conditionCollector shows the conditions when it is asked.
type conditionCollector struct {
	health *Health
	shown  *prometheus.Desc
}

func newConditionCollector(health *Health) *conditionCollector {
	return &conditionCollector{
		health: health,
		shown: prometheus.NewDesc("dragonflow_conditions",
			"Objects for which a warning is raised, as /readyz lists them.", []string{"code", "severity"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *conditionCollector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- c.shown }

// Collect implements prometheus.Collector.
func (c *conditionCollector) Collect(metrics chan<- prometheus.Metric) {
	count := map[string]int{}
	for _, condition := range c.health.Conditions() {
		count[condition.Code]++
	}
	for _, w := range c.health.registered() {
		metrics <- prometheus.MustNewConstMetric(c.shown, prometheus.GaugeValue, float64(count[w.Code]), w.Code, w.Severity.String())
	}
}
