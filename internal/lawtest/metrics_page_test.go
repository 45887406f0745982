package lawtest

import (
	"flag"
	"fmt"
	"go/ast"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the generated pages anew")

// metric is what the code declares of one.
type metric struct{ name, kind, labels, help, dir string }

// TestDocsMetrics compares the reference page of the metrics with those that the code declares. The
// law about their names sees to it that the declarations can be read.
func TestDocsMetrics(t *testing.T) {
	const path = "../../docs/operate/metrics.md"
	repository, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	all := metrics(repository)
	if len(all) == 0 {
		t.Fatal("found no metrics")
	}
	page := metricsPage(all)
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(stored), page); diff != "" {
		t.Errorf("%s is out of date, run make golden:\n%s", path, diff)
	}
}

func TestMetricsAreReadFromTheirDeclarations(t *testing.T) {
	found := metrics(example(t, `
-- internal/a/a.go --
package a
import "github.com/prometheus/client_golang/prometheus"
var a = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dragonflow_a_total", Help: "Counts " + "a."}, []string{"x", "y"})
var b = prometheus.NewGauge(prometheus.GaugeOpts{Name: "dragonflow_b", Help: "Is b."})
var c = prometheus.NewDesc("dragonflow_c", "Is c.", []string{"z"}, nil)
var d = prometheus.NewDesc("dragonflow_d_total", "Counts d.", nil, nil)
`))
	want := []metric{
		{"dragonflow_a_total", "counter", "x, y", "Counts a.", "internal/a"},
		{"dragonflow_b", "gauge", "", "Is b.", "internal/a"},
		{"dragonflow_c", "gauge", "z", "Is c.", "internal/a"},
		{"dragonflow_d_total", "counter", "", "Counts d.", "internal/a"},
	}
	if diff := cmp.Diff(want, found, cmp.AllowUnexported(metric{})); diff != "" {
		t.Error(diff)
	}
}

// metrics returns the metrics of the product by name.
func metrics(t *tree) []metric {
	var all []metric
	for _, s := range t.product() {
		ast.Inspect(s.File, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if m, ok := declared(s, call); ok {
				all = append(all, m)
			}
			return true
		})
	}
	slices.SortFunc(all, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return all
}

// declared reads prometheus.NewDesc(name, help, labels, …) and prometheus.NewXVec(prometheus.XOpts{…},
// labels), with or without Vec.
func declared(s *source, call *ast.CallExpr) (metric, bool) {
	m := metric{dir: s.dir}
	if pkg, function := s.calls(call); pkg == prometheusPath && function == "NewDesc" {
		m.name, m.help, m.labels = text(call.Args[0]), text(call.Args[1]), list(call.Args[2])
		m.kind = "gauge"
		if strings.HasSuffix(m.name, "_total") {
			m.kind = "counter"
		}
		return m, true
	}
	kind, options := metricOptions(s, call.Args[0])
	if kind == "" {
		return m, false
	}
	m.name, m.help, m.kind = text(field(options, "Name")), text(field(options, "Help")), strings.ToLower(kind)
	if len(call.Args) == 2 {
		m.labels = list(call.Args[1])
	}
	return m, true
}

// text is the value of a constant text.
func text(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.BasicLit:
		value, _ := strconv.Unquote(x.Value)
		return value
	case *ast.BinaryExpr:
		return text(x.X) + text(x.Y)
	}
	return ""
}

// list is the value of a literal list of texts.
func list(x ast.Expr) string {
	literal, ok := x.(*ast.CompositeLit)
	if !ok {
		return ""
	}
	var texts []string
	for _, element := range literal.Elts {
		texts = append(texts, text(element))
	}
	return strings.Join(texts, ", ")
}

func metricsPage(all []metric) string {
	var page strings.Builder
	page.WriteString(`# Metrics

<!-- Generated from the declarations in the code by a test of internal/lawtest; make golden writes it anew. -->

Every daemon shows its metrics at ` + "`/metrics`" + ` of its ` + "`metrics-listen`" + ` address, in Prometheus' format, beside those that Prometheus' own
library knows of the Go runtime and the process. ` + "`/readyz`" + ` lists the conditions in words; it answers 503 while the process cannot do its work.

| metric | type | labels | meaning | declared in |
|---|---|---|---|---|
`)
	for _, m := range all {
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s | `%s` |\n", m.name, m.kind, m.labels, m.help, m.dir)
	}
	return page.String()
}
