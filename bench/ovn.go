package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/vswitch/unixctl"
)

// ovnCloud is OVN over a rack: its two databases, northd, and a controller on every chassis. Its northbound
// database is written as Neutron's driver does it, by transactions; what this costs the client is not
// counted.
type ovnCloud struct {
	run         *run
	rack        *rack
	shape       shape
	dir         string
	nb          *ovsdbRPC
	nbServer    *child
	sbServer    *child
	northd      *child
	controllers []*child
	topology    ovnTopology
	cfg         int
}

// ovnVersion is what the OVN on PATH calls itself, and an error if there is none.
func ovnVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "ovn-controller", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("OVN is not installed (packages ovn-central, ovn-host): %w", err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	words := strings.Fields(first)
	return "OVN " + words[len(words)-1], nil
}

// ovnSchema finds a schema beside the programs on PATH, so that a newer OVN there is used whole.
func ovnSchema(name string) (string, error) {
	program, err := exec.LookPath("ovn-northd")
	if err != nil {
		return "", err
	}
	for _, dir := range []string{filepath.Join(filepath.Dir(program), "..", "share", "ovn"), "/usr/share/ovn"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("schema %s: %w", name, fs.ErrNotExist)
}

// ovn starts OVN over a rack.
func (r *run) ovn(ctx context.Context, k *rack, s shape) (*ovnCloud, error) {
	c := &ovnCloud{run: r, rack: k, shape: s}
	var err error
	if c.dir, err = r.folder(); err != nil {
		return nil, err
	}
	if c.nbServer, err = c.database(ctx, "nb"); err != nil {
		return nil, err
	}
	if c.sbServer, err = c.database(ctx, "sb"); err != nil {
		return nil, err
	}
	if c.nb, err = r.ovsdbClient(ctx, c.path("nb.sock"), "OVN_Northbound"); err != nil {
		return nil, err
	}
	c.northd, err = r.start("ovn-northd", "--ovnnb-db=unix:"+c.path("nb.sock"), "--ovnsb-db=unix:"+c.path("sb.sock"),
		"--unixctl="+c.path("northd.ctl"), "-vconsole:emer", "-vsyslog:off", "--log-file="+c.path("northd.log"))
	if err != nil {
		return nil, err
	}
	for i := range k.switches {
		if err := c.join(ctx, i, k.tunnels[i].String()); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *ovnCloud) path(name string) string { return filepath.Join(c.dir, name) }

// database makes and runs one of OVN's databases and its first row.
func (c *ovnCloud) database(ctx context.Context, name string) (*child, error) {
	schema, err := ovnSchema("ovn-" + name + ".ovsschema")
	if err != nil {
		return nil, err
	}
	file, socket := c.path(name+".db"), c.path(name+".sock")
	if out, err := exec.CommandContext(ctx, "ovsdb-tool", "create", file, schema).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("create OVN's database: %w: %s", err, out)
	}
	server, err := c.run.start("ovsdb-server", file, "--remote=punix:"+socket, "--unixctl="+c.path(name+".ctl"),
		"-vconsole:emer", "-vsyslog:off", "--log-file="+c.path(name+".log"))
	if err != nil {
		return nil, err
	}
	init := func() bool {
		return exec.CommandContext(ctx, "ovn-"+name+"ctl", "--no-leader-only", "--db=unix:"+socket, "init").Run() == nil
	}
	return server, server.until(ctx, "OVN's database", init)
}

// join makes a chassis part of the cloud and starts its controller.
func (c *ovnCloud) join(ctx context.Context, i int, encapIP string) error {
	settings := []string{"--no-wait", "set", "Open_vSwitch", ".", "external_ids:ovn-remote=unix:" + c.path("sb.sock"),
		"external_ids:ovn-encap-type=geneve", "external_ids:ovn-encap-ip=" + encapIP, "external_ids:ovn-bridge-datapath-type=netdev"}
	if c.rack.physical != "" {
		settings = append(settings, "external_ids:ovn-bridge-mappings="+c.rack.physical+":"+lab.ExternalBridge)
	}
	if _, err := c.rack.switches[i].Vsctl(ctx, settings...); err != nil {
		return err
	}
	started, err := c.controller(ctx, i)
	if err != nil {
		return err
	}
	c.controllers = append(c.controllers, started)
	return nil
}

// controller starts the controller of a chassis.
func (c *ovnCloud) controller(ctx context.Context, i int) (*child, error) {
	sw := c.rack.switches[i]
	started, err := c.run.start("env", "OVS_RUNDIR="+sw.Dir(), "OVN_RUNDIR="+sw.Dir(), "ovn-controller", "unix:"+sw.OVSDB(),
		"-vconsole:emer", "-vsyslog:off", "--log-file="+filepath.Join(sw.Dir(), "ovn-controller.log"))
	if err != nil {
		return nil, err
	}
	ctl := filepath.Join(sw.Dir(), fmt.Sprintf("ovn-controller.%d.ctl", started.pid)) // it takes no other name
	return started, started.until(ctx, "ovn-controller", func() bool {
		state, err := unixctl.Call(ctx, ctl, "connection-status")
		return err == nil && strings.TrimSpace(state) == "connected"
	})
}

// processes implements cloud.
func (c *ovnCloud) processes() []process {
	list := []process{{"central", c.nbServer.pid}, {"central", c.sbServer.pid}, {"central", c.northd.pid}}
	for _, ctl := range c.controllers {
		list = append(list, process{"controller", ctl.pid})
	}
	return list
}

// settle implements cloud: it raises the configuration's number and waits until every chassis has
// confirmed it.
func (c *ovnCloud) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	c.cfg++
	_, err := c.nb.transact(ctx, ovsdbOp{"op": "update", "table": "NB_Global", "where": []any{}, "row": map[string]any{"nb_cfg": c.cfg}})
	if err != nil {
		return err
	}
	_, err = c.nb.transact(ctx, ovsdbOp{"op": "wait", "table": "NB_Global", "where": []any{}, "columns": []string{"hv_cfg"},
		"until": "==", "rows": []any{map[string]any{"hv_cfg": c.cfg}}})
	return err
}

// verify implements cloud: every port of a chassis is up.
func (c *ovnCloud) verify(ctx context.Context, ports int) error {
	rows, err := c.nb.transact(ctx, ovsdbOp{"op": "select", "table": "Logical_Switch_Port",
		"where": []any{[]any{"up", "==", true}, []any{"type", "==", ""}}, "columns": []string{"name"}})
	if err != nil {
		return err
	}
	if up := len(rows[0].Rows); up != ports {
		return fmt.Errorf("%d of %d ports are up", up, ports)
	}
	return nil
}

// restart implements cloud.
func (c *ovnCloud) restart(ctx context.Context, i int) (*child, error) {
	c.controllers[i].kill()
	started, err := c.controller(ctx, i)
	if err != nil {
		return nil, err
	}
	c.controllers[i] = started
	return started, c.settle(ctx)
}
