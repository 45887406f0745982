package lawtest

import (
	"os"
	"strings"
	"testing"
)

// law is one rule of the repository.
type law struct {
	// name says the rule in a sentence.
	name string
	// reason says why it exists; it is printed with each finding.
	reason string
	// find returns what breaks the law.
	find func(*tree) []finding
	// breaks is a repository that breaks the law in as many places as it has lines with the word
	// "breaks"; see example.
	breaks string
}

// finding is one place where a law is broken.
type finding struct {
	// where is file:line, or a file.
	where string
	// what says what is wrong there.
	what string
}

// laws is the list of all of them.
func laws() []law {
	return []law{
		imports, pureTime, testOnly,
		documented, noMarkers,
		noInit, noMutableState, goroutinesAtTheRim, noSleep,
		fileSize, functionSize, interfaceSize, packageNames,
		metricNames, readme, makeTargets, links, paths, behaviours,
	}
}

// TestLaws holds the repository to its rules.
func TestLaws(t *testing.T) {
	repository, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(repository.files) < 10 {
		t.Fatalf("found only %d Go files", len(repository.files))
	}
	for _, law := range laws() {
		t.Run(law.name, func(t *testing.T) {
			for _, f := range excused(t, law.name, law.find(repository)) {
				t.Errorf("%s: %s\n\twhy: %s", f.where, f.what, law.reason)
			}
		})
	}
}

// TestLawsSeeViolations shows for each law that it finds what it is for, and nothing else.
func TestLawsSeeViolations(t *testing.T) {
	for _, law := range laws() {
		t.Run(law.name, func(t *testing.T) {
			wrong := example(t, law.breaks)
			found := map[string]bool{}
			for _, f := range law.find(wrong) {
				found[f.where] = true
			}
			expected := places(law.breaks)
			if len(expected) == 0 {
				t.Fatal("the law has no example")
			}
			for where := range expected {
				if !found[where] {
					t.Errorf("%s: not found", where)
				}
			}
			for where := range found {
				if !expected[where] {
					t.Errorf("%s: found, but breaks nothing", where)
				}
			}
		})
	}
}

// places returns where an example says that it breaks its law: file:line of each line that holds
// "breaks", or the file alone for "breaks: file".
func places(text string) map[string]bool {
	where := map[string]bool{}
	name, number := "", 0
	for line := range strings.Lines(text) {
		number++
		switch inner, header := strings.CutPrefix(strings.TrimSpace(line), "-- "); {
		case header:
			name, number = strings.TrimSuffix(inner, " --"), 0
		case strings.Contains(line, "breaks: file"):
			where[name] = true
		case strings.Contains(line, "breaks"):
			where[place(name, number)] = true
		}
	}
	return where
}
