// Package e2e runs the real dragonflow program on a real Open vSwitch, with guests in network namespaces, and breaks
// things under them: it is where the promises are kept or not. The programs run in the namespace of their hypervisor,
// so that their addresses are everybody's usual ones and meet nobody's.
//
// A test waits for conditions and has a deadline for each. What a promise counts in packets is counted in packets.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the path of the dragonflow program, built once for all tests; empty if they are skipped.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Geteuid() != 0 || testing.Short() {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "df-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover in /tmp is no failure
	program = filepath.Join(dir, "dragonflow")
	// The flags are those of make build, so that both share what was compiled.
	build := exec.Command("go", "build", "-trimpath", "-o", program, "github.com/dragonflow/dragonflow/cmd/dragonflow")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build dragonflow: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
