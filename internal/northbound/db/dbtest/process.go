package dbtest

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Binary returns the path of a server's program. Without it the test is skipped, or fails in CI.
func Binary(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// FreeAddress returns a loopback address on which nothing listens now.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Process is a server's process that a test owns.
type Process struct {
	t    testing.TB
	args []string
	cmd  *exec.Cmd
	out  syncBuffer
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.buf.String()
	return s[max(0, len(s)-4000):]
}

// NewProcess starts a program and kills it when the test ends; if the test failed, the end of its
// output is logged.
func NewProcess(t testing.TB, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, args: args}
	p.Start()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s:\n%s", args[0], p.out.tail())
		}
	})
	return p
}

// Start starts the program again after Kill.
func (p *Process) Start() {
	p.t.Helper()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// Kill ends the program as a crash would.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// WaitFor waits until the address accepts connections.
func (p *Process) WaitFor(address string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return
		}
		<-tick.C
	}
	p.t.Fatalf("%s does not listen on %s:\n%s", p.args[0], address, p.out.tail())
}
