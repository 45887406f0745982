package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/model"
)

// dnsmasq is the command line of a dnsmasq that serves one network as Neutron's agent has it do, without
// DNS, which is for its good.
func dnsmasq(netns *lab.Namespace, device, hosts, leases, dhcpRange string) []string {
	return []string{
		"nsenter", "--net=" + netns.Path(),
		"dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--user=root", "--log-facility=-", "--quiet-dhcp", "--pid-file=",
		"--no-hosts", "--no-resolv", "--port=0", "--except-interface=lo", "--interface=" + device, "--bind-interfaces",
		"--dhcp-hostsfile=" + hosts, "--dhcp-leasefile=" + leases, "--dhcp-range=" + dhcpRange, "--dhcp-lease-max=16777216",
		"--dhcp-option-force=option:mtu,1450", "--domain=openstacklocal",
	}
}

// hostsFile writes the addresses that dnsmasq shall give.
func hostsFile(dir, name string, n int, host func(int) (model.MAC, netip.Addr)) (string, error) {
	var text strings.Builder
	for i := range n {
		m, a := host(i)
		fmt.Fprintf(&text, "%s,host-%s.openstacklocal,%s\n", m, strings.ReplaceAll(a.String(), ".", "-"), a)
	}
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(text.String()), 0o600)
}
