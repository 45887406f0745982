package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/testkit/netns"
)

// openstack is Debian's client; another Python in front of PATH would not find its modules.
const openstack = "/usr/bin/openstack"

// A user does it all with the openstack client: a network, subnets, ports, a security group with a rule. The guests get
// their addresses and reach what the rule allows, and nothing else.
func TestByTheOpenstackClient(t *testing.T) {
	t.Parallel()
	netns.Need(t, openstack)
	c := newCloud(t)
	c.standalone()
	answers := c.openstack(`
network create -f json blue
subnet create -f json --network blue --subnet-range 10.0.0.0/24 blue4
subnet create -f json --network blue --ip-version 6 --subnet-range 2001:db8::/64 --ipv6-ra-mode dhcpv6-stateful --ipv6-address-mode dhcpv6-stateful blue6
security group create -f json web
security group rule create -f json --protocol icmp web
security group rule create -f json --ethertype IPv6 --protocol ipv6-icmp web
security group rule create -f json --protocol tcp --dst-port 8001 web
port create -f json --network blue --security-group web --host c1 server
port create -f json --network blue client
`)
	server := c.boot(answers[7], "server")
	client := c.boot(answers[8], "client") // nobody has said where: it is bound to where it is plugged in
	c.waitActive(server.id)
	c.waitActive(client.id)
	for g, kind := range map[*guest]lab.Client{server: lab.Dhclient4, client: lab.Udhcpc} {
		if l := g.Lease(g.DHCP(kind)); l.Address.Addr() != g.v4 {
			t.Errorf("lease %v, not %v", l.Address, g.v4)
		}
	}
	server.Echo(8001)
	server.Echo(8002)
	client.Reaches(server.v4.String())
	client.Connect(server.v4.String(), 8001)
	client.Refuses(server.v4.String(), 8002, cutWithin)

	answers = c.openstack(`
security group rule create -f json --protocol tcp --dst-port 8002 web
port show -f json server
port show -f json client
`)
	client.Connect(server.v4.String(), 8002)
	for _, p := range answers[1:] {
		if p["status"] != "ACTIVE" || p["binding_host_id"] != chassis {
			t.Errorf("port %v is %v at %v", p["name"], p["status"], p["binding_host_id"])
		}
	}
	if out, err := c.ask("why", "client", "server", "tcp/8003"); err != nil || !strings.Contains(out, "web") {
		t.Errorf("why does not name the group: %v\n%s", err, out)
	}
}

// openstack runs commands as one session and returns what they print as JSON, in order.
func (c *cloud) openstack(commands string) (answers []obj) {
	c.t.Helper()
	script := filepath.Join(c.dir, "commands")
	if err := os.WriteFile(script, []byte(commands), 0o600); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := soon()
	defer cancel()
	out, err := c.Host.Run(ctx, "env", "PATH=/usr/bin:/bin", "HOME="+c.dir, "OS_AUTH_TYPE=none", "OS_ENDPOINT=http://"+apiURL,
		"sh", "-c", openstack+" < "+script+" 2> "+script+".errors")
	if complaints, _ := os.ReadFile(script + ".errors"); err != nil || len(complaints) > 0 {
		c.t.Fatalf("openstack: %v\n%s\n%s", err, out, complaints)
	}
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var o obj
		switch err := d.Decode(&o); {
		case errors.Is(err, io.EOF):
			return answers
		case err != nil:
			c.t.Fatalf("%v in\n%s", err, out)
		}
		answers = append(answers, o)
	}
}
