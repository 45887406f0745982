package dhcp

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// These tests let real clients, of four different authors, ask the responder, and compare what each understood
// with what was configured.

// extraV4 are extra options of which each client can show some.
func extraV4() []model.DHCPOption {
	var out []model.DHCPOption
	for name, value := range map[string]string{
		"ntp-server": "192.0.2.123,192.0.2.124", "root-path": "/srv/root", "nis-domain": "yellow", "time-offset": "-3600",
		"tftp-server": "192.0.2.7", "bootfile-name": "pxelinux.0", "server-ip-address": "192.0.2.7", "default-ttl": "33",
		"netbios-ns": "192.0.2.9", "log-server": "192.0.2.10", "42": "192.0.2.123,192.0.2.124", "tcp-keepalive": "7200",
	} {
		out = append(out, model.DHCPOption{Name: name, Value: value, IPVersion: 4})
	}
	return out
}

func fullConfig(t *testing.T) *Config {
	t.Helper()
	cfg := config()
	var errs []error
	if cfg.V4.Extra, errs = ParseOptions(4, extraV4()); errs != nil {
		t.Fatal(errs)
	}
	cfg.V6.Extra, errs = ParseOptions(6, []model.DHCPOption{
		{Name: "sntp-server", Value: "[2001:db8::7b]", IPVersion: 6}, {Name: "bootfile-url", Value: "tftp://[2001:db8::7]/x", IPVersion: 6},
		{Name: "nis-domain", Value: "yellow.example", IPVersion: 6},
	})
	if errs != nil {
		t.Fatal(errs)
	}
	return cfg
}

// client is a program that runs in a guest and tells by a script what it understood.
type client struct {
	t       *testing.T
	w       *wire
	dir     string
	process *lab.Process
}

// newClient makes the client's script: it keeps the variables of each event in a file with the event's name.
func newClient(t *testing.T, w *wire) *client {
	t.Helper()
	c := &client{t: t, w: w, dir: t.TempDir()}
	c.write("script", "#!/bin/sh\nf="+c.dir+"/${reason:-$1}\n/usr/bin/env >$f.new\n/bin/mv $f.new $f\n")
	if err := os.Chmod(filepath.Join(c.dir, "script"), 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *client) write(name, text string) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// start runs the program in the guest until the end of the test.
func (c *client) start(argv ...string) {
	c.t.Helper()
	if _, err := exec.LookPath(argv[0]); err != nil {
		ovs.Missing(c.t, err.Error())
	}
	p, err := c.w.guest.Start(nil, argv...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.process = p
	c.t.Cleanup(p.Kill)
}

// wait returns the variables of an event, and forgets the event.
func (c *client) wait(event string) map[string]string {
	c.t.Helper()
	path := filepath.Join(c.dir, event)
	c.until("event "+event, func() bool { _, err := os.Stat(path); return err == nil })
	text, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		c.t.Fatal(err)
	}
	return variables(string(text), "\n")
}

func variables(text, separator string) map[string]string {
	vars := map[string]string{}
	for line := range strings.SplitSeq(text, separator) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			vars[k] = strings.Trim(v, "'")
		}
	}
	return vars
}

// until waits for a condition.
func (c *client) until(what string, condition func() bool) {
	c.t.Helper()
	until(c.t, what, func() string {
		if condition() {
			return ""
		}
		files, _ := filepath.Glob(c.dir + "/*")
		return fmt.Sprintf("exchange %q; files %v; the client wrote:\n%s", c.w.exchange(), files, c.process.Output())
	}, func(s string) bool { return s == "" })
}

// said waits until the client's log has a text.
func (c *client) said(text string) {
	c.t.Helper()
	c.until(text, func() bool { return strings.Contains(c.process.Output(), text) })
}

// understood compares variables.
func understood(t *testing.T, got map[string]string, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %q, want %q", k, got[k], v)
		}
	}
	if t.Failed() {
		t.Logf("all of it: %v", got)
	}
}

