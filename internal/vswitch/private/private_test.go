package private_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

func config(t *testing.T) private.Config {
	t.Helper()
	bin, err := private.Find()
	if err != nil {
		ovs.Missing(t, err.Error())
	}
	dir, err := os.MkdirTemp("/tmp", "df-prv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return private.Config{Dir: dir, Binaries: bin}
}

func TestConfigurationIsRefusedByName(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*private.Config)
		want   string
	}{
		"relative": {func(c *private.Config) { c.Dir = "run" }, "not absolute"},
		"long":     {func(c *private.Config) { c.Dir = "/" + strings.Repeat("x", 100) }, "Unix sockets"},
		"schema":   {func(c *private.Config) { c.Binaries.Schema = "/nonexistent" }, "not installed"},
		"absent":   {func(c *private.Config) { c.Dir = "/nonexistent/dir" }, "ovsdb-tool create"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			c.change(&cfg)
			if _, err := private.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestDatabaseOutlivesTheSwitch(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.SystemID = "chassis-1"
	for i := range 2 {
		s, err := private.New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		if i == 0 {
			if err := s.AddBridge(t.Context(), "br-keep"); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Vsctl(t.Context(), "get", "Open_vSwitch", ".", "external_ids:system-id", "--", "list-br")
		if err != nil || got != "chassis-1\nbr-keep\n" {
			t.Errorf("run %d: %q, %v", i, got, err)
		}
		s.Stop()
		if s.VswitchdPID() != 0 || s.OVSDBPID() != 0 {
			t.Fatal("a daemon runs after Stop")
		}
	}
}

func TestStartSaysWhyADaemonEnded(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	if err := os.WriteFile(filepath.Join(cfg.Dir, "conf.db"), []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := private.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "conf.db") {
		t.Errorf("got %v", err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s, err := private.New(t.Context(), config(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Start(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if s.VswitchdPID() != 0 || s.OVSDBPID() != 0 {
		t.Error("a daemon runs after a Start that failed")
	}
}

// TestWhatMovesPacketsRunsAsAService: other processes take as little from it as from a switch that ovs-ctl has started.
func TestWhatMovesPacketsRunsAsAService(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		ovs.Missing(t, "a switch of real packets needs root")
	}
	cfg := config(t)
	cfg.Datapath = private.Userspace
	s, err := private.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // 20 less the nice value, getpriority(2)
	if err != nil {
		t.Fatal(err)
	}
	wanted := max(-20, 20-own-10)
	for _, pid := range []int{s.OVSDBPID(), s.VswitchdPID()} {
		if sid, err := unix.Getsid(pid); err != nil || sid != pid {
			t.Errorf("process %d is of session %d, %v", pid, sid, err)
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		// Field 19 of proc_pid_stat(5) is the nice value; the second one, the name, has the last parenthesis.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')'):]))
		if nice := fields[17]; nice != strconv.Itoa(wanted) {
			t.Errorf("process %d has nice value %s, want %d", pid, nice, wanted)
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.VswitchdPID()))
	if err != nil {
		t.Fatal(err)
	}
	if locked := regexp.MustCompile(`VmLck:\s+0 kB`); locked.Match(text) {
		t.Error("ovs-vswitchd's memory is not locked")
	}
}
