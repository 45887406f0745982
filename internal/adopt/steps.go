package adopt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// The names that agents of Neutron and the controller of OVN give.
const (
	tunnelBridge = "br-tun"
	hybridPrefix = "qvo" // the end in the switch of a guest behind a Linux bridge
	metadataOVN  = "ovnmeta-"
	ovnTunnel    = "ovn-chassis-id"
)

// namespacePrefixes begin the names of agents' network namespaces.
func namespacePrefixes() []string {
	return []string{"qrouter-", "qdhcp-", "snat-", "fip-", metadataOVN}
}

// internalPrefixes begin the names of the internal interfaces that agents put into their namespaces.
func internalPrefixes() []string { return []string{"qr-", "qg-", "sg-", "fg-", "ha-", "tap"} }

func (p *planner) step(what string, commands ...string) {
	p.plan.Steps = append(p.plan.Steps, Step{What: what, Commands: commands})
}

func (p *planner) processes() {
	var commands []string
	for _, name := range p.seen.Processes {
		commands = append(commands, "systemctl disable --now "+quote(name))
	}
	if len(commands) > 0 {
		p.step("Processes that program the switch, too, or serve what flows will serve.", commands...)
	}
}

// hybrids finds guests whose packets pass a Linux bridge, in which nobody will change iptables any more.
func (p *planner) hybrids() {
	var names []string
	for _, i := range p.interfaces(p.seen.Bridge) {
		if strings.HasPrefix(i.Name, hybridPrefix) {
			names = append(names, i.Name)
		}
	}
	if len(names) > 0 {
		p.step("Guests behind a Linux bridge whose iptables nobody will change any more. Before the adoption set firewall_driver = openvswitch " +
			"of the agent, then migrate or hard-reboot them: " + strings.Join(names, " "))
	}
}

func (p *planner) namespaces() {
	var commands []string
	for _, name := range p.seen.Namespaces {
		if hasPrefix(name, namespacePrefixes()) {
			commands = append(commands, "ip netns delete "+quote(name))
		}
	}
	if len(commands) > 0 {
		p.step("Network namespaces with routers, dnsmasq or proxies, for addresses that flows will answer for.", commands...)
	}
}

// interfacesOfAgents are plugged as guests' are, and would be taken for the ports of routers and DHCP that they were.
func (p *planner) interfacesOfAgents() {
	proxies := p.metadataInterfaces()
	var commands []string
	for _, i := range p.interfaces(p.seen.Bridge) {
		if i.Type == "internal" && hasPrefix(i.Name, internalPrefixes()) || slices.Contains(proxies, i.Name) {
			commands = append(commands, p.deletePort(i))
		}
	}
	if len(commands) > 0 {
		p.step("Interfaces of routers, DHCP and metadata in these namespaces.", commands...)
	}
}

// metadataInterfaces returns the names that OVN's metadata agent gives to the switch's end of its pairs of devices.
func (p *planner) metadataInterfaces() []string {
	const digits = 10
	var names []string
	for _, name := range p.seen.Namespaces {
		if network, ok := strings.CutPrefix(name, metadataOVN); ok && len(network) >= digits {
			names = append(names, "tap"+network[:digits]+"0")
		}
	}
	return names
}

// tunnels of others would take what is meant for ours.
func (p *planner) tunnels() {
	var commands []string
	if p.db.Bridge(tunnelBridge) != nil {
		commands = append(commands, "ovs-vsctl del-br "+tunnelBridge)
	}
	for _, i := range p.interfaces(p.seen.Bridge) {
		toTunnels := i.Type == "patch" && i.Options["peer"] == "patch-int"
		if toTunnels || p.db.PortOf(i.UUID).ExternalIDs[ovnTunnel] != "" {
			commands = append(commands, p.deletePort(i))
		}
	}
	if len(commands) > 0 {
		p.step("Tunnels of others, which take what comes for the controller's own.", commands...)
	}
}

// wires are both ends of others' patches between the integration bridge and bridges of physical networks.
func (p *planner) wires() {
	var commands []string
	for _, i := range p.interfaces(p.seen.Bridge) {
		peer := p.db.InterfaceNamed(i.Options["peer"])
		if i.Type != "patch" || peer == nil || i.Options["peer"] == "patch-int" {
			continue
		}
		commands = append(commands, p.deletePort(i))
		if p.db.BridgeOf(peer.UUID) != nil {
			commands = append(commands, p.deletePort(peer))
		}
	}
	if len(commands) > 0 {
		p.step("Patches to the bridges of physical networks, beside which the controller makes its own.", commands...)
	}
}

// physicalBridges were programmed by agents, and have to be plain switches for controllers.
func (p *planner) physicalBridges() {
	var bridges []*ovsdb.Bridge
	for b := range p.db.Bridges() {
		programmed := b.FailMode == "secure" || len(b.Controllers) > 0
		if b.Name != p.seen.Bridge && b.Name != tunnelBridge && programmed && b.ExternalIDs[ovsdb.OwnerKey] == "" {
			bridges = append(bridges, b)
		}
	}
	slices.SortFunc(bridges, func(a, b *ovsdb.Bridge) int { return strings.Compare(a.Name, b.Name) })
	for _, b := range bridges {
		name := quote(b.Name)
		p.step(fmt.Sprintf("The bridge %s has been programmed by an agent. It has to be a plain switch.", b.Name),
			"ovs-vsctl del-controller "+name, "ovs-vsctl set-fail-mode "+name+" standalone",
			"ovs-ofctl del-flows "+name, "ovs-ofctl add-flow "+name+" actions=normal")
	}
}

// flows of others come before ours or behind them: both is wrong.
func (p *planner) flows() {
	b := p.db.Bridge(p.seen.Bridge)
	if b == nil {
		return
	}
	var commands []string
	if len(b.Controllers) > 0 {
		commands = append(commands, "ovs-vsctl del-controller "+quote(b.Name))
	}
	if p.seen.Others > 0 {
		// Deleting a group or a meter takes away the flows that use it, so flows go first.
		for _, what := range []string{"flows", "groups", "meters"} {
			commands = append(commands, "ovs-ofctl -O OpenFlow14 del-"+what+" "+quote(b.Name))
		}
	}
	if len(commands) > 0 {
		p.step(fmt.Sprintf("%d flows of others on %s. From here until the controller has started, guests of this host have no network.",
			p.seen.Others, b.Name), commands...)
	}
}

func (p *planner) deletePort(i *ovsdb.Interface) string {
	return "ovs-vsctl del-port " + quote(p.db.BridgeOf(i.UUID).Name) + " " + quote(p.db.PortOf(i.UUID).Name)
}

func hasPrefix(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// quote makes a word of a shell of what others have named.
func quote(word string) string {
	plain := func(r rune) bool {
		return r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 && word[0] != '-' {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
