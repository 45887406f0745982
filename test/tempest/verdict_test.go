package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const page = `# Tests

| test | is | with | because |
|---|---|---|---|
| ` + "`a.B.skips`" + ` | skipped | current, zed | it must |
| ` + "`setUpClass (a.C)`" + ` | skipped | zed | nobody does |
| ` + "`a.D.*`" + ` | failed | current | of something |
`

func TestRunsAreComparedWithThePage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	ovn := map[string]bool{"a.B.passes": true, "a.C.one": true, "a.C.two": true, "a.E.gone": true}
	for _, c := range []struct {
		name, release string
		ran           map[string]string
		whole         bool
		want          []string // parts of what is printed
		faults        int
	}{
		{
			"as said", "zed", map[string]string{"a.B.passes": passed, "a.B.skips": skipped, "setUpClass (a.C)": skipped, "a.E.gone": passed}, true,
			[]string{"2 passed", "lost setUpClass (a.C)", "1 lost, 0 won"}, 0,
		},
		{"not said", "zed", map[string]string{"a.B.passes": failed}, false, []string{"UNEXPLAINED failed a.B.passes", "lost a.B.passes"}, 1},
		{"said of one that passes", "current", map[string]string{"a.D.x": passed}, false, []string{"UNTRUE a.D.x passes", "1 won"}, 1},
		{"otherwise than said", "current", map[string]string{"a.D.x": skipped}, false, []string{"UNTRUE a.D.x is skipped, not failed"}, 1},
		{
			"missed in a whole run", "current", map[string]string{"a.B.passes": passed, "a.B.skips": skipped, "a.D.x": failed, "setUpClass (a.C)": passed}, true,
			[]string{"UNEXPLAINED absent a.E.gone"}, 1,
		},
		{"of no test", "current", map[string]string{"a.B.skips": skipped, "a.B.passes": passed, "a.C.one": passed, "a.C.two": passed, "a.E.gone": passed}, true, []string{"UNTRUE there is no test a.D.*"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			said, err := readExplanations(file, c.release)
			if err != nil {
				t.Fatal(err)
			}
			ran := map[string]result{}
			for test, status := range c.ran {
				ran[test] = result{ID: test, Status: status}
			}
			v := compare(ran, ovn, said, c.whole, true)
			var b strings.Builder
			if err := v.print(&b); err != nil {
				t.Fatal(err)
			}
			for _, part := range c.want {
				if !strings.Contains(b.String(), part) {
					t.Errorf("%q is missing in\n%s", part, b.String())
				}
			}
			if v.faults() != c.faults {
				t.Errorf("%d faults, not %d:\n%s", v.faults(), c.faults, b.String())
			}
		})
	}
}

// TestThePageIsRead holds the page to the form in which a run reads it.
func TestThePageIsRead(t *testing.T) {
	for _, release := range []string{"current", "zed"} {
		said, err := readExplanations("../../docs/tempest.md", release)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range said {
			if slices.ContainsFunc(said[:i], func(o explanation) bool { return o.matches(e.pattern) }) {
				t.Errorf("%s is explained twice", e.pattern)
			}
		}
	}
}
