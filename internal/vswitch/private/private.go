// Package private runs an Open vSwitch of our own in a directory: its own
// database, run directory, sockets, pidfiles and logs, beside and independent
// of the Open vSwitch of the host. The demonstration builds its chassis with
// it, and the tests their switches.
//
// Both daemons run in the foreground as children and die with the process
// that started them, however it ends.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Datapath says what moves the packets of a private switch.
type Datapath int

const (
	// Dummy simulates all devices inside ovs-vswitchd: packets are injected and
	// captured by command. Needs no root; conntrack, meters and groups work.
	Dummy Datapath = iota
	// Userspace moves real packets of real devices in ovs-vswitchd
	// (datapath_type=netdev). Needs root, and no kernel module. Interfaces of type dummy may stand beside them.
	// What others want of the machine is to disturb it no more than an installed one: as ovs-ctl does it, the
	// daemons have sessions of their own and priority over ordinary programs, and ovs-vswitchd keeps its memory.
	Userspace
	// DummyTunnels is Dummy, but tunnels are real: what goes into one comes out of the bridge that has
	// their address, encapsulated.
	DummyTunnels
)

// Type is the bridge's datapath_type.
func (d Datapath) Type() string {
	if d == DummyTunnels {
		return "dummy"
	}
	// Dummy overrides whatever type is named, so that one name serves both.
	return "netdev"
}

// Simulated tells whether the devices exist only inside ovs-vswitchd.
func (d Datapath) Simulated() bool { return d != Userspace }

func (d Datapath) flags() []string {
	switch d {
	case Dummy:
		return []string{"--enable-dummy=override", "--disable-system", "--disable-system-route"}
	case DummyTunnels: // only devices of the system are simulated, not those of other types
		return []string{"--enable-dummy=system", "--disable-system-route"}
	}
	return []string{"--disable-system", "--enable-dummy", "--mlockall"}
}

// Binaries are the paths of the programs of Open vSwitch and of its schema.
type Binaries struct {
	OVSDBServer, Vswitchd, OVSDBTool, Vsctl, Ofctl string

	Schema string
}

// ErrNotInstalled says that a program or the schema of Open vSwitch was not found.
var ErrNotInstalled = errors.New("Open vSwitch is not installed")

// Find looks for the programs in $PATH and the sbin directories, and for the
// schema where the packages of the distributions put it. The error wraps
// ErrNotInstalled and names what is missing.
func Find() (Binaries, error) {
	var b Binaries
	for _, p := range []struct {
		name string
		to   *string
	}{
		{"ovsdb-server", &b.OVSDBServer}, {"ovs-vswitchd", &b.Vswitchd}, {"ovsdb-tool", &b.OVSDBTool},
		{"ovs-vsctl", &b.Vsctl}, {"ovs-ofctl", &b.Ofctl},
	} {
		path, err := findProgram(p.name)
		if err != nil {
			return Binaries{}, err
		}
		*p.to = path
	}
	for _, dir := range []string{"/usr/share/openvswitch", "/usr/local/share/openvswitch"} {
		path := filepath.Join(dir, "vswitch.ovsschema")
		if _, err := os.Stat(path); err == nil {
			b.Schema = path
			return b, nil
		}
	}
	return Binaries{}, fmt.Errorf("find vswitch.ovsschema: %w", ErrNotInstalled)
}

func findProgram(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("find %s: %w", name, ErrNotInstalled)
}

// Config describes a private switch.
type Config struct {
	// Dir holds everything of the switch. It must exist, be absolute and short:
	// a Unix socket's path has at most 107 bytes.
	Dir      string
	Datapath Datapath
	Binaries Binaries
	// Netns is the path of the network namespace that ovs-vswitchd runs in; empty
	// for the caller's. The sockets are reachable from every namespace.
	Netns string
	// SystemID becomes external_ids:system-id, by which tunnels and logs know the
	// chassis; may be empty.
	SystemID string
	// OVSDBArgs are further arguments of ovsdb-server, such as another --remote, and
	// VswitchdArgs of ovs-vswitchd.
	OVSDBArgs, VswitchdArgs []string
}

// Longest bridge name (IFNAMSIZ-1) and ".mgmt" under the directory must fit sun_path.
const maxDir = 107 - len("/") - 15 - len(".mgmt")

func (c Config) check() error {
	switch {
	case !filepath.IsAbs(c.Dir):
		return fmt.Errorf("directory %q is not absolute", c.Dir)
	case len(c.Dir) > maxDir:
		return fmt.Errorf("directory %q has %d bytes; Unix sockets in it allow %d", c.Dir, len(c.Dir), maxDir)
	}
	if _, err := os.Stat(c.Binaries.Schema); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("schema %q: %w", c.Binaries.Schema, ErrNotInstalled)
		}
		return fmt.Errorf("schema: %w", err)
	}
	return nil
}
