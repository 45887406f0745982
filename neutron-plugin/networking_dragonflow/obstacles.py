"""What stands in a cloud's way to Dragonflow: the questions that are asked of Neutron's database, as data.

Each is one SELECT over tables of Neutron, of which a release may lack some; then nothing of the sort can be there. It
returns the id, and a name or another word, of every object that it finds.
"""

import dataclasses

# What an obstacle means for the adoption, the worst first.
STOPS = "stops"  # what depends on it would not work; has to go first
BREAKS = "breaks"  # what works today works differently or is interrupted
WEIGHTS = (STOPS, BREAKS)


@dataclasses.dataclass(frozen=True)
class Obstacle:
    """A question to the database and what to do about the answer.

    Needs names tables, or table.column, without which the question is not asked. The query may use the parameters
    first_transit and last_transit.
    """

    weight: str
    title: str
    remedy: str
    needs: tuple[str, ...]
    query: str


_NETWORKS = (
    Obstacle(
        STOPS,
        "networks of a type that chassis do not carry",
        "move their ports to networks of the types geneve, vxlan, vlan or flat",
        ("networksegments",),
        "SELECT n.id, s.network_type FROM networksegments s JOIN networks n ON n.id = s.network_id"
        " WHERE s.network_type NOT IN ('geneve', 'vxlan', 'vlan', 'flat')",
    ),
    Obstacle(
        STOPS,
        "networks with an identifier that routers use between chassis",
        "set transit-vnis of all servers to identifiers that are free, and ask again with --transit-vnis",
        ("networksegments",),
        "SELECT n.id, n.name FROM networksegments s JOIN networks n ON n.id = s.network_id"
        " WHERE s.network_type IN ('geneve', 'vxlan') AND s.segmentation_id BETWEEN :first_transit AND :last_transit",
    ),
    Obstacle(
        STOPS,
        "networks that carry their guests' own VLAN tags",
        "recreate them without vlan_transparent: chassis drop tags that belong to no sub-port",
        ("networks.vlan_transparent",),
        "SELECT id, name FROM networks WHERE vlan_transparent IS TRUE",
    ),
    Obstacle(
        STOPS,
        "networks with VLANs in VLANs",
        "recreate them without qinq",
        ("networks.qinq",),
        "SELECT id, name FROM networks WHERE qinq IS TRUE",
    ),
    Obstacle(
        STOPS,
        "subnets whose prefix is delegated from outside",
        "give them a prefix of a subnet pool: there is no DHCPv6 client in chassis",
        ("subnets.subnetpool_id",),
        "SELECT id, cidr FROM subnets WHERE subnetpool_id = 'prefix_delegation'",
    ),
    Obstacle(
        BREAKS,
        "subnets with DHCP and without name servers",
        "name some, or set dns-servers of the controllers: there is no dnsmasq that resolves",
        ("subnets", "dnsnameservers"),
        "SELECT id, cidr FROM subnets WHERE enable_dhcp IS TRUE AND id NOT IN (SELECT subnet_id FROM dnsnameservers)",
    ),
)

_PORTS = (
    Obstacle(
        STOPS,
        "ports with a vnic that is not in Open vSwitch",
        "move these guests to ports with vnic_type normal, or leave their hosts to another mechanism driver",
        ("ml2_port_bindings",),
        "SELECT DISTINCT port_id, vnic_type FROM ml2_port_bindings WHERE vnic_type <> 'normal'",
    ),
    Obstacle(
        STOPS,
        "ports that Nova has plugged into something else than Open vSwitch",
        "move these guests to hosts whose ports are in Open vSwitch",
        ("ml2_port_bindings",),
        "SELECT DISTINCT port_id, vif_type FROM ml2_port_bindings"
        " WHERE vif_type NOT IN ('ovs', 'vhostuser', 'unbound', 'binding_failed', 'distributed')",
    ),
    Obstacle(
        STOPS,
        "ports behind a Linux bridge of iptables",
        "set firewall_driver = openvswitch of their agents, then migrate or hard-reboot these guests:"
        " what iptables refuse today they would refuse for ever",
        ("ml2_port_bindings",),
        "SELECT DISTINCT port_id, host FROM ml2_port_bindings WHERE vif_details LIKE '%\"ovs_hybrid_plug\": true%'",
    ),
    Obstacle(
        STOPS,
        "ports of private VLANs within a network",
        "use security groups instead",
        ("portpvlan",),
        "SELECT port_id, pvlan_type FROM portpvlan",
    ),
    Obstacle(
        BREAKS,
        "ports of DHCP and metadata agents",
        "delete them when the agents are gone; guests that have a route by them to 169.254.169.254"
        " lose the metadata until they renew their lease",
        ("ports",),
        "SELECT id, device_id FROM ports WHERE device_owner IN ('network:dhcp', 'network:distributed')",
    ),
)

