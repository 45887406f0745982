// Package unixctl sends commands to the control socket of an Open vSwitch
// daemon, as ovs-appctl(8) does: one JSON-RPC 1.0 request and reply on a Unix
// socket, a method with strings as parameters, a text as result.
package unixctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// maxReply bounds a reply. The longest is a dump of a large conntrack table.
const maxReply = 64 << 20

// ErrTooLong says that a reply was longer than 64 MiB.
var ErrTooLong = errors.New("reply is too long")

// Error is the daemon's refusal of a command: unknown, wrong arguments, or
// failed.
type Error struct {
	Method string
	Text   string // what the daemon said, without the last newline
}

// Error names the command and what the daemon said.
func (e *Error) Error() string { return e.Method + ": " + e.Text }

// Call sends a command to the daemon that listens at the socket and returns
// the text that it answers. A command that the daemon refuses is an *Error. It
// returns when the context ends, whatever the daemon does.
func Call(ctx context.Context, socket, method string, args ...string) (string, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return "", fmt.Errorf("unixctl %s: %w", method, err)
	}
	// A deadline in the past wakes up what reads or writes.
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		stop()
		_ = nc.Close() // the reply is complete, or lost already
	}()
	text, err := exchange(nc, method, args)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("unixctl: %w", err)
	}
	return text, nil
}

type request struct {
	Method string   `json:"method"`
	Params []string `json:"params"`
	ID     int      `json:"id"`
}

func exchange(nc io.ReadWriter, method string, args []string) (string, error) {
	if args == nil {
		args = []string{}
	}
	b, err := json.Marshal(request{Method: method, Params: args})
	if err != nil {
		return "", fmt.Errorf("%s: %w", method, err)
	}
	if _, err := nc.Write(b); err != nil {
		return "", fmt.Errorf("%s: %w", method, err)
	}
	return reply(nc, method)
}

// reply reads one reply. The daemon keeps the connection open afterwards.
func reply(r io.Reader, method string) (string, error) {
	limited := &io.LimitedReader{R: r, N: maxReply + 1}
	var m struct {
		Result *string `json:"result"`
		Error  *string `json:"error"`
	}
	if err := json.NewDecoder(limited).Decode(&m); err != nil {
		if limited.N <= 0 {
			err = ErrTooLong
		}
		return "", fmt.Errorf("%s: reply: %w", method, err)
	}
	switch {
	case m.Error != nil:
		return "", &Error{Method: method, Text: string(bytes.TrimRight([]byte(*m.Error), "\n"))}
	case m.Result == nil:
		return "", fmt.Errorf("%s: reply has neither result nor error", method)
	}
	return *m.Result, nil
}

// Socket finds the control socket of a daemon ("ovs-vswitchd", "ovsdb-server")
// by the pidfile in its run directory. The error wraps fs.ErrNotExist when the
// daemon does not run.
func Socket(rundir, daemon string) (string, error) {
	pidfile := filepath.Join(rundir, daemon+".pid")
	b, err := os.ReadFile(pidfile)
	if err != nil {
		return "", fmt.Errorf("control socket of %s: %w", daemon, err)
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(b)))
	if err != nil || pid <= 0 {
		return "", fmt.Errorf("control socket of %s: %s has no process number", daemon, pidfile)
	}
	// A pidfile outlives a daemon that was killed. EPERM: there, but another's.
	if err := syscall.Kill(pid, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return "", fmt.Errorf("control socket of %s: process %d does not run: %w", daemon, pid, fs.ErrNotExist)
	}
	// By default the name has the process number; --unixctl may have named it without.
	for _, name := range []string{fmt.Sprintf("%s.%d.ctl", daemon, pid), daemon + ".ctl"} {
		path := filepath.Join(rundir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("control socket of %s (process %d): none in %s: %w", daemon, pid, rundir, fs.ErrNotExist)
}