func TestDhclient(t *testing.T) {
	t.Parallel()
	cfg := fullConfig(t)
	w := newWire(t, cfg, nil)
	c := newClient(t, w)
	conf := c.write("conf", `option rfc3442-routes code 121 = array of unsigned integer 8;
option ms-routes code 249 = array of unsigned integer 8;
request subnet-mask, broadcast-address, routers, domain-name, domain-name-servers, domain-search, host-name, interface-mtu, rfc3442-routes,
 ms-routes, ntp-servers, root-path, nis-domain, time-offset, tftp-server-name, bootfile-name, default-ip-ttl, netbios-name-servers, log-servers,
 tcp-keepalive-interval;
`)
	argv := []string{"dhclient", "-4", "-d", "-1", "-cf", conf, "-sf", c.dir + "/script", "-lf", c.dir + "/leases", "-pf", c.dir + "/pid", lab.Interface}
	c.start(argv...)
	routes := "16 192 168 10 0 0 9 32 169 254 169 254 0 0 0 0 0 10 0 0 1"
	want := map[string]string{
		"new_ip_address": "10.0.0.5", "new_subnet_mask": "255.255.255.0", "new_broadcast_address": "10.0.0.255", "new_routers": "10.0.0.1",
		"new_domain_name": "example.org", "new_domain_name_servers": "10.0.0.53 192.0.2.53", "new_domain_search": "example.org.",
		"new_host_name": "web", "new_interface_mtu": "1442", "new_rfc3442_routes": routes, "new_ms_routes": routes,
		"new_ntp_servers": "192.0.2.123 192.0.2.124", "new_root_path": "/srv/root", "new_nis_domain": "yellow", "new_time_offset": "-3600",
		"new_tftp_server_name": "192.0.2.7", "new_bootfile_name": "pxelinux.0", "new_filename": "pxelinux.0", "new_default_ip_ttl": "33",
		"new_netbios_name_servers": "192.0.2.9", "new_log_servers": "192.0.2.10", "new_tcp_keepalive_interval": "7200",
		"new_dhcp_lease_time": "86400", "new_dhcp_renewal_time": "43200", "new_dhcp_rebinding_time": "75600", "new_dhcp_server_identifier": "10.0.0.1",
		"new_next_server": "192.0.2.7", "new_dhcp_message_type": "5",
	}
	understood(t, c.wait("BOUND"), want)
	w.expect(t, "DISCOVER OFFER", "REQUEST ACK")

	// It starts again with the lease that it has, then with one that is no longer right.
	c.said("bound to")
	c.process.Kill()
	c.start(argv...)
	understood(t, c.wait("REBOOT"), want)
	w.expect(t, "REQUEST ACK")
	c.said("bound to")
	c.process.Kill()
	moved := *cfg
	v4 := *cfg.V4
	v4.Address = addr("10.0.0.6")
	moved.V4 = &v4
	w.serve(&moved)
	c.start(argv...)
	want["new_ip_address"] = "10.0.0.6"
	understood(t, c.wait("BOUND"), want)
	w.expect(t, "REQUEST NAK", "DISCOVER OFFER", "REQUEST ACK")
}

func TestUdhcpc(t *testing.T) {
	t.Parallel()
	w := newWire(t, fullConfig(t), nil)
	c := newClient(t, w)
	argv := []string{"udhcpc", "-f", "-R", "-t", "5", "-T", "2", "-i", lab.Interface, "-s", c.dir + "/script"}
	for _, o := range []string{"staticroutes", "search", "mtu", "timezone", "bootfile", "tftp", "rootpath", "nisdomain", "ntpsrv", "wins", "ipttl", "msstaticroutes"} {
		argv = append(argv, "-O", o)
	}
	c.start(argv...)
	routes := "192.168.0.0/16 10.0.0.9 169.254.169.254/32 0.0.0.0 0.0.0.0/0 10.0.0.1"
	want := map[string]string{
		"ip": "10.0.0.5", "subnet": "255.255.255.0", "mask": "24", "broadcast": "10.0.0.255", "router": "10.0.0.1", "dns": "10.0.0.53 192.0.2.53",
		"domain": "example.org", "search": "example.org", "hostname": "web", "mtu": "1442", "lease": "86400", "serverid": "10.0.0.1",
		"staticroutes": routes, "msstaticroutes": routes, "ntpsrv": "192.0.2.123 192.0.2.124", "rootpath": "/srv/root", "nisdomain": "yellow",
		"timezone": "4294963696", "tftp": "192.0.2.7", "bootfile": "pxelinux.0", "boot_file": "pxelinux.0", "siaddr": "192.0.2.7",
		"wins": "192.0.2.9", "ipttl": "33",
	}
	understood(t, c.wait("bound"), want)
	w.expect(t, "DISCOVER OFFER", "REQUEST ACK")

	// It renews by unicast to the server's address, then gives the address back.
	w.run("ip", "address", "add", "10.0.0.5/24", "dev", lab.Interface)
	c.signal(syscall.SIGUSR1)
	understood(t, c.wait("renew"), want)
	w.expect(t, "REQUEST ACK")
	if to := w.destinations(); !slices.Contains(to, "10.0.0.1") { // it may fall back to broadcast when it opens its socket too late
		t.Errorf("requests went to %v, none to the server's address", to)
	}
	c.signal(syscall.SIGUSR2)
	c.until("RELEASE", func() bool { return strings.Contains(strings.Join(w.exchange(), ","), "RELEASE") })
}

