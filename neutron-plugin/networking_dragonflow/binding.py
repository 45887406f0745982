"""Where ports can be bound: to chassis that live and have the network."""

from typing import Any

from neutron_lib import constants
from neutron_lib.agent import constants as agent_constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, resources
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from oslo_log import log

from networking_dragonflow import database

LOG = log.getLogger(__name__)

# How Neutron calls agents that program Open vSwitch: Nova and clients know the name, and ML2 binds ports again whose
# binding failed when such an agent comes back.
AGENT_TYPE = str(constants.AGENT_TYPE_OVS)
AGENT_BINARY = "dragonflow-controller"

NOT_BOUND = (portbindings.VIF_TYPE_UNBOUND, portbindings.VIF_TYPE_BINDING_FAILED)

PHYSICAL = (constants.TYPE_FLAT, constants.TYPE_VLAN)


def bind(context: Any) -> None:
    """Bind the port of a PortContext to its host with the first segment that the host has; else leave it."""
    port = context.current
    if port[portbindings.VNIC_TYPE] != portbindings.VNIC_NORMAL:
        LOG.info(
            "dragonflow: port %s is not bound: no chassis has a vnic of the type %s",
            port["id"],
            port[portbindings.VNIC_TYPE],
        )
        return
    guaranteed = _guaranteed(port)
    for agent in context.host_agents(AGENT_TYPE):
        if not agent["alive"]:
            LOG.warning("dragonflow: port %s is not bound to %s: its controller is dead", port["id"], agent["host"])
            continue
        # Chassis take the physical network that they have before the tunnels.
        for segment in sorted(context.segments_to_bind, key=lambda s: s[api.NETWORK_TYPE] not in PHYSICAL):
            if reaches(agent, segment) and (not guaranteed or guarantees(agent, segment)):
                vif_type, details = _vif(agent, port)
                context.set_binding(segment[api.ID], vif_type, details)
                return
        LOG.warning(
            "dragonflow: port %s is not bound to %s, which has not its network%s",
            port["id"],
            agent["host"],
            ", or guarantees no bandwidth there" if guaranteed else "",
        )


def bind_again(context: Any, host: str) -> None:
    """Have ML2 bind the ports of a host whose binding failed, as it does by itself when an agent revives."""
    state = {"agent_status": agent_constants.AGENT_REVIVED, "admin_state_up": True, "agent_type": AGENT_TYPE}
    payload = events.DBEventPayload(context, metadata={"host": host}, desired_state=state)
    directory.get_plugin()._retry_binding_revived_agents(  # noqa: SLF001 (a public event would tell others, too)
        resources.AGENT, events.AFTER_UPDATE, None, payload
    )


def reaches(agent: dict[str, Any], segment: dict[str, Any]) -> bool:
    """Tell whether an agent's chassis has a segment of a network."""
    configurations = agent["configurations"]
    if segment[api.NETWORK_TYPE] in PHYSICAL:
        return segment[api.PHYSICAL_NETWORK] in configurations.get("physical_networks", [])
    return segment[api.NETWORK_TYPE] in configurations.get("tunnel_types", [])


def guarantees(agent: dict[str, Any], segment: dict[str, Any]) -> bool:
    """Tell whether an agent's chassis guarantees bandwidths on a segment."""
    return segment[api.PHYSICAL_NETWORK] in (agent["configurations"].get("bandwidths") or {})


def _guaranteed(port: dict[str, Any]) -> bool:
    policy = port.get("qos_policy_id") or port.get("qos_network_policy_id")
    return policy is not None and database.guaranteed(policy) > 0


def wired_by_chassis(port: dict[str, Any]) -> bool:
    """Tell whether a chassis says when a port is wired; routers' ports are on all of them."""
    owner = port["device_owner"]
    return owner not in constants.ROUTER_INTERFACE_OWNERS_SNAT and owner not in (
        constants.DEVICE_OWNER_ROUTER_GW,
        constants.DEVICE_OWNER_FLOATINGIP,
    )


def _vif(agent: dict[str, Any], port: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    configurations = agent["configurations"]
    details: dict[str, Any] = {
        portbindings.CAP_PORT_FILTER: True,
        portbindings.VIF_DETAILS_CONNECTIVITY: portbindings.CONNECTIVITY_L2,
        portbindings.VIF_DETAILS_BRIDGE_NAME: configurations.get("integration_bridge", "br-int"),
        portbindings.OVS_DATAPATH_TYPE: configurations.get("datapath_type", "system"),
    }
    directory = configurations.get("vhostuser_socket_dir")
    if not directory:
        return portbindings.VIF_TYPE_OVS, details
    # Nova makes the socket and the switch connects: a switch that is started anew finds its guests again.
    details |= {
        portbindings.VHOST_USER_SOCKET: f"{directory}/{constants.VHOST_USER_DEVICE_PREFIX}{port['id'][:11]}",
        portbindings.VHOST_USER_MODE: portbindings.VHOST_USER_MODE_SERVER,
        portbindings.VHOST_USER_OVS_PLUG: True,
    }
    return portbindings.VIF_TYPE_VHOST_USER, details
