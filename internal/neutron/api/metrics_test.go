package api

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestMadeUpMethodsAreOneSeries(t *testing.T) {
	r := prometheus.NewRegistry()
	m := NewMetrics(r)
	for _, method := range []string{"GET", "BREW", "WHEN", "PROPFIND"} {
		m.Observe(Observation{Method: method, Route: "other", Status: 405, Duration: time.Millisecond})
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); n != 2 {
			t.Errorf("%s has %d series, want GET and other", f.GetName(), n)
		}
	}
}
