// Package ovs gives a test a real Open vSwitch of its own: ovsdb-server and
// ovs-vswitchd in a short temporary directory, gone when the test ends, also
// if the test crashes.
//
// By default the datapath is a dummy: its ports exist only inside ovs-vswitchd,
// Inject gives a frame to a port as if a guest had sent it, and Sent shows what
// the switch sent to the port. Everything above the devices is the real thing.
package ovs

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// Deadline bounds every single step of a test on the switch. It is generous
// because the machines that run tests are shared.
const Deadline = time.Minute

// Option changes how the switch is started.
type Option func(*private.Config)

// Userspace moves real packets of real devices (veth of a namespace, say). The
// test is skipped when it does not run as root.
func Userspace() Option { return func(c *private.Config) { c.Datapath = private.Userspace } }

// Tunnels makes tunnels of the dummy datapath real, for switches that talk to each other.
func Tunnels() Option { return func(c *private.Config) { c.Datapath = private.DummyTunnels } }

// InNetns runs ovs-vswitchd in the network namespace with this path.
func InNetns(path string) Option { return func(c *private.Config) { c.Netns = path } }

// SystemID sets external_ids:system-id.
func SystemID(id string) Option { return func(c *private.Config) { c.SystemID = id } }

// OVSDBArgs gives ovsdb-server further arguments, such as another --remote.
func OVSDBArgs(args ...string) Option { return func(c *private.Config) { c.OVSDBArgs = args } }

// Switch is a running Open vSwitch that belongs to one test. Every method
// fails the test by itself; all but those that start and end daemons may be
// called from several goroutines of the test, with Fatal's usual limits.
type Switch struct {
	t    testing.TB
	core *private.Switch
	cfg  private.Config

	mu       sync.Mutex
	captures map[string]*capture

	forgetting sync.Mutex // a second pause of the revalidators would let them go on
}

