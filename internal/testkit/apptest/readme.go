package apptest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
)

// Readme compares the block of README.md that follows the line "<!-- name: written by go test -update -->"
// with text; go test -update rewrites it.
func Readme(t testing.TB, name, text string) {
	t.Helper()
	Page(t, "README.md", name, text)
}

// Page is Readme for any page.
func Page(t testing.TB, file, name, text string) {
	t.Helper()
	const fence = "```\n"
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(content), "<!-- "+name+": written by go test -update -->\n"+fence)
	have, tail, closed := strings.Cut(rest, fence)
	if !found || !closed {
		t.Fatalf("%s has no block %q", file, name)
	}
	if *update {
		new := string(content[:len(head)]) + "<!-- " + name + ": written by go test -update -->\n" + fence + text + fence + tail
		if err := os.WriteFile(file, []byte(new), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(have, text); diff != "" {
		t.Errorf("%s, %s (-have +want); if this is meant, go test -update:\n%s", file, name, diff)
	}
}

// Dump renders the flows on the switch whose first owner keep accepts, as the switch shows them, with
// stage names, counters and reasons, for people to read.
func (s *Switch) Dump(keep func(owner string) bool) string {
	s.w.t.Helper()
	var list []Counted
	for _, c := range s.Counters() {
		if len(c.Owners) > 0 && keep(c.Owners[0]) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Counted) int { return a.Flow.Key().Compare(b.Flow.Key()) })
	var b strings.Builder
	for _, c := range list {
		c.Flow.Cookie = 0
		fmt.Fprintf(&b, "%s\n    # packets=%d %s: %s\n", pipeline.Text().Flow(c.Flow), c.Packets, strings.Join(c.Owners, ", "), c.Reason)
	}
	return b.String()
}
