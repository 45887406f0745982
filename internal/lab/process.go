package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxOutput is how much of a process' output is kept: the last part.
const maxOutput = 1 << 20

// Process is a program that runs in a namespace, with its own process group.
type Process struct {
	argv   []string
	ns     *Namespace
	output tail

	pid  int
	done chan struct{} // closed when it is gone
	err  error         // how it ended; valid after done
}

// Start runs a program in the namespace until it ends by itself, is stopped,
// or the namespace is closed. env are further variables, KEY=value.
func (n *Namespace) Start(env []string, argv ...string) (*Process, error) {
	p := &Process{argv: argv, ns: n, done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.processes == nil {
		return nil, fmt.Errorf("start %s in %s: %w", argv[0], n.name, os.ErrClosed)
	}
	started := make(chan error, 1)
	go p.keep(env, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", argv[0], n.name, err)
	}
	n.processes[p] = true
	return p, nil
}

// keep holds on to the thread that started the program: the kernel kills the
// program when that thread ends, and with it when this process does.
func (p *Process) keep(env []string, started chan<- error) {
	defer close(p.done)
	err := p.ns.Do(func() error {
		cmd := exec.Command(p.argv[0], p.argv[1:]...)
		cmd.Env = append(os.Environ(), env...)
		cmd.Stdout, cmd.Stderr = &p.output, &p.output
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		// Grandchildren may hold the output open; the program's own end counts.
		cmd.WaitDelay = time.Second
		if err := cmd.Start(); err != nil {
			return err
		}
		p.pid = cmd.Process.Pid
		started <- nil
		p.err = cmd.Wait()
		return nil
	})
	if err != nil {
		started <- err
		return
	}
	p.ns.mu.Lock()
	delete(p.ns.processes, p)
	p.ns.mu.Unlock()
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Output is the last MiB of what the program wrote so far, standard output and error.
func (p *Process) Output() string { return p.output.String() }

// PID is the program's process number.
func (p *Process) PID() int { return p.pid }

// Signal sends a signal to the program alone.
func (p *Process) Signal(s syscall.Signal) error {
	select {
	case <-p.done:
		return fmt.Errorf("signal %s: %w", p.argv[0], os.ErrProcessDone)
	default:
		return syscall.Kill(p.pid, s)
	}
}

// Kill ends the program and what it started, at once.
func (p *Process) Kill() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // gone already: good
	<-p.done
}

// Stop asks the program to end with the signal and waits; when the context
// ends first, it is killed.
func (p *Process) Stop(ctx context.Context, s syscall.Signal) error {
	if err := p.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.Wait(ctx)
}

// Wait waits for the program's end and returns an error if it failed; when the
// context ends first, the program is killed.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s in %s: %w: %s", strings.Join(p.argv, " "), p.ns.name, context.Cause(ctx), p.lastWords())
	}
	if p.err != nil {
		return fmt.Errorf("%s in %s: %w: %s", strings.Join(p.argv, " "), p.ns.name, p.err, p.lastWords())
	}
	return nil
}

func (p *Process) lastWords() string {
	text := strings.TrimSpace(p.Output())
	if len(text) > 2000 {
		text = "…" + text[len(text)-2000:]
	}
	return text
}

// Run runs a program in the namespace to its end and returns what it wrote,
// also when it failed.
func (n *Namespace) Run(ctx context.Context, argv ...string) (string, error) {
	p, err := n.Start(nil, argv...)
	if err != nil {
		return "", err
	}
	err = p.Wait(ctx)
	return p.Output(), err
}

// tail keeps the last part of what is written to it.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if over := t.b.Len() + len(p) - maxOutput; over > 0 {
		t.b.Next(over)
	}
	t.b.Write(p[max(0, len(p)-maxOutput):])
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}
