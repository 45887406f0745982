package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// openstack is where Debian's python3-openstackclient lies; another Python in front of PATH would not find its modules.
const openstack = "/usr/bin/openstack"

// answers are what the commands of a session print, in order.
type answers []any

// is checks attributes of one answer.
func (a answers) is(t *testing.T, i int, want obj) {
	t.Helper()
	got, ok := a[i].(obj)
	if !ok {
		t.Fatalf("answer %d is %v", i, a[i])
	}
	for k, v := range want {
		if diff := cmp.Diff(v, got[k]); diff != "" {
			t.Errorf("answer %d, %s: %s", i, k, diff)
		}
	}
}

// size checks how long an answer is that is a list.
func (a answers) size(t *testing.T, i, want int) {
	t.Helper()
	if l, ok := a[i].([]any); !ok || len(l) != want {
		t.Errorf("answer %d: %v, want %d entries", i, a[i], want)
	}
}

// runClient runs commands with the real openstack client, as one interactive session, and returns what they print as
// JSON, in order. Commands that print nothing give nothing.
func runClient(t *testing.T, base string, commands string) answers {
	t.Helper()
	cmd := exec.Command(openstack)
	cmd.Env = append(os.Environ(), "PATH=/usr/bin:/bin", "OS_AUTH_TYPE=none", "OS_ENDPOINT="+base, "HOME="+t.TempDir())
	cmd.Stdin = strings.NewReader(commands)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || strings.Contains(stderr.String(), "HTTP") || strings.Contains(stderr.String(), "rror") {
		t.Fatalf("%v\n%s\n%s", err, out, stderr.String())
	}
	var list answers
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		list = append(list, v)
	}
}

func needClient(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(openstack); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no openstack client: ", err)
	}
}

// story is what a user does in the session; each line prints JSON or nothing.
const story = `
network create -f json --description d1 --tag red --mtu 1400 blue
network create -f json --project acme --share green
subnet create -f json --network blue --subnet-range 10.0.0.0/24 --dns-nameserver 8.8.8.8 --allocation-pool start=10.0.0.10,end=10.0.0.20 s4
subnet create -f json --network blue --ip-version 6 --subnet-range 2001:db8::/64 --ipv6-ra-mode slaac --ipv6-address-mode slaac s6
port create -f json --network blue --fixed-ip subnet=s4,ip-address=10.0.0.15 --mac-address fa:16:3e:00:00:05 --host c1 --extra-dhcp-option name=mtu,value=1300 --allowed-address ip-address=10.0.0.50 p1
port list -f json --network blue --fixed-ip ip-address=10.0.0.15
security group create -f json --stateless web
security group rule create -f json --protocol tcp --dst-port 80:90 --remote-ip 10.0.0.0/8 web
security group rule create -f json --protocol ipv6-icmp --ethertype IPv6 --icmp-type 128 --remote-group web web
security group rule list -f json web
port set --security-group web --name p1x --description dd --tag t1 p1
port unset --security-group default p1x
port show -f json p1x
port set --no-security-group --disable-port-security --no-allowed-address p1x
port show -f json p1x
network set --tag a --tag b --name blue2 --disable blue
network unset --tag a blue2
network show -f json blue2
subnet set --no-dns-nameservers --dns-nameserver 9.9.9.9 --name s4x --host-route destination=1.2.3.0/24,gateway=10.0.0.3 s4
subnet show -f json s4x
subnet unset --host-route destination=1.2.3.0/24,gateway=10.0.0.3 s4x
subnet set --gateway none s4x
subnet show -f json s4x
quota set --ports 77 acme
quota show -f json acme
quota list -f json --network
ip availability show -f json blue2
network list -f json --project acme
network list -f json --tags b
extension list -f json --network
port delete p1x
subnet delete s4x
security group delete web
network delete blue2
network list -f json
`

// The real openstack client lives with the API: create, show, list, set, unset and delete.
func TestOpenStackClient(t *testing.T) {
	t.Parallel()
	needClient(t)
	conn := memory.Open()
	chassis(t, conn, "c1")
	c := start(t, conn)
	a := runClient(t, c.base, story)
	if len(a) != 22 {
		t.Fatalf("%d answers", len(a))
	}
	a.is(t, 0, obj{"name": "blue", "description": "d1", "mtu": 1400.0, "tags": []any{"red"}, "project_id": "default"})
	a.is(t, 1, obj{"project_id": "acme", "shared": true})
	a.is(t, 2, obj{"cidr": "10.0.0.0/24", "gateway_ip": "10.0.0.1", "dns_nameservers": []any{"8.8.8.8"},
		"allocation_pools": []any{obj{"start": "10.0.0.10", "end": "10.0.0.20"}}})
	a.is(t, 3, obj{"ip_version": 6.0, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"})
	a.is(t, 4, obj{"mac_address": "fa:16:3e:00:00:05", "binding_host_id": "c1", "binding_vif_type": "ovs", "status": "DOWN",
		"extra_dhcp_opts":       []any{obj{"opt_name": "mtu", "opt_value": "1300", "ip_version": 4.0}},
		"allowed_address_pairs": []any{obj{"ip_address": "10.0.0.50", "mac_address": "fa:16:3e:00:00:05"}}})
	a.size(t, 5, 1)
	a.is(t, 6, obj{"name": "web", "stateful": false})
	a.is(t, 7, obj{"port_range_min": 80.0, "port_range_max": 90.0, "remote_ip_prefix": "10.0.0.0/8", "protocol": "tcp"})
	a.is(t, 8, obj{"ether_type": "IPv6", "port_range_min": 128.0})
	a.size(t, 9, 4)
	a.is(t, 10, obj{"name": "p1x", "description": "dd", "tags": []any{"t1"}, "port_security_enabled": true})
	a.is(t, 11, obj{"port_security_enabled": false, "security_group_ids": []any{}, "allowed_address_pairs": []any{}})
	a.is(t, 12, obj{"name": "blue2", "admin_state_up": false, "tags": []any{"b", "red"}})
	a.is(t, 13, obj{"name": "s4x", "dns_nameservers": []any{"9.9.9.9"},
		"host_routes": []any{obj{"destination": "1.2.3.0/24", "nexthop": "10.0.0.3"}}})
	a.is(t, 14, obj{"host_routes": []any{}, "gateway_ip": nil})
	a.is(t, 15, obj{"ports": 77.0, "networks": -1.0})
	a.size(t, 16, 1)
	a.is(t, 17, obj{"network_name": "blue2", "used_ips": 2.0})
	a.size(t, 18, 1)
	a.size(t, 19, 1)
	a.size(t, 20, len(c.list("/v2.0/extensions")))
	a.size(t, 21, 1)
}

// The command as the documentation has it.
func TestOpenStackClientByFlags(t *testing.T) {
	t.Parallel()
	needClient(t)
	c := open(t)
	cmd := exec.Command(openstack, "--os-auth-type", "none", "--os-endpoint", c.base, "network", "create", "blue", "-f",
		"value", "-c", "name")
	cmd.Env = append(os.Environ(), "PATH=/usr/bin:/bin", "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "blue\n" {
		t.Errorf("%v: %s", err, out)
	}
}
