package lawtest

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

var metricNames = law{
	name:   "metrics are named dragonflow_…",
	reason: "an operator finds all of them by one prefix, and no two programs share a name; the name stands whole in the code, so that it can be searched for",
	find: func(t *tree) []finding {
		var found []finding
		for _, s := range t.product() {
			ast.Inspect(s.File, func(n ast.Node) bool {
				if name := metricName(s, n); name != nil && !isMetricName(name) {
					found = append(found, finding{t.at(name), "is not the whole name of a metric: dragonflow_what_unit"})
				}
				return true
			})
		}
		return found
	},
	breaks: `
-- internal/a/a.go --
package a
import "github.com/prometheus/client_golang/prometheus"
var a = prometheus.CounterOpts{Name: "flows_total"} // breaks
var b = prometheus.GaugeOpts{Namespace: "dragonflow", Name: "flows"} // breaks
var c = prometheus.GaugeOpts{Name: "dragonflow_flows"}
var d = prometheus.NewDesc("flows", "", nil, nil) // breaks
var e = prometheus.NewDesc("dragonflow_vswitch_flows", "", nil, nil)
`,
}

const prometheusPath = "github.com/prometheus/client_golang/prometheus"

// metricName returns the expression that names a metric in a declaration of one.
func metricName(s *source, n ast.Node) ast.Expr {
	if pkg, function := s.calls(n); pkg == prometheusPath && function == "NewDesc" {
		return n.(*ast.CallExpr).Args[0]
	}
	if kind, literal := metricOptions(s, n); kind != "" {
		return field(literal, "Name")
	}
	return nil
}

// metricOptions returns the kind of metric ("Counter", …) that a literal of options declares.
func metricOptions(s *source, n ast.Node) (kind string, options *ast.CompositeLit) {
	literal, ok := n.(*ast.CompositeLit)
	if !ok {
		return "", nil
	}
	selector, ok := literal.Type.(*ast.SelectorExpr)
	if !ok {
		return "", nil
	}
	kind, isOptions := strings.CutSuffix(selector.Sel.Name, "Opts")
	if name, ok := selector.X.(*ast.Ident); !ok || !isOptions || s.called(name) != prometheusPath {
		return "", nil
	}
	return kind, literal
}

// field returns the value of a field in a struct's literal, or nil.
func field(literal *ast.CompositeLit, name string) ast.Expr {
	for _, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok && key.Name == name {
				return pair.Value
			}
		}
	}
	return nil
}

func isMetricName(x ast.Expr) bool {
	literal, ok := x.(*ast.BasicLit)
	return ok && regexp.MustCompile(`^"dragonflow_[a-z0-9_]*[a-z0-9]"$`).MatchString(literal.Value)
}

var readme = law{
	name:   "the README is short and shows how to test",
	reason: "it is read by people who have two minutes",
	find: func(t *tree) []finding {
		const maxLines = 119
		text := t.texts["README.md"]
		var found []finding
		if lines := strings.Count(text, "\n"); lines > maxLines {
			found = append(found, finding{"README.md", fmt.Sprintf("has %d lines, more than %d", lines, maxLines)})
		}
		if !strings.Contains(text, "<!-- the test command -->\n") {
			found = append(found, finding{"README.md", "does not mark the test command"})
		}
		return found
	},
	breaks: "-- README.md --\nbreaks: file\n" + blank(120),
}

var makeTargets = law{
	name:   "every make command in the documents exists",
	reason: "a document that lies once is not believed again",
	find: func(t *tree) []finding {
		target := regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):(?:[^=]|$)`)
		var targets []string
		for _, match := range target.FindAllStringSubmatch(t.texts["Makefile"], -1) {
			targets = append(targets, match[1])
		}
		command := regexp.MustCompile("(?:^|`|&& )make ([a-z][a-z0-9-]*)")
		var found []finding
		for _, line := range markdownLines(t) {
			for _, match := range command.FindAllStringSubmatch(line.text, -1) {
				if !slices.Contains(targets, match[1]) {
					found = append(found, finding{line.where, "make " + match[1] + " is no target of the Makefile"})
				}
			}
		}
		return found
	},
	breaks: "-- Makefile --\ntest: build ## help\nbuild:\nX := 1\n" +
		"-- docs/a.md --\nTo make it work run `make test`.\nmake nothing # breaks\nor `make build && make everything`. breaks\n",
}

