package main

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// explanation is a line of the page's table: which tests do not pass, how, and with which releases.
type explanation struct {
	pattern  string // with * for anything
	status   string
	releases []string
}

func (e explanation) matches(test string) bool {
	is, err := path.Match(e.pattern, test)
	return err == nil && is
}

// heading is the first line of the table.
const heading = "| test | is | with | because |"

// readExplanations reads those of a release.
func readExplanations(file, release string) ([]explanation, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	_, table, is := strings.Cut(string(text), heading+"\n")
	if !is {
		return nil, fmt.Errorf("%s has no table %q", file, heading)
	}
	var list []explanation
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		if strings.HasPrefix(line, "|-") {
			continue
		}
		e, err := readExplanation(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %s", file, err, line)
		}
		if slices.Contains(e.releases, release) {
			list = append(list, e)
		}
	}
	return list, nil
}

func readExplanation(line string) (e explanation, err error) {
	const columns = 4
	cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
	if len(cells) != columns {
		return e, fmt.Errorf("%d columns", len(cells))
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	e = explanation{pattern: strings.Trim(cells[0], "`"), status: cells[1], releases: strings.Fields(strings.ReplaceAll(cells[2], ",", " "))}
	if !slices.Contains([]string{skipped, failed, absent}, e.status) {
		return e, fmt.Errorf("a test is not %q", e.status)
	}
	if cells[3] == "" || len(e.releases) == 0 {
		return e, fmt.Errorf("%s is not explained", e.pattern)
	}
	if _, err := path.Match(e.pattern, ""); err != nil {
		return e, err
	}
	return e, nil
}
