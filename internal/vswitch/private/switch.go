package private

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/vswitch/unixctl"
)

// Switch is one private Open vSwitch. Its methods that start and end daemons
// must be called by one goroutine at a time; the others are safe for concurrent use.
type Switch struct {
	cfg      Config
	env      []string
	ovsdb    daemon
	vswitchd daemon
}

// New makes the database (unless the directory has one from before) and
// prepares both daemons. Nothing runs yet.
func New(ctx context.Context, cfg Config) (*Switch, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("private switch: %w", err)
	}
	s := &Switch{cfg: cfg}
	for _, v := range []string{"OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"} {
		s.env = append(s.env, v+"="+cfg.Dir)
	}
	conf := s.path("conf.db")
	if _, err := os.Stat(conf); err != nil {
		if _, err := s.run(ctx, cfg.Binaries.OVSDBTool, "create", conf, cfg.Binaries.Schema); err != nil {
			return nil, fmt.Errorf("private switch: %w", err)
		}
	}
	service := !cfg.Datapath.Simulated()
	s.ovsdb = daemon{
		name: "ovsdb-server", env: s.env, service: service, socket: s.OVSDB(), output: s.path("ovsdb-server.out"),
		argv: append([]string{cfg.Binaries.OVSDBServer, conf, "--remote=punix:" + s.OVSDB(),
			"--unixctl=" + s.path("ovsdb-server.ctl"), "--pidfile=" + s.path("ovsdb-server.pid"),
			"--log-file=" + s.path("ovsdb-server.log"), "-vconsole:emer", "-vsyslog:off"}, cfg.OVSDBArgs...),
	}
	s.vswitchd = daemon{
		name: "ovs-vswitchd", env: s.env, service: service, netns: cfg.Netns, socket: s.VswitchdCtl(), output: s.path("ovs-vswitchd.out"),
		argv: append([]string{cfg.Binaries.Vswitchd, "unix:" + s.OVSDB(),
			"--unixctl=" + s.VswitchdCtl(), "--pidfile=" + s.path("ovs-vswitchd.pid"),
			"--log-file=" + s.path("ovs-vswitchd.log"), "-vconsole:emer", "-vsyslog:off"}, append(cfg.Datapath.flags(), cfg.VswitchdArgs...)...),
	}
	return s, nil
}

func (s *Switch) path(name string) string { return filepath.Join(s.cfg.Dir, name) }

// Dir is the directory of the switch: run directory, database and logs.
func (s *Switch) Dir() string { return s.cfg.Dir }

// OVSDB is the path of the database's Unix socket, without "unix:".
func (s *Switch) OVSDB() string { return s.path("db.sock") }

// Mgmt is the path of the bridge's OpenFlow management socket, without "unix:".
func (s *Switch) Mgmt(bridge string) string { return s.path(bridge + ".mgmt") }

// VswitchdCtl is the path of ovs-vswitchd's control socket.
func (s *Switch) VswitchdCtl() string { return s.path("ovs-vswitchd.ctl") }

// Start runs both daemons and returns when they are ready. If it fails, none runs.
func (s *Switch) Start(ctx context.Context) error {
	if err := s.StartOVSDB(ctx); err != nil {
		return err
	}
	if err := s.StartVswitchd(ctx); err != nil {
		s.Stop()
		return err
	}
	set := []string{"--no-wait", "init"}
	if s.cfg.SystemID != "" {
		set = append(set, "--", "set", "Open_vSwitch", ".", "external_ids:system-id="+s.cfg.SystemID)
	}
	if _, err := s.Vsctl(ctx, set...); err != nil {
		s.Stop()
		return err
	}
	return nil
}

// Stop ends both daemons, kindly if they let it; the data stay in the directory.
func (s *Switch) Stop() {
	s.StopVswitchd()
	s.StopOVSDB()
}

const patience = 3 * time.Second

// StartVswitchd runs ovs-vswitchd after it was killed or stopped.
func (s *Switch) StartVswitchd(ctx context.Context) error { return s.vswitchd.start(ctx) }