func TestUdhcpcDeclines(t *testing.T) {
	t.Parallel()
	w := newWire(t, fullConfig(t), nil)
	w.claim("10.0.0.5") // somebody else answers for it
	c := newClient(t, w)
	c.start("udhcpc", "-f", "-a500", "-t", "2", "-T", "1", "-i", lab.Interface, "-s", c.dir+"/script")
	c.until("DECLINE", func() bool { return strings.Contains(strings.Join(w.exchange(), ","), "DECLINE") })
}

func TestDhcpcd(t *testing.T) {
	t.Parallel()
	w := newWire(t, fullConfig(t), raConfig(model.DHCPv6Stateful))
	for _, tt := range []struct {
		name, family, conf string
		want               map[string]string
	}{
		{"DHCPv4", "-4", "", map[string]string{
			"new_ip_address": "10.0.0.5", "new_subnet_cidr": "24", "new_broadcast_address": "10.0.0.255", "new_routers": "10.0.0.1",
			"new_domain_name_servers": "10.0.0.53 192.0.2.53", "new_domain_name": "example.org", "new_domain_search": "example.org",
			"new_host_name": "web", "new_interface_mtu": "1442", "new_ntp_servers": "192.0.2.123 192.0.2.124", "new_filename": "pxelinux.0",
			"new_classless_static_routes": "192.168.0.0/16 10.0.0.9 169.254.169.254/32 0.0.0.0 0.0.0.0/0 10.0.0.1",
			"new_dhcp_lease_time":         "86400", "new_dhcp_server_identifier": "10.0.0.1",
		}},
		{"DHCPv6", "-6", "noipv6rs\nia_na 1\n", map[string]string{
			"new_dhcp6_ia_na1_ia_addr1": "2001:db8::5", "new_dhcp6_ia_na1_ia_addr1_vltime": "86400", "new_dhcp6_ia_na1_t1": "43200", "new_dhcp6_ia_na1_t2": "69120",
			"new_dhcp6_name_servers": "2001:db8::53", "new_dhcp6_domain_search": "example.org",
		}},
		{"RA", "-6", "ipv6rs\n", map[string]string{
			"nd1_from": "fe80::f816:3fff:fe00:1", "nd1_flags": "MO", "nd1_lifetime": "0", "nd1_mtu": "1442", "nd1_hoplimit": "64", "nd1_source_address": "fa163f000001",
			"nd1_prefix_information1_prefix": "2001:db8::", "nd1_prefix_information1_flags": "L", "nd1_prefix_information1_vltime": "2592000",
			"nd1_prefix_information1_pltime": "604800", "nd1_rdnss1_servers": "2001:db8::53", "nd1_dnssl1_search": "example.org",
		}},
	} {
		c := newClient(t, w)
		conf := c.write("conf", "option domain_name_servers, domain_name, domain_search, host_name, classless_static_routes, interface_mtu, ntp_servers\n"+
			"option dhcp6_name_servers, dhcp6_domain_search\nduid\ninterface "+lab.Interface+"\n"+tt.conf)
		// In a mount namespace of its own dhcpcd's files are nobody else's.
		c.start("unshare", "-m", "sh", "-c", fmt.Sprintf("mkdir -p /var/lib/dhcpcd /run/dhcpcd; mount -t tmpfs none /var/lib/dhcpcd; mount -t tmpfs none /run/dhcpcd; "+
			"exec dhcpcd -T %s -t 15 -f %s -c %s/script %s", tt.family, conf, c.dir, lab.Interface))
		understood(t, c.wait("TEST"), tt.want)
		c.process.Kill()
	}
}