_ROUTERS = (
    Obstacle(
        STOPS,
        "routers that are highly available by VRRP",
        "openstack router set --disable, --no-ha, --enable: their ports are of a sort that only L3 agents know",
        ("router_extra_attributes.ha",),
        "SELECT r.id, r.name FROM router_extra_attributes a JOIN routers r ON r.id = a.router_id WHERE a.ha IS TRUE",
    ),
    Obstacle(
        BREAKS,
        "routers that agents distribute",
        "openstack router set --disable, --centralized, --enable frees the addresses that only agents need;"
        " every router is distributed here, with SNAT at a gateway",
        ("router_extra_attributes.distributed",),
        "SELECT r.id, r.name FROM router_extra_attributes a JOIN routers r ON r.id = a.router_id"
        " WHERE a.distributed IS TRUE",
    ),
    Obstacle(
        BREAKS,
        "routers with a gateway",
        "set gateway: true on two chassis or more that reach their external networks; connections by SNAT begin anew",
        ("routers",),
        "SELECT id, name FROM routers WHERE gw_port_id IS NOT NULL",
    ),
    Obstacle(
        STOPS,
        "proxies for neighbour discovery",
        "route the prefixes of these ports to the router's address outside",
        ("ndp_proxies",),
        "SELECT id, ip_address FROM ndp_proxies",
    ),
    Obstacle(
        STOPS,
        "helpers of connection tracking",
        "have these protocols work without: no chassis looks into what guests send",
        ("conntrack_helpers",),
        "SELECT id, helper FROM conntrack_helpers",
    ),
)

_SERVICES = (
    Obstacle(
        BREAKS,
        "guaranteed bandwidths",
        "set bandwidths of the controllers of all hosts with such ports, and delete rules that ports in tunnels have:"
        " a bandwidth is guaranteed on the way to a physical network",
        ("qos_minimum_bandwidth_rules",),
        "SELECT id, qos_policy_id FROM qos_minimum_bandwidth_rules",
    ),
    Obstacle(
        BREAKS,
        "guaranteed packet rates",
        "delete these rules: chassis guarantee no packet rates",
        ("qos_minimum_packet_rate_rules",),
        "SELECT id, qos_policy_id FROM qos_minimum_packet_rate_rules",
    ),
    Obstacle(
        BREAKS,
        "floating IPs with a QoS policy",
        "give it to their ports: those of addresses outside are not carried out",
        ("qos_fip_policy_bindings",),
        "SELECT fip_id, policy_id FROM qos_fip_policy_bindings",
    ),
    Obstacle(
        BREAKS,
        "routers' gateways with a QoS policy",
        "give it to the ports of guests: those of addresses outside are not carried out",
        ("qos_router_gw_policy_bindings",),
        "SELECT router_id, policy_id FROM qos_router_gw_policy_bindings",
    ),
    Obstacle(
        STOPS,
        "local IPs",
        "give the ports behind them addresses that their clients know",
        ("local_ips",),
        "SELECT id, name FROM local_ips",
    ),
    Obstacle(
        BREAKS,
        "logs of something else than security groups",
        "delete them: nothing is written into these logs",
        ("logs",),
        "SELECT id, name FROM logs WHERE resource_type <> 'security_group'",
    ),
    Obstacle(
        BREAKS,
        "labels of metering",
        "count by other means: nothing is metered",
        ("meteringlabels",),
        "SELECT id, name FROM meteringlabels",
    ),
    Obstacle(
        STOPS,
        "networks that BGP carries as EVPN",
        "connect them by VLANs of a physical network",
        ("evpn_networks",),
        "SELECT network_id, router_id FROM evpn_networks",
    ),
)

# Of Neutron's other projects: the table that has a row for each thing, and what it is.
_OTHER_PROJECTS = (
    ("firewall_groups_v2", "firewall groups (neutron-fwaas)", "use security groups"),
    ("vpnservices", "VPNs (neutron-vpnaas)", "end them in a guest"),
    ("bgp_speakers", "BGP speakers (neutron-dynamic-routing)", "announce these prefixes from a router outside"),
    ("bgpvpns", "VPNs by BGP (networking-bgpvpn)", "connect them by VLANs of a physical network"),
    ("l2gateways", "L2 gateways (networking-l2gw)", "connect them by VLANs of a physical network"),
    ("sfc_port_chains", "chains of services (networking-sfc)", "route through these guests"),
    ("tap_services", "taps (tap-as-a-service)", "watch on the chassis with tcpdump"),
)

OBSTACLES = (
    *_NETWORKS,
    *_PORTS,
    *_ROUTERS,
    *_SERVICES,
    *(
        Obstacle(STOPS, what, remedy, (f"{table}.id",), f"SELECT id, id FROM {table}")  # noqa: S608 (names of ours)
        for table, what, remedy in _OTHER_PROJECTS
    ),
)
