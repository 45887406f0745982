package lawtest

import (
	"fmt"
	"strings"
	"testing"
)

// exception excuses a file, or a folder and all below it when it ends in a slash, from one law.
type exception struct {
	law    string
	path   string
	reason string
}

// exceptions is the list of all of them. It should stay short: most wishes for an entry are answered
// by cutting a file along a seam.
func exceptions() []exception {
	return []exception{}
}

// excused returns the findings for which no exception stands. An exception without a reason is none.
func excused(tb testing.TB, law string, found []finding) []finding {
	tb.Helper()
	var remaining []finding
	for _, f := range found {
		if !isExcused(law, f.where) {
			remaining = append(remaining, f)
		}
	}
	return remaining
}

func isExcused(law, where string) bool {
	file, _, _ := strings.Cut(where, ":")
	for _, e := range exceptions() {
		covers := e.path == file || strings.HasSuffix(e.path, "/") && strings.HasPrefix(file, e.path)
		if e.law == law && covers && e.reason != "" {
			return true
		}
	}
	return false
}

// place renders a position as tree.at does.
func place(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }
