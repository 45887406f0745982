package lawtest

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// behavioursPage is the list of behaviours with their tests.
const behavioursPage = "docs/behaviours.md"

var behaviours = law{
	name:   "every behaviour that is ticked names tests that exist",
	reason: "what nothing shows is only said",
	find: func(t *tree) []finding {
		named := regexp.MustCompile("`(Test[A-Za-z0-9_]+)` in `([a-z0-9/]+)`")
		scenario := regexp.MustCompile("scenarios? (`[a-z0-9-]+`(?:, `[a-z0-9-]+`)*)")
		tests := testsByFolder(t)
		var found []finding
		for i, line := range strings.Split(t.texts[behavioursPage], "\n") {
			if !strings.HasPrefix(line, "- [x] ") {
				continue
			}
			where, shown := place(behavioursPage, i+1), 0
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				shown++
				if !tests[m[2]+"."+m[1]] {
					found = append(found, finding{where, fmt.Sprintf("%s has no %s", m[2], m[1])})
				}
			}
			for _, m := range scenario.FindAllStringSubmatch(line, -1) {
				for name := range strings.SplitSeq(m[1], ", ") {
					shown++
					file := "test/scenario/scenarios/" + strings.Trim(name, "`") + ".txt"
					if _, ok := t.texts[file]; !ok {
						found = append(found, finding{where, "there is no " + file})
					}
				}
			}
			if shown == 0 {
				found = append(found, finding{where, "names no test"})
			}
		}
		return found
	},
	breaks: "-- docs/behaviours.md --\n- [x] Shown: `TestA` in `internal/a`, scenario `one`\n- [x] Gone: `TestB` in `internal/a` breaks\n" +
		"- [x] Elsewhere: `TestA` in `internal/b` breaks\n- [x] Not played: scenarios `one`, `two` breaks\n- [x] Said, which breaks\n- [ ] Not built\n" +
		"-- internal/a/a_test.go --\npackage a\nfunc TestA(t *testing.T) {}\n-- test/scenario/scenarios/one.txt --\n",
}

// testsByFolder has every test function as folder.Name.
func testsByFolder(t *tree) map[string]bool {
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	tests := map[string]bool{}
	for name, text := range t.texts {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range function.FindAllStringSubmatch(text, -1) {
			tests[path.Dir(name)+"."+m[1]] = true
		}
	}
	return tests
}
