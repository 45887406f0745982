package lawtest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var documented = law{
	name:   "every package says what it is",
	reason: "a newcomer reads the folder's first sentence before the code",
	find: func(t *tree) []finding {
		comments := map[string]string{}
		first := map[string]string{}
		for _, s := range t.product() {
			if first[s.dir] == "" {
				first[s.dir] = s.path
			}
			if s.Doc != nil && comments[s.dir] == "" {
				comments[s.dir] = s.Doc.Text()
			}
		}
		var found []finding
		for dir, file := range first {
			comment := comments[dir]
			isSentence := strings.HasPrefix(comment, "Package ") || strings.HasPrefix(comment, "Command ")
			if !isSentence || strings.Contains(comment, "Licen") {
				found = append(found, finding{file, "the package has no comment that begins with Package or Command"})
			}
		}
		return found
	},
	breaks: `
-- internal/a/a.go --
package a // breaks: file
-- internal/a/b.go --
package a
-- internal/b/a.go --
// Licensed under the Apache License.
package b // breaks: file
-- internal/c/a.go --
// Package c is documented.
package c
-- cmd/d/main.go --
// Command d is documented.
package main
-- internal/e/only_test.go --
package e
`,
}

var noMarkers = law{
	name:   "no marker stands for work that is missing",
	reason: "what is missing is refused with a clear error or named in an issue",
	find: func(t *tree) []finding {
		marker := regexp.MustCompile(`\b(TODO|FIXME|HACK|XXX)\b`)
		var found []finding
		for _, s := range t.files {
			for _, group := range s.Comments {
				for _, comment := range group.List {
					if marker.MatchString(comment.Text) {
						found = append(found, finding{t.at(comment), comment.Text})
					}
				}
			}
		}
		return found
	},
	breaks: `
-- internal/a/a.go --
// Package a is an example.
package a
func a() {} // TODO: breaks
func b() { print("TODO") }
// FIXME(me): breaks
-- internal/a/a_test.go --
package a
// HACK breaks
`,
}

var packageNames = law{
	name:   "a package is named for what it provides",
	reason: "a name that fits everything collects everything",
	find: func(t *tree) []finding {
		banned := []string{"util", "utils", "common", "helper", "helpers", "manager", "base", "misc", "shared", "lib", "types", "interfaces"}
		var found []finding
		for _, s := range t.files {
			name := strings.TrimSuffix(s.Name.Name, "_test")
			if slices.Contains(banned, name) || strings.ContainsAny(name, "_ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
				found = append(found, finding{s.path, fmt.Sprintf("package %s", s.Name.Name)})
			}
		}
		return found
	},
	breaks: `
-- internal/utils/a.go --
package utils // breaks: file
-- internal/flowTable/a.go --
package flowTable // breaks: file
-- internal/a/a_test.go --
package a_test
`,
}
