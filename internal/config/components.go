package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Process is what every daemon has.
type Process struct {
	LogLevel      string `key:"log-level" help:"least severe messages that are logged: debug, info, warn or error"`
	LogFormat     string `key:"log-format" help:"text for people, json for programs"`
	MetricsListen string `key:"metrics-listen" default:"127.0.0.1:9697; a controller 127.0.0.1:9698" help:"address of /metrics, /healthz and /readyz; \"off\" for none"`
}

func defaultProcess() Process { return Process{LogLevel: "info", LogFormat: "text"} }

func (*Process) title() string { return "Every daemon" }

func (p *Process) problems() map[string]string {
	found := map[string]string{}
	if _, err := p.level(); err != nil {
		found["log-level"] = "must be debug, info, warn or error"
	}
	if p.LogFormat != "text" && p.LogFormat != "json" {
		found["log-format"] = "must be text or json"
	}
	if p.MetricsListen != "" && p.MetricsListen != "off" && !isAddress(p.MetricsListen) {
		found["metrics-listen"] = "must be host:port or off"
	}
	return found
}

// Database is where the logical topology is kept.
type Database struct {
	URL    string `key:"db" help:"the northbound database: embedded:///FOLDER, etcd://HOST:PORT,…, redis://HOST:PORT, memory:// (lost at the end); etcds:// and rediss:// with TLS"`
	Prefix string `key:"db-prefix" help:"first part of every key in a database that others use too"`
	Cert   string `key:"db-cert" default:"none" help:"PEM file with the client certificate for the database"`
	Key    string `key:"db-key" default:"none" help:"PEM file with the key of that certificate"`
	CA     string `key:"db-ca" default:"the system's" help:"PEM file with the authorities that may vouch for the database"`
}

func defaultDatabase() Database {
	return Database{URL: "embedded:///var/lib/dragonflow", Prefix: "dragonflow"}
}

func (*Database) title() string { return "Northbound database" }

func (d *Database) problems() map[string]string {
	found := map[string]string{}
	if scheme, _, ok := strings.Cut(d.URL, "://"); !ok || scheme == "" {
		found["db"] = "must be a URL such as etcd://127.0.0.1:2379"
	}
	if d.Prefix == "" || strings.Contains(d.Prefix, "/") {
		found["db-prefix"] = "must be a word without slashes"
	}
	if (d.Cert == "") != (d.Key == "") {
		found["db-cert"] = "and db-key must be given together"
	}
	return found
}

// API is the server's north door.
type API struct {
	Listen    string `key:"api-listen" help:"address of the Neutron API: host:port or unix:/path; beyond this host it needs a certificate, and client certificates or a token"`
	Cert      string `key:"api-cert" default:"none" help:"PEM file with the API's certificate; makes it speak TLS"`
	Key       string `key:"api-key" default:"none" help:"PEM file with the key of the API's certificate"`
	ClientCA  string `key:"api-client-ca" default:"none" help:"PEM file with the authorities that vouch for callers of the API, who then need a certificate"`
	TokenFile string `key:"api-token-file" default:"none" help:"file with the token that callers of the API send as X-Auth-Token"`
}

func defaultAPI() API { return API{Listen: "127.0.0.1:9696"} }

func (*API) title() string { return "Server: the API" }

func (a *API) problems() map[string]string {
	found := map[string]string{}
	if !isAddress(a.Listen) && !strings.HasPrefix(a.Listen, "unix:/") {
		found["api-listen"] = "must be host:port or unix:/path"
	}
	if (a.Cert == "") != (a.Key == "") {
		found["api-cert"] = "and api-key must be given together"
	}
	return found
}

// Neutron is the door by which a Neutron pushes its objects.
type Neutron struct {
	Listen   string `key:"neutron-listen" default:"none: clients of the API make the resources" help:"address at which a real Neutron pushes its objects to the server, which then serves no API: unix:/path, or host:port with certificates on both sides"`
	Group    string `key:"neutron-group" default:"none" help:"group whose members may use that Unix socket, such as neutron"`
	Cert     string `key:"neutron-cert" default:"none" help:"PEM file with the certificate of that address"`
	Key      string `key:"neutron-key" default:"none" help:"PEM file with the key of that certificate"`
	ClientCA string `key:"neutron-client-ca" default:"none" help:"PEM file with the authorities that vouch for Neutrons"`
}

func (*Neutron) title() string { return "Server: behind a Neutron" }

