// Package systemd holds the units; its tests ask systemd's own tools what they think of them.
package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// units copies the units into a private folder, with a program that exists everywhere in the place of
// ours, and returns their paths.
func units(t *testing.T) []string {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("systemd-analyze is not installed")
	}
	names, err := filepath.Glob("*.service")
	if err != nil || len(names) != 3 {
		t.Fatalf("found units %q: %v", names, err)
	}
	folder := t.TempDir()
	// The units may be ordered after others that this host lacks.
	for _, other := range []string{"openvswitch-switch.service", "network-online.target"} {
		write(t, filepath.Join(folder, other), "[Unit]\nDescription=other\n"+
			map[bool]string{true: "[Service]\nExecStart=/bin/true\n"}[strings.HasSuffix(other, ".service")])
	}
	var paths []string
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, name)
		write(t, path, strings.Replace(string(data), "ExecStart=/usr/local/bin/dragonflow", "ExecStart=/bin/true", 1))
		paths = append(paths, path)
	}
	return paths
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSystemdAcceptsTheUnits(t *testing.T) {
	paths := units(t)
	command := exec.CommandContext(t.Context(), "systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, paths...)...)
	command.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+filepath.Dir(paths[0])+":")
	if out, err := command.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v:\n%s", err, out)
	}
}

// The threshold is systemd's own measure of exposure, times ten: 10 is none of the protections, 0 all.
func TestUnitsHaveLeastRights(t *testing.T) {
	for _, path := range units(t) {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=yes", "--threshold=25", path).CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Logf("%s: %s", filepath.Base(path), lines[len(lines)-1])
		if err != nil {
			t.Errorf("%s: %v:\n%s", filepath.Base(path), err, out)
		}
	}
}
