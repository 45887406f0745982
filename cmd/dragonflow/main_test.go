package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// try runs a command line with an empty environment.
func try(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	h := &host{in: strings.NewReader(""), out: &stdout, err: &stderr}
	code = run(context.Background(), h, args)
	return code, stdout.String(), stderr.String()
}

func TestCommandLines(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("brigde: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		out  string
		err  string
	}{
		"nothing":          {out: "dragonflow COMMAND"},
		"help":             {args: []string{"--help"}, out: "dragonflow COMMAND"},
		"version":          {args: []string{"version"}, out: "dragonflow devel (go"},
		"completion":       {args: []string{"completion", "bash"}, out: "__start_dragonflow"},
		"config":           {args: []string{"config", "--bridge", "br-x"}, out: "--bridge"},
		"config example":   {args: []string{"config", "example"}, out: "#bridge: br-int"},
		"unknown command":  {args: []string{"versin"}, code: exitUsage, err: `unknown command "versin"; did you mean version?`},
		"unknown flag":     {args: []string{"config", "--brige", "x"}, code: exitUsage, err: "unknown flag: --brige; did you mean --bridge?"},
		"needless word":    {args: []string{"version", "now"}, code: exitFailed, err: "now"},
		"bad value":        {args: []string{"config", "--chassis="}, code: exitUsage, err: "must be a word"},
		"bad file":         {args: []string{"config", "--config", bad}, code: exitUsage, err: "bad.yaml:1: unknown setting brigde; did you mean bridge?"},
		"file not present": {args: []string{"config", "--config", bad + "x"}, code: exitUsage, err: "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := try(t, test.args...)
			if code != test.code || !strings.Contains(out, test.out) || !strings.Contains(errs, test.err) {
				t.Errorf("exit code %d, want %d; printed:\n%s%s\nwant %s%s", code, test.code, out, errs, test.out, test.err)
			}
		})
	}
}

func TestEveryCommandIsExplained(t *testing.T) {
	for _, command := range rootCommand(&host{}).Commands() {
		if command.Short == "" || command.GroupID == "" {
			t.Errorf("%s: short help %q, group %q", command.Name(), command.Short, command.GroupID)
		}
	}
}
