package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// cloud is one hypervisor with its guests.
type cloud struct {
	dir, binary, version string
	client               *client
	host                 *lab.Namespace
	ovs                  *private.Switch
	guests               map[string]*guest
	process              *exec.Cmd
	ended                chan struct{}
	log                  lockedBuffer
	closers              []func() error
}

// guest is a virtual machine, as far as its network sees it.
type guest struct {
	*lab.Guest
	port port
}

// bridge is the integration bridge of the demo's switch.
const bridge = "br-int"

// newCloud starts the switch and dragonflow. What it returns must be closed also when there is an error.
func newCloud(ctx context.Context, binary string) (*cloud, error) {
	c := &cloud{binary: binary, guests: map[string]*guest{}}
	var err error
	if c.dir, err = os.MkdirTemp("", "df-demo"); err != nil {
		return nil, err
	}
	c.defers(func() error { return os.RemoveAll(c.dir) })
	if c.host, err = lab.NewNamespace("chassis"); err != nil {
		return c, fmt.Errorf("network namespaces need root: %w", err)
	}
	c.defers(c.host.Close)
	if err := c.startSwitch(ctx); err != nil {
		return c, err
	}
	c.client = newClient(filepath.Join(c.dir, "api.sock"))
	c.defers(func() error { c.kill(syscall.SIGTERM); return nil })
	return c, c.startDragonflow(ctx)
}

func (c *cloud) defers(f func() error) { c.closers = append(c.closers, f) }

func (c *cloud) close() error {
	var errs []error
	for i := len(c.closers) - 1; i >= 0; i-- {
		errs = append(errs, c.closers[i]())
	}
	return errors.Join(errs...)
}

func (c *cloud) startSwitch(ctx context.Context) error {
	binaries, err := private.Find()
	if err != nil {
		return fmt.Errorf("%w; make demo installs it", err)
	}
	dir := filepath.Join(c.dir, "ovs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	c.ovs, err = private.New(ctx, private.Config{
		Dir: dir, Datapath: private.Userspace, Binaries: binaries, Netns: c.host.Path(), SystemID: "demo",
	})
	if err != nil {
		return err
	}
	c.defers(func() error { c.ovs.Stop(); return nil })
	if err := c.ovs.Start(ctx); err != nil {
		return err
	}
	version, err := c.ovs.Vsctl(ctx, "get", "Open_vSwitch", ".", "ovs_version")
	c.version = strings.Trim(version, "\" \n")
	return err
}

// startDragonflow starts the process and waits until its API answers.
func (c *cloud) startDragonflow(ctx context.Context) error {
	c.process = exec.Command(c.binary, "standalone",
		"--config", os.DevNull, "--db", "embedded://"+filepath.Join(c.dir, "db"), "--api-listen", "unix:"+c.client.socket,
		"--metrics-listen", "off", "--chassis", "demo", "--ovsdb", "unix:"+c.ovs.OVSDB(), "--bridge", bridge,
		"--datapath-type", "netdev", "--state-dir", c.state())
	c.process.Stdout, c.process.Stderr = &c.log, &c.log
	// Ctrl-C is for the demo, which then ends its parts in order; a demo that dies takes them with it.
	c.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := c.process.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.binary, err)
	}
	c.ended = make(chan struct{})
	go func(p *exec.Cmd, ended chan struct{}) {
		_ = p.Wait() // how it ended shows in what it says
		close(ended)
	}(c.process, c.ended)
	err := c.eventually(ctx, 30*time.Second, func() error {
		select {
		case <-c.ended:
			return fmt.Errorf("dragonflow ended:\n%s", c.log.tail())
		default:
		}
		return c.client.get(ctx, "/", nil)
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, c.log.tail())
	}
	return nil
}

func (c *cloud) state() string { return filepath.Join(c.dir, "state") }

func (c *cloud) kill(sig syscall.Signal) {
	if c.process == nil || c.process.Process == nil {
		return
	}
	_ = c.process.Process.Signal(sig) // it may have ended already
	<-c.ended
}

// plug makes a guest for a port: what Nova does when it starts a virtual machine.
func (c *cloud) plug(ctx context.Context, p port) (*guest, error) {
	mac, err := p.hardware()
	if err != nil {
		return nil, err
	}
	device := "tap-" + p.Name
	g, err := lab.NewGuest(c.host, lab.Spec{Name: p.Name, Port: device, MAC: mac, AcceptRA: true})
	if err != nil {
		return nil, err
	}
	c.defers(g.Close)
	c.guests[p.Name] = &guest{Guest: g, port: p}
	return c.guests[p.Name], c.ovs.Plug(ctx, bridge, device, map[string]string{"iface-id": p.ID, "attached-mac": p.MAC})
}

// eventually tries until f succeeds, and returns its last error if that does not happen in time.
func (c *cloud) eventually(ctx context.Context, patience time.Duration, f func() error) error {
	deadline := time.Now().Add(patience)
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pause lets traffic run for a while.
func (c *cloud) pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// dragonflow runs one of the operator's commands.
func (c *cloud) dragonflow(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, c.binary, append(args, "--state-dir", c.state())...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// lockedBuffer keeps what a process says.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// maxLog bounds what is kept.
const maxLog = 1 << 20

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b.Len() < maxLog {
		b.b.Write(p)
	}
	return len(p), nil
}

func (b *lockedBuffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.b.String()
	return s[max(0, len(s)-2000):]
}
