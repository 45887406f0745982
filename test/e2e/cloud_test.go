package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/netns"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

const (
	chassis = "c1"
	bridge  = "br-int"
	etcdURL = "127.0.0.1:2379"
	apiURL  = "127.0.0.1:9696"
	// patience is for what takes milliseconds: the machines that run tests are shared.
	patience = 60 * time.Second
)

// cloud is one hypervisor. Everything that runs in it is in its own network namespace.
type cloud struct {
	*netns.Lab
	t     *testing.T
	dir   string
	state string
	http  http.Client
}

// newCloud makes a hypervisor with a switch and nothing else.
func newCloud(t *testing.T) *cloud {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir, err := os.MkdirTemp("", "df-e2e") // short: there are sockets in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	c := &cloud{Lab: netns.Start(t), t: t, dir: dir, state: filepath.Join(dir, "state")}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return c.Host.Dial(ctx, "tcp", apiURL) }
	c.http = http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: patience}
	return c
}

// daemon is a program of the cloud that can be killed and started again.
type daemon struct {
	c    *cloud
	name string
	argv []string
	*lab.Process
}

// daemon starts a program. At the end of the test it is asked to stop; if it does not do so well, the test fails.
func (c *cloud) daemon(name string, argv ...string) *daemon {
	c.t.Helper()
	d := &daemon{c: c, name: name, argv: argv}
	d.start()
	c.t.Cleanup(func() {
		d.terminate()
		if c.t.Failed() {
			c.t.Logf("%s said:\n%s", name, d.said())
		}
	})
	return d
}

func (d *daemon) start() {
	d.c.t.Helper()
	if d.Process != nil && d.running() {
		d.c.t.Fatalf("%s runs already", d.name)
	}
	p, err := d.c.Host.Start(nil, d.argv...)
	if err != nil {
		d.c.t.Fatal(err)
	}
	d.Process = p
}

func (d *daemon) running() bool {
	select {
	case <-d.Done():
		return false
	default:
		return true
	}
}

func (d *daemon) terminate() {
	d.c.t.Helper()
	if !d.running() {
		return
	}
	_ = d.Signal(syscall.SIGCONT) // a test may have left it stopped
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := d.Stop(ctx, syscall.SIGTERM); err != nil && d.argv[0] == program {
		d.c.t.Errorf("%s does not end well: %v", d.name, err)
	}
}

// said is the end of what the program wrote.
func (d *daemon) said() string {
	text := d.Output()
	return text[max(0, len(text)-4000):]
}

func (c *cloud) database() string { return "embedded://" + filepath.Join(c.dir, "db") }

func (c *cloud) chassisFlags() []string {
	return []string{"--chassis", chassis, "--ovsdb", "unix:" + c.OVSDB(), "--bridge", bridge, "--datapath-type", "netdev",
		"--state-dir", c.state}
}

func command(name, database string, flags ...string) []string {
	return append([]string{program, name, "--config", os.DevNull, "--metrics-listen", "off", "--db", database}, flags...)
}

// standalone starts everything in one process and waits until the API answers.
func (c *cloud) standalone(flags ...string) *daemon {
	c.t.Helper()
	d := c.daemon("standalone", command("standalone", c.database(), append(append(c.chassisFlags(), "--api-listen", apiURL), flags...)...)...)
	c.waitAPI(d)
	return d
}

// etcd starts a real etcd.
func (c *cloud) etcd() *daemon {
	c.t.Helper()
	netns.Need(c.t, "etcd")
	const peer = "http://127.0.0.1:2380"
	d := c.daemon("etcd", "etcd", "--name=t", "--data-dir="+filepath.Join(c.dir, "etcd"), "--log-level=error",
		"--listen-client-urls=http://"+etcdURL, "--advertise-client-urls=http://"+etcdURL,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=t="+peer)
	c.eventually("etcd listens", func() error {
		conn, err := c.Host.Dial(c.t.Context(), "tcp", etcdURL)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return d
}

func (c *cloud) server() *daemon {
	c.t.Helper()
	d := c.daemon("server", command("server", "etcd://"+etcdURL, "--api-listen", apiURL)...)
	c.waitAPI(d)
	return d
}

func (c *cloud) controller(flags ...string) *daemon {
	c.t.Helper()
	d := c.daemon("controller", command("controller", "etcd://"+etcdURL, append(c.chassisFlags(), flags...)...)...)
	c.waitSettled()
	return d
}

// waitAPI waits until the API serves.
func (c *cloud) waitAPI(d *daemon) {
	c.t.Helper()
	c.eventually("the API serves", func() error {
		if !d.running() {
			c.t.Fatalf("%s ended:\n%s", d.name, d.said())
		}
		status, answer, err := c.try(http.MethodGet, "/v2.0/networks?limit=1", nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d %v", status, answer)
		}
		return err
	})
}

// waitSettled waits until the switch has all that is wanted.
func (c *cloud) waitSettled() {
	c.t.Helper()
	c.waitStatus("the switch has all that is wanted", func(s *operate.Status) bool { return s.Complete && s.Phase == "idle" })
}

// waitStatus waits until dragonflow status shows what is expected, and returns it.
func (c *cloud) waitStatus(what string, condition func(*operate.Status) bool) *operate.Status {
	c.t.Helper()
	var s *operate.Status
	c.eventually(what, func() (err error) {
		if s, err = c.status(); err == nil && !condition(s) {
			err = fmt.Errorf("status: %+v", s)
		}
		return err
	})
	return s
}

func (c *cloud) status() (*operate.Status, error) {
	out, err := c.ask("status", "-o", "json")
	if err != nil {
		return nil, err
	}
	var s operate.Status
	return &s, json.Unmarshal([]byte(out), &s)
}

// ask runs one of the operator's commands about the controller.
func (c *cloud) ask(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.Host.Run(ctx, append(append([]string{program}, args...), "--state-dir", c.state)...)
}

// eventually waits until f succeeds.
func (c *cloud) eventually(what string, f func() error) {
	c.t.Helper()
	eventually(c.t, patience, what, f)
}

func eventually(t *testing.T, patience time.Duration, what string, f func() error) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s: %v", patience, what, err)
		}
	}
}

