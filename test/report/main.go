// Command report reads the output of go test -json on standard input and prints it as go test would:
// a closing line for each package, and all that a failed test said. At the end it counts the tests and
// names each skipped one with its reason, since go test hides them.
//
// It exits with status 1 if anything failed, if there were no tests, or, with CI set in the environment,
// if a test was skipped: what is not run is not known to work.
package main

import (
	"fmt"
	"os"
)

func main() {
	summary, err := read(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	if !summary.print(os.Stdout, os.Getenv("CI") != "") {
		os.Exit(1)
	}
}
