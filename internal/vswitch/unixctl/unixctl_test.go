package unixctl_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/unixctl"
)

func TestCommandsOfARealDaemon(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.AddBridge("br-int")
	s.AddPort("br-int", "p1")
	s.Ofctl("add-flow", "br-int", "table=0,priority=7,in_port=p1,actions=drop")
	for method, c := range map[string]struct {
		args []string
		want string
	}{
		"version":              {nil, "ovs-vswitchd (Open vSwitch)"},
		"ofproto/trace":        {[]string{"br-int", "in_port=p1"}, "priority 7"},
		"dpctl/dump-conntrack": {nil, ""},
		"dpif/show":            {nil, "p1 1/"},
		"memory/show":          {nil, "ports:"},
		"list-commands":        {nil, "ofproto/trace"},
	} {
		got, err := unixctl.Call(t.Context(), s.VswitchdCtl(), method, c.args...)
		if err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", method, got, err, c.want)
		}
		if method == "ofproto/trace" {
			theirs := appctl(t, s, append([]string{method}, c.args...)...)
			if theirs != got {
				t.Errorf("ovs-appctl says %q, we say %q", theirs, got)
			}
		}
	}
	var refused *unixctl.Error
	for method, want := range map[string]string{"no/such": "not a valid command", "ofproto/trace": "requires at least 1"} {
		if _, err := unixctl.Call(t.Context(), s.VswitchdCtl(), method); !errors.As(err, &refused) || refused.Method != method ||
			!strings.Contains(refused.Text, want) || strings.HasSuffix(refused.Text, "\n") {
			t.Errorf("%s: %v", method, err)
		}
	}
	if _, err := unixctl.Call(t.Context(), "/nonexistent", "version"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "version") {
		t.Errorf("no daemon: %v", err)
	}
}

// appctl asks the original.
func appctl(t *testing.T, s *ovs.Switch, args ...string) string {
	t.Helper()
	out, err := exec.Command("ovs-appctl", append([]string{"-t", s.VswitchdCtl()}, args...)...).Output()
	if err != nil {
		t.Fatalf("ovs-appctl: %v", err)
	}
	return string(out)
}

func TestSocketByPidfile(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	for daemon, pid := range map[string]int{"ovs-vswitchd": s.VswitchdPID(), "ovsdb-server": s.OVSDBPID()} {
		path, err := unixctl.Socket(s.Dir(), daemon)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unixctl.Call(t.Context(), path, "version"); err != nil || !strings.Contains(got, daemon) {
			t.Errorf("%s: %q, %v", daemon, got, err)
		}
		// As a daemon without --unixctl names it.
		numbered := filepath.Join(s.Dir(), daemon+"."+strconv.Itoa(pid)+".ctl")
		if err := os.WriteFile(numbered, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if path, err := unixctl.Socket(s.Dir(), daemon); err != nil || path != numbered {
			t.Errorf("%s: %s, %v", daemon, path, err)
		}
	}
	s.KillVswitchd()
	if path, err := unixctl.Socket(s.Dir(), "ovs-vswitchd"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a daemon that was killed: %s, %v", path, err)
	}
	if _, err := unixctl.Socket(s.Dir(), "nobody"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a daemon that never was: %v", err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), "odd.pid"), []byte("-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := unixctl.Socket(s.Dir(), "odd"); err == nil || !strings.Contains(err.Error(), "no process number") {
		t.Errorf("an odd pidfile: %v", err)
	}
}

// TestSocketOfADefaultDaemon runs a daemon that names its socket itself.
func TestSocketOfADefaultDaemon(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	server, err := exec.LookPath("ovsdb-server")
	if err != nil {
		if server, err = exec.LookPath("/usr/sbin/ovsdb-server"); err != nil {
			ovs.Missing(t, err.Error())
		}
	}
	dir, err := os.MkdirTemp("/tmp", "df-ctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s.KillOVSDB() // its database is free now
	cmd := exec.CommandContext(t.Context(), server, filepath.Join(s.Dir(), "conf.db"), "--pidfile", "--remote=punix:"+dir+"/db.sock")
	cmd.Env = append(os.Environ(), "OVS_RUNDIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	deadline := time.After(ovs.Deadline)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		path, err := unixctl.Socket(dir, "ovsdb-server")
		if err == nil {
			if _, err = unixctl.Call(t.Context(), path, "version"); err == nil {
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("control socket %q: %v", path, err)
		}
	}
}

func serve(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "df-ctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = nc.Close() }()
				f(nc)
			}()
		}
	}()
	return filepath.Join(dir, "s")
}

func TestBadDaemons(t *testing.T) {
	t.Parallel()
	say := func(text string) func(net.Conn) {
		return func(nc net.Conn) {
			_, _ = nc.Read(make([]byte, 1000))
			_, _ = io.WriteString(nc, text)
		}
	}
	for name, c := range map[string]struct {
		f    func(net.Conn)
		want string
	}{
		"garbage":  {say("\x00\x01"), "invalid character"},
		"empty":    {say(`{}`), "neither result nor error"},
		"null":     {say(`{"result":null,"error":null}`), "neither result nor error"},
		"number":   {say(`{"result":7}`), "cannot unmarshal"},
		"half":     {say(`{"result":"`), "unexpected EOF"},
		"hangs up": {say(""), "EOF"},
		"endless": {func(nc net.Conn) {
			_, _ = io.WriteString(nc, `{"result":"`)
			for {
				if _, err := nc.Write([]byte(strings.Repeat("x", 1<<20))); err != nil {
					return
				}
			}
		}, unixctl.ErrTooLong.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := unixctl.Call(t.Context(), serve(t, c.f), "version"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	socket := serve(t, func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := unixctl.Call(ctx, socket, "version"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