func (n *Neutron) problems() map[string]string {
	found := map[string]string{}
	isUnix := strings.HasPrefix(n.Listen, "unix:/")
	switch {
	case n.Listen != "" && !isUnix && !isAddress(n.Listen):
		found["neutron-listen"] = "must be unix:/path or host:port"
	case n.Listen != "" && !isUnix && (n.Cert == "" || n.ClientCA == ""):
		found["neutron-listen"] = "needs neutron-cert, neutron-key and neutron-client-ca; only unix:/path needs none"
	case n.Group != "" && !isUnix:
		found["neutron-group"] = "needs neutron-listen with unix:/path"
	}
	if (n.Cert == "") != (n.Key == "") {
		found["neutron-cert"] = "and neutron-key must be given together"
	}
	return found
}

// Chassis is the host that a controller serves.
type Chassis struct {
	Name   string `key:"chassis" default:"the host's name" help:"name of this chassis; Neutron's binding:host_id"`
	OVSDB  string `key:"ovsdb" help:"the local Open vSwitch database"`
	Bridge string `key:"bridge" help:"the integration bridge; created if it is missing"`
	// DatapathType is what Open vSwitch calls datapath_type.
	DatapathType string   `key:"datapath-type" default:"as the bridge has it; system for a new one" help:"datapath of the integration bridge: system (the kernel's) or netdev (in user space)"`
	TunnelIP     string   `key:"tunnel-ip" default:"none: no tunnels" help:"address of this host to which other chassis send tunnelled packets"`
	TunnelTypes  []string `key:"tunnel-types" help:"tunnels that other chassis may use towards this one, of geneve and vxlan"`
	// BridgeMappings are physical networks with their bridges, each as NETWORK:BRIDGE.
	BridgeMappings []string `key:"bridge-mappings" default:"none" help:"physical networks that this host is connected to, each with the bridge that leads there: physnet1:br-ex,physnet2:br-vlan; the bridges must exist"`
	// Bandwidths are what the ways to physical networks carry, each as NETWORK:KILOBITS.
	Bandwidths []string `key:"bandwidths" default:"none: no port has a guaranteed one" help:"kilobits a second that the device of each physical network carries, of which ports may have some guaranteed: physnet1:10000000; the device gets queues, and sends no more than that; needs datapath-type system"`
	Gateway    bool     `key:"gateway" help:"whether routers may have their gateways on this chassis"`
	// AvailabilityZones are Neutron's; a router's hints name some of them.
	AvailabilityZones []string `key:"availability-zones" default:"none" help:"availability zones in which this host is; routers that ask for a zone have their gateways on chassis of it"`
	StateDir          string   `key:"state-dir" help:"folder for what must outlive the process: the last view and the numbers in use"`
}

func defaultChassis() Chassis {
	// A host without a name has to be given one: an empty name is refused by problems.
	name, _ := os.Hostname()
	return Chassis{
		Name:        name,
		OVSDB:       "unix:/run/openvswitch/db.sock",
		Bridge:      "br-int",
		TunnelTypes: []string{"geneve", "vxlan"},
		StateDir:    "/var/lib/dragonflow-controller",
	}
}

const longestInterface = 15 // IFNAMSIZ - 1

func (*Chassis) title() string { return "Controller: one chassis" }

func (c *Chassis) problems() map[string]string {
	found := map[string]string{}
	if c.Name == "" || strings.ContainsAny(c.Name, "/ \t\n") {
		found["chassis"] = "must be a word without slashes"
	}
	if !strings.HasPrefix(c.OVSDB, "unix:") || c.OVSDB == "unix:" {
		found["ovsdb"] = "must be unix:/path: the controller runs beside its switch"
	}
	if c.Bridge == "" || len(c.Bridge) > longestInterface || strings.ContainsAny(c.Bridge, "/ \t\n") {
		found["bridge"] = "must be an interface's name of at most 15 characters"
	}
	if c.TunnelIP != "" {
		if a, err := netip.ParseAddr(c.TunnelIP); err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
			found["tunnel-ip"] = "must be an IPv4 or IPv6 address of this host"
		}
	}
	for _, t := range c.TunnelTypes {
		if t != "geneve" && t != "vxlan" {
			found["tunnel-types"] = "must name geneve, vxlan or both"
		}
	}
	if problem := c.mappingProblem(); problem != "" {
		found["bridge-mappings"] = problem
	}
	if problem := c.bandwidthProblem(); problem != "" {
		found["bandwidths"] = problem
	}
	if problem := c.zoneProblem(); problem != "" {
		found["availability-zones"] = problem
	}
	if c.DatapathType != "" && c.DatapathType != "system" && c.DatapathType != "netdev" {
		found["datapath-type"] = "must be system or netdev"
	}
	if !filepath.IsAbs(c.StateDir) {
		found["state-dir"] = "must be an absolute path"
	}
	return found
}

