package api

import (
	"net/http"
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

func (s *Server) showVersions(w http.ResponseWriter, r *http.Request) error {
	answer(w, http.StatusOK, map[string]any{"versions": []any{map[string]any{
		"id": "v2.0", "status": "CURRENT", "links": []link{{"self", baseURL(r) + "/v2.0/"}},
	}}})
	return nil
}

func (s *Server) showResources(w http.ResponseWriter, r *http.Request) error {
	type entry struct {
		Links      []link `json:"links"`
		Name       string `json:"name"`
		Collection string `json:"collection"`
	}
	list := []entry{}
	types := []*resource.Type{s.agents, s.segments, s.zones}
	for _, c := range s.collections {
		types = append(types, c.typ)
	}
	for _, t := range types {
		list = append(list, entry{[]link{{"self", baseURL(r) + "/v2.0/" + t.Path}}, t.Singular, t.Plural})
	}
	answer(w, http.StatusOK, map[string]any{"resources": list})
	return nil
}

// extension is an entry of the list of extensions: exactly what is served.
type extension struct {
	Alias       string   `json:"alias"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Updated     string   `json:"updated"`
	Links       []string `json:"links"`
}

func (s *Server) extensions() []extension {
	var out []extension
	for _, x := range served() {
		out = append(out, extension{x.alias, x.name, x.description, "2026-01-01T00:00:00-00:00", []string{}})
	}
	return out
}

type words struct{ alias, name, description string }

// served lists the extensions, by alias.
func served() []words {
	return []words{
		{"address-scope", "Address scope", "Subnet pools whose prefixes do not overlap"},
		{"agent", "agent", "The controllers of chassis"},
		{"allowed-address-pairs", "Allowed Address Pairs", "Further source addresses of a port"},
		{"availability_zone", "Availability Zone", "Zones in which chassis are"},
		{"availability_zone_filter", "Availability Zone Filter Extension", "Zones by name, state and what is in them"},
		{"binding", "Port Binding", "The host on which a port is plugged"},
		{"binding-extended", "Port Bindings Extended", "Several bindings of a port, one of them active"},
		{"default-subnetpools", "Default Subnetpools", "A subnet pool for who names none"},
		{"dns-integration", "DNS Integration", "Names of ports and the domain of a network"},
		{"dragonflow-distributed-snat", "Distributed SNAT", "Chassis translate what their guests send outside, each to an address of its own"},
		{"dvr", "Distributed Virtual Router", "Routers are distributed, always"},
		{"empty-string-filtering", "Empty String Filtering", "Lists can be filtered by an empty value"},
		{"ext-gw-mode", "Neutron L3 Configurable external gateway mode", "Gateways without SNAT"},
		{"extraroute", "Neutron Extra Route", "Static routes of a router"},
		{"extraroute-atomic", "Atomically add/remove extra routes", "Routes of a router added and removed one by one"},
		{"extra_dhcp_opt", "Neutron Extra DHCP options", "DHCP options of a port"},
		{"filter-validation", "Filter parameters validation", "Unknown filters are refused"},
		{"fip-port-details", "Floating IP Port Details Extension", "A floating IP shows its port"},
		{"expose-port-forwarding-in-fip", "Expose Port Forwarding in FIP", "A floating IP shows its port forwardings"},
		{"floating-ip-port-forwarding", "Floating IP Port Forwarding", "Ports of a floating IP that go to ports of guests"},
		{"floating-ip-port-forwarding-description", "Floating IP Port Forwarding support description", "Port forwardings have descriptions"},
		{"floating-ip-port-forwarding-port-ranges", "Floating IP Port Forwarding support for port ranges", "Ranges of ports are forwarded"},
		{"ip_allocation", "IP Allocation", "Ports whose addresses are chosen when they are bound"},
		{"ip-substring-filtering", "IP address substring filtering", "Ports by a part of their address"},
		{"external-net", "Neutron external network", "Networks on which routers may have their gateways"},
		{"l2_adjacency", "L2 Adjacency", "Networks whose segments are joined by routers alone"},
		{"logging", "Logging API Extension", "Logs of what security groups let pass or drop"},
		{"multi-provider", "Multi Provider Network", "Networks with several segments"},
		{"net-mtu", "Network MTU", "The MTU of a network is shown"},
		{"net-mtu-writable", "Network MTU (writable)", "The MTU of a network can be set"},
		{"network-ip-availability", "Network IP Availability", "Used and total addresses of networks"},
		{"network_availability_zone", "Network Availability Zone", "Networks with hints at zones"},
		{"pagination", "Pagination support", "Lists in pages"},
		{"port-mac-address-regenerate", "Port MAC address regenerate", "A null MAC asks for a new one"},
		{"port-security", "Port Security", "Ports without address checks"},
		{"project-id", "project_id field enabled", "project_id beside tenant_id"},
		{"provider", "Provider Network", "How the frames of a network travel"},
		{"qos", "Quality of Service", "Policies that limit and mark what ports send and receive"},
		{"qos-bw-limit-direction", "Direction for QoS bandwidth limit rule", "Limits of what is received"},
		{"qos-default", "QoS default policy", "A policy for who names none"},
		{"qos-port-network-policy", "QoS port network policy", "A port shows its network's policy"},
		{"qos-pps", "QoS packet rate limit", "Limits in packets"},
		{"qos-rule-type-details", "Details of QoS rule types", "Which rules are carried out"},
		{"quota_details", "Quota details management support", "Limits and usage of a project"},
		{"quotas", "Quota management support", "Limits of a project"},
		{"revision-if-match", "If-Match constraints based on revision_number", "Conditional changes"},
		{"router", "Neutron L3 Router", "Routers between networks"},
		{"router_availability_zone", "Router Availability Zone", "Routers whose gateways are in certain zones"},
		{"security-group", "security-group", "Security groups and their rules"},
		{"security-groups-normalized-cidr", "Normalized CIDR field for security group rules", "normalized_cidr"},
		{"segment", "Segment", "Segments of networks, and subnets on one of them"},
		{"segments-peer-subnet-host-routes", "Segments peer-subnet host routes", "Routes between the subnets of a network's segments"},
		{"sorting", "Sorting support", "Sorted lists"},
		{"standard-attr-description", "standard-attr-description", "Descriptions"},
		{"standard-attr-revisions", "Resource revision numbers", "revision_number"},
		{"standard-attr-segment", "Standard Attribute Segment Extension", "Segments have descriptions, revisions and times"},
		{"standard-attr-tag", "Tag support for resources with standard attribute", "Tags"},
		{"standard-attr-timestamp", "Resource timestamps", "created_at and updated_at"},
		{"stateful-security-group", "Stateful security group", "Security groups without connection tracking"},
		{"subnet_allocation", "Subnet Allocation", "Subnets cut from pools of prefixes"},
		{"subnet-segmentid-writable", "Subnet SegmentID (writable)", "A subnet is put on its network's only segment"},
		{"subnetpool-prefix-ops", "Subnet Pool Prefix Operations", "Prefixes of a pool added and removed one by one"},
		{"trunk", "Trunk Extension", "Ports whose guests have further ports in VLANs"},
		{"trunk-details", "Trunk port details", "A port shows the trunk that it carries"},
	}
}

func (s *Server) resolveExtensions(prefix string, parts []string) (string, methods) {
	if len(parts) == 0 {
		return prefix, methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) error {
			answer(w, http.StatusOK, map[string]any{"extensions": s.extensions()})
			return nil
		}}
	}
	if len(parts) > 1 {
		return "other", nil
	}
	return prefix + "/{alias}", methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) error {
		all := s.extensions()
		i := slices.IndexFunc(all, func(e extension) bool { return e.Alias == parts[0] })
		if i < 0 {
			return &resource.Error{Status: http.StatusNotFound, Type: "ExtensionsNotFound",
				Message: "Extensions not found: " + parts[0] + "."}
		}
		answer(w, http.StatusOK, map[string]any{"extension": all[i]})
		return nil
	}}
}

// resolveProjects serves the little of Keystone that the openstack client asks for when a project is
// named: without authentication a project is what it is called.
func (s *Server) resolveProjects(parts []string) (string, methods) {
	project := func(id string) map[string]any {
		return map[string]any{"id": id, "name": id, "domain_id": "default", "enabled": true, "is_domain": false}
	}
	switch len(parts) {
	case 1:
		return "/projects", methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) error {
			list := []any{}
			if name := r.URL.Query().Get("name"); name != "" {
				list = append(list, project(name))
			} else {
				for _, p := range s.knownProjects() {
					list = append(list, project(p))
				}
			}
			answer(w, http.StatusOK, map[string]any{"projects": list})
			return nil
		}}
	case 2:
		return "/projects/{id}", methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) error {
			answer(w, http.StatusOK, map[string]any{"project": project(parts[1])})
			return nil
		}}
	}
	return "other", nil
}

// knownProjects are those that have something.
func (s *Server) knownProjects() []string {
	seen := map[string]bool{}
	for _, c := range s.collections {
		for _, row := range s.store.Select(c.typ.Kind, "") {
			seen[row.Base().ProjectID] = true
		}
	}
	out := []string{}
	for p := range seen {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}