// KillVswitchd ends ovs-vswitchd as a crash would. Returns when it is gone.
func (s *Switch) KillVswitchd() { s.vswitchd.kill() }

// StopVswitchd ends ovs-vswitchd as a service manager would.
func (s *Switch) StopVswitchd() { s.vswitchd.stop(patience) }

// VswitchdPID is the process number of ovs-vswitchd, 0 when it does not run.
func (s *Switch) VswitchdPID() int { return s.vswitchd.runningPID() }

// StartOVSDB runs ovsdb-server after it was killed or stopped.
func (s *Switch) StartOVSDB(ctx context.Context) error { return s.ovsdb.start(ctx) }

// KillOVSDB ends ovsdb-server as a crash would. Returns when it is gone.
func (s *Switch) KillOVSDB() { s.ovsdb.kill() }

// StopOVSDB ends ovsdb-server as a service manager would.
func (s *Switch) StopOVSDB() { s.ovsdb.stop(patience) }

// OVSDBPID is the process number of ovsdb-server, 0 when it does not run.
func (s *Switch) OVSDBPID() int { return s.ovsdb.runningPID() }

func (d *daemon) runningPID() int {
	if d.running() {
		return d.pid
	}
	return 0
}

// Vsctl runs ovs-vsctl on this switch and returns what it printed. Without
// --no-wait it returns after ovs-vswitchd took the change over.
func (s *Switch) Vsctl(ctx context.Context, args ...string) (string, error) {
	return s.run(ctx, s.cfg.Binaries.Vsctl, append([]string{"--db=unix:" + s.OVSDB()}, args...)...)
}

// Ofctl runs ovs-ofctl. A bridge is named as for ovs-ofctl itself; its run
// directory is this switch's.
func (s *Switch) Ofctl(ctx context.Context, args ...string) (string, error) {
	return s.run(ctx, s.cfg.Binaries.Ofctl, args...)
}

// Appctl sends a command to ovs-vswitchd's control socket, as ovs-appctl does.
func (s *Switch) Appctl(ctx context.Context, method string, args ...string) (string, error) {
	return unixctl.Call(ctx, s.VswitchdCtl(), method, args...)
}

// AddBridge makes a bridge as a chassis has it: nothing is forwarded without a
// flow, OpenFlow 1.0 to 1.5, no hidden in-band flows. Returns when it exists
// in ovs-vswitchd. args are further ovs-vsctl commands for the same transaction.
func (s *Switch) AddBridge(ctx context.Context, name string, args ...string) error {
	cmd := []string{"add-br", name,
		"--", "set", "bridge", name, "datapath_type=" + s.cfg.Datapath.Type(), "fail_mode=secure",
		"protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15",
		"other_config:disable-in-band=true"}
	if len(args) > 0 {
		cmd = append(append(cmd, "--"), args...)
	}
	_, err := s.Vsctl(ctx, cmd...)
	return err
}

// Plug adds a device to the bridge as a port, as Nova does it for a guest:
// external_ids has iface-id and attached-mac, say. Returns when ovs-vswitchd
// has it; a device that is not there is an error.
func (s *Switch) Plug(ctx context.Context, bridge, device string, externalIDs map[string]string) error {
	cmd := []string{"add-port", bridge, device}
	for i, k := range slices.Sorted(maps.Keys(externalIDs)) {
		if i == 0 {
			cmd = append(cmd, "--", "set", "interface", device)
		}
		cmd = append(cmd, fmt.Sprintf("external_ids:%s=%q", k, externalIDs[k]))
	}
	if _, err := s.Vsctl(ctx, cmd...); err != nil {
		return err
	}
	why, err := s.Vsctl(ctx, "get", "interface", device, "error")
	if err == nil && strings.TrimSpace(why) != "[]" {
		err = fmt.Errorf("plug %s into %s: %s", device, bridge, strings.TrimSpace(why))
	}
	return err
}

func (s *Switch) run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), s.env...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err,
			strings.TrimSpace(errOut.String()))
	}
	return out.String(), nil
}