// Start runs an Open vSwitch until the end of the test. Where Open vSwitch is
// not installed, or Userspace is asked for without root, the test is skipped;
// under CI=true it fails.
func Start(t testing.TB, opts ...Option) *Switch {
	t.Helper()
	bin, err := private.Find()
	if err != nil {
		Missing(t, err.Error())
	}
	dir, err := os.MkdirTemp("/tmp", "df-ovs")
	if err != nil {
		t.Fatalf("directory for Open vSwitch: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the directory of Open vSwitch: %v", err)
		}
	})
	cfg := private.Config{Dir: dir, Binaries: bin}
	for _, o := range opts {
		o(&cfg)
	}
	if os.Geteuid() != 0 && (cfg.Datapath == private.Userspace || cfg.Netns != "") {
		Missing(t, "a switch with real devices needs root")
	}
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	core, err := private.New(ctx, cfg)
	if err == nil {
		err = core.Start(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &Switch{t: t, core: core, cfg: cfg, captures: map[string]*capture{}}
	t.Cleanup(s.stop)
	return s
}

// Missing ends a test that lacks something of the machine: skipped, but failed
// under CI=true, where nothing may be missing.
func Missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func (s *Switch) stop() {
	if s.t.Failed() {
		s.logTail("ovs-vswitchd.log")
	}
	// What is deleted next needs no clean end.
	s.core.KillVswitchd()
	s.core.KillOVSDB()
}

func (s *Switch) logTail(name string) {
	text, err := os.ReadFile(filepath.Join(s.core.Dir(), name))
	if err != nil {
		return // the test failed for its own reason; the log only helps to read it
	}
	if len(text) > 1500 {
		text = text[len(text)-1500:]
	}
	s.t.Logf("end of %s:\n%s", name, text)
}

// Dir is the run directory.
func (s *Switch) Dir() string { return s.core.Dir() }

// OVSDB is the path of the database's Unix socket, without "unix:".
func (s *Switch) OVSDB() string { return s.core.OVSDB() }

// Mgmt is the path of the bridge's OpenFlow socket, without "unix:".
func (s *Switch) Mgmt(bridge string) string { return s.core.Mgmt(bridge) }

// VswitchdCtl is the path of ovs-vswitchd's control socket.
func (s *Switch) VswitchdCtl() string { return s.core.VswitchdCtl() }

// VswitchdPID is the process number of ovs-vswitchd, 0 when it does not run.
func (s *Switch) VswitchdPID() int { return s.core.VswitchdPID() }

// OVSDBPID is the process number of ovsdb-server, 0 when it does not run.
func (s *Switch) OVSDBPID() int { return s.core.OVSDBPID() }

// KillVswitchd ends ovs-vswitchd as a crash would.
func (s *Switch) KillVswitchd() { s.core.KillVswitchd() }

// KillOVSDB ends ovsdb-server as a crash would.
func (s *Switch) KillOVSDB() { s.core.KillOVSDB() }

// StartVswitchd runs ovs-vswitchd again; the flows of before are gone.
func (s *Switch) StartVswitchd() {
	s.t.Helper()
	s.start(s.core.StartVswitchd)
}

// StartOVSDB runs ovsdb-server again on the same database.
func (s *Switch) StartOVSDB() {
	s.t.Helper()
	s.start(s.core.StartOVSDB)
}

func (s *Switch) start(start func(context.Context) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	if err := start(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// AddBridge makes a bridge that forwards nothing without a flow and speaks
// OpenFlow 1.0 to 1.5. args are further ovs-vsctl commands for the same transaction.
func (s *Switch) AddBridge(name string, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	if err := s.core.AddBridge(ctx, name, args...); err != nil {
		s.t.Fatal(err)
	}
}

// AddPort plugs a port into the bridge, with external_ids given as "key=value".
// On the dummy datapath the device comes into being, and what the switch sends
// to it is captured; else a device of that name must exist where ovs-vswitchd
// runs. Returns when ovs-vswitchd has the port, with its OpenFlow number.
func (s *Switch) AddPort(bridge, name string, externalIDs ...string) (ofport string) {
	s.t.Helper()
	cmd := []string{"add-port", bridge, name, "--", "set", "interface", name}
	if s.cfg.Datapath.Simulated() {
		cmd = append(cmd, "options:tx_pcap="+s.pcap(name))
	}
	for _, kv := range externalIDs {
		cmd = append(cmd, "external_ids:"+kv)
	}
	if cmd[len(cmd)-1] == name { // nothing to set
		cmd = cmd[:3]
	}
	s.Vsctl(cmd...)
	return trim(s.Vsctl("get", "interface", name, "ofport"))
}

// Vsctl runs ovs-vsctl and returns what it printed.
func (s *Switch) Vsctl(args ...string) string {
	s.t.Helper()
	return s.tool(s.core.Vsctl, args)
}

// Ofctl runs ovs-ofctl, with a bridge's name where ovs-ofctl takes one.
func (s *Switch) Ofctl(args ...string) string {
	s.t.Helper()
	return s.tool(s.core.Ofctl, args)
}

// Appctl sends a command to ovs-vswitchd's control socket, as ovs-appctl does.
func (s *Switch) Appctl(method string, args ...string) string {
	s.t.Helper()
	return s.tool(func(ctx context.Context, args ...string) (string, error) {
		return s.core.Appctl(ctx, method, args...)
	}, args)
}

func (s *Switch) tool(run func(context.Context, ...string) (string, error), args []string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	out, err := run(ctx, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// Inject gives a frame to the switch as if the guest behind the dummy port had
// sent it. Settle waits until the switch has dealt with it.
func (s *Switch) Inject(port string, frame []byte) {
	s.t.Helper()
	s.Appctl("netdev-dummy/receive", port, hex.EncodeToString(frame))
}

// Settle returns when every frame injected before has gone through the
// pipeline of flows and its copies are in the captures: ovs-vswitchd does both
// in the thread that answers commands, packets first. What went to a
// controller is not waited for.
func (s *Switch) Settle() {
	s.t.Helper()
	for range 2 {
		s.Appctl("version")
	}
}

// ForgetDecisions returns when the datapath has forgotten what it cached of the
// decisions of flows, up to half a second after they changed: the next packet
// of everything goes through the flows as they are now. What the cache had
// counted is in the counters of flows then.
//
// The purge alone passes over what a revalidator is looking at, which is likely
// right after a change of flows; Open vSwitch up to 3.2 does not pause them.
func (s *Switch) ForgetDecisions() {
	s.t.Helper()
	s.forgetting.Lock()
	defer s.forgetting.Unlock()
	for _, command := range []string{"pause", "purge", "resume"} {
		s.Appctl("revalidator/" + command)
	}
}

var errNoDummy = errors.New("only ports of the dummy datapath are captured")