var links = law{
	name:   "every relative link in the documents leads to a file and a heading",
	reason: "a document that lies once is not believed again",
	find: func(t *tree) []finding {
		link := regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"`)
		var found []finding
		for _, line := range markdownLines(t) {
			for _, match := range link.FindAllStringSubmatch(line.text, -1) {
				if problem := unresolved(t, line.file, match[1]+match[2]); problem != "" {
					found = append(found, finding{line.where, problem})
				}
			}
		}
		return found
	},
	breaks: `
-- README.md --
# Title of *this* page
[good](docs/a.md), [folder](docs), [web](https://example.org/x), [heading](#title-of-this-page)
[bad](docs/b.md) breaks
[bad](#no-such) breaks
<img src="docs/picture.svg"> breaks
-- docs/a.md --
[up](../README.md#title-of-this-page) [image](image.svg)
[bad](../README.md#other) breaks
-- docs/image.svg --
`,
}

// unresolved says what is wrong with a link of a document, or "".
func unresolved(t *tree, from, target string) string {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return ""
	}
	file, anchor, _ := strings.Cut(target, "#")
	file = path.Join(path.Dir(from), file)
	if strings.HasPrefix(target, "#") {
		file = from
	}
	text, isFile := t.texts[file]
	isFolder := hasFolder(t, file)
	switch {
	case !isFile && !isFolder:
		return "leads to " + file + ", which does not exist"
	case anchor != "" && strings.HasSuffix(file, ".md") && !slices.Contains(headings(text), anchor):
		return fmt.Sprintf("%s has no heading #%s", file, anchor)
	}
	return ""
}

// headings returns the anchors that renderers make of a document's headings.
func headings(text string) []string {
	var anchors []string
	for line := range strings.Lines(text) {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127 && r != '…' && r != '–' && r != '→':
				return r
			}
			return -1
		}, strings.ToLower(strings.TrimSpace(title)))
		anchors = append(anchors, anchor)
	}
	return anchors
}

// markdownLine is a line of a document.
type markdownLine struct{ file, where, text string }

func markdownLines(t *tree) []markdownLine {
	var lines []markdownLine
	for name, text := range t.texts {
		if path.Ext(name) != ".md" {
			continue
		}
		number := 0
		for line := range strings.Lines(text) {
			number++
			lines = append(lines, markdownLine{name, place(name, number), strings.TrimSuffix(line, "\n")})
		}
	}
	return lines
}

// hasFolder tells whether any file lies below a folder.
func hasFolder(t *tree, folder string) bool {
	for name := range t.texts {
		if strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	return false
}

var paths = law{
	name:   "every folder that the documents name exists, and ARCHITECTURE.md names every package",
	reason: "the map is of use only while it is complete and true",
	find: func(t *tree) []finding {
		named := regexp.MustCompile("`((?:cmd|internal|docs|deploy|test|tools|bench)/[A-Za-z0-9_./-]+?)/?`")
		var found []finding
		inMap := map[string]bool{}
		for _, line := range markdownLines(t) {
			for _, match := range named.FindAllStringSubmatch(line.text, -1) {
				if _, isFile := t.texts[match[1]]; !isFile && !hasFolder(t, match[1]) {
					found = append(found, finding{line.where, match[1] + " does not exist"})
				}
				inMap[match[1]] = inMap[match[1]] || line.file == "ARCHITECTURE.md"
			}
		}
		for _, s := range t.product() {
			if strings.HasPrefix(s.dir, "internal/") && !covered(inMap, s.dir) {
				inMap[s.dir] = true // one finding for each package
				found = append(found, finding{s.path, "ARCHITECTURE.md names neither the package nor the folder that it lies in"})
			}
		}
		return found
	},
	breaks: "-- ARCHITECTURE.md --\nSee `internal/a` and `cmd/b/main.go`.\nSee `internal/gone`. breaks\nAnd `internal/parent`.\n" +
		"-- internal/a/a.go --\npackage a\n" +
		"-- cmd/b/main.go --\npackage main\n" +
		"-- internal/parent/child/a.go --\npackage child\n" +
		"-- internal/secret/a.go --\npackage secret // breaks: file\n",
}

// covered tells whether the map names a folder or one above it; internal itself does not count.
func covered(inMap map[string]bool, dir string) bool {
	for ; strings.Contains(dir, "/"); dir = path.Dir(dir) {
		if inMap[dir] {
			return true
		}
	}
	return false
}
