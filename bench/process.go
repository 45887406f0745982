package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// child is a program that is being measured. It dies with this one.
type child struct {
	pid  int
	done chan struct{}
	mu   sync.Mutex
	said bytes.Buffer
}

// Write implements io.Writer for what the program says.
func (c *child) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.Write(p)
}

// lastWords is the end of what it said.
func (c *child) lastWords() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := c.said.String()
	return text[max(0, len(text)-1000):]
}

// mentions tells whether it has said something.
func (c *child) mentions(what string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Contains(c.said.Bytes(), []byte(what))
}

// kill ends the program as a crash would, and returns when it is gone.
func (c *child) kill() {
	select {
	case <-c.done:
	default:
		_ = syscall.Kill(c.pid, syscall.SIGKILL) // it may be gone
		<-c.done
	}
}

// start runs a program until the end of the experiment.
func (r *run) start(argv ...string) (*child, error) {
	c := &child{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel kills the child when the thread that made it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.done)
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdout, cmd.Stderr = c, c
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		c.pid = cmd.Process.Pid
		started <- nil
		_ = cmd.Wait() // it is killed
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	r.atEnd(c.kill)
	return c, nil
}

// until waits for a condition, looking every millisecond, and fails when c ends or time is up.
func (c *child) until(ctx context.Context, what string, condition func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-c.done:
			return fmt.Errorf("%s: the program ended: %s", what, c.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %s", what, ctx.Err(), c.lastWords())
		}
	}
	return nil
}

// freeAddress is a loopback address where nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// etcd runs a real etcd-server, with its data in the scratch folder, and returns its database URL.
func (r *run) etcd(ctx context.Context) (url string, server *child, err error) {
	client, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	peer, err := freeAddress()
	if err != nil {
		return "", nil, err
	}
	dir, err := r.folder()
	if err != nil {
		return "", nil, err
	}
	server, err = r.start("etcd", "--name", "bench", "--data-dir", dir, "--log-level", "error",
		"--listen-client-urls", "http://"+client, "--advertise-client-urls", "http://"+client,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer,
		"--initial-cluster", "bench=http://"+peer, "--quota-backend-bytes", strconv.Itoa(1<<30))
	if err != nil {
		return "", nil, err
	}
	err = server.until(ctx, "etcd", func() bool { return answers("http://" + client + "/health") })
	return "etcd://" + client, server, err
}

// answers tells whether a page answers with 200.
func answers(url string) bool {
	response, err := http.Get(url)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// dragonflow runs the program that is measured, with an address for its metrics, and waits until it is
// ready: for a controller that the switch has all that is desired.
func (r *run) dragonflow(ctx context.Context, args ...string) (*daemon, error) {
	metrics, err := freeAddress()
	if err != nil {
		return nil, err
	}
	d := &daemon{metrics: metrics}
	began := time.Now()
	d.child, err = r.start(append(append([]string{r.binary}, args...), "--metrics-listen", metrics, "--log-level", "warn")...)
	if err != nil {
		return nil, err
	}
	if err := d.until(ctx, "dragonflow "+args[0], func() bool { return answers("http://" + metrics + "/readyz") }); err != nil {
		return nil, err
	}
	d.ready = time.Since(began)
	return d, nil
}

// daemon is a running dragonflow.
type daemon struct {
	*child
	metrics string
	// ready is how long it took from the start of the program.
	ready time.Duration
}

// metric reads a number without labels.
func (d *daemon) metric(name string) (float64, error) {
	response, err := http.Get("http://" + d.metrics + "/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }() // read
	var page bytes.Buffer
	if _, err := page.ReadFrom(response.Body); err != nil {
		return 0, err
	}
	for line := range strings.Lines(page.String()) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

// folder makes a folder in the scratch folder.
func (r *run) folder() (string, error) {
	r.folders++
	dir := filepath.Join(r.scratch, strconv.Itoa(r.folders))
	return dir, os.Mkdir(dir, 0o700)
}

// vswitch runs an Open vSwitch of its own until the end of the experiment.
func (r *run) vswitch(ctx context.Context, cfg private.Config) (*private.Switch, error) {
	var err error
	if cfg.Binaries, err = private.Find(); err != nil {
		return nil, err
	}
	if cfg.Dir, err = r.folder(); err != nil {
		return nil, err
	}
	sw, err := private.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := sw.Start(ctx); err != nil {
		return nil, err
	}
	r.atEnd(func() { sw.KillVswitchd(); sw.KillOVSDB() })
	return sw, nil
}

// plugAll adds ports to a bridge, many in one transaction; settings are for ovs-vsctl's set interface.
func plugAll(ctx context.Context, sw *private.Switch, bridge string, n int, name func(int) string, settings func(int) []string) error {
	const batch = 100
	var failed error
	for from := 0; from < n && failed == nil; from += batch {
		var words []string
		for i := from; i < min(from+batch, n); i++ {
			words = append(words, "--", "add-port", bridge, name(i))
			if s := settings(i); len(s) > 0 {
				words = append(append(words, "--", "set", "interface", name(i)), s...)
			}
		}
		_, failed = sw.Vsctl(ctx, words[1:]...)
	}
	return failed
}
