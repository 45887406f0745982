// Package objects reads the objects of the topology for an operator, from the Neutron API of a server or
// straight from the northbound database, and shows them as tables.
package objects

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Object is one object as JSON has it: the fields of Neutron's API, or those of the stored model.
type Object map[string]any

// Kind is a kind of objects that can be asked for.
type Kind struct {
	// Word is what people type; the plural and other ways to write it are understood, too.
	Word string
	// Stored is the kind in the database.
	Stored model.Kind
	// path is the collection in Neutron's API; empty if it has none.
	path    string
	columns []string
}

// Kinds lists all of them.
func Kinds() []Kind {
	return []Kind{
		{"network", model.KindNetwork, "networks", []string{"id", "name", "status", "admin_state_up", "mtu", "project_id"}},
		{"subnet", model.KindSubnet, "subnets", []string{"id", "name", "network_id", "cidr", "gateway_ip", "enable_dhcp"}},
		{"port", model.KindPort, "ports", []string{"id", "name", "status", "mac_address", "fixed_ips", "binding:host_id", "network_id"}},
		{"security-group", model.KindSecurityGroup, "security-groups", []string{"id", "name", "stateful", "project_id"}},
		{"security-group-rule", model.KindSecurityGroupRule, "security-group-rules", []string{
			"id", "security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id"}},
		{"security-group-member", model.KindSecurityGroupMember, "", []string{"id", "security_group_id", "network_id", "addresses"}},
		{"security-group-log", model.KindSecurityGroupLog, "log/logs", []string{"id", "name", "enabled", "event", "security_group_id", "port_id", "project_id"}},
		{"qos-policy", model.KindQoSPolicy, "qos/policies", []string{"id", "name", "shared", "is_default", "project_id"}},
		{"binding", model.KindBinding, "", []string{"id", "host", "status", "network_id"}},
		{"port-status", model.KindPortStatus, "", []string{"id", "host", "up", "realised", "network_id"}},
		{"chassis", model.KindChassis, "", []string{"id", "version", "bridge", "tunnel_ip", "tunnel_types"}},
		{"heartbeat", model.KindHeartbeat, "", []string{"id", "started"}},
		{"chassis-status", model.KindChassisStatus, "", []string{"id", "started", "reported", "received", "realised", "behind_since"}},
		{"router", model.KindRouter, "routers", []string{"id", "name", "admin_state_up", "routes", "project_id"}},
		{"router-interface", model.KindRouterInterface, "", []string{"id", "router_id", "network_id", "mac_address", "fixed_ips"}},
		{"router-gateway", model.KindRouterGateway, "", []string{"id", "router_id", "network_id", "mac_address", "fixed_ips", "enable_snat", "chassis"}},
		{"gateway-duty", model.KindGatewayDuty, "", []string{"id", "host"}},
		{"floating-ip", model.KindFloatingIP, "", []string{"id", "floating_ip_address", "fixed_ip_address", "port_id", "router_id", "host"}},
		{"external-port", model.KindExternalPort, "", []string{"id", "network_id", "mac_address", "router_id", "chassis"}},
		{"port-forwarding", model.KindPortForwarding, "", []string{
			"id", "protocol", "external_address", "external_ports", "internal_address", "internal_ports", "router_id", "host"}},
		{"chassis-address", model.KindChassisAddress, "", []string{"id", "host", "network_id", "mac_address", "fixed_ips"}},
		{"address-claim", model.KindAddressClaim, "", []string{"id", "host", "network_id", "ip_address", "seq"}},
		{"active-address", model.KindActiveAddress, "", []string{"id", "network_id", "port_id", "mac_address"}},
	}
}

// ParseKind understands a kind in singular or plural, with or without hyphens.
func ParseKind(word string) (Kind, error) {
	plain := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	}
	var words []string
	for _, k := range Kinds() {
		if w := plain(k.Word); plain(word) == w || plain(word) == w+"s" || plain(word) == w+"es" {
			return k, nil
		}
		words = append(words, k.Word)
	}
	hint := ""
	if near := config.Nearest(word, words); near != "" {
		hint = fmt.Sprintf("did you mean %s? ", near)
	}
	return Kind{}, fmt.Errorf("unknown kind %q; %sthe kinds are %s", word, hint, strings.Join(words, ", "))
}

// Write writes a table of objects, or all fields of the only one that was asked for by name.
func Write(w io.Writer, k Kind, list []Object, all bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if all && len(list) == 1 {
		for _, key := range sortedKeys(list[0]) {
			fmt.Fprintf(t, "%s\t%s\n", key, cell(list[0][key]))
		}
		return t.Flush()
	}
	if len(list) == 0 {
		_, err := fmt.Fprintf(w, "no %s\n", k.Word)
		return err
	}
	used := slices.DeleteFunc(append(slices.Clone(k.columns), "error"), func(column string) bool {
		return !slices.ContainsFunc(list, func(o Object) bool { _, has := o[column]; return has })
	})
	titles := make([]string, len(used))
	for i, column := range used {
		_, title, found := strings.Cut(column, ":")
		if !found {
			title = column
		}
		titles[i] = strings.ToUpper(strings.TrimSuffix(title, "_id"))
	}
	fmt.Fprintln(t, strings.Join(titles, "\t"))
	for _, o := range list {
		cells := make([]string, len(used))
		for i, column := range used {
			cells[i] = cmp.Or(cell(o[column]), "-")
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

func sortedKeys(o Object) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		first := func(k string) int { return slices.Index([]string{"name", "id"}, k) }
		return cmp.Or(cmp.Compare(first(b), first(a)), cmp.Compare(a, b))
	})
	return keys
}

// cell writes a value of JSON for people. Text comes from users: what is not printable is replaced.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.Map(printable, v)
	case []any:
		list := make([]string, len(v))
		for i, x := range v {
			list[i] = cell(x)
		}
		return strings.Join(list, ", ")
	case map[string]any:
		if a, ok := v["ip_address"]; ok {
			return cell(a)
		}
		if d, ok := v["destination"]; ok {
			return cell(d) + " via " + cell(v["nexthop"])
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return strings.Map(printable, string(b))
}

func printable(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 {
		return '\uFFFD'
	}
	return r
}
