// Package openstack runs a real Neutron on this machine: neutron-server's processes out of a Python environment, and
// MariaDB and Keystone beside them. All listen on loopback or on Unix sockets, keep their files in one directory, and
// die with the process.
package openstack

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
)

// patience bounds the start of each part: Python reads a lot before it serves, and the machines that run this are shared.
const patience = 4 * time.Minute

// Spec says what to run.
type Spec struct {
	// Python is the environment with Neutron, Keystone and gunicorn.
	Python string
	// Dir is where files go. There are sockets in it: its path should be short.
	Dir string
	// Servers is where Neutron finds Dragonflow, as its setting [dragonflow] server.
	Servers string
	// OVN, if set, is the folder of the sockets nb.sock and sb.sock of OVN's databases: ML2/OVN serves then, to be compared
	// with, and not Dragonflow.
	OVN string
	// Physical are the physical networks besides "external", whose VLANs an administrator chooses.
	Physical []string
	// Keystone tells whether there are users. Without it everybody is admin.
	Keystone bool
	// Workers is the number of processes that serve Neutron's API; 0 is 1.
	Workers int
	// VXLAN makes the networks of tenants VXLAN and not Geneve, as Neutron's own tests expect.
	VXLAN bool
	// Log, if set, is a file to which Neutron's processes write what they have to say, also those that are killed.
	Log string
}

// Stack is a running Neutron. Its methods must be called by one goroutine at a time.
type Stack struct {
	Spec
	// API and Identity are where Neutron and Keystone serve.
	API, Identity string

	host     *lab.Namespace
	database string // MariaDB's socket
	memory   string // MariaDB's files
	daemons  []*daemon
}

// daemon is a program of the stack.
type daemon struct {
	name    string
	env     []string
	argv    []string
	process *lab.Process
}

// Start brings everything up, and returns when Neutron serves. What it returns must be closed also when there is an
// error.
func Start(ctx context.Context, spec Spec) (*Stack, error) {
	s := &Stack{Spec: spec, database: filepath.Join(spec.Dir, "mysql.sock")}
	s.Workers = max(s.Workers, 1)
	var err error
	if s.host, err = lab.Host(); err != nil {
		return s, err
	}
	if s.API, err = freeAddress(ctx); err != nil {
		return s, err
	}
	if s.Identity, err = freeAddress(ctx); err != nil {
		return s, err
	}
	for _, step := range []func(context.Context) error{s.startDatabase, s.startKeystone, s.startNeutron} {
		if err := step(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Close ends all of it.
func (s *Stack) Close() error {
	for i := len(s.daemons) - 1; i >= 0; i-- {
		s.daemons[i].stop()
	}
	var errs []error
	if s.host != nil {
		errs = append(errs, s.host.Close())
	}
	if s.memory != "" {
		errs = append(errs, os.RemoveAll(s.memory))
	}
	return errors.Join(errs...)
}

// Environment is what the openstack client needs to find the cloud, as KEY=value.
func (s *Stack) Environment() []string {
	if !s.Keystone {
		return []string{"OS_AUTH_TYPE=none", "OS_ENDPOINT=" + s.API}
	}
	return []string{
		"OS_AUTH_URL=" + s.Identity + "/v3", "OS_USERNAME=admin", "OS_PASSWORD=" + password, "OS_PROJECT_NAME=admin",
		"OS_USER_DOMAIN_ID=default", "OS_PROJECT_DOMAIN_ID=default", "OS_REGION_NAME=RegionOne", "OS_IDENTITY_API_VERSION=3",
	}
}

// Client runs the openstack client and returns what it prints.
func (s *Stack) Client(ctx context.Context, args ...string) (string, error) {
	return s.run(ctx, s.Environment(), append([]string{s.program("openstack")}, args...)...)
}

func (s *Stack) program(name string) string { return filepath.Join(s.Python, "bin", name) }

// run runs a program to its end.
func (s *Stack) run(ctx context.Context, env []string, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	// Python warns of its own future.
	p, err := s.host.Start(append(env, "PYTHONWARNINGS=ignore"), argv...)
	if err != nil {
		return "", err
	}
	err = p.Wait(ctx)
	return p.Output(), err
}

// launch starts a program and waits until ready gives no error.
func (s *Stack) launch(ctx context.Context, d *daemon, ready func(context.Context) error) error {
	p, err := s.host.Start(append(d.env, "PYTHONWARNINGS=ignore"), d.argv...)
	if err != nil {
		return err
	}
	d.process = p
	s.daemons = append(s.daemons, d)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.Done():
			return fmt.Errorf("%s ended:\n%s", d.name, tail(p.Output()))
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w\n%s", d.name, err, tail(p.Output()))
		}
	}
}

func (d *daemon) stop() {
	const enough = 20 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), enough)
	defer cancel()
	_ = d.process.Stop(ctx, syscall.SIGTERM) // it ends, or is killed; how, nobody asks any more
}

// Said is the end of what each part wrote.
func (s *Stack) Said() string {
	var b strings.Builder
	for _, d := range s.daemons {
		fmt.Fprintf(&b, "--- %s\n%s\n", d.name, tail(d.process.Output()))
	}
	return b.String()
}

func tail(text string) string {
	const most = 6000
	return text[max(0, len(text)-most):]
}

// serves returns an error as long as nobody answers at a URL.
func serves(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close() // only the status matters
		if response.StatusCode >= http.StatusInternalServerError {
			return fmt.Errorf("GET %s: %s", url, response.Status)
		}
		return nil
	}
}

// freeAddress is a URL on loopback where nobody listens. It is below the ports that kernels give to who asks for any
// (ip_local_port_range, from 32768): until the program listens there that is to, somebody else could be given it.
func freeAddress(ctx context.Context) (string, error) {
	const first, ports, tries = 20000, 12000, 100
	var err error
	for range tries {
		var l net.Listener
		if l, err = new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprint("127.0.0.1:", first+rand.IntN(ports))); err == nil {
			return "http://" + l.Addr().String(), l.Close()
		}
	}
	return "", err
}

func (s *Stack) file(name, content string) (string, error) {
	path := filepath.Join(s.Dir, name)
	return path, os.WriteFile(path, []byte(content), 0o600)
}