// obj is a JSON object.
type obj map[string]any

func (o obj) id() string { return o["id"].(string) }

// try sends a request to the API and returns its answer, or an error if there was none.
func (c *cloud) try(method, path string, body obj) (int, obj, error) {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		text = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+apiURL+path, text)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("X-Project-Id", "p")
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer := obj{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil && !errors.Is(err, io.EOF) {
		return response.StatusCode, nil, err
	}
	return response.StatusCode, answer, nil
}

// must sends a request that has to succeed.
func (c *cloud) must(method, path string, body obj) obj {
	c.t.Helper()
	status, answer, err := c.try(method, path, body)
	if err != nil || status >= 300 {
		c.t.Fatalf("%s %s: %d %v %v", method, path, status, answer, err)
	}
	return answer
}

// create makes an object of a kind: "network", "security_group_rule", …
func (c *cloud) create(kind string, fields obj) obj {
	c.t.Helper()
	answer := c.must(http.MethodPost, path(kind, ""), obj{kind: fields})
	return answer[kind].(map[string]any)
}

func (c *cloud) update(kind, id string, fields obj) {
	c.t.Helper()
	c.must(http.MethodPut, path(kind, id), obj{kind: fields})
}

func (c *cloud) remove(kind, id string) {
	c.t.Helper()
	c.must(http.MethodDelete, path(kind, id), nil)
}

// path is where the API has objects of a kind, or one of them.
func path(kind, id string) string {
	return strings.TrimSuffix("/v2.0/"+strings.ReplaceAll(kind, "_", "-")+"s/"+id, "/")
}

// network makes a network with a subnet of each family.
func (c *cloud) network(name string) string {
	c.t.Helper()
	id := c.create("network", obj{"name": name}).id()
	c.create("subnet", obj{"network_id": id, "ip_version": 4, "cidr": "10.0.0.0/24"})
	c.create("subnet", obj{"network_id": id, "ip_version": 6, "cidr": "2001:db8::/64",
		"ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful"})
	return id
}

// guest is a virtual machine of a port.
type guest struct {
	*netns.Guest
	c      *cloud
	id     string
	v4, v6 netip.Addr
}

// guest makes a port with a virtual machine and waits until it is ACTIVE. The machine has no addresses yet.
func (c *cloud) guest(network, name string, fields obj, changes ...func(*lab.Spec)) *guest {
	c.t.Helper()
	all := obj{"network_id": network, "name": name, "binding:host_id": chassis}
	for k, v := range fields {
		all[k] = v
	}
	g := c.boot(c.create("port", all), name, changes...)
	c.waitActive(g.id)
	return g
}

// boot plugs in a virtual machine of a port.
func (c *cloud) boot(port obj, name string, changes ...func(*lab.Spec)) *guest {
	c.t.Helper()
	c.eventually("the bridge is there", func() error {
		if !strings.Contains(c.Vsctl("list-br"), bridge) {
			return errors.New("there is none")
		}
		return nil
	})
	mac, err := net.ParseMAC(port["mac_address"].(string))
	if err != nil {
		c.t.Fatal(err)
	}
	spec := lab.Spec{Name: name, Port: "tap-" + name, MAC: mac, NoDAD: true}
	for _, change := range changes {
		change(&spec)
	}
	g := &guest{c: c, id: port.id()}
	for _, f := range port["fixed_ips"].([]any) {
		a := netip.MustParseAddr(f.(map[string]any)["ip_address"].(string))
		if a.Is4() {
			g.v4 = a
		} else {
			g.v6 = a
		}
	}
	g.Guest = c.Guest(bridge, spec, "iface-id="+g.id)
	return g
}

func (c *cloud) waitActive(port string) {
	c.t.Helper()
	c.eventually("the port is ACTIVE", func() error {
		p := c.must(http.MethodGet, path("port", port), nil)["port"].(map[string]any)
		if p["status"] != "ACTIVE" {
			return fmt.Errorf("port %v is %v", p["name"], p["status"])
		}
		return nil
	})
}

// static gives the guest its addresses as an administrator would.
func (g *guest) static() *guest {
	g.c.t.Helper()
	g.Address(netip.PrefixFrom(g.v4, 24).String(), netip.PrefixFrom(g.v6, 64).String())
	return g
}

// pair makes two guests of the default group, with addresses, that reach each other.
func (c *cloud) pair() (a, b *guest) {
	c.t.Helper()
	n := c.network("blue")
	a, b = c.guest(n, "a", nil).static(), c.guest(n, "b", nil).static()
	a.Reaches(b.v4.String())
	a.Reaches(b.v6.String())
	return a, b
}

// flows are the switch's flows without what counts packets or time, in the order of their text.
func (c *cloud) flows() []string {
	c.t.Helper()
	lines := strings.Split(c.Ofctl("-O", "OpenFlow14", "--no-stats", "dump-flows", bridge), "\n")
	slices.Sort(lines)
	return lines
}

// soon is a context for what must be over soon.
func soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), ovs.Deadline)
}