// mappingProblem says what is wrong with the bridge mappings, empty if nothing is.
func (c *Chassis) mappingProblem() string {
	bridges, networks := map[string]bool{c.Bridge: true}, map[string]bool{}
	for _, m := range c.BridgeMappings {
		network, bridge, _ := strings.Cut(m, ":")
		switch {
		case network == "" || bridge == "" || strings.ContainsAny(m, "/ \t\n"):
			return "must be words of the form NETWORK:BRIDGE"
		case len(bridge) > longestInterface:
			return "must name bridges of at most 15 characters"
		case networks[network]:
			return fmt.Sprintf("must name the physical network %s once", network)
		case bridges[bridge]:
			return fmt.Sprintf("must name each bridge once, and not the integration bridge, as with %s", bridge)
		}
		networks[network], bridges[bridge] = true, true
	}
	return ""
}

// mostKilobits is a terabit a second, more than any device carries.
const mostKilobits = 1_000_000_000

// bandwidthProblem says what is wrong with the bandwidths, empty if nothing is.
func (c *Chassis) bandwidthProblem() string {
	bridges, seen := c.PhysicalNetworks(), map[string]bool{}
	for _, b := range c.Bandwidths {
		network, kbps, _ := strings.Cut(b, ":")
		n, err := strconv.Atoi(kbps)
		switch {
		case err != nil || n < 1 || n > mostKilobits:
			return fmt.Sprintf("must be of the form NETWORK:KILOBITS, from 1 to %d kilobits a second", mostKilobits)
		case bridges[network] == "":
			return fmt.Sprintf("must name physical networks of bridge-mappings, not %s", network)
		case seen[network]:
			return fmt.Sprintf("must name the physical network %s once", network)
		}
		seen[network] = true
	}
	if len(c.Bandwidths) > 0 && c.DatapathType == "netdev" {
		return "needs the datapath-type system: that in user space has no queues"
	}
	return ""
}

// Kilobits returns the bandwidth of each physical network that guarantees some, in kilobits a second; nil if none does.
func (c *Chassis) Kilobits() map[string]int {
	var out map[string]int
	for _, b := range c.Bandwidths {
		network, kbps, _ := strings.Cut(b, ":")
		if n, err := strconv.Atoi(kbps); err == nil {
			if out == nil {
				out = map[string]int{}
			}
			out[network] = n
		}
	}
	return out
}

// longestZones is how much Neutron stores of the zones of an agent.
const longestZones = 255

// zoneProblem says what is wrong with the availability zones, empty if nothing is.
func (c *Chassis) zoneProblem() string {
	seen := map[string]bool{}
	for _, z := range c.AvailabilityZones {
		switch {
		case z == "" || strings.ContainsAny(z, "/,:\"\\ \t\n"):
			return "must be words without slashes, colons and quotes"
		case seen[z]:
			return fmt.Sprintf("must name the zone %s once", z)
		}
		seen[z] = true
	}
	if len(strings.Join(c.AvailabilityZones, ", ")) > longestZones {
		return "must be shorter, 255 characters in all"
	}
	return ""
}

// PhysicalNetworks returns the bridge of each physical network.
func (c *Chassis) PhysicalNetworks() map[string]string {
	bridges := map[string]string{}
	for _, m := range c.BridgeMappings {
		network, bridge, _ := strings.Cut(m, ":") // checked by problems
		bridges[network] = bridge
	}
	return bridges
}

// Address is where other chassis send tunnelled packets; not valid if there are no tunnels.
func (c *Chassis) Address() netip.Addr {
	a, _ := netip.ParseAddr(c.TunnelIP) // checked by problems
	return a.Unmap()
}

// Tunnels are the types of tunnels of this chassis, none without an address.
func (c *Chassis) Tunnels() []model.NetworkType {
	if c.TunnelIP == "" {
		return nil
	}
	types := make([]model.NetworkType, 0, len(c.TunnelTypes))
	for _, t := range c.TunnelTypes {
		types = append(types, model.NetworkType(t))
	}
	return types
}
