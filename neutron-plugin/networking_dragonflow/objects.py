"""What is pushed of each kind of object: the attributes that servers read, in one form, and their digest.

The same object always has the same form and digest, whether it comes from a request or from Neutron's database: lists
whose order means nothing are sorted, and what is absent, null or empty by default is left out.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

NETWORK = "network"
SUBNETPOOL = "subnetpool"
SUBNET = "subnet"
SECURITY_GROUP = "security_group"
ADDRESS_GROUP = "address_group"
SECURITY_GROUP_RULE = "security_group_rule"
ROUTER = "router"
PORT = "port"
FLOATINGIP = "floatingip"
PORT_FORWARDING = "port_forwarding"
TRUNK = "trunk"
QOS_POLICY = "qos_policy"
LOG = "log"

# The tag of routers for which each chassis translates what its own guests send outside.
DISTRIBUTED_SNAT = "distributed-snat"

# In the order in which an audit goes through them: what others refer to comes first.
KINDS = (
    QOS_POLICY, NETWORK, SUBNETPOOL, SUBNET, SECURITY_GROUP, ADDRESS_GROUP, SECURITY_GROUP_RULE, ROUTER, PORT,
    FLOATINGIP, PORT_FORWARDING, TRUNK, LOG,
)  # fmt: skip

_ALWAYS = ("id", "project_id", "name")

_READ = {
    NETWORK: (
        "admin_state_up", "mtu", "dns_domain", "router:external", "port_security_enabled", "segments", "qos_policy_id",
    ),
    SUBNETPOOL: ("address_scope_id",),
    SUBNET: (
        "network_id", "cidr", "ip_version", "gateway_ip", "enable_dhcp", "dns_nameservers", "host_routes",
        "allocation_pools", "ipv6_ra_mode", "ipv6_address_mode", "subnetpool_id", "segment_id",
    ),
    SECURITY_GROUP: ("stateful",),
    ADDRESS_GROUP: ("addresses",),
    SECURITY_GROUP_RULE: (
        "security_group_id", "direction", "ethertype", "protocol", "port_range_min", "port_range_max",
        "remote_ip_prefix", "remote_group_id", "remote_address_group_id",
    ),
    ROUTER: ("admin_state_up", "routes", "external_gateway_info", "availability_zone_hints", "tags"),
    PORT: (
        "network_id", "admin_state_up", "mac_address", "fixed_ips", "device_id", "device_owner",
        "port_security_enabled", "security_groups", "allowed_address_pairs", "extra_dhcp_opts", "dns_name",
        "binding:host_id", "binding:vnic_type", "binding:vif_type", "binding:profile", "bindings",
        "qos_policy_id",
    ),
    FLOATINGIP: ("floating_network_id", "floating_ip_address", "port_id", "fixed_ip_address", "router_id"),
    PORT_FORWARDING: (
        "floatingip_id", "internal_port_id", "internal_ip_address", "protocol", "external_port", "external_port_range",
        "internal_port", "internal_port_range",
    ),
    # Sub-ports do not raise the trunk's revision: the digest covers them.
    TRUNK: ("port_id", "admin_state_up", "sub_ports"),
    QOS_POLICY: ("rules",),
    LOG: ("resource_type", "resource_id", "target_id", "event", "enabled"),
}  # fmt: skip

# Lists in which the order means nothing; Neutron gives them as the database happens to.
_UNORDERED = {
    "fixed_ips", "security_groups", "allowed_address_pairs", "extra_dhcp_opts", "host_routes", "allocation_pools",
    "routes", "addresses", "bindings", "external_fixed_ips", "sub_ports", "rules",
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """What becomes of one object. Without a body it is deleted."""

    kind: str
    id: str
    revision: int
    body: Object | None
    generation: str | None = None

    @property
    def digest(self) -> str:
        """The digest of the body."""
        return digest(self.body or {})

    def wire(self) -> Object:
        """Return the change as servers read it."""
        wire: Object = {"kind": self.kind, "id": self.id, "revision": self.revision}
        if self.generation is not None:
            wire["generation"] = self.generation
        if self.body is None:
            return wire | {"deleted": True}
        return wire | {"digest": self.digest, "object": self.body}


def stored(kind: str, shown: Object, generation: str | None = None) -> Change:
    """Return the change that makes servers have the object as Neutron shows it."""
    return Change(kind, shown["id"], int(shown.get("revision_number") or 0), body(kind, shown), generation)


def deleted(kind: str, id_: str, revision: int = 0) -> Change:
    """Return the change that deletes an object, of which revision was the last that is known."""
    return Change(kind, id_, revision, None)


def absent(kind: str, id_: str, generation: str) -> Change:
    """Return the change that deletes what servers have and Neutron has not, unless it has been written since."""
    return Change(kind, id_, 0, None, generation)


def body(kind: str, shown: Object) -> Object:
    """Return of an object, as Neutron shows it, what servers read."""
    read = {name: _canonical(name, shown[name]) for name in _ALWAYS + _READ[kind] if name in shown}
    finish = _FINISH.get(kind)
    if finish is not None:
        finish(read)
    return {name: value for name, value in read.items() if value not in (None, "", {}, [])}


def digest(of: Object) -> str:
    """Return what tells bodies apart."""
    text = json.dumps(of, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _canonical(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _canonical(k, v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple | set):
        items = [_canonical("", item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if name in _UNORDERED else items
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)  # addresses and prefixes of netaddr


def _port(read: Object) -> None:
    # Nothing is told of several bindings unless there is another than the active one, of which the port tells.
    if not any(b.get("status") != "ACTIVE" for b in read.get("bindings") or []):
        read.pop("bindings", None)


def _router(read: Object) -> None:
    if DISTRIBUTED_SNAT in (read.pop("tags", None) or ()):
        read["distributed_snat"] = True
    gateway = read.get("external_gateway_info")
    if gateway:
        read["external_gateway_info"] = {
            k: v for k, v in gateway.items() if k in ("network_id", "enable_snat", "external_fixed_ips")
        }


def _qos_policy(read: Object) -> None:
    # What rules are called and whose they are does not matter to chassis.
    limits = ("type", "direction", "max_kbps", "max_burst_kbps", "max_kpps", "max_burst_kpps", "min_kbps", "dscp_mark")
    read["rules"] = [{name: rule[name] for name in limits if name in rule} for rule in read.get("rules") or []]


_FINISH: dict[str, Callable[[Object], None]] = {PORT: _port, ROUTER: _router, QOS_POLICY: _qos_policy}
