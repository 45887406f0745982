package main

import (
	"strings"
	"testing"
)

const (
	passing = `{"Action":"start","Package":"example/a"}
{"Action":"run","Package":"example/a","Test":"TestOne"}
{"Action":"output","Package":"example/a","Test":"TestOne","Output":"=== RUN   TestOne\n"}
{"Action":"output","Package":"example/a","Test":"TestOne","Output":"--- PASS: TestOne (0.00s)\n"}
{"Action":"pass","Package":"example/a","Test":"TestOne","Elapsed":0}
{"Action":"output","Package":"example/a","Output":"PASS\n"}
{"Action":"output","Package":"example/a","Output":"ok  \texample/a\t0.010s\n"}
{"Action":"pass","Package":"example/a","Elapsed":0.01}
`
	skipping = `{"Action":"output","Package":"example/b","Test":"TestRoot","Output":"=== RUN   TestRoot\n"}
{"Action":"output","Package":"example/b","Test":"TestRoot","Output":"    b_test.go:7: needs root\n"}
{"Action":"output","Package":"example/b","Test":"TestRoot","Output":"--- SKIP: TestRoot (0.00s)\n"}
{"Action":"skip","Package":"example/b","Test":"TestRoot","Elapsed":0}
{"Action":"output","Package":"example/b","Output":"ok  \texample/b\t0.010s\n"}
{"Action":"pass","Package":"example/b","Elapsed":0.01}
`
	failing = `{"Action":"output","Package":"example/c","Test":"TestBad","Output":"    c_test.go:9: got 1, want 2\n"}
{"Action":"output","Package":"example/c","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"fail","Package":"example/c","Test":"TestBad","Elapsed":0}
{"Action":"output","Package":"example/c","Output":"FAIL\texample/c\t0.010s\n"}
{"Action":"fail","Package":"example/c","Elapsed":0.01}
`
	notBuilding = `{"ImportPath":"example/d","Action":"build-output","Output":"d.go:3:1: syntax error\n"}
{"ImportPath":"example/d","Action":"build-fail"}
{"Action":"start","Package":"example/d"}
{"Action":"output","Package":"example/d","Output":"FAIL\texample/d [build failed]\n"}
{"Action":"fail","Package":"example/d","Elapsed":0,"FailedBuild":"example/d"}
`
	crashing = `{"Action":"output","Package":"example/e","Test":"TestCrash","Output":"=== RUN   TestCrash\n"}
{"Action":"output","Package":"example/e","Output":"panic: boom\n"}
{"Action":"output","Package":"example/e","Output":"FAIL\texample/e\t0.010s\n"}
{"Action":"fail","Package":"example/e","Test":"TestCrash","Elapsed":0}
{"Action":"fail","Package":"example/e","Elapsed":0.01}
`
)

func TestReport(t *testing.T) {
	for name, test := range map[string]struct {
		in     string
		strict bool
		ok     bool
		prints []string
		not    string
	}{
		"passing tests show only the package": {
			in: passing, ok: true, strict: true, not: "RUN",
			prints: []string{"ok  \texample/a\t0.010s\n", "PASS: 1 tests passed, 0 failed, 0 skipped in 1 packages\n"},
		},
		"what a passing test measured is shown": {
			in: strings.Replace(passing, `=== RUN   TestOne\n`, `    a_test.go:7: measured: a gap of 3 ms\n`, 1), ok: true, not: "a_test.go",
			prints: []string{"\tTestOne: a gap of 3 ms\n"},
		},
		"a skip is shown with its reason": {
			in: passing + skipping, ok: true,
			prints: []string{"SKIP\texample/b TestRoot: b_test.go:7: needs root\n", "PASS: 1 tests passed, 0 failed, 1 skipped"},
		},
		"a skip fails a strict run": {
			in: passing + skipping, strict: true, prints: []string{"FAIL: 1 tests passed, 0 failed, 1 skipped"},
		},
		"a failure shows what the test said": {
			in: passing + failing, prints: []string{"c_test.go:9: got 1, want 2\n", "FAILED\texample/c TestBad\n", "FAIL\texample/c"},
		},
		"a package that does not build fails": {
			in: passing + notBuilding, prints: []string{"d.go:3:1: syntax error\n", "FAILED\texample/d (build)\n"},
		},
		"a crash shows its panic": {in: passing + crashing, prints: []string{"panic: boom\n"}},
		"other lines pass through": {
			in: passing + "go: downloading\n", ok: true, prints: []string{"go: downloading\n"},
		},
		"no tests are no success": {in: "", prints: []string{"FAIL: 0 tests passed"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			run, err := read(strings.NewReader(test.in), &out)
			if err != nil {
				t.Fatal(err)
			}
			if ok := run.print(&out, test.strict); ok != test.ok {
				t.Errorf("passed is %v, want %v", ok, test.ok)
			}
			for _, want := range test.prints {
				if !strings.Contains(out.String(), want) {
					t.Errorf("does not print %q:\n%s", want, out.String())
				}
			}
			if test.not != "" && strings.Contains(out.String(), test.not) {
				t.Errorf("prints %q:\n%s", test.not, out.String())
			}
		})
	}
}
