package private

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// priority is the nice value of the daemons of an installed Open vSwitch (ovs-ctl(8)).
const priority = "-10"

// daemon is one program that runs as our child.
type daemon struct {
	name    string
	argv    []string
	env     []string
	netns   string
	service bool   // it has a session and priority as ovs-ctl gives them
	socket  string // accepts connections once the daemon is ready
	output  string // file for what the daemon says before its log is open

	pid  int
	done chan struct{} // closed when the process is gone; nil before the first start
	err  error         // how it ended; valid after done
}

func (d *daemon) running() bool {
	if d.done == nil {
		return false
	}
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// start runs the daemon and returns when it accepts connections.
func (d *daemon) start(ctx context.Context) error {
	if d.running() {
		return fmt.Errorf("start %s: already running as process %d", d.name, d.pid)
	}
	// A socket left behind by a killed predecessor must not pass for readiness.
	if err := os.Remove(d.socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("start %s: %w", d.name, err)
	}
	started := make(chan error, 1)
	d.done = make(chan struct{})
	go d.keep(started)
	if err := <-started; err != nil {
		<-d.done
		return fmt.Errorf("start %s: %w", d.name, err)
	}
	if err := d.waitReady(ctx); err != nil {
		d.kill()
		return fmt.Errorf("start %s: %w", d.name, err)
	}
	return nil
}

// keep starts the process and waits for its end, on one thread of its own: the
// kernel kills the child (Pdeathsig) when the *thread* that forked it ends, and
// a network namespace belongs to a thread too.
func (d *daemon) keep(started chan<- error) {
	defer close(d.done)
	runtime.LockOSThread()
	if d.netns == "" {
		defer runtime.UnlockOSThread()
	} // else: the goroutine ends locked, and the runtime throws the thread away
	if err := enter(d.netns); err != nil {
		started <- err
		return
	}
	out, err := os.OpenFile(d.output, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		started <- err
		return
	}
	defer func() { _ = out.Close() }() // only diagnostics; the child has its own descriptor
	argv := d.argv
	if d.service { // nice(1) becomes the daemon, also where it may not raise the priority
		argv = append([]string{"nice", "-n", priority}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), d.env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: d.service}
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	d.pid = cmd.Process.Pid
	started <- nil
	d.err = cmd.Wait()
}

func enter(netns string) error {
	if netns == "" {
		return nil
	}
	f, err := os.Open(netns)
	if err != nil {
		return fmt.Errorf("network namespace: %w", err)
	}
	defer func() { _ = f.Close() }() // read-only
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", netns, err)
	}
	return nil
}

func (d *daemon) waitReady(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := net.Dial("unix", d.socket); err == nil {
			return c.Close()
		}
		select {
		case <-tick.C:
		case <-d.done:
			return fmt.Errorf("ended at once: %w: %s", d.err, d.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w: %s", context.Cause(ctx), d.lastWords())
		}
	}
}

func (d *daemon) lastWords() []byte {
	text, err := os.ReadFile(d.output)
	if err != nil {
		return []byte(err.Error())
	}
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	return bytes.TrimSpace(text)
}

// kill ends the process at once, as a crash would, and waits until it is gone.
func (d *daemon) kill() { d.end(syscall.SIGKILL, time.Minute) }

// stop asks the process to end, and insists after the given time.
func (d *daemon) stop(patience time.Duration) { d.end(syscall.SIGTERM, patience) }

func (d *daemon) end(sig syscall.Signal, patience time.Duration) {
	if !d.running() {
		return
	}
	// The child is waited for by keep, so that until done its number is not reused
	// unless it ended just now; then the signal fails, and that is what we want.
	_ = syscall.Kill(d.pid, sig)
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-d.done:
	case <-t.C:
		_ = syscall.Kill(d.pid, syscall.SIGKILL)
		<-d.done
	}
}
