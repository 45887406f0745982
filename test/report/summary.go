package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is one line of go test -json; see go doc test2json.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

// skip is a test that did not run, with the reason that it gave.
type skip struct{ test, reason string }

// summary counts what a test run came to.
type summary struct {
	passed, packages int
	failed           []string
	skipped          []skip
}

// read follows a test run: it prints the closing line of each package when the package ends, what tests
// have measured, and the output of a test when the test has failed. Lines that are not JSON are printed as they are.
func read(in io.Reader, out io.Writer) (*summary, error) {
	run := &summary{}
	said := map[string]*strings.Builder{}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				out.Write(line)
			} else {
				run.add(e, said, out)
			}
		}
		if err == io.EOF {
			return run, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the test run: %w", err)
		}
	}
}

func (s *summary) add(e event, said map[string]*strings.Builder, out io.Writer) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		io.WriteString(out, e.Output)
	case "build-fail":
		s.failed = append(s.failed, e.ImportPath+" (build)")
	case "output":
		if said[name] == nil {
			said[name] = new(strings.Builder)
		}
		said[name].WriteString(e.Output)
	case "pass", "fail", "skip":
		text := ""
		if said[name] != nil {
			text = said[name].String()
			delete(said, name)
		}
		if e.Test == "" {
			s.endPackage(e, text, out)
		} else {
			s.endTest(e, name, text, out)
		}
	}
}

// endPackage prints the package's closing line; a failed package prints everything it said outside of
// its tests too, such as a panic.
func (s *summary) endPackage(e event, text string, out io.Writer) {
	s.packages++
	if e.Action == "fail" {
		s.failed = append(s.failed, e.Package)
		io.WriteString(out, text)
		return
	}
	for line := range strings.Lines(text) {
		if line != "PASS\n" && line != "testing: warning: no tests to run\n" {
			io.WriteString(out, line)
		}
	}
}

func (s *summary) endTest(e event, name, text string, out io.Writer) {
	switch e.Action {
	case "pass":
		s.passed++
		measured(e.Test, text, out)
	case "fail":
		s.failed = append(s.failed, name)
		io.WriteString(out, text)
	case "skip":
		s.skipped = append(s.skipped, skip{name, reason(text)})
	}
}

// mark begins what a passed test has to tell beside that it passed.
const mark = "measured: "

// measured prints what a test has measured, with the test's name.
func measured(test, text string, out io.Writer) {
	for line := range strings.Lines(text) {
		if _, told, ok := strings.Cut(line, mark); ok {
			fmt.Fprintf(out, "\t%s: %s", test, told)
		}
	}
}

// reason is what a skipped test said, in one line, without go test's own marks.
func reason(text string) string {
	var words []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			words = append(words, line)
		}
	}
	return strings.Join(words, " ")
}

// print writes the closing lines and tells whether the run counts as passed. With strict, a skipped
// test is a failure.
func (s *summary) print(out io.Writer, strict bool) bool {
	for _, skipped := range s.skipped {
		fmt.Fprintf(out, "SKIP\t%s: %s\n", skipped.test, skipped.reason)
	}
	for _, name := range s.failed {
		fmt.Fprintf(out, "FAILED\t%s\n", name)
	}
	ok := len(s.failed) == 0 && s.passed > 0 && (!strict || len(s.skipped) == 0)
	verdict := "PASS"
	if !ok {
		verdict = "FAIL"
	}
	fmt.Fprintf(out, "%s: %d tests passed, %d failed, %d skipped in %d packages\n",
		verdict, s.passed, len(s.failed), len(s.skipped), s.packages)
	return ok
}
