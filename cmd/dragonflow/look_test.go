package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// cloud is a standalone Dragonflow with a switch of its own.
type cloud struct {
	t        *testing.T
	api, dir string
	sw       *ovs.Switch
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	dir, err := os.MkdirTemp("", "df") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &cloud{t: t, api: freeAddress(t), dir: dir, sw: ovs.Start(t)}
	metrics, log := freeAddress(t), &output{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		h := &host{in: strings.NewReader(""), out: log, err: log}
		ended <- run(ctx, h, []string{"standalone", "--db", "memory://", "--api-listen", c.api, "--metrics-listen", metrics,
			"--ovsdb", "unix:" + c.sw.OVSDB(), "--state-dir", c.dir, "--chassis", "c1"})
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 || t.Failed() {
			t.Errorf("ended with exit code %d:\n%s", code, log)
		}
	})
	await(t, "http://"+metrics+"/readyz", http.StatusOK)
	return c
}

// create makes an object by the API and returns its id.
func (c *cloud) create(path, body string) string {
	c.t.Helper()
	response, err := http.Post("http://"+c.api+"/v2.0/"+path, "application/json", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	var answer map[string]struct{ ID string }
	if err != nil || response.StatusCode != http.StatusCreated || json.Unmarshal(data, &answer) != nil {
		c.t.Fatalf("create %s: %s %s %v", path, response.Status, data, err)
	}
	for _, o := range answer {
		return o.ID
	}
	return ""
}

// command runs a command line about this cloud.
func (c *cloud) command(args ...string) (code int, out, errs string) {
	switch args[0] {
	case "get":
		args = append(args, "--api-listen", c.api)
	default:
		args = append(args, "--state-dir", c.dir)
	}
	return try(c.t, args...)
}

// until runs a command until it prints a text.
func (c *cloud) until(want string, args ...string) string {
	c.t.Helper()
	deadline, tick := time.After(time.Minute), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		code, out, errs := c.command(args...)
		if code == 0 && strings.Contains(out, want) {
			return out
		}
		select {
		case <-deadline:
			c.t.Fatalf("dragonflow %s: want %q, got exit code %d:\n%s%s", strings.Join(args, " "), want, code, out, errs)
		case <-tick.C:
		}
	}
}

// TestOperatorsCommands runs a small cloud and asks it everything.
func TestOperatorsCommands(t *testing.T) {
	c := newCloud(t)
	network := c.create("networks", `{"network": {"name": "blue"}}`)
	c.create("subnets", fmt.Sprintf(`{"subnet": {"network_id": %q, "cidr": "10.0.0.0/24", "ip_version": 4}}`, network))
	var ids []string
	for _, name := range []string{"web1", "db1"} {
		id := c.create("ports", fmt.Sprintf(`{"port": {"network_id": %q, "name": %q}}`, network, name))
		ids = append(ids, id)
		c.sw.AddPort("br-int", "tap-"+name, "iface-id="+id)
	}
	c.until("2 served", "status")
	c.until("has all that is wanted", "status")
	if out := c.until("web1", "status", "--ports"); strings.Count(out, "in force") != 2 {
		t.Errorf("status:\n%s", out)
	}
	c.until("delivered to db1: allowed by egress rule any to 0.0.0.0/0 of group default and allowed by ingress rule any from members of default of group default; replies pass",
		"why", "web1", "db1", "tcp/22")
	if out := c.until("egress-conntrack: ", "why", "web1", "db1", "--trace"); !strings.Contains(out, "=> delivered to db1") {
		t.Errorf("why --trace:\n%s", out)
	}
	c.until("classifier.port LocalPort/"+ids[0], "flows", "web1")
	c.until("nothing was dropped", "drops")
	c.sw.Inject("tap-web1", append([]byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 8, 0}, make([]byte, 46)...))
	c.until("port web1  egress-port-security  spoofed MAC", "drops")
	for _, kind := range []string{"networks", "subnet", "ports", "SecurityGroup", "security-group-rules"} {
		c.until("ID ", "get", kind)
	}
	if out := c.until("10.0.0.", "get", "port", "web1"); !strings.Contains(out, "binding:host_id") || strings.Contains(out, " db1\n") {
		t.Errorf("get port web1:\n%s", out)
	}
	c.until("database, view, desired flows and switch agree", "diff")
	c.sw.Ofctl("-O", "OpenFlow14", "--strict", "del-flows", "br-int", "table=0,priority=0")
	c.sw.Ofctl("-O", "OpenFlow14", "add-flow", "br-int", "table=0,priority=7,dl_type=0x88b5,actions=drop") // somebody else's
	if out := c.until("missing ", "diff"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "classify") {
		t.Errorf("diff:\n%s", out)
	}
	c.sw.Ofctl("-O", "OpenFlow14", "add-flow", "br-int", "table=0,priority=9,cookie=0xdf20000000000000,dl_type=0x88b5,actions=drop") // ours by its mark
	if out := c.until("repaired", "diff", "--fix"); strings.Count(out, "repaired") != 2 || !strings.Contains(out, "stale, repaired") {
		t.Errorf("diff --fix:\n%s", out)
	}
	c.until("database, view, desired flows and switch agree", "diff")
	c.until("2 repaired in the switch", "status")
	c.until("all of it realised", "status")
	c.until("the database knows no chassis", "status", "--all", "--db", "memory://")
	c.inJSON("status", "flows", "drops", "diff", "get networks", "why web1 db1", "trace web1 db1")
	c.mistakes()
}

// inJSON checks that commands speak to programs.
func (c *cloud) inJSON(commands ...string) {
	c.t.Helper()
	for _, line := range commands {
		_, out, errs := c.command(append(strings.Fields(line), "-o", "json")...)
		if !json.Valid([]byte(out)) || !bytes.ContainsAny([]byte(out), "[{") {
			c.t.Errorf("%s -o json: %s%s", line, out, errs)
		}
	}
}

func (c *cloud) mistakes() {
	c.t.Helper()
	for line, want := range map[string]string{
		"why nobody db1":       `no port "nobody"`,
		"why web1 db1 tcp":     "needs a port",
		"flows nobody":         `no port "nobody"`,
		"get porst":            "did you mean port?",
		"get port nobody":      `no port has the id or name "nobody"`,
		"get chassis":          "--db",
		"status -o yaml":       "table or json",
		"drops now":            "now",
		"get ports --db x://y": "x",

		"why web1 db1 --db memory://":   `there is no port "web1"`,
		"trace web1 db1 --state later":  "write new, established or reply",
		"why web1 db1 tcp/80 --ttl 256": "time to live of up to 255",
	} {
		if code, out, errs := c.command(strings.Fields(line)...); code == 0 || !strings.Contains(errs, want) {
			c.t.Errorf("%s: exit code %d: %s%s, want %q", line, code, out, errs, want)
		}
	}
}

func TestTwoControllersDoNotShareAStateDirectory(t *testing.T) {
	dir := t.TempDir()
	listener, err := listenLocally(dir+"/s", dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenLocally(dir+"/s", dir); err == nil || !strings.Contains(err.Error(), "already runs") {
		t.Errorf("a second controller: %v", err)
	}
	if info, err := os.Stat(dir + "/s"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's rights: %v, %v", info, err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	// What a crash leaves behind is no hindrance.
	if err := os.WriteFile(dir+"/s", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err = listenLocally(dir+"/s", dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := listenLocally("/"+strings.Repeat("x", 120), dir); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("too long: %v", err)
	}
}
