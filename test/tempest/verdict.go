package main

import (
	_ "embed"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// What can become of a test.
const (
	passed  = "passed"
	skipped = "skipped"
	failed  = "failed"
	absent  = "absent" // it passes with ML2/OVN, and did not run
)

// result is what became of one test, or of the preparation of a class of tests, and why.
type result struct {
	ID      string
	Status  string
	Seconds float64
	Why     string
}

//go:embed ovn-zed.txt
var ovn []byte

// baseline is what passes with ML2/OVN, measured with Debian's Zed.
func baseline() map[string]bool {
	passing := map[string]bool{}
	for _, test := range lines(ovn) {
		passing[test] = true
	}
	return passing
}

// verdict is how a run compares.
type verdict struct {
	count       map[string]int
	lost        []string // pass with ML2/OVN and not here, explained or not
	won         []string // pass here and not with ML2/OVN
	unexplained []result // do not pass, and nobody says why
	untrue      []string // are explained otherwise than they are
}

// listed is the release of the list of what passes with ML2/OVN. Others have other tests: dozens have new names.
const listed = "zed"

// compare judges a run. Of a whole one, a line that explains no test is a fault; if it ought to have all tests of the
// list, so is one that did not run.
func compare(ran map[string]result, ovn map[string]bool, said []explanation, whole, all bool) verdict {
	v := verdict{count: map[string]int{}}
	judged := maps.Clone(ran)
	for test := range ovn {
		if _, is := ran[test]; !is && whole && all && !coveredByClass(test, ran) {
			judged[test] = result{ID: test, Status: absent}
		}
	}
	used := make([]bool, len(said))
	for _, test := range slices.Sorted(maps.Keys(judged)) {
		r := judged[test]
		v.count[r.Status]++
		i := slices.IndexFunc(said, func(e explanation) bool { return e.matches(test) })
		if i >= 0 {
			used[i] = true
		}
		switch {
		case r.Status == passed && !ovn[test]:
			v.won = append(v.won, test)
		case r.Status != passed && (ovn[test] || lostClass(test, ovn)):
			v.lost = append(v.lost, test)
		}
		switch {
		case r.Status == passed && i >= 0:
			v.untrue = append(v.untrue, fmt.Sprintf("%s passes, and %s is said to be %s", test, said[i].pattern, said[i].status))
		case r.Status != passed && i < 0:
			v.unexplained = append(v.unexplained, r)
		case r.Status != passed && said[i].status != r.Status:
			v.untrue = append(v.untrue, fmt.Sprintf("%s is %s, not %s", test, r.Status, said[i].status))
		}
	}
	for i, e := range said {
		if whole && !used[i] {
			v.untrue = append(v.untrue, "there is no test "+e.pattern)
		}
	}
	return v
}

// coveredByClass tells whether a test did not run since its class did not: that is told of the class.
func coveredByClass(test string, ran map[string]result) bool {
	_, is := ran["setUpClass ("+class(test)+")"]
	return is
}

// lostClass tells whether ML2/OVN passes tests of a class that did not run.
func lostClass(test string, ovn map[string]bool) bool {
	name, is := strings.CutPrefix(test, "setUpClass (")
	if !is {
		return false
	}
	name = strings.TrimSuffix(name, ")")
	for test := range ovn {
		if class(test) == name {
			return true
		}
	}
	return false
}

// class is the class of a test, of which there may be several with parameters: test(a), test(b).
func class(test string) string {
	name, _, _ := strings.Cut(test, "(")
	return name[:max(0, strings.LastIndexByte(name, '.'))]
}

func (v verdict) faults() int { return len(v.unexplained) + len(v.untrue) }

func (v verdict) print(w io.Writer) error {
	var b strings.Builder
	for _, r := range v.unexplained {
		fmt.Fprintf(&b, "UNEXPLAINED %s %s: %s\n", r.Status, r.ID, lastLine(r.Why))
	}
	for _, u := range v.untrue {
		fmt.Fprintf(&b, "UNTRUE %s\n", u)
	}
	for _, test := range v.lost {
		fmt.Fprintf(&b, "lost %s\n", test)
	}
	fmt.Fprintf(&b, "%d passed, %d failed, %d skipped, %d absent; beside ML2/OVN %d lost, %d won; %d not explained, %d explained wrongly\n",
		v.count[passed], v.count[failed], v.count[skipped], v.count[absent], len(v.lost), len(v.won), len(v.unexplained), len(v.untrue))
	_, err := io.WriteString(w, b.String())
	return err
}

// write writes the results where people read them.
func write(path string, ran map[string]result) error {
	var b strings.Builder
	for _, test := range slices.Sorted(maps.Keys(ran)) {
		r := ran[test]
		fmt.Fprintf(&b, "%-7s %7.2f %s", r.Status, r.Seconds, test)
		if r.Why != "" {
			fmt.Fprintf(&b, "   # %s", lastLine(r.Why))
		}
		b.WriteByte('\n')
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
