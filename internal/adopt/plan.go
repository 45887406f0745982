package adopt

import (
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// Setting is a setting of the controller, as it stands in its file.
type Setting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Step is something that has to be done on the host.
type Step struct {
	// What is there now, and why it may not stay.
	What string `json:"what"`
	// Commands of a shell that do it. None: it cannot be done on this host alone.
	Commands []string `json:"commands,omitempty"`
}

// Plan is what a host needs.
type Plan struct {
	// Backend that has served the host: ML2/OVS, ML2/OVN, or "" if there is no trace of either.
	Backend string `json:"backend"`

	Settings []Setting `json:"settings"`
	// Steps in the order in which they have to be done. None: the controller can start.
	Steps []Step `json:"steps,omitempty"`
}

// planner gathers a plan.
type planner struct {
	seen *Seen
	db   *ovsdb.DB
	plan Plan
}

// Make returns what the host needs of which this was seen.
func Make(seen *Seen) Plan {
	p := &planner{seen: seen, db: seen.DB}
	p.plan.Backend = p.backend()
	p.settings()
	p.processes()
	p.hybrids()
	p.namespaces()
	p.interfacesOfAgents()
	p.tunnels()
	p.wires()
	p.physicalBridges()
	p.flows()
	return p.plan
}

func (p *planner) ids() map[string]string {
	if root := p.db.OpenvSwitch(); root != nil {
		return root.ExternalIDs
	}
	return nil
}

func (p *planner) backend() string {
	switch {
	case p.ids()["ovn-remote"] != "" || slices.Contains(p.seen.Processes, "ovn-controller"):
		return "ML2/OVN"
	case p.db.Bridge(tunnelBridge) != nil || slices.Contains(p.seen.Processes, "neutron-openvswitch-agent"):
		return "ML2/OVS"
	}
	return ""
}

// settings are those that the host shows, of which the controller's defaults differ.
func (p *planner) settings() {
	set := func(key, value string) {
		if value != "" {
			p.plan.Settings = append(p.plan.Settings, Setting{key, value})
		}
	}
	ids := p.ids()
	if p.plan.Backend == "ML2/OVN" {
		set("chassis", ids["hostname"])
	}
	set("bridge", p.seen.Bridge)
	if b := p.db.Bridge(p.seen.Bridge); b != nil {
		set("datapath-type", b.DatapathType)
	}
	set("tunnel-ip", p.tunnelIP())
	set("tunnel-types", p.tunnelTypes())
	set("bridge-mappings", ids["ovn-bridge-mappings"])
	if slices.Contains(strings.Split(ids["ovn-cms-options"], ","), "enable-chassis-as-gw") {
		set("gateway", "true")
	}
}

func (p *planner) tunnelIP() string {
	if ip, _, _ := strings.Cut(p.ids()["ovn-encap-ip"], ","); ip != "" {
		return ip
	}
	for _, i := range p.interfaces(tunnelBridge) {
		if ip := i.Options["local_ip"]; ip != "" {
			return ip
		}
	}
	return ""
}

// tunnelTypes are those of OVN that are ours, too.
func (p *planner) tunnelTypes() string {
	var ours []string
	for _, kind := range strings.Split(p.ids()["ovn-encap-type"], ",") {
		if kind == "geneve" || kind == "vxlan" {
			ours = append(ours, kind)
		}
	}
	return strings.Join(ours, ",")
}

// interfaces returns those of a bridge that are not ours already, by name.
func (p *planner) interfaces(bridge string) []*ovsdb.Interface {
	var found []*ovsdb.Interface
	for i := range p.db.Plugged(bridge) {
		if port := p.db.PortOf(i.UUID); port != nil && port.ExternalIDs[ovsdb.OwnerKey] == "" {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b *ovsdb.Interface) int { return strings.Compare(a.Name, b.Name) })
	return found
}