func TestDhclient6(t *testing.T) {
	t.Parallel()
	w := newWire(t, fullConfig(t), nil)
	c := newClient(t, w)
	conf := c.write("conf", "also request dhcp6.name-servers, dhcp6.domain-search, dhcp6.sntp-servers, dhcp6.fqdn, dhcp6.bootfile-url, dhcp6.nis-domain-name;\n")
	argv := []string{"dhclient", "-6", "-d", "-1", "-cf", conf, "-sf", c.dir + "/script", "-lf", c.dir + "/leases", "-pf", c.dir + "/pid", lab.Interface}
	c.start(argv...)
	want := map[string]string{
		"new_ip6_address": "2001:db8::5", "new_ip6_prefixlen": "128", "new_max_life": "86400", "new_preferred_life": "86400", "new_renew": "43200", "new_rebind": "69120",
		"new_dhcp6_name_servers": "2001:db8::53", "new_dhcp6_domain_search": "example.org.", "new_dhcp6_sntp_servers": "2001:db8::7b",
		"new_dhcp6_bootfile_url": "tftp://[2001:db8::7]/x", "new_dhcp6_nis_domain_name": "yellow.example.",
	}
	understood(t, c.wait("BOUND6"), want)
	w.expect(t, "SOLICIT ADVERTISE", "REQUEST REPLY")
	c.process.Kill()
	c.start(argv...) // it confirms the lease that it has
	understood(t, c.wait("BOUND6"), want)
	w.expect(t, "CONFIRM REPLY")
	c.process.Kill()
	c.start(append([]string{"dhclient", "-6", "-r"}, argv[2:]...)...)
	c.until("RELEASE", func() bool { return strings.Contains(strings.Join(w.exchange(), ","), "RELEASE REPLY") })
}

func TestDhclient6Stateless(t *testing.T) {
	t.Parallel()
	cfg := fullConfig(t)
	cfg.V6.Addresses = nil
	w := newWire(t, cfg, nil)
	c := newClient(t, w)
	c.start("dhclient", "-6", "-S", "-d", "-1", "-cf", c.write("conf", ""), "-sf", c.dir+"/script", "-lf", c.dir+"/leases", "-pf", c.dir+"/pid", lab.Interface)
	understood(t, c.wait("RENEW6"), map[string]string{"new_dhcp6_name_servers": "2001:db8::53", "new_dhcp6_domain_search": "example.org."})
	w.expect(t, "INFORMATION-REQUEST REPLY")
}

// TestKernelTakesTheAdvertisement lets Linux itself configure an address, an MTU and routes.
func TestKernelTakesTheAdvertisement(t *testing.T) {
	t.Parallel()
	w := newWire(t, fullConfig(t), raConfig(model.SLAAC, model.DHCPv6Stateful))
	w.run("ip", "link", "set", lab.Interface, "down")
	w.run("ip", "link", "set", lab.Interface, "up") // it solicits routers now
	until(t, "address", func() string { return w.run("ip", "-6", "address", "show", "dev", lab.Interface, "scope", "global") },
		func(s string) bool { return strings.Contains(s, "2001:db8::f816:3eff:fe00:5/64") })
	if got := w.run("ip", "-6", "address", "show", "dev", lab.Interface, "scope", "global"); strings.Contains(got, "2001:db8:1:") {
		t.Errorf("an address was formed in the stateful subnet:\n%s", got)
	}
	routes := w.run("ip", "-6", "route", "show", "dev", lab.Interface)
	for _, want := range []string{"2001:db8::/64 proto kernel", "2001:db8:1::/64 proto kernel"} {
		if !strings.Contains(routes, want) {
			t.Errorf("no route %s in\n%s", want, routes)
		}
	}
	if strings.Contains(routes, "default") {
		t.Errorf("a default route, though nobody routes:\n%s", routes)
	}
	if got := w.run("cat", "/proc/sys/net/ipv6/conf/"+lab.Interface+"/mtu"); strings.TrimSpace(got) != "1442" {
		t.Errorf("MTU %s", got)
	}
}

func TestRdisc6(t *testing.T) {
	t.Parallel()
	w := newWire(t, fullConfig(t), raConfig(model.SLAAC))
	c := newClient(t, w)
	c.start("rdisc6", "-1", "-w", "5000", lab.Interface)
	<-c.process.Done()
	out := c.process.Output()
	text := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{
		"Hop limit : 64", "Stateful address conf. : No", "Stateful other conf. : No", "Router lifetime : 0 ", "Prefix : 2001:db8::/64", "On-link : Yes",
		"Autonomous address conf.: Yes", "Valid time : 2592000", "Pref. time : 604800", "MTU : 1442", "Source link-layer address: FA:16:3F:00:00:01",
		"Recursive DNS server : 2001:db8::53", "DNS search list : example.org", "DNS server lifetime : 86400",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func (c *client) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}
