"""The extensions that are served: those that chassis carry out, and those that Neutron's database does by itself.

A name that is not here is not offered, whatever a release of Neutron adds.
"""

# Of ML2 and of its extension drivers.
OF_NETWORKS = frozenset(
    {
        # carried out by chassis
        "address-group",
        "agent",
        "allowed-address-pairs",
        "binding",
        "binding-extended",
        "dns-domain-ports",
        "dns-integration",
        "dns-integration-domain-keywords",
        "external-net",
        "extra_dhcp_opt",
        "multi-provider",
        "net-mtu",
        "net-mtu-writable",
        "port-security",
        "provider",
        "security-group",
        "security-groups-remote-address-group",
        "stateful-security-group",
        "subnet-dns-publish-fixed-ip",
        # of the database
        "address-scope",
        "agent_sort_key",
        "aap-reject-multicast",
        "auto-allocated-topology",
        "availability_zone",
        "availability_zone_filter",
        "default-subnetpools",
        "empty-string-filtering",
        "filter-validation",
        "ip-substring-filtering",
        "network-ip-availability",
        "port-mac-address-override",
        "port-mac-address-regenerate",
        "quota-check-limit",
        "quota-check-limit-default",
        "quota_details",
        "quotas",
        "rbac-address-group",
        "rbac-address-scope",
        "rbac-policies",
        "rbac-security-groups",
        "rbac-subnetpool",
        "security-groups-default-rules",
        "security-groups-default-statefulness",
        "security-groups-normalized-cidr",
        "security-groups-port-filtering",
        "security-groups-rules-belongs-to-default-sg",
        "security-groups-shared-filtering",
        "standard-attr-description",
        "standard-attr-revisions",
        "standard-attr-tag",
        "standard-attr-timestamp",
        "subnet-external-network",
        "subnet-service-types",
        "subnet_allocation",
        "subnet_onboard",
        "subnetpool-prefix-ops",
        "tag-ports-during-bulk-creation",
    }
)

# Of the router plugin.
OF_ROUTERS = (
    "router",
    "extraroute",
    "extraroute-atomic",
    "ext-gw-mode",
    "fip-port-details",
    "floating-ip-port-forwarding-detail",
    "floatingip-pools",
    "dns-integration",
    "pagination",
    "sorting",
    "project-id",
)
