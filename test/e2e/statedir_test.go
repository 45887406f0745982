package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dragonflow/dragonflow/internal/operate"
)

// The file system of the state directory is full. The controller goes on serving, says what is the matter, and
// repairs it when there is space again; only then is a restart without loss of memory possible.
func TestStateDirectoryFull(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	if err := os.Mkdir(c.state, 0o700); err != nil {
		t.Fatal(err)
	}
	// The file system is in a mount namespace of the process and goes with it.
	argv := command("standalone", c.database(), append(c.chassisFlags(), "--api-listen", apiURL)...)
	mount := fmt.Sprintf("mount -t tmpfs -o size=256k tmpfs %s && exec \"$@\"", c.state)
	d := c.daemon("standalone", append([]string{"unshare", "--mount", "sh", "-c", mount, "sh"}, argv...)...)
	d.argv[0] = program // it shall end well
	c.state = fmt.Sprintf("/proc/%d/root%s", d.PID(), c.state)
	c.waitAPI(d)
	a, b := c.pair()
	c.waitSettled()

	ballast := filepath.Join(c.state, "ballast")
	if err := fill(ballast); err != nil {
		t.Fatal(err)
	}
	tr := c.traffic(a, b)
	// A page of the snapshot may have room for something yet.
	n := a.network()
	for i := 0; ; i++ {
		if s, err := c.status(); err == nil && s.Troubles["snapshot"] != "" {
			break
		}
		if i == 100 {
			t.Fatal("status shows no trouble with a full disk")
		}
		c.create("port", obj{"network_id": n, "binding:host_id": chassis, "description": strings.Repeat("x", 200)})
	}
	out, err := c.ask("status")
	if err != nil || !strings.Contains(out, "snapshot") || !strings.Contains(out, "no space left on device") {
		t.Errorf("status says: %v\n%s", err, out)
	}
	late := c.guest(n, "late", nil).static()
	late.Reaches(a.v4.String())
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	c.waitStatus("the snapshot is mended", func(s *operate.Status) bool { return s.Troubles["snapshot"] == "" })
	late.Reaches(b.v6.String())
	tr.check("disk full")
}

// fill writes until there is no space left.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return f.Close()
}

// A state directory that cannot be written ends the start with an error that names it and the setting.
func TestStateDirectoryUnusable(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	file := filepath.Join(c.dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	readOnly := filepath.Join(c.dir, "ro")
	if err := os.Mkdir(readOnly, 0o700); err != nil {
		t.Fatal(err)
	}
	for dir, why := range map[string]string{file: "not a directory", readOnly: "read-only file system"} {
		c.state = dir
		argv := command("controller", "memory://", c.chassisFlags()...)
		mount := fmt.Sprintf("mount -t tmpfs -o ro tmpfs %s && exec \"$@\"", readOnly) // root may write everywhere else
		ctx, cancel := soon()
		out, err := c.Host.Run(ctx, append([]string{"unshare", "--mount", "sh", "-c", mount, "sh"}, argv...)...)
		cancel()
		if err == nil || !strings.Contains(out, why) || !strings.Contains(out, dir) || !strings.Contains(out, "state-dir") {
			t.Errorf("--state-dir %s: %v\n%s", dir, err, out)
		}
	}
}
