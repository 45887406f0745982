//go:build neutron

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab/openstack"
)

// raised is a line of a log that ends a traceback: the exception's name and what it says.
var raised = regexp.MustCompile(` ERROR \S+ ((?:\w+\.)*[A-Z]\w+(?:: .{0,200})?)\s*$`)

// identifiers differ between lines that otherwise say the same.
var identifiers = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|\b\d+\b|0x[0-9a-f]+`)

// exceptions are what Neutron's processes did not expect, with how often each came. All that they logged is copied to a
// folder.
func exceptions(neutron *openstack.Stack, folder string) ([]string, error) {
	text, err := os.ReadFile(neutron.Log)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, "neutron.log"), text, 0o600); err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if m := raised.FindStringSubmatch(line); m != nil {
			counts[identifiers.ReplaceAllString(m[1], "…")]++
		}
	}
	var list []string
	for what, count := range counts {
		list = append(list, fmt.Sprintf("%d × %s", count, what))
	}
	slices.Sort(list)
	return list, nil
}
