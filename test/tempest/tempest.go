package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// everything matches the tests of the network API: those of Tempest, and those that Neutron's developers add.
const everything = `^(tempest\.api\.network|neutron_tempest_plugin\.api)\.`

// these is a regular expression of Python's for those of them that another one finds: without it, a name like test_qos is
// also one of tests that want guests.
const these = `^(?=(tempest\.api\.network|neutron_tempest_plugin\.api)\.)(?=.*(%s))`

var (
	//go:embed results.py
	readResults string
	//go:embed sitecustomize.py
	withoutSleep string
)

// test brings up a cloud, runs the tests in it, and ends it.
func test(ctx context.Context, o settings) (err error) {
	if err := prepare(o); err != nil {
		return err
	}
	began := time.Now()
	s, err := newSite(ctx, o)
	defer func() { err = errors.Join(err, s.Close()) }()
	if err != nil {
		if s.neutron != nil {
			fmt.Fprintln(os.Stderr, s.neutron.Said())
		}
		return err
	}
	fmt.Printf("up after %.0f s, with %d extensions; the tests' output goes to %s\n",
		time.Since(began).Seconds(), len(s.extensions), filepath.Join(o.out, "run.log"))
	began = time.Now()
	if err := s.configure(o); err != nil {
		return err
	}
	if err := runTests(ctx, o); err != nil {
		return err
	}
	fmt.Printf("ran for %.0f s\n", time.Since(began).Seconds())
	said := "--- neutron\n" + s.neutron.Said() + "\n--- server\n" + s.Server.Said()
	return os.WriteFile(filepath.Join(o.out, "daemons.log"), []byte(said), 0o600)
}

// prepare empties the directory in which stestr works.
func prepare(o settings) error {
	if err := os.RemoveAll(o.out); err != nil {
		return err
	}
	for _, dir := range []string{"lock", "site"} {
		if err := os.MkdirAll(filepath.Join(o.out, dir), 0o700); err != nil {
			return err
		}
	}
	discover, err := command(context.Background(), o, "python", "-c",
		"import tempest.test_discover as t, os; print(os.path.dirname(t.__file__))").Output()
	if err != nil {
		return fmt.Errorf("look for Tempest in %s: %w", o.tests, err)
	}
	path := strings.TrimSpace(string(discover))
	stestr := fmt.Sprintf("[DEFAULT]\ntest_path=%s\ntop_dir=%s\ngroup_regex=([^\\.]*\\.)*\n", path, filepath.Dir(filepath.Dir(path)))
	return errors.Join(
		os.WriteFile(filepath.Join(o.out, ".stestr.conf"), []byte(stestr), 0o600),
		os.WriteFile(filepath.Join(o.out, "site", "sitecustomize.py"), []byte(withoutSleep), 0o600),
	)
}

// configure tells Tempest of the cloud.
func (s *site) configure(o settings) error {
	env := map[string]string{}
	for _, variable := range s.neutron.Environment() {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	slices.Sort(s.extensions)
	text := fmt.Sprintf(tempestConfig, o.out, env["OS_PASSWORD"], env["OS_AUTH_URL"], s.public, strings.Join(s.extensions, ","))
	return os.WriteFile(filepath.Join(o.out, "tempest.conf"), []byte(text), 0o600)
}

// tempestConfig is Tempest's, of a directory, a password, an identity service, an external network and extensions.
const tempestConfig = `[DEFAULT]
log_dir = %[1]s
log_file = tempest.log
[oslo_concurrency]
lock_path = %[1]s/lock
[auth]
use_dynamic_credentials = true
admin_username = admin
admin_password = %[2]s
admin_project_name = admin
admin_domain_name = Default
create_isolated_networks = false
[identity]
uri_v3 = %[3]s
auth_version = v3
region = RegionOne
v3_endpoint_type = public
[identity-feature-enabled]
api_v2 = false
api_v3 = true
[service_available]
neutron = true
nova = false
cinder = false
glance = false
swift = false
[service-clients]
http_timeout = 300
[network]
public_network_id = %[4]s
floating_network_name = public
project_network_cidr = 10.100.0.0/16
build_timeout = 60
[network-feature-enabled]
ipv6 = true
ipv6_subnet_attributes = true
port_admin_state_change = true
floating_ips = true
api_extensions = %[5]s
[validation]
run_validation = false
[neutron_plugin_options]
available_type_drivers = flat,vlan,vxlan,geneve
provider_vlans = external
firewall_driver = openvswitch
create_shared_resources = true
max_networks_per_project = 8
`

// runTests has Tempest run what is asked for. That tests fail is no error here.
func runTests(ctx context.Context, o settings) error {
	regex := o.regex
	if o.list != "" {
		named, err := os.ReadFile(o.list)
		if err != nil {
			return err
		}
		regex = "(" + strings.Join(lines(named), "|") + ")"
	}
	if regex == "" {
		regex = everything
	} else {
		regex = fmt.Sprintf(these, regex)
	}
	log, err := os.Create(filepath.Join(o.out, "run.log"))
	if err != nil {
		return err
	}
	cmd := command(ctx, o, "tempest", "run", "--config-file", "tempest.conf", "--concurrency", fmt.Sprint(o.concurrency), "--regex", regex)
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) && failed.Exited() && ctx.Err() == nil {
		err = nil
	}
	return errors.Join(err, log.Close())
}

// results reads what became of the tests.
func results(ctx context.Context, o settings) (map[string]result, error) {
	said, err := command(ctx, o, "python", "-c", readResults).Output()
	if err != nil {
		return nil, fmt.Errorf("read the results in %s: %w", o.out, err)
	}
	var list []result
	if err := json.Unmarshal(said, &list); err != nil {
		return nil, fmt.Errorf("read the results in %s: %w", o.out, err)
	}
	if len(list) == 0 {
		return nil, errors.New("no test ran: " + filepath.Join(o.out, "run.log"))
	}
	ran := map[string]result{}
	for _, r := range list {
		ran[r.ID] = r
	}
	return ran, nil
}

// command runs a program of Tempest's environment where stestr keeps its files. Interrupted, it ends with its children.
func command(ctx context.Context, o settings, program string, args ...string) *exec.Cmd {
	bin := filepath.Join(o.tests, "bin")
	cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...)
	cmd.Dir = o.out
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "PYTHONPATH="+filepath.Join(o.out, "site"),
		"PYTHONWARNINGS=ignore", "TEMPEST_CONFIG_DIR="+o.out, "TEMPEST_CONFIG="+filepath.Join(o.out, "tempest.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// lines are the lines of a list that are neither empty nor a comment.
func lines(text []byte) (list []string) {
	for line := range bytes.Lines(text) {
		if line := strings.TrimSpace(string(line)); line != "" && !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list
}
